//! Identity, order and failures of the client, on real servers.

use std::time::{Duration, Instant};

use maxlab_auth_testkit::wait::poll_within;
use maxlab_auth_testkit::{RedisCluster, RedisOptions, RedisSentinels, RedisServer};
use redis::{Cmd, Pipeline, Value};

use super::*;

const TIMEOUT: Duration = Duration::from_secs(20);

fn nodes(nodes: Vec<(String, u16)>, service: &str) -> RedisNodes {
    RedisNodes {
        nodes,
        service: service.to_owned(),
        database: 0,
        username: None,
        password: None,
        sentinel_password: None,
        tls: false,
        ca_certificates: None,
    }
}

async fn cluster() -> (RedisCluster, RedisClient) {
    let cluster = RedisCluster::start().await.unwrap();
    let client = RedisClient::for_cluster(&nodes(cluster.nodes(), ""));
    client.identity().await.unwrap();
    (cluster, client)
}

async fn sentinels() -> (RedisSentinels, RedisClient) {
    let deployment = RedisSentinels::start().await.unwrap();
    let client = RedisClient::for_sentinel(&nodes(deployment.nodes(), deployment.service()));
    client.identity().await.unwrap();
    (deployment, client)
}

/// Returns the identity as soon as the client works again.
async fn identity_at_last(client: &RedisClient) -> ServerIdentity {
    let identity = poll_within(TIMEOUT, async || client.refresh_identity().await.ok()).await;
    identity.expect("the client works again")
}

fn set(key: &str, value: &str) -> Cmd {
    let mut command = redis::cmd("SET");
    command.arg(key).arg(value);
    command
}

fn get(key: &str) -> Cmd {
    let mut command = redis::cmd("GET");
    command.arg(key);
    command
}

fn blocking_read() -> Cmd {
    let mut command = redis::cmd("XREAD");
    command.arg(&["BLOCK", "10000", "STREAMS", "revocations", "$"]);
    command
}

/// Checks that a blocking read returns a new entry, and that other commands are not delayed by it.
async fn a_dedicated_connection_blocks_alone(client: &RedisClient) {
    let mut dedicated: DedicatedConnection = client.open_dedicated().await.unwrap();
    assert_eq!(dedicated.identity(), &client.identity().await.unwrap());
    let reading = tokio::spawn(async move {
        let answer: Value = dedicated
            .query(&blocking_read(), Duration::from_secs(12))
            .await
            .unwrap();
        (dedicated, answer)
    });
    // Entries are written until one arrives: the read may not have begun when the first one is written.
    let mut add = redis::cmd("XADD");
    add.arg(&["revocations", "*", "key", "value"]);
    let started = Instant::now();
    while !reading.is_finished() {
        client.query::<String>(&add).await.unwrap();
        assert!(
            started.elapsed() < Duration::from_secs(8),
            "the read does not end"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (mut dedicated, answer) = reading.await.unwrap();
    assert!(
        matches!(&answer, Value::Array(streams) if streams.len() == 1),
        "{answer:?}"
    );
    let timed_out = dedicated
        .query::<Value>(&blocking_read(), Duration::from_millis(100))
        .await;
    assert!(timed_out.is_err(), "the caller's own limit holds");
    let fault = dedicated
        .query::<Value>(&redis::cmd("PING"), TIMEOUT)
        .await
        .unwrap_err();
    assert!(fault.to_string().contains("failed before"), "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_server_is_another_after_a_restart_although_its_data_is_the_same() {
    let mut server = RedisServer::start().await.unwrap();
    let client = RedisClient::new(&server.url(), None).unwrap();
    let before = client.identity().await.unwrap();
    let (_, identity_of_reply) = client
        .pipeline_ordered_with_identity::<(String,)>(Pipeline::new().add_command(set("k", "v")))
        .await
        .unwrap();
    assert_eq!(identity_of_reply, before);
    assert_eq!(client.refresh_identity().await.unwrap(), before);
    assert_eq!(client.confirm().await.unwrap(), before);
    let mut dedicated = client.open_dedicated().await.unwrap();
    server.restart().await.unwrap();
    let after = identity_at_last(&client).await;
    assert_ne!(after, before);
    assert_eq!(client.query::<String>(&get("k")).await.unwrap(), "v");
    assert!(
        dedicated
            .query::<Value>(&redis::cmd("PING"), TIMEOUT)
            .await
            .is_err()
    );
    a_dedicated_connection_blocks_alone(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_nobody_and_one_that_becomes_a_replica_is_noticed() {
    let options = RedisOptions::plain();
    let master = RedisServer::start_with(options.clone()).await.unwrap();
    let other = RedisServer::start_with(options.clone().replica_of(&master))
        .await
        .unwrap();
    let client = RedisClient::new(&other.url(), None).unwrap();
    assert!(
        client
            .identity()
            .await
            .unwrap_err()
            .to_string()
            .contains("replica")
    );
    other.command(&["REPLICAOF", "NO", "ONE"]).await.unwrap();
    let identity = identity_at_last(&client).await;
    let port = master.port().to_string();
    other.command(&["REPLICAOF", "127.0.0.1", &port]).await.unwrap();
    assert!(client.refresh_identity().await.is_err());
    assert_ne!(
        RedisClient::new(&master.url(), None)
            .unwrap()
            .identity()
            .await
            .unwrap(),
        identity
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn under_sentinel_the_identity_changes_with_the_master() {
    let (mut deployment, client) = sentinels().await;
    let before = client.confirm().await.unwrap();
    assert_eq!(client.identity().await.unwrap(), before);
    a_dedicated_connection_blocks_alone(&client).await;
    let mut dedicated = client.open_dedicated().await.unwrap();
    let old = deployment.master().await.unwrap();
    deployment.server_mut(old).kill();
    deployment.wait_for_new_master(old).await.unwrap();
    let after = identity_at_last(&client).await;
    assert_ne!(after, before);
    assert_eq!(client.confirm().await.unwrap(), after);
    let (_, identity_of_reply) = client
        .pipeline_ordered_with_identity::<(String,)>(Pipeline::new().add_command(set("k", "v")))
        .await
        .unwrap();
    assert_eq!(identity_of_reply, after);
    assert!(
        dedicated
            .query::<Value>(&redis::cmd("PING"), TIMEOUT)
            .await
            .is_err()
    );
    assert_eq!(client.open_dedicated().await.unwrap().identity(), &after);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_identity_of_a_cluster_is_that_of_every_master() {
    let (mut cluster, client) = cluster().await;
    let mut identities = vec![client.confirm().await.unwrap()];
    for server in 0..3 {
        cluster.server_mut(server).restart().await.unwrap();
        let identity = identity_at_last(&client).await;
        assert!(!identities.contains(&identity), "master {server} was restarted");
        assert_eq!(client.identity().await.unwrap(), identity);
        identities.push(identity);
    }
    let mut reads = Pipeline::new();
    for key in ["a", "b", "c", "d", "e"] {
        reads.add_command(get(key));
    }
    // A restarted master waits for a moment before it takes part again.
    let identity_of_reply = poll_within(TIMEOUT, async || {
        let reply = client
            .pipeline_unordered_with_identity::<Vec<Value>>(&reads)
            .await;
        reply.ok().map(|(_, identity)| identity)
    });
    assert_eq!(identity_of_reply.await.as_ref(), identities.last());
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_cluster_the_stream_has_a_home() {
    let (cluster, client) = cluster().await;
    a_dedicated_connection_blocks_alone(&client).await;
    let owner = cluster.owner("revocations").await.unwrap();
    let length = cluster.servers()[owner].command(&["XLEN", "revocations"]).await;
    assert!(length.is_ok());
    let time: (u64, u64) = client.query(&redis::cmd("TIME")).await.unwrap();
    assert!(time.0 > 1_700_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_cluster_the_answers_of_a_trip_keep_its_order() {
    let (_cluster, client) = cluster().await;
    let mut writes = Pipeline::new();
    let mut reads = Pipeline::new();
    for n in 0..200 {
        writes.add_command(set(&format!("key{n}"), &n.to_string()));
        reads.add_command(get(&format!("key{n}")));
    }
    client.pipeline_unordered::<Vec<String>>(&writes).await.unwrap();
    let expected: Vec<u32> = (0..200).collect();
    assert_eq!(
        client.pipeline_unordered::<Vec<u32>>(&reads).await.unwrap(),
        expected
    );
    assert_eq!(
        client.pipeline_ordered::<Vec<u32>>(&reads).await.unwrap(),
        expected
    );
    let fault = client
        .pipeline_ordered::<Value>(Pipeline::new().atomic().add_command(get("a")))
        .await;
    assert!(fault.unwrap_err().to_string().contains("transaction"));
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_cluster_what_follows_a_failure_is_not_sent() {
    let (_cluster, client) = cluster().await;
    client.query::<()>(&set("a", "text")).await.unwrap();
    let mut wrong = redis::cmd("HGET");
    wrong.arg("a").arg("field");
    let mut pipeline = Pipeline::new();
    pipeline
        .add_command(set("b", "1"))
        .add_command(wrong)
        .add_command(set("c", "1"));
    let fault = client
        .pipeline_ordered::<Vec<Value>>(&pipeline)
        .await
        .unwrap_err();
    assert!(fault.to_string().contains("WRONGTYPE"), "{fault}");
    assert_eq!(
        client
            .query::<Option<String>>(&get("b"))
            .await
            .unwrap()
            .as_deref(),
        Some("1")
    );
    assert_eq!(client.query::<Option<String>>(&get("c")).await.unwrap(), None);
    assert!(
        client.pipeline_unordered::<Vec<Value>>(&pipeline).await.is_err(),
        "an error of any is one of all"
    );
}

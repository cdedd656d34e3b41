//! What a caller learns of the servers behind a link, on real ones.

use std::time::{Duration, Instant};

use maxlab_auth_testkit::{RedisCluster, RedisOptions, RedisSentinels, RedisServer};
use redis::{Cmd, Pipeline, Value};

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

fn nodes(nodes: Vec<(String, u16)>, service: &str) -> RedisNodes {
    RedisNodes {
        nodes,
        service: service.to_owned(),
        database: 0,
        username: None,
        password: None,
        sentinel_password: None,
        tls: false,
    }
}

async fn cluster() -> (RedisCluster, Link) {
    let cluster = RedisCluster::start().await.unwrap();
    let link = Link::cluster(&nodes(cluster.nodes(), ""));
    link.identity().await.unwrap();
    (cluster, link)
}

async fn sentinels() -> (RedisSentinels, Link) {
    let deployment = RedisSentinels::start().await.unwrap();
    let link = Link::sentinel(&nodes(deployment.nodes(), deployment.service()));
    link.identity().await.unwrap();
    (deployment, link)
}

/// The identity once the link works again.
async fn identity_at_last(link: &Link) -> ServerIdentity {
    let started = Instant::now();
    loop {
        match link.refresh().await {
            Ok(identity) => return identity,
            Err(fault) => assert!(started.elapsed() < PATIENCE, "{fault}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
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

/// A read that blocks ends with an entry, and disturbs nobody meanwhile.
async fn a_dedicated_connection_blocks_alone(link: &Link) {
    let mut dedicated: Dedicated = link.dedicated().await.unwrap();
    assert_eq!(dedicated.identity(), &link.identity().await.unwrap());
    let reading = tokio::spawn(async move {
        let answer: Value = dedicated
            .ask(&blocking_read(), Duration::from_secs(12))
            .await
            .unwrap();
        (dedicated, answer)
    });
    // The read may not have begun yet when the first entry is written.
    let mut add = redis::cmd("XADD");
    add.arg(&["revocations", "*", "key", "value"]);
    let started = Instant::now();
    while !reading.is_finished() {
        link.one::<String>(&add).await.unwrap();
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
    let late = dedicated
        .ask::<Value>(&blocking_read(), Duration::from_millis(100))
        .await;
    assert!(late.is_err(), "the caller's own limit holds");
    let fault = dedicated
        .ask::<Value>(&redis::cmd("PING"), PATIENCE)
        .await
        .unwrap_err();
    assert!(fault.to_string().contains("failed before"), "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_server_is_another_after_a_restart_although_its_data_is_the_same() {
    let mut server = RedisServer::start().await.unwrap();
    let link = Link::new(&server.url()).unwrap();
    let before = link.identity().await.unwrap();
    let (_, answered) = link
        .trip_with_identity::<(String,)>(Pipeline::new().add_command(set("k", "v")))
        .await
        .unwrap();
    assert_eq!(answered, before);
    assert_eq!(link.refresh().await.unwrap(), before);
    assert_eq!(link.confirm().await.unwrap(), before);
    let mut dedicated = link.dedicated().await.unwrap();
    server.restart().await.unwrap();
    let after = identity_at_last(&link).await;
    assert_ne!(after, before);
    assert_eq!(link.one::<String>(&get("k")).await.unwrap(), "v");
    assert!(
        dedicated
            .ask::<Value>(&redis::cmd("PING"), PATIENCE)
            .await
            .is_err()
    );
    a_dedicated_connection_blocks_alone(&link).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_nobody_and_one_that_becomes_a_replica_is_noticed() {
    let options = RedisOptions::plain();
    let master = RedisServer::start_with(options.clone()).await.unwrap();
    let other = RedisServer::start_with(options.clone().replica_of(&master))
        .await
        .unwrap();
    let link = Link::new(&other.url()).unwrap();
    assert!(link.identity().await.unwrap_err().to_string().contains("replica"));
    other.command(&["REPLICAOF", "NO", "ONE"]).await.unwrap();
    let identity = identity_at_last(&link).await;
    let port = master.port().to_string();
    other.command(&["REPLICAOF", "127.0.0.1", &port]).await.unwrap();
    assert!(link.refresh().await.is_err());
    assert_ne!(
        Link::new(&master.url()).unwrap().identity().await.unwrap(),
        identity
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn under_sentinel_the_identity_changes_with_the_master() {
    let (mut deployment, link) = sentinels().await;
    let before = link.confirm().await.unwrap();
    assert_eq!(link.identity().await.unwrap(), before);
    a_dedicated_connection_blocks_alone(&link).await;
    let mut dedicated = link.dedicated().await.unwrap();
    let old = deployment.master().await.unwrap();
    deployment.server_mut(old).kill();
    deployment.master_other_than(old).await.unwrap();
    let after = identity_at_last(&link).await;
    assert_ne!(after, before);
    assert_eq!(link.confirm().await.unwrap(), after);
    let (_, answered) = link
        .trip_with_identity::<(String,)>(Pipeline::new().add_command(set("k", "v")))
        .await
        .unwrap();
    assert_eq!(answered, after);
    assert!(
        dedicated
            .ask::<Value>(&redis::cmd("PING"), PATIENCE)
            .await
            .is_err()
    );
    assert_eq!(link.dedicated().await.unwrap().identity(), &after);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_identity_of_a_cluster_is_that_of_every_master() {
    let (mut cluster, link) = cluster().await;
    let mut seen = vec![link.confirm().await.unwrap()];
    for server in 0..3 {
        cluster.server_mut(server).restart().await.unwrap();
        let identity = identity_at_last(&link).await;
        assert!(!seen.contains(&identity), "master {server} was restarted");
        assert_eq!(link.identity().await.unwrap(), identity);
        seen.push(identity);
    }
    let mut reads = Pipeline::new();
    for key in ["a", "b", "c", "d", "e"] {
        reads.add_command(get(key));
    }
    let started = Instant::now();
    let answered = loop {
        match link.gather_with_identity::<Vec<Value>>(&reads).await {
            Ok((_, answered)) => break answered,
            // A master that was restarted waits a while before it takes part again.
            Err(fault) => assert!(started.elapsed() < PATIENCE, "{fault}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(Some(&answered), seen.last());
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_cluster_the_stream_has_a_home() {
    let (cluster, link) = cluster().await;
    a_dedicated_connection_blocks_alone(&link).await;
    let home = cluster.owner("revocations").await.unwrap();
    let length = cluster.servers()[home].command(&["XLEN", "revocations"]).await;
    assert!(length.is_ok());
    let time: (u64, u64) = link.one(&redis::cmd("TIME")).await.unwrap();
    assert!(time.0 > 1_700_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_cluster_the_answers_of_a_trip_keep_its_order() {
    let (_cluster, link) = cluster().await;
    let mut writes = Pipeline::new();
    let mut reads = Pipeline::new();
    for n in 0..200 {
        writes.add_command(set(&format!("key{n}"), &n.to_string()));
        reads.add_command(get(&format!("key{n}")));
    }
    link.gather::<Vec<String>>(&writes).await.unwrap();
    let expected: Vec<u32> = (0..200).collect();
    assert_eq!(link.gather::<Vec<u32>>(&reads).await.unwrap(), expected);
    assert_eq!(link.trip::<Vec<u32>>(&reads).await.unwrap(), expected);
    let fault = link
        .trip::<Value>(Pipeline::new().atomic().add_command(get("a")))
        .await;
    assert!(fault.unwrap_err().to_string().contains("transaction"));
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_cluster_what_follows_a_failure_is_not_sent() {
    let (_cluster, link) = cluster().await;
    link.one::<()>(&set("a", "text")).await.unwrap();
    let mut wrong = redis::cmd("HGET");
    wrong.arg("a").arg("field");
    let mut pipeline = Pipeline::new();
    pipeline
        .add_command(set("b", "1"))
        .add_command(wrong)
        .add_command(set("c", "1"));
    let fault = link.trip::<Vec<Value>>(&pipeline).await.unwrap_err();
    assert!(fault.to_string().contains("WRONGTYPE"), "{fault}");
    assert_eq!(
        link.one::<Option<String>>(&get("b")).await.unwrap().as_deref(),
        Some("1")
    );
    assert_eq!(link.one::<Option<String>>(&get("c")).await.unwrap(), None);
    assert!(
        link.gather::<Vec<Value>>(&pipeline).await.is_err(),
        "an error of any is one of all"
    );
}

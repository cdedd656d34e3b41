//! Redis and PostgreSQL start, die, freeze, restart with their data, and never outlive the test.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use maxlab_auth_testkit::servers::RedisReply;
use maxlab_auth_testkit::wait::eventually;
use maxlab_auth_testkit::{PostgresServer, RedisOptions, RedisServer};
use tokio::net::TcpStream;

/// Returns `true` for a process that is neither gone nor a zombie.
fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')')
        .is_some_and(|(_, state)| !state.trim_start().starts_with('Z'))
}

#[tokio::test]
async fn a_durable_redis_keeps_an_answered_write_through_kill_9() {
    let mut redis = RedisServer::start().await.unwrap();
    let (port, pid) = (redis.port(), redis.pid().unwrap());
    redis.command(&["SET", "blacklist:1", "revoked"]).await.unwrap();

    redis.kill();
    assert!(!alive(pid));
    assert!(
        TcpStream::connect(redis.addr()).await.is_err(),
        "a killed Redis refuses connections"
    );

    redis.restart().await.unwrap();
    assert_eq!(redis.port(), port);
    assert_ne!(redis.pid(), Some(pid));
    let kept = redis.command(&["GET", "blacklist:1"]).await.unwrap();
    assert_eq!(kept, RedisReply::Bulk(b"revoked".to_vec()));
}

#[tokio::test]
async fn a_plain_redis_loses_its_data_and_flush_all_empties_it() {
    let mut redis = RedisServer::start_with(RedisOptions::plain()).await.unwrap();
    redis.command(&["SET", "a", "1"]).await.unwrap();
    redis.flush_all().await.unwrap();
    assert_eq!(redis.command(&["GET", "a"]).await.unwrap(), RedisReply::Nil);

    redis.command(&["SET", "b", "1"]).await.unwrap();
    redis.stop().await.unwrap();
    redis.restart().await.unwrap();
    assert_eq!(redis.command(&["DBSIZE"]).await.unwrap(), RedisReply::Integer(0));
}

#[tokio::test]
async fn a_redis_goes_back_to_an_older_disk_and_is_replaced_by_an_empty_one() {
    let mut redis = RedisServer::start().await.unwrap();
    let (port, size) = (redis.port(), ["DBSIZE"]);
    redis.command(&["SET", "early", "1"]).await.unwrap();
    let early = redis.snapshot().unwrap();
    redis.command(&["SET", "late", "1"]).await.unwrap();

    // Twice, because the first time must not change the snapshot.
    for _ in 0..2 {
        redis.roll_back(&early).await.unwrap();
        assert_eq!(redis.command(&size).await.unwrap(), RedisReply::Integer(1));
        assert_eq!(redis.command(&["GET", "late"]).await.unwrap(), RedisReply::Nil);
        // Writes after the roll-back are durable, and do not reach the snapshot.
        redis.command(&["SET", "later", "1"]).await.unwrap();
        redis.restart().await.unwrap();
        assert_eq!(redis.command(&size).await.unwrap(), RedisReply::Integer(2));
    }

    redis.replace().await.unwrap();
    assert_eq!(redis.command(&size).await.unwrap(), RedisReply::Integer(0));
    assert_eq!(redis.port(), port);
    let plain = RedisServer::start_with(RedisOptions::plain()).await.unwrap();
    assert!(plain.snapshot().is_err(), "it has no disk");
}

#[tokio::test]
async fn redis_options_reach_the_server() {
    let options = RedisOptions::durable()
        .password("open-sesame")
        .setting("maxmemory-policy", "allkeys-lru");
    let redis = RedisServer::start_with(options).await.unwrap();
    assert!(redis.url().contains(":open-sesame@"));

    let policy = redis
        .command(&["CONFIG", "GET", "maxmemory-policy"])
        .await
        .unwrap();
    let RedisReply::Array(parts) = policy else {
        panic!("{policy:?}")
    };
    assert_eq!(parts[1].text().unwrap(), "allkeys-lru");
    let RedisReply::Array(synced) = redis.command(&["CONFIG", "GET", "appendfsync"]).await.unwrap() else {
        panic!("no array")
    };
    assert_eq!(synced[1].text().unwrap(), "always");
}

#[tokio::test]
async fn a_replica_follows_its_master() {
    let master = RedisServer::start().await.unwrap();
    let replica = RedisServer::start_with(RedisOptions::plain().replica_of(&master))
        .await
        .unwrap();
    master.command(&["SET", "a", "1"]).await.unwrap();
    eventually("the replica follows", async || {
        let reply = replica.command(&["GET", "a"]).await;
        reply.is_ok_and(|reply| reply.text().as_deref() == Some("1"))
    })
    .await;
}

#[tokio::test]
async fn a_paused_redis_does_not_answer() {
    let redis = RedisServer::start().await.unwrap();
    redis.pause();
    let reply = tokio::time::timeout(Duration::from_millis(300), redis.command(&["PING"])).await;
    assert!(reply.is_err(), "it answered while paused: {reply:?}");
    redis.resume();
    assert_eq!(
        redis.command(&["PING"]).await.unwrap(),
        RedisReply::Status("PONG".to_owned())
    );
}

#[tokio::test]
async fn postgres_gives_each_test_a_database_and_survives_kill_9() {
    let mut postgres = PostgresServer::start().await.unwrap();
    let (one, two) = (
        postgres.create_database().await.unwrap(),
        postgres.create_database().await.unwrap(),
    );
    assert_ne!(one, two);

    postgres
        .query(
            &one,
            "create table revocations (jti text); insert into revocations values ('a')",
        )
        .unwrap();
    assert!(
        postgres.query(&two, "select * from revocations").is_err(),
        "databases are apart"
    );

    let pid = postgres.pid().unwrap();
    postgres.kill();
    assert!(!alive(pid));
    assert!(TcpStream::connect(postgres.addr()).await.is_err());

    postgres.restart().await.unwrap();
    assert_eq!(postgres.query(&one, "select jti from revocations").unwrap(), "a");

    postgres.stop().await.unwrap();
    postgres.restart().await.unwrap();
    assert_eq!(postgres.query(&one, "select jti from revocations").unwrap(), "a");
}

#[tokio::test]
async fn a_synced_postgres_syncs_and_a_paused_one_does_not_answer() {
    let postgres = PostgresServer::start_synced().await.unwrap();
    let url = postgres.create_database().await.unwrap();
    assert_eq!(postgres.query(&url, "show fsync").unwrap(), "on");

    postgres.pause();
    // The kernel accepts the connection, so without a limit psql would wait for ever.
    let limited = format!("{url}?connect_timeout=2");
    assert!(
        postgres.query(&limited, "select 1").is_err(),
        "it answered while paused"
    );
    postgres.resume();
    assert_eq!(postgres.query(&url, "select 1").unwrap(), "1");
}

#[tokio::test]
async fn servers_end_when_dropped() {
    let redis = RedisServer::start().await.unwrap();
    let postgres = PostgresServer::start().await.unwrap();
    let pids = [redis.pid().unwrap(), postgres.pid().unwrap()];
    assert!(pids.iter().all(|pid| alive(*pid)));
    drop((redis, postgres));
    assert!(!pids.iter().any(|pid| alive(*pid)));
}

/// Other half of the next test, in a process of its own. Run as an ordinary test it does nothing.
#[tokio::test(flavor = "multi_thread")]
async fn hold_servers_until_killed() {
    let Some(notes) = std::env::var_os("TESTKIT_HOLD_SERVERS") else {
        return;
    };
    let redis = RedisServer::start().await.unwrap();
    let postgres = PostgresServer::start().await.unwrap();
    let pids = format!("{} {}", redis.pid().unwrap(), postgres.pid().unwrap());
    // Written and then renamed, so that the other half never reads half a line.
    let unfinished = Path::new(&notes).with_extension("unfinished");
    std::fs::write(&unfinished, pids).unwrap();
    std::fs::rename(unfinished, notes).unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn servers_die_with_a_test_process_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let notes = folder.path().join("pids");
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "hold_servers_until_killed"])
        .env("TESTKIT_HOLD_SERVERS", &notes)
        // Files that the killed process leaves behind are removed with this folder.
        .env("TMPDIR", folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // PostgreSQL may run as another user, who must be able to pass through the folder.
    Command::new("chmod")
        .arg("711")
        .arg(folder.path())
        .status()
        .unwrap();
    eventually("the servers start", async || notes.exists()).await;
    let pids: Vec<u32> = std::fs::read_to_string(&notes)
        .unwrap()
        .split(' ')
        .map(|pid| pid.parse().unwrap())
        .collect();
    assert!(pids.iter().all(|pid| alive(*pid)));

    // SIGKILL: no destructor of the holder runs. Only the kernel can end its servers.
    holder.kill().unwrap();
    holder.wait().unwrap();
    eventually("the servers end with the test process", async || {
        !pids.iter().any(|pid| alive(*pid))
    })
    .await;
}

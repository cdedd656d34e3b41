//! The SQL database on a real PostgreSQL against its contracts, and on its bad days.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::time::{Duration, Instant};

use maxlab_auth_core::audit::AuditKind;
use maxlab_auth_core::revocation::{Journal, JournalEntry, Record};
use maxlab_auth_core::unavailable::Component;
use maxlab_auth_store::{SqlDatabase, contract};
use maxlab_auth_testkit::PostgresServer;

async fn database(server: &PostgresServer) -> SqlDatabase {
    SqlDatabase::connect_postgres(&server.create_database().await.unwrap())
        .await
        .unwrap()
}

fn order(jti: &str) -> JournalEntry {
    JournalEntry::Revoked(contract::revoked_token(jti, 60))
}

async fn append(database: &SqlDatabase, jti: &str) -> Result<(), maxlab_auth_core::unavailable::Unavailable> {
    Journal::append(database, Record::of(&[order(jti)]), contract::now())
        .await
        .map(drop)
}

/// Polls until it answers again.
async fn heals(database: &SqlDatabase) {
    let started = Instant::now();
    while let Err(fault) = database.ping().await {
        assert!(started.elapsed() < Duration::from_secs(20), "{fault}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_contract_is_kept() {
    let server = PostgresServer::start().await.unwrap();
    contract::journal(async || database(&server).await).await;
    contract::audit_log(async || database(&server).await).await;
    contract::outbox(async || database(&server).await).await;
    contract::issued_tokens(async || database(&server).await).await;
    contract::workspaces(async || database(&server).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tables_are_made_once_however_many_start() {
    let server = PostgresServer::start().await.unwrap();
    let url = server.create_database().await.unwrap();
    let (a, b, c) = tokio::join!(
        SqlDatabase::connect_postgres(&url),
        SqlDatabase::connect_postgres(&url),
        SqlDatabase::connect_postgres(&url)
    );
    for (n, store) in [a.unwrap(), b.unwrap(), c.unwrap()].iter().enumerate() {
        append(store, &format!("j{n}")).await.unwrap();
    }
    assert_eq!(
        server.query(&url, "SELECT count(*) FROM revocations").unwrap(),
        "3"
    );
    assert_eq!(
        server
            .query(&url, "SELECT count(*) FROM schema_versions")
            .unwrap(),
        "1"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn journal_and_audit_stand_or_fall_together() {
    let server = PostgresServer::start().await.unwrap();
    let url = server.create_database().await.unwrap();
    let store = SqlDatabase::connect_postgres(&url).await.unwrap();
    let spoil = async || {
        server
            .query(&url, "ALTER TABLE audit_events RENAME TO elsewhere")
            .unwrap();
    };
    contract::journal_and_audit_stand_or_fall_together(&store, spoil).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_synchronous_whatever_the_server_says() {
    let server = PostgresServer::start().await.unwrap();
    let url = server.create_database().await.unwrap();
    server
        .query(&url, "ALTER ROLE ALL SET synchronous_commit = off")
        .unwrap();
    let store = SqlDatabase::connect_postgres(&url).await.unwrap();
    let note = "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         NEW.reason := current_setting('synchronous_commit'); RETURN NEW; END $$;
         CREATE TRIGGER note BEFORE INSERT ON revocations FOR EACH ROW EXECUTE FUNCTION note();";
    server.query(&url, note).unwrap();
    append(&store, "a").await.unwrap();
    assert_eq!(
        server.query(&url, "SELECT reason FROM revocations").unwrap(),
        "on"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_away_and_comes_back_and_has_lost_nothing() {
    let mut server = PostgresServer::start().await.unwrap();
    let store = database(&server).await;
    append(&store, "before").await.unwrap();

    server.kill();
    let started = Instant::now();
    let fault = append(&store, "during").await.unwrap_err();
    assert_eq!(fault.component(), Component::Database);
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
    server.restart().await.unwrap();
    heals(&store).await;
    append(&store, "after").await.unwrap();

    server.pause();
    let started = Instant::now();
    let calls = (0..20).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            append(&store, &format!("paused{n}"))
                .await
                .unwrap_err()
                .component()
        })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap(), Component::Database);
    }
    assert!(
        started.elapsed() < Duration::from_secs(15),
        "{:?}",
        started.elapsed()
    );
    server.resume();
    heals(&store).await;
    append(&store, "at last").await.unwrap();
    let lines = store.live_after(i64::MIN, 100, contract::now()).await.unwrap();
    for jti in ["before", "after", "at last"] {
        assert!(lines.iter().any(|line| line.entry == order(jti)), "{jti} is lost");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_leaves_nothing_half_done_and_nothing_locked() {
    let server = PostgresServer::start().await.unwrap();
    let url = server.create_database().await.unwrap();
    let store = SqlDatabase::connect_postgres(&url).await.unwrap();
    for n in 0..60_u64 {
        // The same two keys each time, so that a lock that stayed would be felt.
        let entries = [
            order("a"),
            JournalEntry::Revoked(contract::revoked_token("b", 60 + n)),
        ];
        let events = [contract::event(AuditKind::Revoke, "u", n)];
        let append = Journal::append(&store, Record::of(&entries).audited(&events), contract::now());
        drop(tokio::time::timeout(Duration::from_micros(n * 60), append).await);
    }
    let entries = [
        order("a"),
        JournalEntry::Revoked(contract::revoked_token("b", 600)),
    ];
    let events = [contract::event(AuditKind::Revoke, "u", 99)];
    Journal::append(&store, Record::of(&entries).audited(&events), contract::now())
        .await
        .unwrap();
    let counts = "SELECT (SELECT count(*) FROM revocations WHERE name = 'b') =
                         (SELECT count(*) FROM audit_events)";
    assert_eq!(server.query(&url, counts).unwrap(), "t");
}

#[tokio::test]
async fn no_error_repeats_a_password() {
    let server = PostgresServer::start().await.unwrap();
    let port = server.port();
    let urls = [
        format!("postgresql://nobody:canary-password@127.0.0.1:{port}/none"),
        "postgresql://maxlab:canary-password@127.0.0.1:1/none".to_owned(),
        "postgresql://maxlab:canary-password@[::bad/none".to_owned(),
        "mysql://maxlab:canary-password@127.0.0.1/none".to_owned(),
    ];
    for url in urls {
        let started = Instant::now();
        let fault = SqlDatabase::connect_postgres(&url).await.unwrap_err();
        assert!(!format!("{fault} {fault:?}").contains("canary"), "{fault}");
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}

//! The SQL database on a real PostgreSQL server: contracts, migrations, outages, errors without secrets.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::time::{Duration, Instant};

use maxlab_auth_core::audit::AuditKind;
use maxlab_auth_core::revocation::{Journal, JournalEntry, JournalTransaction};
use maxlab_auth_core::unavailable::{GatewayComponent, UnavailableReason};
use maxlab_auth_store::SqlDatabase;
use maxlab_auth_store_contract as contract;
use maxlab_auth_testkit::PostgresServer;
use maxlab_auth_testkit::wait::eventually_within;

async fn database(server: &PostgresServer) -> SqlDatabase {
    SqlDatabase::connect_postgres(&server.create_database().await.unwrap())
        .await
        .unwrap()
}

fn order(jti: &str) -> JournalEntry {
    JournalEntry::Revoked(contract::revoked_token(jti, 60))
}

async fn append(database: &SqlDatabase, jti: &str) -> Result<(), maxlab_auth_core::unavailable::Unavailable> {
    Journal::append(
        database,
        JournalTransaction::from_entries(&[order(jti)]),
        contract::now(),
    )
    .await
    .map(drop)
}

/// Waits until the database answers again.
async fn heals(database: &SqlDatabase) {
    let limit = Duration::from_secs(20);
    // Boxed: the future of a query is large, and every test that waits would hold it on its stack.
    Box::pin(eventually_within(limit, "the database answers", async || {
        database.ping().await.is_ok()
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_contract_is_kept() {
    let server = PostgresServer::start().await.unwrap();
    contract::journal(async || database(&server).await).await;
    contract::audit_log(async || database(&server).await).await;
    contract::outbox(async || database(&server).await).await;
    contract::unproven_tokens(async || database(&server).await).await;
    contract::issued_tokens(async || database(&server).await).await;
    contract::used_codes(async || database(&server).await).await;
    contract::workspaces(async || database(&server).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i14_sessions_keep_their_contract() {
    let server = PostgresServer::start().await.unwrap();
    contract::sessions(async || database(&server).await).await;
    contract::sessions_by_upstream(async || database(&server).await).await;
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
    assert_eq!(fault.component(), GatewayComponent::Database);
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
        assert_eq!(call.await.unwrap(), GatewayComponent::Database);
    }
    assert!(
        started.elapsed() < Duration::from_secs(15),
        "{:?}",
        started.elapsed()
    );
    server.resume();
    heals(&store).await;
    append(&store, "at last").await.unwrap();
    let lines = store
        .unexpired_after(i64::MIN, 100, contract::now())
        .await
        .unwrap();
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
        // The same two keys each time, so that a lock that was not released would block the next round.
        let entries = [
            order("a"),
            JournalEntry::Revoked(contract::revoked_token("b", 60 + n)),
        ];
        let events = [contract::event(AuditKind::Revoke, "u", n)];
        let append = Journal::append(
            &store,
            JournalTransaction::from_entries(&entries).with_audit(&events),
            contract::now(),
        );
        drop(tokio::time::timeout(Duration::from_micros(n * 60), append).await);
    }
    let entries = [
        order("a"),
        JournalEntry::Revoked(contract::revoked_token("b", 600)),
    ];
    let events = [contract::event(AuditKind::Revoke, "u", 99)];
    Journal::append(
        &store,
        JournalTransaction::from_entries(&entries).with_audit(&events),
        contract::now(),
    )
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

#[tokio::test(flavor = "multi_thread")]
async fn n9_why_there_is_no_connection_is_named() {
    let mut server = PostgresServer::start().await.unwrap();
    let url = server.create_database().await.unwrap();
    let reason = async |url: &str| {
        let fault = SqlDatabase::connect_postgres(url).await.unwrap_err();
        (fault.reason(), fault.to_string())
    };
    let (missing, said) = reason(&server.url("not_there")).await;
    assert_eq!(missing, UnavailableReason::DatabaseMissing, "{said}");
    assert!(said.contains("not_there"), "{said}");
    let stranger = format!("postgresql://stranger:canary@127.0.0.1:{}/x", server.port());
    let (unknown, said) = reason(&stranger).await;
    assert_eq!(unknown, UnavailableReason::CredentialsRefused, "{said}");
    assert!(!said.contains("canary"), "{said}");

    let database = SqlDatabase::connect_postgres(&url).await.unwrap();
    server.stop().await.unwrap();
    let mut fault = database.ping().await.unwrap_err();
    // Each call may meet another connection of the pool that the server has closed.
    for _ in 0..20 {
        if fault.reason() == UnavailableReason::ConnectionRefused {
            break;
        }
        fault = database.ping().await.unwrap_err();
    }
    assert_eq!(fault.reason(), UnavailableReason::ConnectionRefused, "{fault}");
    let (refused, said) = reason(&url).await;
    assert_eq!(refused, UnavailableReason::ConnectionRefused, "{said}");
    server.restart().await.unwrap();
    heals(&database).await;
}

/// A real PgBouncer before the server, killed on drop.
struct PgBouncer {
    process: std::process::Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl PgBouncer {
    fn start(server: &PostgresServer, pool_mode: &str) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), maxlab_auth_testkit::free_port());
        let settings = folder.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port={port}\n\
             unix_socket_dir=\nauth_type=any\npool_mode={pool_mode}\n",
            server.port()
        );
        // `auth_type=any` ignores the user of the client, so the database line names one.
        let text = text.replace("\n[pgbouncer]", " user=maxlab\n[pgbouncer]");
        std::fs::write(&settings, text).unwrap();
        // Readable for the user that it changes to if the tests run as root.
        let readable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), readable).unwrap();
        let mut command = std::process::Command::new("pgbouncer");
        let is_root =
            std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
        if is_root {
            command.args(["-u", "nobody"]);
        }
        let process = command
            .arg("--quiet")
            .arg(&settings)
            .spawn()
            .map_err(|error| format!("pgbouncer cannot be started: {error}"))
            .unwrap();
        Self {
            process,
            port,
            _folder: folder,
        }
    }

    fn url_of(&self, server: &PostgresServer, url: &str) -> String {
        url.replace(&format!(":{}/", server.port()), &format!(":{}/", self.port))
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Waits until PgBouncer answers, and connects through it.
async fn through(bouncer: &PgBouncer, url: &str) -> Result<SqlDatabase, String> {
    let limit = Duration::from_secs(20);
    Box::pin(eventually_within(limit, "PgBouncer answers", async || {
        tokio::net::TcpStream::connect(("127.0.0.1", bouncer.port))
            .await
            .is_ok()
    }))
    .await;
    let connected = SqlDatabase::connect_postgres(url).await;
    connected.map_err(|fault| fault.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn f13_pgbouncer_works_in_session_mode_and_is_named_in_transaction_mode() {
    let server = PostgresServer::start().await.unwrap();
    let url = server.create_database().await.unwrap();
    for mode in ["transaction", "statement"] {
        let bouncer = PgBouncer::start(&server, mode);
        let refused = through(&bouncer, &bouncer.url_of(&server, &url))
            .await
            .unwrap_err();
        assert!(refused.contains("pool_mode=session"), "{mode}: {refused}");
    }
    let bouncer = PgBouncer::start(&server, "session");
    let database = through(&bouncer, &bouncer.url_of(&server, &url)).await.unwrap();
    for n in 0..20 {
        append(&database, &format!("through-a-pooler-{n}")).await.unwrap();
    }
}

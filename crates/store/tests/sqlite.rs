//! The SQL database on SQLite: contracts, a killed process, a full disk, cancelled callers, a shrinking file.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use maxlab_auth_core::audit::{AuditFilter, AuditKind, AuditLog};
use maxlab_auth_core::revocation::{Journal, JournalEntry, JournalTransaction};
use maxlab_auth_core::session::{InsertOutcome, SessionStore};
use maxlab_auth_core::unavailable::GatewayComponent;
use maxlab_auth_store::SqlDatabase;
use maxlab_auth_store_contract as contract;
use sqlx::Connection as _;
use tempfile::TempDir;

/// Creates a folder, and a constructor that opens a database in a new file of it.
fn folder() -> (TempDir, impl AsyncFn() -> SqlDatabase) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let made = std::cell::Cell::new(0);
    let make = async move || {
        made.set(made.get() + 1);
        SqlDatabase::connect_sqlite(&path.join(format!("{}.db", made.get())))
            .await
            .unwrap()
    };
    (folder, make)
}

async fn run(path: &Path, sql: &'static str) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
}

async fn jtis(database: &SqlDatabase) -> BTreeSet<String> {
    let lines = database
        .unexpired_after(i64::MIN, 100_000, contract::now())
        .await
        .unwrap();
    lines
        .into_iter()
        .filter_map(|line| match line.entry {
            JournalEntry::Revoked(order) => Some(order.key.name()),
            JournalEntry::Exempted(_) => None,
        })
        .collect()
}

fn order(jti: &str) -> JournalEntry {
    JournalEntry::Revoked(contract::revoked_token(jti, 60))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_keeps_its_contract() {
    let (_folder, make) = folder();
    contract::journal(make).await;
}

#[tokio::test]
async fn the_audit_log_keeps_its_contract() {
    let (_folder, make) = folder();
    contract::audit_log(make).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_outbox_keeps_its_contract() {
    let (_folder, make) = folder();
    contract::outbox(make).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unproven_tokens_keep_their_contract() {
    let (_folder, make) = folder();
    contract::unproven_tokens(make).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn issued_tokens_keep_their_contract() {
    let (_folder, make) = folder();
    contract::issued_tokens(make).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn used_codes_keep_their_contract() {
    let (_folder, make) = folder();
    contract::used_codes(make).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i14_sessions_keep_their_contract() {
    let (_folder, make) = folder();
    contract::sessions(&make).await;
    contract::sessions_by_upstream(make).await;
}

#[tokio::test]
async fn a_purge_removes_sessions_that_have_died_and_counts_them() {
    let (_folder, make) = folder();
    let database = make().await;
    let (key, session) = (contract::session_key(), contract::session("u", "x"));
    let insert = async || {
        database
            .insert(&key, &session, contract::now(), 100, contract::now())
            .await
            .unwrap()
    };
    insert().await;
    assert_eq!(
        SessionStore::purge(&database, contract::later(99)).await.unwrap(),
        0
    );
    assert_eq!(
        SessionStore::purge(&database, contract::later(100))
            .await
            .unwrap(),
        1,
        "it was idle for too long"
    );
    assert_eq!(insert().await, InsertOutcome::Inserted(vec![]), "its row is gone");
}

#[tokio::test]
async fn workspaces_keep_their_contract() {
    let (_folder, make) = folder();
    contract::workspaces(make).await;
}

#[tokio::test]
async fn journal_and_audit_stand_or_fall_together() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let database = SqlDatabase::connect_sqlite(&path).await.unwrap();
    let spoil = async || run(&path, "ALTER TABLE audit_events RENAME TO elsewhere").await;
    contract::journal_and_audit_stand_or_fall_together(&database, spoil).await;
}

#[tokio::test]
async fn the_tables_are_made_once_however_many_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let opened = tokio::join!(
        SqlDatabase::connect_sqlite(&path),
        SqlDatabase::connect_sqlite(&path),
        SqlDatabase::connect_sqlite(&path),
        SqlDatabase::connect_sqlite(&path),
    );
    let database = opened.0.unwrap();
    (opened.1.unwrap(), opened.2.unwrap(), opened.3.unwrap())
        .0
        .ping()
        .await
        .unwrap();
    Journal::append(
        &database,
        JournalTransaction::from_entries(&[order("a")]),
        contract::now(),
    )
    .await
    .unwrap();
    let again = SqlDatabase::connect_sqlite(&path).await.unwrap();
    assert_eq!(jtis(&again).await.len(), 1);
}

#[tokio::test]
async fn a_writer_that_is_locked_out_says_so_in_time_and_writes_again_later() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let database = SqlDatabase::connect_sqlite(&path).await.unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let mut other = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE")
        .execute(&mut other)
        .await
        .unwrap();
    let started = std::time::Instant::now();
    let fault = Journal::append(
        &database,
        JournalTransaction::from_entries(&[order("a")]),
        contract::now(),
    )
    .await
    .unwrap_err();
    assert_eq!(fault.component(), GatewayComponent::Database);
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(jtis(&database).await.len(), 0, "readers are not locked out");
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    Journal::append(
        &database,
        JournalTransaction::from_entries(&[order("b")]),
        contract::now(),
    )
    .await
    .unwrap();
    assert_eq!(jtis(&database).await, BTreeSet::from(["b".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_leaves_nothing_half_done() {
    let (_folder, make) = folder();
    let database = make().await;
    for n in 0..60_u64 {
        let entries = [order(&format!("a{n}")), order(&format!("b{n}"))];
        let events = [contract::event(AuditKind::Revoke, "u", n)];
        let append = Journal::append(
            &database,
            JournalTransaction::from_entries(&entries).with_audit(&events),
            contract::now(),
        );
        drop(tokio::time::timeout(Duration::from_micros(n * 40), append).await);
    }
    let last = [order("last-a"), order("last-b")];
    let event = [contract::event(AuditKind::Revoke, "u", 99)];
    Journal::append(
        &database,
        JournalTransaction::from_entries(&last).with_audit(&event),
        contract::now(),
    )
    .await
    .unwrap();
    let written = jtis(&database).await;
    let pairs = written.iter().filter(|jti| jti.starts_with('a')).count();
    for jti in written.iter().filter(|jti| jti.starts_with('a')) {
        assert!(written.contains(&jti.replace('a', "b")), "{jti} stands alone");
    }
    let events = AuditLog::find(&database, &AuditFilter::default(), 1_000)
        .await
        .unwrap();
    assert_eq!((written.len(), events.len()), (pairs * 2 + 2, pairs + 1));
}

const CHILD_PATH: &str = "MAXLAB_AUTH_TEST_CHILD_DATABASE";

/// Runs in a child process of the tests below: appends lines, and prints each one that was acknowledged,
/// until the process is killed or an append fails.
#[tokio::test]
async fn child_appends_until_it_cannot() {
    let Ok(path) = std::env::var(CHILD_PATH) else {
        return;
    };
    let database = SqlDatabase::connect_sqlite(Path::new(&path)).await.unwrap();
    for n in 0.. {
        let jti = format!("j{n}");
        match Journal::append(
            &database,
            JournalTransaction::from_entries(&[order(&jti)]),
            contract::now(),
        )
        .await
        {
            Ok(_) => println!("\nacknowledged {jti}"),
            Err(fault) => return println!("\nrefused {:?}", fault.component()),
        }
    }
}

fn child(shell: &str, path: &Path) -> std::process::Child {
    let mut command = Command::new("sh");
    command.args([
        "-c",
        &format!("{shell} exec \"$0\" --exact child_appends_until_it_cannot --nocapture"),
    ]);
    command
        .arg(std::env::current_exe().unwrap())
        .env(CHILD_PATH, path);
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let mut child = child("", &path);
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let mut acknowledged: BTreeSet<String> = BTreeSet::new();
    while acknowledged.len() < 30 {
        let line = lines.next().unwrap();
        acknowledged.extend(line.strip_prefix("acknowledged ").map(str::to_owned));
    }
    child.kill().unwrap();
    // Lines that it printed before it ended count too.
    acknowledged.extend(lines.filter_map(|line| line.strip_prefix("acknowledged ").map(str::to_owned)));
    child.wait().unwrap();
    let kept = jtis(&SqlDatabase::connect_sqlite(&path).await.unwrap()).await;
    assert!(
        kept.is_superset(&acknowledged),
        "lost: {:?}",
        acknowledged.difference(&kept)
    );
    assert!(kept.len() <= acknowledged.len() + 1);
}

#[tokio::test]
async fn a_full_disk_is_unavailable_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    // No file may grow beyond 1000 blocks of 512 bytes; the signal that would end the process is ignored.
    let child = child("trap '' XFSZ; ulimit -f 1000;", &path);
    let said = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    let acknowledged = said
        .lines()
        .filter_map(|line| line.strip_prefix("acknowledged "))
        .map(str::to_owned);
    let acknowledged: BTreeSet<_> = acknowledged.collect();
    assert!(said.contains("refused Database"), "{said}");
    assert!(!acknowledged.is_empty());
    let kept = jtis(&SqlDatabase::connect_sqlite(&path).await.unwrap()).await;
    assert_eq!(kept, acknowledged);
}

#[tokio::test(flavor = "multi_thread")]
async fn w12_the_file_shrinks_when_its_contents_are_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.db");
    let database = SqlDatabase::connect_sqlite(&path).await.unwrap();
    let size = || std::fs::metadata(&path).unwrap().len();
    let event = |second| contract::event(AuditKind::Login, "user-1", second).with_detail("x".repeat(200));
    for thousand in 0..30_u64 {
        let events: Vec<_> = (0..1_000).map(|n| event(thousand * 1_000 + n)).collect();
        AuditLog::append(&database, &events).await.unwrap();
    }
    run(&path, "PRAGMA wal_checkpoint(TRUNCATE)").await;
    let full = size();
    assert!(full > 8 << 20, "{full}");
    // A read in between, as by a running gateway.
    assert_eq!(
        database.find(&AuditFilter::default(), 10).await.unwrap().len(),
        10
    );
    assert_eq!(
        database.delete_before(contract::later(29_990)).await.unwrap(),
        29_990
    );
    assert!(size() < full / 4, "{full} -> {}", size());
    assert_eq!(
        database.find(&AuditFilter::default(), 100).await.unwrap().len(),
        10
    );
}

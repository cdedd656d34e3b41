//! The embedded store: its contracts, several processes on one file, and faulty files.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::Path;

use maxlab_auth_core::revocation::RevocationStore as _;
use maxlab_auth_core::verdict::{RevocationKey, TokenKey};
use maxlab_auth_store::EmbeddedStore;
use maxlab_auth_store_contract as contract;
use tempfile::TempDir;

/// Creates a folder, and a constructor that opens a store in a new file of it.
fn folder() -> (TempDir, impl AsyncFn() -> EmbeddedStore) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let made = std::cell::Cell::new(0);
    let make = async move || {
        made.set(made.get() + 1);
        EmbeddedStore::open(&path.join(format!("new/{}/store.db", made.get())))
            .await
            .unwrap()
    };
    (folder, make)
}

fn token(jti: &str) -> RevocationKey {
    RevocationKey::Token(TokenKey::from_jti(jti))
}

#[tokio::test(flavor = "multi_thread")]
async fn revocations_keep_their_contract() {
    let (_folder, make) = folder();
    contract::revocations(&make).await;
    contract::revocation_log(&make).await;
}

#[tokio::test]
async fn what_another_process_writes_counts_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let (serve, command_line) = tokio::join!(EmbeddedStore::open(&path), EmbeddedStore::open(&path));
    let (serve, command_line) = (serve.unwrap(), command_line.unwrap());
    for n in 0..20 {
        let jti = format!("j{n}");
        contract::revoke(
            &command_line,
            &[contract::revoked_token(&jti, 60)],
            contract::now(),
        )
        .await
        .unwrap();
        let findings = serve.find(&[token(&jti)], &[], contract::now()).await.unwrap();
        assert!(findings.revoked[0].is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_that_write_at_once_wait_for_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let stores = [
        EmbeddedStore::open(&path).await.unwrap(),
        EmbeddedStore::open(&path).await.unwrap(),
    ];
    let mut writers = tokio::task::JoinSet::new();
    for (s, store) in stores.iter().enumerate() {
        for n in 0..40 {
            let store = store.clone();
            let order = contract::revoked_token(&format!("{s}-{n}"), 60);
            writers.spawn(async move { contract::revoke(&store, &[order], contract::now()).await.unwrap() });
        }
    }
    writers.join_all().await;
    let (listed, _) = stores[0].list(None, None, 1_000, contract::now()).await.unwrap();
    assert_eq!(listed.len(), 80);
}

#[tokio::test]
async fn a_purge_removes_what_has_died_and_counts_it() {
    let (_folder, make) = folder();
    let store = make().await;
    contract::revoke(
        &store,
        &[contract::revoked_token("a", 10), contract::revoked_token("b", 20)],
        contract::now(),
    )
    .await
    .unwrap();
    assert_eq!(
        maxlab_auth_core::revocation::RevocationStore::purge(&store, contract::later(10))
            .await
            .unwrap(),
        1
    );
}

#[tokio::test]
async fn an_expired_revocation_is_not_found_before_it_is_purged() {
    let (_folder, make) = folder();
    let store = make().await;
    contract::revoke(&store, &[contract::revoked_token("a", 10)], contract::now())
        .await
        .unwrap();
    let at = |seconds| contract::later(seconds);
    assert!(store.find(&[token("a")], &[], at(9)).await.unwrap().revoked[0].is_some());
    assert!(store.find(&[token("a")], &[], at(10)).await.unwrap().revoked[0].is_none());
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_can_read_the_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = EmbeddedStore::open(&path).await.unwrap();
    contract::revoke(&store, &[contract::revoked_token("a", 10)], contract::now())
        .await
        .unwrap();
    for name in ["store.db", "store.db-wal", "store.db-shm"] {
        let mode = std::fs::metadata(folder.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_or_cannot_be_made_is_unavailable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    std::fs::write(
        &path,
        "this is not a database, and long enough to be looked at as one".repeat(50),
    )
    .unwrap();
    assert!(EmbeddedStore::open(&path).await.is_err());
    assert!(
        EmbeddedStore::open(Path::new("/dev/null/store.db"))
            .await
            .is_err()
    );
}

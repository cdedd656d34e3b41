//! What the gateway keeps in `DATA_DIR`: for its own user only, and never written through a link.

use std::fs::{self, Permissions, set_permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use maxlab_auth_testkit::LyingAuthServer;

use crate::tool::{Tool, gateway};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn w11_a_link_in_the_place_of_the_lock_leads_to_no_other_file() {
    let server = LyingAuthServer::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (data, target) = (folder.path().join("data"), folder.path().join("target"));
    fs::create_dir(&data).unwrap();
    fs::write(&target, "precious").unwrap();
    symlink(&target, data.join("instance.lock")).unwrap();
    let mut running = gateway()
        .env("EXTERNAL_AUTH_URL", server.url())
        .env("DATA_DIR", data.display().to_string())
        .start()
        .await
        .unwrap();
    assert_eq!(running.terminate().await.unwrap().code(), Some(0));
    assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
    assert!(
        running.log().contains("DATA_DIR lock not acquired"),
        "{}",
        running.log()
    );
}

#[tokio::test]
async fn w11_files_are_private_and_production_refuses_those_that_are_not() {
    let server = LyingAuthServer::start().await.unwrap();
    let mut running = gateway()
        .env("EXTERNAL_AUTH_URL", server.url())
        .start()
        .await
        .unwrap();
    let data = running.folder().join("data");
    assert_eq!(mode(&data), 0o700);
    let mut databases = 0;
    for entry in fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        databases += usize::from(path.extension().is_some_and(|end| end == "db"));
        assert!(
            path.is_dir() || mode(&path) == 0o600,
            "{} {:o}",
            path.display(),
            mode(&path)
        );
    }
    assert_eq!(databases, 2, "the store and the journal");
    assert_eq!(running.terminate().await.unwrap().code(), Some(0));

    let store = data.join("store.db");
    set_permissions(&store, Permissions::from_mode(0o644)).unwrap();
    running.restart().await.unwrap();
    let remedy = format!("chmod 600 '{}'", store.display());
    assert!(running.log().contains(&remedy), "a warning: {}", running.log());
    assert_eq!(running.terminate().await.unwrap().code(), Some(0));

    let keys = Tool::new().run(&["keygen", "--json"]).await.expect(0).json();
    let key = |name: &str| keys[name].as_str().unwrap().to_owned();
    let production = Tool::beside(&running)
        .env("ENVIRONMENT", "production")
        .env("EXTERNAL_AUTH_URL", server.url())
        .env("HOST", "127.0.0.1")
        .env("PORT", "0")
        .env("SECRET_KEY", key("SECRET_KEY"))
        .env("SESSION_ENCRYPTION_KEY", key("SESSION_ENCRYPTION_KEY"));
    let ended = production.run(&["serve"]).await.expect(1);
    assert!(ended.stderr.contains(&remedy), "{ended:?}");
}

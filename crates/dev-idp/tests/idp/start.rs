//! When the server refuses to run at all.

use std::future::ready;

use maxlab_auth_dev_idp::{DevIdpConfig, DevIdpError, OAuthClient, router, serve};
use tokio::net::TcpListener;

use crate::door::{Door, ISSUER};

#[tokio::test]
async fn it_refuses_production() {
    let folder = tempfile::tempdir().unwrap();
    for environment in ["production", "Production", " prod "] {
        let mut config = DevIdpConfig::new(ISSUER, folder.path());
        config.environment = environment.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let refused = serve(listener, config, ready(())).await.unwrap_err();
        assert!(matches!(refused, DevIdpError::Production));
        assert!(refused.to_string().contains("ENVIRONMENT=production"));
    }
}

#[tokio::test]
async fn it_refuses_an_address_that_others_can_reach() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let refused = serve(listener, DevIdpConfig::new(ISSUER, folder.path()), ready(())).await;
    assert!(matches!(refused, Err(DevIdpError::NotLoopback(_))), "{refused:?}");
}

#[tokio::test]
async fn it_refuses_settings_that_cannot_work() {
    let folder = tempfile::tempdir().unwrap();
    let faults: [fn(&mut DevIdpConfig); 6] = [
        |config| config.issuer = "localhost:8000".to_owned(),
        |config| config.issuer = "http://localhost:8000/path".to_owned(),
        |config| config.redirect_uris = vec!["/callback".to_owned()],
        |config| {
            config.clients = vec![OAuthClient::public(
                "x",
                vec!["http://localhost/#fragment".to_owned()],
            )];
        },
        |config| config.access_token_seconds = 0,
        |config| config.refresh_token_seconds = u64::MAX,
    ];
    for fault in faults {
        let mut config = DevIdpConfig::new(ISSUER, folder.path());
        fault(&mut config);
        let refused = router(config);
        assert!(matches!(refused, Err(DevIdpError::Setting(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn two_servers_do_not_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let door = Door::open_in(folder.path()).await;
    assert!(door.get("/health").await.status.is_success());
    let second = router(DevIdpConfig::new(ISSUER, folder.path()));
    assert!(matches!(second, Err(DevIdpError::InUse(_))), "{second:?}");
}

#[test]
fn a_client_secret_is_not_printed() {
    let config = DevIdpConfig::new(ISSUER, "unused");
    assert!(!format!("{config:?}").contains(maxlab_auth_dev_idp::CONFIDENTIAL_CLIENT_SECRET));
}

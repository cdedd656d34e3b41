//! Metadata, keys, health and the welcome page.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::StatusCode;

use crate::door::{Door, ISSUER, segment, text};

#[tokio::test]
async fn the_published_key_verifies_access_and_id_tokens() {
    let door = Door::open().await;
    let tokens = door.log_in("member").await;
    let jwks = door.get("/.well-known/jwks.json").await.json();
    let key = &jwks["keys"][0];
    assert_eq!(
        (key["kty"].as_str(), key["crv"].as_str(), key["alg"].as_str()),
        (Some("EC"), Some("P-256"), Some("ES256"))
    );
    assert!(key.get("d").is_none());
    let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
    for name in ["access_token", "id_token"] {
        let token = text(&tokens, name);
        assert_eq!(segment(token, 0)["kid"], key["kid"]);
        let (input, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        assert!(public.verify(input.as_bytes(), &signature).is_ok(), "{name}");
        assert!(public.verify(format!("{input}x").as_bytes(), &signature).is_err());
    }
}

#[tokio::test]
async fn every_endpoint_in_the_metadata_exists() {
    let door = Door::open().await;
    let metadata = door.get("/.well-known/openid-configuration").await.json();
    assert_eq!(
        metadata,
        door.get("/.well-known/oauth-authorization-server").await.json()
    );
    assert_eq!(metadata["issuer"], ISSUER);
    assert_eq!(
        metadata["code_challenge_methods_supported"],
        serde_json::json!(["S256"])
    );
    let members = metadata.as_object().unwrap();
    let addresses: Vec<&str> = members
        .iter()
        .filter(|(name, _)| name.ends_with("_endpoint") || *name == "jwks_uri")
        .map(|(_, value)| value.as_str().unwrap())
        .collect();
    assert_eq!(addresses.len(), 6);
    for address in addresses {
        let path = address.strip_prefix(ISSUER).unwrap();
        assert_ne!(door.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn health_welcome_and_unknown_paths() {
    let door = Door::open().await;
    assert_eq!(door.get("/health").await.json()["status"], "healthy");
    let welcome = door.get("/").await;
    for word in [
        "For development only",
        "admin-password",
        "member-password",
        "user-password",
        "maxlab-dev",
    ] {
        assert!(welcome.text.contains(word), "{word}");
    }
    door.get("/nowhere").await.refused(404, "not_found");
    assert_eq!(
        door.get("/oauth/token").await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
}

//! Settings: by hand, and from the document that `maxlab-auth guard-config` prints.

use std::time::Duration;

use maxlab_auth_guard::{
    Algorithm, AuthGuard, ClaimPaths, GatewayClientSettings, LocalVerifierSettings, RedisStore, SetupFault,
    TypRule, UnverifiedEmailPolicy,
};
use serde_json::{Value, json};

const DOCUMENT: &str = include_str!("guard.json");

fn redis() -> RedisStore {
    RedisStore::open("redis://127.0.0.1:1").unwrap()
}

fn by_hand() -> LocalVerifierSettings {
    LocalVerifierSettings::new(
        redis(),
        "https://auth.example.com/jwks",
        "https://auth.example.com",
    )
}

fn read(document: &Value) -> Result<LocalVerifierSettings, SetupFault> {
    LocalVerifierSettings::from_gateway(redis(), &document.to_string())
}

#[test]
fn the_document_sets_everything_but_the_store() {
    let settings = LocalVerifierSettings::from_gateway(redis(), DOCUMENT).unwrap();
    assert_eq!(settings.issuer, "https://auth.example.com");
    assert_eq!(
        settings.jwks_url,
        "https://auth.example.com/.well-known/jwks.json"
    );
    assert_eq!(settings.audiences, ["my-api"]);
    assert_eq!(settings.algorithms, [Algorithm::ES256, Algorithm::EdDSA]);
    assert_eq!(settings.token_types, TypRule::AccessToken);
    assert_eq!(settings.skew, Duration::from_secs(20));
    assert_eq!(settings.cache_ttl, Duration::from_secs(7));
    assert_eq!(settings.lifetime_without_exp, Duration::from_secs(600));
    assert_eq!(settings.lease, Duration::from_secs(3));
    assert_eq!(settings.timeout, Duration::from_millis(1500));
    assert_eq!(settings.admin_roles, ["owner"]);
    let claims = ClaimPaths {
        roles: vec!["realm_access.roles".into()],
        groups: vec!["realm_access.groups".into()],
        ignore_workspaces: true,
        unverified_email: UnverifiedEmailPolicy::Send,
        ..ClaimPaths::default()
    };
    assert_eq!(settings.claim_paths, claims);
}

/// A setting that is ignored could accept what the gateways refuse.
#[test]
fn a_member_that_is_missing_unknown_or_repeated_is_an_error() {
    let whole: Value = serde_json::from_str(DOCUMENT).unwrap();
    assert!(read(&whole).is_ok());
    let names = |part: &Value| -> Vec<String> { part.as_object().unwrap().keys().cloned().collect() };
    for name in names(&whole) {
        let mut broken = whole.clone();
        broken.as_object_mut().unwrap().remove(&name);
        let fault = read(&broken).unwrap_err();
        assert!(matches!(fault, SetupFault::GatewayConfig(_)), "{name}: {fault:?}");
        assert!(fault.to_string().contains(&name), "{fault}");
        assert!(fault.to_string().contains("guard-config"), "{fault}");
    }
    for name in names(&whole["claims"]) {
        let mut broken = whole.clone();
        broken["claims"].as_object_mut().unwrap().remove(&name);
        assert!(read(&broken).is_err(), "claims.{name}");
    }
    for part in ["", "/claims"] {
        let mut broken = whole.clone();
        broken.pointer_mut(part).unwrap()["required_acr"] = json!("gold");
        assert!(read(&broken).unwrap_err().to_string().contains("required_acr"));
    }
    let repeated = DOCUMENT.replacen('{', r#"{ "issuer": "https://evil.example.com", "#, 1);
    assert!(LocalVerifierSettings::from_gateway(redis(), &repeated).is_err());
}

#[test]
fn what_would_weaken_the_guard_is_an_error() {
    let whole: Value = serde_json::from_str(DOCUMENT).unwrap();
    for (name, value) in [
        ("algorithms", json!(["HS256"])),
        ("algorithms", json!(["none"])),
        ("algorithms", json!(["ES256", "HS512"])),
        ("issuer", json!("")),
        ("issuer", json!(null)),
        ("token_type", json!("AT+JWT")),
        ("clock_skew_seconds", json!(61)),
        ("clock_skew_seconds", json!(-1)),
        ("revocation_lease_seconds", json!(0)),
    ] {
        let mut weak = whole.clone();
        weak[name] = value.clone();
        assert!(read(&weak).is_err(), "{name} {value}");
    }
}

#[tokio::test]
async fn settings_by_hand_are_checked_too() {
    let good = by_hand()
        .audiences(["a", "b"])
        .algorithms(vec![Algorithm::ES256])
        .token_types(TypRule::AccessToken)
        .claim_paths(ClaimPaths::default())
        .skew(Duration::from_secs(60))
        .cache_ttl(Duration::ZERO)
        .lifetime_without_exp(Duration::from_secs(60))
        .lease(Duration::from_secs(1))
        .timeout(Duration::from_secs(1))
        .admin_roles(["owner"]);
    assert_eq!((good.audiences.len(), good.admin_roles.len()), (2, 1));
    assert!(AuthGuard::local(good).is_ok());
    for weak in [
        by_hand().lease(Duration::ZERO),
        by_hand().algorithms(vec![Algorithm::HS256]),
        by_hand().skew(Duration::from_secs(61)),
        LocalVerifierSettings::new(redis(), "https://auth.example.com/jwks", ""),
    ] {
        assert!(matches!(AuthGuard::local(weak), Err(SetupFault::Settings(_))));
    }
    let no_url = LocalVerifierSettings::new(redis(), "auth.example.com", "i");
    assert!(matches!(AuthGuard::local(no_url), Err(SetupFault::Url)));
}

#[test]
fn a_local_guard_outside_a_runtime_is_an_error_and_no_panic() {
    assert!(matches!(AuthGuard::local(by_hand()), Err(SetupFault::NoRuntime)));
}

#[test]
fn only_http_addresses_are_gateways() {
    for url in ["", "gateway:8080", "ftp://gateway", "file:///etc/passwd"] {
        let fault = AuthGuard::via_gateway(&GatewayClientSettings::new(url));
        assert!(matches!(fault, Err(SetupFault::Url)), "{url}");
    }
}

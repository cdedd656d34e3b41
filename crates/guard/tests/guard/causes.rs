//! An application names this crate alone: to look into a cause, to open a store, to write a requirement.

use axum::Router;
use axum::routing::get;
use maxlab_auth_guard::test_util::{FixedTokens, identity};
use maxlab_auth_guard::{
    AccessDenied, ActiveCredential, Admin, AuthGuard, CredentialRefusal, CurrentUser, GatewayComponent,
    GuardFailure, GuardRejection, Identity, RedisNodes, RedisStore, Require, Requirement, RevocationReason,
    RouteRequirement, TokenRejection, Unavailable, UnavailableReason, VerificationSource,
};

use crate::send;

/// Describes a failure in an application's own words, down to the innermost cause.
fn describe(failure: &GuardFailure) -> &'static str {
    match failure {
        GuardFailure::MissingCredential => "log in",
        GuardFailure::Auth(CredentialRefusal::Rejected(TokenRejection::Expired)) => "log in again",
        GuardFailure::Auth(CredentialRefusal::TokenRevoked(RevocationReason::LogoutAll)) => {
            "logged out everywhere"
        }
        GuardFailure::Auth(CredentialRefusal::SessionRevoked(_)) => "session ended",
        GuardFailure::Denied(AccessDenied { message }) if message.starts_with("Admin") => {
            "ask an administrator"
        }
        GuardFailure::Unavailable(fault)
            if fault.component() == GatewayComponent::Store
                && fault.reason() == UnavailableReason::ConnectionRefused =>
        {
            "Redis is down"
        }
        _ => "no",
    }
}

#[tokio::test]
async fn a_handler_sees_every_cause() {
    let refused = Unavailable::store("a test").with_reason(UnavailableReason::ConnectionRefused);
    let guard = AuthGuard::fixed(
        FixedTokens::default()
            .accept("alice", identity("alice"))
            .fail("expired", CredentialRefusal::Rejected(TokenRejection::Expired))
            .fail(
                "out",
                CredentialRefusal::TokenRevoked(RevocationReason::LogoutAll),
            )
            .fail("ended", CredentialRefusal::SessionRevoked(None))
            .fail("down", refused),
    );
    let user = |user: Result<CurrentUser, GuardRejection>| async move {
        user.map_or_else(|rejection| describe(rejection.cause()), |_| "welcome")
    };
    let admin = |admin: Result<Require<Admin>, GuardRejection>| async move {
        admin.map_or_else(|rejection| describe(rejection.cause()), |_| "welcome")
    };
    let app = Router::new()
        .route("/", get(user))
        .route("/admin", get(admin))
        .with_state(guard);
    for (path, token, expected) in [
        ("/", Some("alice"), "welcome"),
        ("/", None, "log in"),
        ("/", Some("expired"), "log in again"),
        ("/", Some("out"), "logged out everywhere"),
        ("/", Some("ended"), "session ended"),
        ("/", Some("down"), "Redis is down"),
        ("/", Some("unknown"), "no"),
        ("/admin", Some("alice"), "ask an administrator"),
    ] {
        assert_eq!(
            send(&app, "GET", path, token).await.text,
            expected,
            "{path} {token:?}"
        );
    }
}

/// A requirement of the application's own: the caller's address belongs to a domain.
struct Employee;

impl Requirement for Employee {
    fn is_met_by(&self, identity: &Identity) -> bool {
        let email = identity.email.as_deref().unwrap_or_default();
        email.ends_with("@example.com") && identity.verification_source == VerificationSource::LocalJwt
    }

    fn is_met_by_credential(&self, credential: &ActiveCredential) -> bool {
        self.is_met_by(credential.identity())
    }

    fn denial_message(&self) -> String {
        "Employees only".into()
    }
}

impl RouteRequirement for Employee {
    fn new(_: &Admin) -> Self {
        Self
    }
}

#[tokio::test]
async fn a_requirement_of_the_applications_own_guards_a_route_and_a_router() {
    let employee = Identity {
        email: Some("a@example.com".into()),
        ..identity("a")
    };
    let guard = AuthGuard::fixed(
        FixedTokens::default()
            .accept("employee", employee)
            .accept("guest", identity("g")),
    );
    let inner = Router::new()
        .route("/layer", get(async || "in"))
        .layer(guard.require::<Employee>());
    let app = Router::new()
        .route("/extractor", get(async |Require(_): Require<Employee>| "in"))
        .with_state(guard)
        .merge(inner);
    for path in ["/layer", "/extractor"] {
        assert_eq!(send(&app, "GET", path, Some("employee")).await.text, "in");
        let refused = send(&app, "GET", path, Some("guest")).await;
        assert_eq!(
            refused.verdict(),
            (403, "insufficient_permission".into()),
            "{path}"
        );
        assert!(refused.text.contains("Employees only"), "{}", refused.text);
    }
}

#[test]
fn a_store_under_sentinel_or_in_a_cluster_is_opened_and_shows_no_password() {
    let sentinels = RedisNodes::sentinels("main", [("s1.example.com", 26379), ("s2.example.com", 26379)])
        .with_database(2)
        .with_username("gateway")
        .with_password("canary-1")
        .with_sentinel_password("canary-2")
        .with_tls();
    assert_eq!(
        (sentinels.service.as_str(), sentinels.database, sentinels.tls),
        ("main", 2, true)
    );
    let cluster = RedisNodes::cluster([("c1.example.com".to_owned(), 6379)]).with_password("canary-3");
    assert!(cluster.service.is_empty() && !cluster.tls);
    let stores = [
        RedisStore::open_sentinel(&sentinels),
        RedisStore::open_cluster(&cluster),
    ];
    for shown in [
        format!("{sentinels:?} {sentinels}"),
        format!("{cluster:?}"),
        format!("{stores:?}"),
    ] {
        assert!(!shown.contains("canary"), "{shown}");
    }
    let fault = RedisStore::open("http://canary-4@example.com").unwrap_err();
    assert!(!fault.to_string().contains("canary"), "{fault}");
}

/// The examples are what a stranger copies, so they must not need a second crate of this workspace.
#[test]
fn no_example_and_no_document_names_a_second_crate() {
    for (name, text) in [
        ("README.md", include_str!("../../README.md")),
        ("gateway.rs", include_str!("../../examples/gateway.rs")),
        ("local.rs", include_str!("../../examples/local.rs")),
        ("testing.rs", include_str!("../../examples/testing.rs")),
        (
            "this file",
            include_str!("causes.rs")
                .split("/// The examples are")
                .next()
                .unwrap(),
        ),
    ] {
        let named = text.match_indices("maxlab_auth_").map(|(at, _)| &text[at..]);
        let other: Vec<_> = named
            .filter(|rest| !rest.starts_with("maxlab_auth_guard"))
            .map(|rest| rest.lines().next())
            .collect();
        assert!(other.is_empty(), "{name}: {other:?}");
    }
}

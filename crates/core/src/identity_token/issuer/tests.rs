//! Tests of identity tokens: content, renewal, and that no token serves another key.

use secrecy::ExposeSecret as _;

use super::*;
use crate::identity::{Issuer, VerificationSource};
use maxlab_auth_jose::{Algorithm, CompactJws, KeySet};

fn tokens() -> IdentityTokenIssuer {
    let key = SigningKeys::generate().unwrap();
    let keys = SigningKeys::parse(key.expose_secret()).unwrap();
    let contents = IdentityTokenContents {
        admin: Admin {
            roles: vec!["admin".into()],
        },
        names_workspaces: false,
    };
    IdentityTokenIssuer::new(keys, "gateway".into(), Duration::from_secs(60), contents)
}

fn second(n: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + n).unwrap()
}

fn user() -> Identity {
    Identity {
        user_id: "u-7".into(),
        issuer: Issuer::DEFAULT,
        email: Some("u@example.test".into()),
        name: Some("김 \"하나\"".into()),
        avatar: None,
        roles: vec!["editor".into(), "a,b".into()],
        permissions: vec![],
        groups: vec!["docs".into()],
        workspaces: vec![],
        scope: vec!["openid".into(), "email".into()],
        client_id: None,
        session_id: None,
        sid: None,
        verification_source: VerificationSource::LocalJwt,
        verified_at: second(0),
    }
}

fn key(identity: &Identity) -> TokenCacheKeyRef<'_> {
    TokenCacheKeyRef {
        identity,
        expires_at: Some(second(1_000)),
        host: "app.example",
        method: "GET",
    }
}

/// Verifies a token with the published keys, as an application does, and returns its claims.
fn checked(tokens: &IdentityTokenIssuer, token: &str) -> Value {
    let keys = KeySet::from_jwks(tokens.to_jwks().to_string().as_bytes()).unwrap();
    assert!(keys.skipped().is_empty());
    let jws = CompactJws::parse(token).unwrap();
    let claims = jws.verify(&keys, &[Algorithm::ES256]).unwrap();
    assert_eq!(claims.token_type(), Some(IDENTITY_TOKEN_TYPE));
    Value::Object(claims.as_map().clone())
}

#[test]
fn a_token_says_who_it_is_and_for_what_and_can_be_checked_with_the_published_keys() {
    let (tokens, user) = (tokens(), user());
    let token = tokens.cached_or_signed(key(&user), second(0)).unwrap();
    let expected = json!({ "iss": "gateway", "sub": "u-7", "aud": "app.example", "htm": "GET", "iat": 1_000_000,
        "exp": 1_000_060, "roles": ["editor", "a,b"], "groups": ["docs"], "permissions": [], "scope": "openid email",
        "auth_source": "local_jwt", "is_admin": false, "email": "u@example.test", "name": "김 \"하나\"" });
    assert_eq!(checked(&tokens, &token), expected);
}

#[test]
fn n10_it_names_administrators_workspaces_and_both_sessions() {
    let mut tokens = tokens();
    let mut user = user();
    user.roles.push("admin".into());
    user.workspaces = vec!["ws-1".into()];
    user.session_id = Some("handle".into());
    user.sid = Some("upstream".into());
    let said = checked(&tokens, &tokens.cached_or_signed(key(&user), second(0)).unwrap());
    assert_eq!(
        (
            &said["is_admin"],
            said.get("workspaces"),
            &said["session_id"],
            &said["sid"]
        ),
        (&json!(true), None, &json!("handle"), &json!("upstream"))
    );
    tokens.contents.names_workspaces = true;
    let said = checked(&tokens, &tokens.cached_or_signed(key(&user), second(50)).unwrap());
    assert_eq!(said["workspaces"], json!(["ws-1"]));
}

#[test]
fn it_is_made_once_and_anew_when_a_third_of_its_life_is_left() {
    let (tokens, mut user) = (tokens(), user());
    let first = tokens.cached_or_signed(key(&user), second(0)).unwrap();
    user.verified_at = second(5);
    for later in [0, 20, 39] {
        assert!(
            Arc::ptr_eq(
                &first,
                &tokens.cached_or_signed(key(&user), second(later)).unwrap()
            ),
            "{later}"
        );
    }
    let next = tokens.cached_or_signed(key(&user), second(40)).unwrap();
    assert_eq!(checked(&tokens, &next)["exp"], 1_000_100);
    // A clock that was set back makes no token of the future.
    let earlier = tokens.cached_or_signed(key(&user), second(10)).unwrap();
    assert_eq!(checked(&tokens, &earlier)["iat"], 1_000_010);
}

#[test]
fn it_is_never_handed_out_for_anything_else() {
    let (tokens, user) = (tokens(), user());
    let first = tokens.cached_or_signed(key(&user), second(0)).unwrap();
    let mut others = vec![user.clone(); 6];
    others[0].user_id = "u-8".into();
    others[1].roles = vec!["editor".into(), "a".into(), "b".into()];
    others[2].email = None;
    others[3].session_id = Some("s".into());
    others[4].groups = vec![];
    others[5].sid = Some("s".into());
    for other in &others {
        let token = tokens.cached_or_signed(key(other), second(1)).unwrap();
        assert_eq!(checked(&tokens, &token)["sub"], *other.user_id);
        assert_ne!(first, token);
    }
    let elsewhere = TokenCacheKeyRef {
        host: "other.example",
        ..key(&user)
    };
    let acting = TokenCacheKeyRef {
        method: "POST",
        ..key(&user)
    };
    assert_eq!(
        checked(&tokens, &tokens.cached_or_signed(elsewhere, second(1)).unwrap())["aud"],
        "other.example"
    );
    assert_eq!(
        checked(&tokens, &tokens.cached_or_signed(acting, second(1)).unwrap())["htm"],
        "POST"
    );
    assert!(Arc::ptr_eq(
        &first,
        &tokens.cached_or_signed(key(&user), second(1)).unwrap()
    ));
}

#[test]
fn it_does_not_outlive_the_credential() {
    let (tokens, user) = (tokens(), user());
    for (expires, exp) in [
        (Some(30), 30),
        (Some(100), 60),
        (None, 60),
        (Some(2), 5),
        (Some(-3), 5),
    ] {
        let key = TokenCacheKeyRef {
            expires_at: expires.map(second),
            ..key(&user)
        };
        let token = tokens.cached_or_signed(key, second(0)).unwrap();
        assert_eq!(checked(&tokens, &token)["exp"], 1_000_000 + exp, "{expires:?}");
    }
}

#[test]
fn what_is_remembered_is_bounded() {
    let (tokens, mut user) = (tokens(), user());
    user.name = Some("x".repeat(8 * 1024));
    for n in 0..1_000 {
        user.user_id = format!("u-{n}");
        tokens.cached_or_signed(key(&user), second(0)).unwrap();
    }
    assert!(tokens.cache.weight() <= CACHE_BYTES);
    assert!(tokens.cache.len() < 600, "{}", tokens.cache.len());
}

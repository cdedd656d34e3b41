//! What a token says, when it is made anew, and that it is never another's.

use secrecy::ExposeSecret as _;

use super::*;
use crate::identity::VerificationSource;
use crate::token::{Algorithm, CompactJws, KeySet};

fn tokens() -> IdentityTokens {
    let key = SigningKeys::generate().unwrap();
    let keys = SigningKeys::parse(key.expose_secret()).unwrap();
    IdentityTokens::new(keys, "gateway".into(), Duration::from_secs(60))
}

fn second(n: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + n).unwrap()
}

fn somebody() -> Identity {
    Identity {
        user_id: "u-7".into(),
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
        verification_source: VerificationSource::LocalJwt,
        verified_at: second(0),
    }
}

fn wanted(identity: &Identity) -> Wanted<'_> {
    Wanted {
        identity,
        expires_at: Some(second(1_000)),
        host: "app.example",
        method: "GET",
    }
}

/// The claims, after an application's own check of the signature with the published keys.
fn checked(tokens: &IdentityTokens, token: &str) -> Value {
    let keys = KeySet::from_jwks(tokens.published().to_string().as_bytes()).unwrap();
    assert!(keys.skipped().is_empty());
    let jws = CompactJws::parse(token).unwrap();
    let claims = jws.verify(&keys, &[Algorithm::ES256]).unwrap();
    assert_eq!(claims.token_type(), Some(TYPE));
    Value::Object(claims.as_map().clone())
}

#[test]
fn a_token_says_who_it_is_and_for_what_and_can_be_checked_with_the_published_keys() {
    let (tokens, who) = (tokens(), somebody());
    let token = tokens.token(wanted(&who), second(0)).unwrap();
    let expected = json!({ "iss": "gateway", "sub": "u-7", "aud": "app.example", "htm": "GET", "iat": 1_000_000,
        "exp": 1_000_060, "roles": ["editor", "a,b"], "groups": ["docs"], "permissions": [], "scope": "openid email",
        "auth_source": "local_jwt", "email": "u@example.test", "name": "김 \"하나\"" });
    assert_eq!(checked(&tokens, &token), expected);
}

#[test]
fn it_is_made_once_and_anew_when_a_third_of_its_life_is_left() {
    let (tokens, mut who) = (tokens(), somebody());
    let first = tokens.token(wanted(&who), second(0)).unwrap();
    who.verified_at = second(5);
    for later in [0, 20, 39] {
        assert!(
            Arc::ptr_eq(&first, &tokens.token(wanted(&who), second(later)).unwrap()),
            "{later}"
        );
    }
    let next = tokens.token(wanted(&who), second(40)).unwrap();
    assert_eq!(checked(&tokens, &next)["exp"], 1_000_100);
    // A clock that was set back makes no token of the future.
    let earlier = tokens.token(wanted(&who), second(10)).unwrap();
    assert_eq!(checked(&tokens, &earlier)["iat"], 1_000_010);
}

#[test]
fn it_is_never_handed_out_for_anything_else() {
    let (tokens, who) = (tokens(), somebody());
    let first = tokens.token(wanted(&who), second(0)).unwrap();
    let mut others = vec![who.clone(); 5];
    others[0].user_id = "u-8".into();
    others[1].roles = vec!["editor".into(), "a".into(), "b".into()];
    others[2].email = None;
    others[3].session_id = Some("s".into());
    others[4].groups = vec![];
    for other in &others {
        let token = tokens.token(wanted(other), second(1)).unwrap();
        assert_eq!(checked(&tokens, &token)["sub"], *other.user_id);
        assert_ne!(first, token);
    }
    let elsewhere = Wanted {
        host: "other.example",
        ..wanted(&who)
    };
    let acting = Wanted {
        method: "POST",
        ..wanted(&who)
    };
    assert_eq!(
        checked(&tokens, &tokens.token(elsewhere, second(1)).unwrap())["aud"],
        "other.example"
    );
    assert_eq!(
        checked(&tokens, &tokens.token(acting, second(1)).unwrap())["htm"],
        "POST"
    );
    assert!(Arc::ptr_eq(
        &first,
        &tokens.token(wanted(&who), second(1)).unwrap()
    ));
}

#[test]
fn it_does_not_outlive_the_credential() {
    let (tokens, who) = (tokens(), somebody());
    for (expires, exp) in [
        (Some(30), 30),
        (Some(100), 60),
        (None, 60),
        (Some(2), 5),
        (Some(-3), 5),
    ] {
        let wanted = Wanted {
            expires_at: expires.map(second),
            ..wanted(&who)
        };
        let token = tokens.token(wanted, second(0)).unwrap();
        assert_eq!(checked(&tokens, &token)["exp"], 1_000_000 + exp, "{expires:?}");
    }
}

#[test]
fn what_is_remembered_is_bounded() {
    let (tokens, mut who) = (tokens(), somebody());
    who.name = Some("x".repeat(8 * 1024));
    for n in 0..1_000 {
        who.user_id = format!("u-{n}");
        tokens.token(wanted(&who), second(0)).unwrap();
    }
    assert!(tokens.made.weight() <= REMEMBERED_BYTES);
    assert!(tokens.made.len() < 600, "{}", tokens.made.len());
}

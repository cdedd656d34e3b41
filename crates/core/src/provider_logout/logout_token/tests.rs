//! Times of a logout token, at their bounds. The other rules are tested at the route.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use maxlab_auth_jose::{Algorithm, CompactJws, KeySet};
use serde_json::json;

use super::*;

const SECRET: &[u8] = b"a secret that is long enough for HS256, and then some";
const NOW: i64 = 1_800_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// Claims of a good token, with these times, signed and verified.
fn authentic(times: &Value) -> AuthenticClaims {
    let mut claims = json!({
        "iss": "https://as.example", "aud": ["other", "gateway"], "sub": "user-1", "sid": "s-1", "jti": "1",
        "events": { LOGOUT_EVENT: {} },
    });
    for (name, value) in times.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let header = json!({ "alg": "HS256", "typ": "logout+jwt" });
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let input = format!("{header}.{claims}");
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, input.as_bytes()));
    let keys = KeySet::from_secret(SECRET, Algorithm::HS256).unwrap();
    let token = format!("{input}.{signature}");
    let jws = CompactJws::parse(&token).unwrap();
    jws.verify(&keys, &[Algorithm::HS256]).unwrap()
}

fn check(times: &Value) -> Result<LogoutToken, LogoutTokenFault> {
    let rules = LogoutTokenRules {
        issuers: &["https://as.example".to_owned()],
        client_id: "gateway",
        skew: Duration::from_secs(5),
    };
    LogoutToken::check(&authentic(times), rules, at(NOW))
}

#[test]
fn b12_b13_the_times_are_bounded_to_the_second() {
    let refused_from = |times: Value| check(&times).map(|token| token.refused_from.as_second() - NOW);
    let early = Err(LogoutTokenFault::NotYetValid);
    let expired = Err(LogoutTokenFault::Expired);
    assert_eq!(refused_from(json!({ "iat": NOW, "exp": NOW + 60 })), Ok(65));
    assert_eq!(refused_from(json!({ "iat": NOW })), Ok(125));
    assert_eq!(refused_from(json!({ "iat": NOW - 124 })), Ok(1));
    assert_eq!(refused_from(json!({ "iat": NOW - 125 })), expired);
    // A later `exp` does not make it older than five minutes.
    assert_eq!(
        refused_from(json!({ "iat": NOW - 304, "exp": NOW + 9_000 })),
        Ok(1)
    );
    assert_eq!(
        refused_from(json!({ "iat": NOW - 305, "exp": NOW + 9_000 })),
        expired
    );
    assert_eq!(refused_from(json!({ "iat": NOW + 5, "exp": NOW + 60 })), Ok(65));
    assert_eq!(refused_from(json!({ "iat": NOW + 6, "exp": NOW + 60 })), early);
    assert_eq!(refused_from(json!({ "iat": NOW, "nbf": NOW + 6 })), early);
}

#[test]
fn b15_the_cut_off_covers_the_second_of_the_logout_and_no_later_one() {
    let token = check(&json!({ "iat": NOW - 3 })).unwrap();
    let cutoff = token.cutoff(at(NOW));
    assert!(cutoff < at(NOW - 2) && cutoff > at(NOW - 3));
    // A clock that is ahead ends nothing that has not begun.
    let ahead = check(&json!({ "iat": NOW + 5 })).unwrap();
    assert!(ahead.cutoff(at(NOW)) < at(NOW + 1));
}

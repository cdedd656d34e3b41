//! The policy's rules, one test each.

use serde_json::{Value, json};

use super::*;
use crate::claims::tests::claims_of;

const NOW: i64 = 1_800_000_000;

fn policy() -> ClaimsPolicy {
    ClaimsPolicy {
        issuer: None,
        audiences: Vec::new(),
        audience_claim: None,
        token_types: TypRule::Any,
        leeway_seconds: 30,
        default_lifetime_seconds: 600,
        max_age_seconds: None,
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn check(policy: &ClaimsPolicy, claims: Value) -> Result<TokenTimes, ClaimFault> {
    policy.check(&claims_of(claims, None), at(NOW))
}

#[test]
fn exp_ends_a_token_after_the_leeway() {
    let times = check(&policy(), json!({"exp": NOW - 29, "iat": NOW - 100})).unwrap();
    assert_eq!(
        times,
        TokenTimes {
            issued_at: Some(at(NOW - 100)),
            expires_at: at(NOW - 29)
        }
    );
    assert_eq!(
        check(&policy(), json!({"exp": NOW - 30})),
        Err(ClaimFault::Expired)
    );
    let strict = ClaimsPolicy {
        leeway_seconds: 0,
        ..policy()
    };
    assert!(check(&strict, json!({"exp": NOW + 1})).is_ok());
    assert_eq!(check(&strict, json!({"exp": NOW})), Err(ClaimFault::Expired));
}

#[test]
fn the_leeway_never_exceeds_a_minute() {
    let lax = ClaimsPolicy {
        leeway_seconds: 86_400,
        ..policy()
    };
    assert!(check(&lax, json!({"exp": NOW - 59})).is_ok());
    assert_eq!(check(&lax, json!({"exp": NOW - 60})), Err(ClaimFault::Expired));
}

#[test]
fn without_exp_iat_and_the_default_lifetime_count() {
    let times = check(&policy(), json!({"iat": NOW - 60})).unwrap();
    assert_eq!(times.expires_at, at(NOW + 540));
    assert_eq!(
        check(&policy(), json!({"iat": NOW - 700})),
        Err(ClaimFault::Expired)
    );
    assert_eq!(check(&policy(), json!({})), Err(ClaimFault::MissingExpiry));
    assert_eq!(
        check(&policy(), json!({"nbf": NOW})),
        Err(ClaimFault::MissingExpiry)
    );
}

#[test]
fn exp_is_never_replaced_by_the_default_lifetime() {
    assert_eq!(
        check(&policy(), json!({"exp": NOW - 100, "iat": NOW - 110})),
        Err(ClaimFault::Expired)
    );
}

#[test]
fn nbf_and_iat_must_not_lie_in_the_future() {
    for name in ["nbf", "iat"] {
        assert!(check(&policy(), json!({"exp": NOW + 99, name: NOW + 30})).is_ok());
        let early = check(&policy(), json!({"exp": NOW + 99, name: NOW + 31}));
        assert_eq!(early, Err(ClaimFault::NotYetValid), "{name}");
    }
}

#[test]
fn dates_of_a_wrong_type_are_errors_and_never_absent() {
    let sound = json!({"exp": NOW + 99, "iat": NOW - 1, "nbf": NOW - 1});
    for name in ["exp", "iat", "nbf"] {
        for wrong in [
            json!("1900000000"),
            json!({}),
            json!([1_900_000_000]),
            json!(true),
            json!(null),
            json!(-1),
        ] {
            let mut claims = sound.clone();
            claims[name] = wrong.clone();
            assert_eq!(
                check(&policy(), claims),
                Err(ClaimFault::Malformed(name)),
                "{name}: {wrong}"
            );
        }
    }
}

#[test]
fn the_issuer_is_compared_exactly() {
    let policy = ClaimsPolicy {
        issuer: Some("https://as.example".into()),
        ..policy()
    };
    assert!(check(&policy, json!({"exp": NOW + 9, "iss": "https://as.example"})).is_ok());
    for foreign in [
        "https://as.example/",
        "https://AS.example",
        "https://as.example.evil",
        " https://as.example",
    ] {
        let result = check(&policy, json!({"exp": NOW + 9, "iss": foreign}));
        assert_eq!(result, Err(ClaimFault::ForeignIssuer), "{foreign}");
    }
    assert_eq!(
        check(&policy, json!({"exp": NOW + 9})),
        Err(ClaimFault::ForeignIssuer)
    );
    let list = check(&policy, json!({"exp": NOW + 9, "iss": ["https://as.example"]}));
    assert_eq!(list, Err(ClaimFault::Malformed("iss")));
}

#[test]
fn the_audience_must_have_one_of_our_names() {
    let policy = ClaimsPolicy {
        audiences: vec!["api".into(), "https://api".into()],
        ..policy()
    };
    for aud in [json!("api"), json!(["x", "https://api"])] {
        assert!(check(&policy, json!({"exp": NOW + 9, "aud": aud})).is_ok());
    }
    for aud in [
        json!("ap"),
        json!("api2"),
        json!(""),
        json!([]),
        json!(["x", "y"]),
    ] {
        let result = check(&policy, json!({"exp": NOW + 9, "aud": aud.clone()}));
        assert_eq!(result, Err(ClaimFault::WrongAudience), "{aud}");
    }
    assert_eq!(
        check(&policy, json!({"exp": NOW + 9})),
        Err(ClaimFault::WrongAudience)
    );
    for aud in [json!(1), json!(null), json!({"api": 1}), json!(["api", 1])] {
        let result = check(&policy, json!({"exp": NOW + 9, "aud": aud.clone()}));
        assert_eq!(result, Err(ClaimFault::Malformed("aud")), "{aud}");
    }
}

#[test]
fn typ_tells_access_tokens_from_other_kinds() {
    let judge = |rule, typ: Option<&str>| {
        let policy = ClaimsPolicy {
            token_types: rule,
            ..policy()
        };
        policy
            .check(&claims_of(json!({"exp": NOW + 9}), typ), at(NOW))
            .map(|_| ())
    };
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt"] {
        assert_eq!(judge(TypRule::Any, Some(typ)), Ok(()), "{typ}");
        assert_eq!(judge(TypRule::AccessToken, Some(typ)), Ok(()), "{typ}");
    }
    for typ in [None, Some("JWT"), Some("jwt")] {
        assert_eq!(judge(TypRule::Any, typ), Ok(()), "{typ:?}");
        assert_eq!(
            judge(TypRule::AccessToken, typ),
            Err(ClaimFault::WrongType),
            "{typ:?}"
        );
    }
    for typ in [
        "logout+jwt",
        "secevent+jwt",
        "dpop+jwt",
        "oauth-authz-req+jwt",
        "application/logout+jwt",
        "",
        "at+jwt ",
    ] {
        for rule in [TypRule::Any, TypRule::AccessToken] {
            assert_eq!(judge(rule, Some(typ)), Err(ClaimFault::WrongType), "{typ:?}");
        }
    }
}

#[test]
fn id_tokens_and_logout_tokens_are_no_access_tokens() {
    let judge = |name: &str, value: Value, typ| {
        policy()
            .check(&claims_of(json!({"exp": NOW + 9, name: value}), typ), at(NOW))
            .map(|_| ())
    };
    for name in ["nonce", "at_hash", "c_hash"] {
        for typ in [None, Some("JWT")] {
            let undeclared = judge(name, json!("x"), typ);
            assert_eq!(undeclared, Err(ClaimFault::ResemblesIdToken), "{name}");
        }
        assert_eq!(judge(name, json!("x"), Some("at+jwt")), Ok(()), "{name}");
    }
    let events = json!({"http://schemas.openid.net/event/backchannel-logout": {}});
    assert_eq!(judge("events", events.clone(), None), Err(ClaimFault::WrongType));
    assert_eq!(
        judge("events", events, Some("at+jwt")),
        Err(ClaimFault::WrongType)
    );
    assert_eq!(judge("typ", json!("ID"), Some("JWT")), Err(ClaimFault::WrongType));
    assert_eq!(
        judge("typ", json!("Refresh"), Some("JWT")),
        Err(ClaimFault::WrongType)
    );
    assert_eq!(judge("typ", json!("Bearer"), Some("JWT")), Ok(()));
    assert_eq!(judge("token_use", json!("id"), None), Err(ClaimFault::WrongType));
    assert_eq!(judge("token_use", json!("access"), None), Ok(()));
}

#[test]
fn f1_a_declared_access_token_may_have_the_claims_of_an_id_token() {
    let policy = ClaimsPolicy {
        audiences: vec!["api".to_owned()],
        ..policy()
    };
    let judge = |more: Value| {
        let mut claims = json!({"exp": NOW + 9, "aud": "api", "nonce": "n", "at_hash": "h"});
        claims
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        policy.check(&claims_of(claims, Some("JWT")), at(NOW)).map(|_| ())
    };
    for more in [
        json!({"typ": "Bearer"}),
        json!({"token_use": "access"}),
        json!({"scope": "openid"}),
        json!({"scp": ["openid"], "client_id": "web"}),
        json!({"nonce": null, "at_hash": null}),
    ] {
        assert_eq!(judge(more.clone()), Ok(()), "{more}");
    }
    // Every other rule counts before the resemblance, which another layer may overrule.
    for (more, fault) in [
        (json!({}), ClaimFault::ResemblesIdToken),
        (json!({"client_id": "web"}), ClaimFault::ResemblesIdToken),
        (json!({"aud": "web"}), ClaimFault::WrongAudience),
        (json!({"exp": NOW - 99}), ClaimFault::Expired),
        (json!({"typ": "ID"}), ClaimFault::WrongType),
        (json!({"typ": "ID", "scope": "openid"}), ClaimFault::WrongType),
        (
            json!({"token_use": "id", "scope": "openid"}),
            ClaimFault::WrongType,
        ),
    ] {
        assert_eq!(judge(more.clone()), Err(fault), "{more}");
    }
}

#[test]
fn f18_a_far_expiry_has_not_passed() {
    for far in [json!(253_402_300_799_u64), json!(1e300), json!(u64::MAX)] {
        let times = check(&policy(), json!({"exp": far, "iat": NOW})).unwrap();
        assert_eq!(times.expires_at, Timestamp::MAX);
        for name in ["nbf", "iat"] {
            let early = check(&policy(), json!({"exp": NOW + 9, name: far}));
            assert_eq!(early, Err(ClaimFault::NotYetValid), "{name}");
        }
    }
}

#[test]
fn the_greatest_age_counts_from_iat_and_shortens_the_life() {
    let policy = ClaimsPolicy {
        max_age_seconds: Some(100),
        ..policy()
    };
    let times = check(&policy, json!({"exp": NOW + 9_000, "iat": NOW - 90})).unwrap();
    assert_eq!(times.expires_at, at(NOW + 10));
    assert_eq!(
        check(&policy, json!({"exp": NOW + 9_000, "iat": NOW - 131})),
        Err(ClaimFault::TooOld)
    );
    assert_eq!(
        check(&policy, json!({"exp": NOW + 9_000})),
        Err(ClaimFault::TooOld)
    );
}

#[test]
fn extreme_dates_and_settings_do_not_overflow() {
    let policy = ClaimsPolicy {
        default_lifetime_seconds: u64::MAX,
        max_age_seconds: Some(u64::MAX),
        ..policy()
    };
    assert_eq!(
        check(&policy, json!({"iat": NOW})).unwrap().expires_at,
        Timestamp::MAX
    );
    let zero = policy.check(&claims_of(json!({"exp": 0, "iat": 0}), None), Timestamp::MAX);
    assert_eq!(zero, Err(ClaimFault::Expired));
    let last = 253_402_207_200_u64;
    let times = policy.check(
        &claims_of(json!({"exp": last, "iat": last}), None),
        Timestamp::MIN,
    );
    assert_eq!(times, Err(ClaimFault::NotYetValid));
}

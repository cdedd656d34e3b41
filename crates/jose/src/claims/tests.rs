//! Tests of the readers of claims, and a helper for the tests of later steps.

use serde_json::json;

use super::*;

/// Builds claims as if their signature had been verified, for tests of the following steps.
pub(crate) fn claims_of(value: Value, token_type: Option<&str>) -> AuthenticClaims {
    let Value::Object(map) = value else {
        panic!("claims are an object")
    };
    AuthenticClaims::new(
        Arc::new(map),
        Algorithm::ES256,
        None,
        token_type.map(str::to_owned),
    )
}

#[test]
fn strings_are_read_and_other_types_are_errors() {
    type Reader = for<'c> fn(&'c AuthenticClaims) -> Result<Option<&'c str>, MalformedClaim>;
    let readers: [(&'static str, Reader); 6] = [
        ("sub", AuthenticClaims::subject),
        ("iss", AuthenticClaims::issuer),
        ("jti", AuthenticClaims::jwt_id),
        ("sid", AuthenticClaims::session_id),
        ("client_id", AuthenticClaims::client_id),
        ("azp", AuthenticClaims::client_id),
    ];
    for (name, read) in readers {
        assert_eq!(read(&claims_of(json!({}), None)), Ok(None));
        assert_eq!(read(&claims_of(json!({name: ""}), None)), Ok(None));
        assert_eq!(read(&claims_of(json!({name: "x"}), None)), Ok(Some("x")));
        for wrong in [json!(null), json!(1), json!(true), json!(["x"]), json!({"x": 1})] {
            assert_eq!(
                read(&claims_of(json!({name: wrong}), None)),
                Err(MalformedClaim(name)),
                "{name} {wrong}"
            );
        }
    }
}

#[test]
fn client_id_goes_before_azp() {
    assert_eq!(
        claims_of(json!({"client_id": "a", "azp": "b"}), None).client_id(),
        Ok(Some("a"))
    );
}

#[test]
fn audience_is_one_string_or_a_list_of_strings() {
    assert_eq!(claims_of(json!({}), None).audience(), Ok(vec![]));
    assert_eq!(claims_of(json!({"aud": "a"}), None).audience(), Ok(vec!["a"]));
    assert_eq!(
        claims_of(json!({"aud": ["a", "b"]}), None).audience(),
        Ok(vec!["a", "b"])
    );
    for wrong in [
        json!(null),
        json!(1),
        json!({"a": 1}),
        json!(["a", 1]),
        json!([["a"]]),
    ] {
        assert_eq!(
            claims_of(json!({"aud": wrong}), None).audience(),
            Err(MalformedClaim("aud")),
            "{wrong}"
        );
    }
}

#[test]
fn scope_is_a_string_or_a_joined_list() {
    assert_eq!(
        claims_of(json!({"scope": "a b"}), None).scope(),
        Ok(Some("a b".into()))
    );
    assert_eq!(
        claims_of(json!({"scope": ["a", "b"]}), None).scope(),
        Ok(Some("a b".into()))
    );
    assert_eq!(
        claims_of(json!({"scope": 1}), None).scope(),
        Err(MalformedClaim("scope"))
    );
}

#[test]
fn numeric_dates_are_numbers_from_1970_on() {
    let read = |value: Value| claims_of(json!({"exp": value}), None).expires_at();
    assert_eq!(read(json!(0)), Ok(Some(Timestamp::UNIX_EPOCH)));
    assert_eq!(
        read(json!(1.5)),
        Ok(Some("1970-01-01T00:00:01.5Z".parse().unwrap()))
    );
    assert_eq!(
        read(json!(1e9)),
        Ok(Some(Timestamp::from_second(1_000_000_000).unwrap()))
    );
    assert!(read(json!(253_402_207_200_u64)).is_ok());
    // F18: far away is not malformed.
    for far in [
        json!(253_402_207_201_u64),
        json!(253_402_300_799_u64),
        json!(1e18),
        json!(1e300),
        json!(u64::MAX),
    ] {
        assert_eq!(read(far.clone()), Ok(Some(Timestamp::MAX)), "{far}");
    }
    let wrong = [
        json!(null),
        json!(true),
        json!("1700000000"),
        json!([1_700_000_000]),
        json!({"seconds": 1}),
        json!(-1),
        json!(-0.5),
        json!(i64::MIN),
    ];
    for value in wrong {
        assert_eq!(read(value.clone()), Err(MalformedClaim("exp")), "{value}");
    }
}

#[test]
fn debug_shows_no_claim_value() {
    let debug = format!("{:?}", claims_of(json!({"email": "kim@example.com"}), None));
    assert!(debug.contains("email") && !debug.contains("kim@"), "{debug}");
}

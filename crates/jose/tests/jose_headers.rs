//! Headers and payloads: accepted and refused members, and that a token cannot bring its own key.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

#[path = "jose_support/issuer.rs"]
mod issuer;
mod jose_support;

use issuer::{KEY, KEYS, fault_of, header, token};
use jose_support::{SigningKey, b64, judge, jwks, with};
use maxlab_auth_jose::{Algorithm, JwsSegment, MalformedJson, MalformedToken, SignatureFault};
use serde_json::{Value, json};

#[test]
fn alg_none_is_refused_in_every_case() {
    for name in ["none", "None", "NONE", "nOnE", " none", "none "] {
        let header = b64(json!({"alg": name}).to_string().as_bytes());
        for signature in ["", "AA", "c2ln"] {
            let text = format!("{header}.{}.{signature}", b64(br#"{"sub":"admin"}"#));
            assert_eq!(fault_of(&text), MalformedToken::Unsigned, "{text}");
        }
    }
    let unsigned = token(json!({})).rsplit_once('.').unwrap().0.to_owned() + ".";
    assert_eq!(
        judge(&unsigned, &KEYS, &Algorithm::ALL).unwrap_err(),
        Some(SignatureFault::BadSignature)
    );
}

#[test]
fn critical_extensions_are_refused_whatever_they_name() {
    for crit in [
        json!(["x"]),
        json!([]),
        json!(["x", "x"]),
        json!(["b64"]),
        json!(["alg"]),
        json!("exp"),
        json!({}),
        json!(1),
    ] {
        let text = token(json!({"crit": crit, "b64": false, "x": 1}));
        assert_eq!(fault_of(&text), MalformedToken::CriticalExtension, "{crit}");
    }
    let null = KEY.token_of(
        Algorithm::ES256,
        br#"{"alg":"ES256","kid":"k1","crit":null}"#,
        b"{}",
    );
    assert_eq!(fault_of(&null), MalformedToken::CriticalExtension);
}

#[test]
fn transformed_payloads_are_refused() {
    assert_eq!(
        fault_of(&token(json!({"b64": false}))),
        MalformedToken::Unsupported("b64")
    );
    assert_eq!(
        fault_of(&token(json!({"b64": true}))),
        MalformedToken::Unsupported("b64")
    );
    assert_eq!(
        fault_of(&token(json!({"zip": "DEF"}))),
        MalformedToken::Unsupported("zip")
    );
    assert_eq!(
        fault_of(&token(json!({"enc": "A256GCM"}))),
        MalformedToken::Unsupported("enc")
    );
}

#[test]
fn header_parameters_have_their_types() {
    for (name, value) in [
        ("alg", json!(1)),
        ("alg", json!("")),
        ("alg", json!(["ES256"])),
        ("kid", json!(1)),
        ("typ", json!({})),
    ] {
        assert_eq!(
            fault_of(&token(json!({name: value}))),
            MalformedToken::HeaderParameter(name),
            "{name} {value}"
        );
    }
    for name in ["alg", "kid", "typ"] {
        let mut object = header(json!({}));
        object[name] = Value::Null;
        let text = KEY.token(Algorithm::ES256, &object, &json!({}));
        assert_eq!(fault_of(&text), MalformedToken::HeaderParameter(name), "{name}");
    }
}

#[test]
fn header_and_payload_are_strict_json_objects() {
    let respell =
        |header: &str, payload: &str| KEY.token_of(Algorithm::ES256, header.as_bytes(), payload.as_bytes());
    let valid = r#"{"alg":"ES256","kid":"k1"}"#;
    let twice = r#"{"alg":"ES256","kid":"k1","alg":"none"}"#;
    assert_eq!(
        fault_of(&respell(twice, "{}")),
        MalformedToken::Json(JwsSegment::Header, MalformedJson::DuplicateKey)
    );
    let duplicate = MalformedToken::Json(JwsSegment::Payload, MalformedJson::DuplicateKey);
    assert_eq!(
        fault_of(&respell(valid, r#"{"sub":"u1","sub":"admin"}"#)),
        duplicate
    );
    assert_eq!(
        fault_of(&respell(valid, r#"{"sub":"u1","s\u0075b":"admin"}"#)),
        duplicate
    );
    assert_eq!(
        fault_of(&respell(
            valid,
            r#"{"realm_access":{"roles":["a"],"roles":["admin"]}}"#
        )),
        duplicate
    );
    let not_object = MalformedToken::Json(JwsSegment::Payload, MalformedJson::NotAnObject);
    for payload in ["[]", "null", "\"text\"", "1"] {
        assert_eq!(fault_of(&respell(valid, payload)), not_object, "{payload}");
    }
    for payload in [
        "",
        "{}{}",
        "{} x",
        "{\"exp\":NaN}",
        "{\"sub\":\"\\ud800\"}",
        "foo",
        "\u{feff}{}",
    ] {
        let fault = fault_of(&respell(valid, payload));
        assert!(
            matches!(
                fault,
                MalformedToken::Json(JwsSegment::Payload, MalformedJson::Syntax { .. })
            ),
            "{payload}"
        );
    }
    for header in [
        r#"{"alg":"ES256"}{"#,
        r#"{"alg":"ES256","kid":"\ud800"}"#,
        r#" {"alg":"ES256",}"#,
        "{\"alg\":\"ES256\"}\0",
    ] {
        let fault = fault_of(&respell(header, "{}"));
        assert!(
            matches!(
                fault,
                MalformedToken::Json(JwsSegment::Header, MalformedJson::Syntax { .. })
            ),
            "{header}"
        );
    }
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(40), "]".repeat(40));
    assert_eq!(
        fault_of(&respell(valid, &deep)),
        MalformedToken::Json(JwsSegment::Payload, MalformedJson::TooDeep)
    );
}

#[test]
fn a_token_does_not_bring_its_own_key() {
    let attacker = SigningKey::for_algorithm(Algorithm::ES256);
    let jwk = with(attacker.jwk(), json!({"kid": "k1", "alg": "ES256", "use": "sig"}));
    let chain = json!([b64(&attacker.public_der())]);
    let headers = [
        json!({"jwk": jwk}),
        json!({"jku": "https://evil.example/jwks.json"}),
        json!({"x5u": "https://evil.example/cert.pem"}),
        json!({"x5c": chain}),
        json!({"jwk": jwk, "kid": null}),
        json!({"jwk": jwk, "kid": "attacker"}),
    ];
    let no_keys = jwks(&[]);
    for more in headers {
        let forged = attacker.token(Algorithm::ES256, &header(more.clone()), &json!({"sub": "admin"}));
        for keys in [&*KEYS, &no_keys] {
            let fault = judge(&forged, keys, &Algorithm::ALL).unwrap_err();
            assert!(
                matches!(
                    fault,
                    Some(SignatureFault::BadSignature | SignatureFault::UnknownKey)
                ),
                "{more}"
            );
        }
        // The same members do not spoil a token that a known key signed.
        let honest = token(with(more, json!({"kid": "k1"})));
        assert!(judge(&honest, &KEYS, &[Algorithm::ES256]).is_ok());
    }
}

//! Tokens: texts that are a JWS, texts that only look like one, and that no other spelling of
//! either is accepted.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]
#![expect(dead_code, reason = "not every test file needs every helper")]

#[path = "jose_support/issuer.rs"]
mod issuer;
mod jose_support;

use issuer::{KEY, KEYS, fault_of, header, token};
use jose_support::{b64, judge};
use maxlab_auth_jose::{
    Algorithm, CompactJws, JwsSegment, MalformedToken, SignatureFault, TokenShape, shape_of,
};
use proptest::prelude::*;
use serde_json::json;

fn is_opaque(token: &str) -> bool {
    matches!(shape_of(token), TokenShape::Opaque)
}

#[test]
fn a_good_token_shows_what_choosing_a_key_needs() {
    let text = token(json!({"typ": "at+jwt"}));
    let jws = CompactJws::parse(&text).unwrap();
    assert_eq!(
        (jws.header().alg(), jws.header().kid(), jws.header().typ()),
        ("ES256", Some("k1"), Some("at+jwt"))
    );
    assert_eq!(
        (jws.unverified_jti(), jws.unverified_issuer()),
        (Some("t1"), Some("https://as"))
    );
    assert_eq!(jws.unverified_expiry().unwrap().as_second(), 1_900_000_000);
    assert!(!format!("{jws:?}").contains("u1"));
    assert!(judge(&text, &KEYS, &[Algorithm::ES256]).is_ok());
}

#[test]
fn a_mistyped_claim_is_no_unverified_claim() {
    let text = KEY.token(
        Algorithm::ES256,
        &header(json!({})),
        &json!({"jti": 1, "iss": ["x"], "exp": "9"}),
    );
    let jws = CompactJws::parse(&text).unwrap();
    assert_eq!(
        (
            jws.unverified_jti(),
            jws.unverified_issuer(),
            jws.unverified_expiry()
        ),
        (None, None, None)
    );
}

#[test]
fn texts_that_mean_nothing_to_us_are_opaque() {
    let jwe = format!("{}.a.b.c.d", b64(br#"{"alg":"dir","enc":"A256GCM"}"#));
    let flask = format!("{}.ZkQ1.c2lnbmF0dXJl", b64(br#"{"user":"u1"}"#));
    let array = format!("{}.e30.AA", b64(br#"["alg"]"#));
    for text in [
        "",
        "abc",
        "a.b",
        "a.b.c",
        "...",
        "..",
        "ya29.a0AfH6SMBx",
        &jwe,
        &flask,
        &array,
        "eyJ.eyJ.eyJ",
        "e30.e30.e30",
    ] {
        assert!(is_opaque(text), "{text:?}");
    }
    let valid = token(json!({}));
    let two = valid.rsplit_once('.').unwrap().0;
    for text in [
        two.to_owned(),
        format!("{valid}."),
        format!(".{valid}"),
        format!("{valid}.x"),
    ] {
        assert!(is_opaque(&text), "{text:?}");
        assert_eq!(CompactJws::parse(&text).unwrap_err(), MalformedToken::NotCompact);
    }
}

#[test]
fn other_spellings_of_a_good_token_are_malformed_and_never_opaque() {
    let valid = token(json!({}));
    assert!(judge(&valid, &KEYS, &[Algorithm::ES256]).is_ok());
    let parts: Vec<&str> = valid.split('.').collect();
    for index in 0..3 {
        let respelled = |segment: String| {
            let mut parts = parts.clone();
            parts[index] = &segment;
            parts.join(".")
        };
        let segment = parts[index];
        let mut spellings = vec![
            format!("{segment}="),
            format!("{segment}=="),
            format!("{segment} "),
            format!(" {segment}"),
            format!("{segment}\n"),
            format!("{segment}?"),
            format!("{}~{}", &segment[..4], &segment[4..]),
            format!("{}%3D", segment),
            format!("{segment}A"),
        ];
        spellings.extend(other_trailing_bits(segment));
        if segment.contains(['-', '_']) {
            spellings.push(segment.replace('-', "+").replace('_', "/"));
        }
        for spelling in spellings {
            let text = respelled(spelling);
            match shape_of(&text) {
                TokenShape::Malformed(MalformedToken::Base64(_) | MalformedToken::Json(..)) => {}
                TokenShape::Jws(jws) => {
                    // With a whole byte more it may be well-formed. Then it is another token,
                    // which no key signed.
                    assert!(jws.verify(&KEYS, &[Algorithm::ES256]).is_err(), "{text}");
                }
                other => panic!("{text} is {other:?}"),
            }
        }
    }
}

/// Returns the spellings of a segment that differ in the unused bits of its last symbol.
fn other_trailing_bits(segment: &str) -> Vec<String> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let unused = match segment.len() % 4 {
        2 => 4,
        3 => 2,
        _ => return Vec::new(),
    };
    let (rest, last) = segment.split_at(segment.len() - 1);
    let value = ALPHABET.find(last).unwrap();
    (1..1 << unused)
        .map(|bits| format!("{rest}{}", &ALPHABET[value | bits..=value | bits]))
        .collect()
}

#[test]
fn trailing_bits_are_refused_in_each_segment() {
    let encoded = |text: &[u8]| other_trailing_bits(&b64(text));
    let header = br#"{"alg":"ES256", "kid":"k1"}"#.as_slice();
    let padded = [header, b" "].concat();
    let (headers, payloads, signatures) = (encoded(&padded), encoded(b"{\"a\":1}"), encoded(&[0; 64]));
    assert!(!headers.is_empty() && !payloads.is_empty() && signatures.len() == 15);
    for respelled in headers {
        assert_eq!(
            fault_of(&format!("{respelled}.e30.AA")),
            MalformedToken::Base64(JwsSegment::Header)
        );
    }
    for respelled in payloads {
        let text = format!("{}.{respelled}.AA", b64(header));
        assert_eq!(fault_of(&text), MalformedToken::Base64(JwsSegment::Payload));
    }
    for respelled in signatures {
        let text = format!("{}.e30.{respelled}", b64(header));
        assert_eq!(fault_of(&text), MalformedToken::Base64(JwsSegment::Signature));
    }
}

#[test]
fn a_signed_part_cannot_be_exchanged() {
    let (one, two) = (
        token(json!({})),
        KEY.token(
            Algorithm::ES256,
            &header(json!({"typ": "JWT"})),
            &json!({"sub": "u2"}),
        ),
    );
    let (one, two): (Vec<_>, Vec<_>) = (one.split('.').collect(), two.split('.').collect());
    for mixed in [
        [one[0], one[1], two[2]],
        [one[0], two[1], one[2]],
        [two[0], one[1], one[2]],
        [two[0], one[1], two[2]],
    ] {
        let fault = judge(&mixed.join("."), &KEYS, &[Algorithm::ES256]).unwrap_err();
        assert_eq!(fault, Some(SignatureFault::BadSignature));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_character_never_verifies(index in 0_usize..1000, replacement in any::<char>()) {
        let valid = token(json!({}));
        let mut characters: Vec<char> = valid.chars().collect();
        let index = index % characters.len();
        prop_assume!(characters[index] != replacement);
        characters[index] = replacement;
        let changed: String = characters.into_iter().collect();
        prop_assert!(judge(&changed, &KEYS, &Algorithm::ALL).is_err());
    }

    #[test]
    fn a_change_outside_header_and_payload_is_never_opaque(index in 0_usize..1000, character in "[^.]") {
        let valid = token(json!({}));
        let signature = valid.rfind('.').unwrap() + 1;
        let index = signature + index % (valid.len() - signature + 1);
        let mut inserted = valid;
        inserted.insert_str(index, &character);
        prop_assert!(!is_opaque(&inserted));
        prop_assert!(judge(&inserted, &KEYS, &Algorithm::ALL).is_err());
    }

    #[test]
    fn inserted_and_removed_text_never_verifies(index in 0_usize..1000, length in 1_usize..9, text in "[A-Za-z0-9_.=-]{0,9}") {
        let valid = token(json!({}));
        let start = index % valid.len();
        let end = (start + length).min(valid.len());
        let changed = format!("{}{text}{}", &valid[..start], &valid[end..]);
        prop_assume!(changed != valid);
        prop_assert!(judge(&changed, &KEYS, &Algorithm::ALL).is_err());
    }

    #[test]
    fn any_text_is_answered(text in "\\PC{0,60}") {
        prop_assert!(judge(&text, &KEYS, &Algorithm::ALL).is_err());
    }

    #[test]
    fn any_header_and_payload_are_answered(header in prop::collection::vec(any::<u8>(), 0..60), payload in prop::collection::vec(any::<u8>(), 0..60)) {
        let text = format!("{}.{}.AAAA", b64(&header), b64(&payload));
        prop_assert!(judge(&text, &KEYS, &Algorithm::ALL).is_err());
    }
}

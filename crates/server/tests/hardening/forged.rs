//! Tokens that are forged, altered or not meant for us, each with a word of what is wrong with it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use maxlab_auth_testkit::TokenForge;
use serde_json::{Value, json};

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// Tokens that this issuer never signed, or signed with words in the header that forbid to believe it.
pub(crate) fn by_header(forge: &TokenForge) -> Vec<(String, String)> {
    let claims = forge.access_token("ann").claims();
    let named = |what: &str, tokens: Vec<String>| -> Vec<(String, String)> {
        tokens.into_iter().map(|token| (what.to_owned(), token)).collect()
    };
    let good = forge.sign(&claims);
    let mut found = named("unsigned", forge.unsigned(&claims));
    found.extend(named(
        "HS256 under the public key",
        forge.hs256_with_public_key(&claims),
    ));
    found.extend(named("embedded jwk", vec![forge.with_embedded_jwk(&claims)]));
    found.extend(named("unknown crit", vec![forge.with_crit(&claims)]));
    found.extend(named("wrong signature", vec![TokenForge::wrong_signature(&good)]));
    found.extend(named("forged twin", vec![forge.forged_twin(&good)]));
    found.extend(named("padding", vec![TokenForge::padding_variant(&good)]));
    found.extend(named(
        "trailing bits",
        vec![TokenForge::trailing_bits_variant(&good)],
    ));
    let headers = [
        ("crit", json!([])),
        ("crit", json!(["exp", "exp"])),
        ("crit", json!(["alg"])),
        ("crit", json!("exp")),
        ("crit", json!(["b64"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("enc", json!("A256GCM")),
        ("kid", json!(["a", "b"])),
        ("kid", json!({ "a": "b" })),
        ("kid", json!(7)),
        ("kid", json!(null)),
        ("kid", json!("../../../../../../dev/null")),
        ("kid", json!("' UNION SELECT 'x' --")),
        ("kid", json!("x".repeat(8_000))),
        ("kid", json!("\u{0}")),
        ("alg", json!("ES256K")),
        ("alg", json!("HS256")),
        ("alg", json!("RS256")),
        ("alg", json!("none")),
        ("alg", json!(["ES256"])),
        ("alg", json!("es256")),
        ("typ", json!("logout+jwt")),
        ("typ", json!("dpop+jwt")),
        ("typ", json!(["at+jwt"])),
        ("cty", json!("JWT")),
    ];
    for (name, value) in headers {
        let token = forge.access_token("ann").header(name, value.clone()).sign();
        // A byte of the signature is flipped where the header alone says nothing against the token.
        let fits =
            (name == "kid" && value.is_null()) || name == "cty" || (name == "b64" && value == json!(false));
        let token = if fits {
            TokenForge::wrong_signature(&token)
        } else {
            token
        };
        found.push((
            format!(
                "{name}: {}",
                value.to_string().chars().take(40).collect::<String>()
            ),
            token,
        ));
    }
    found.extend(jwe(&claims, &good));
    found
}

/// Five parts around an unsigned JWT, and around a good one.
fn jwe(claims: &Value, good: &str) -> Vec<(String, String)> {
    let plain = format!("{}.{}.", part(&json!({ "alg": "none" })), part(claims));
    let mut found = Vec::new();
    for alg in ["RSA-OAEP", "dir", "ECDH-ES", "none"] {
        for inner in [plain.as_str(), good] {
            let header = part(&json!({ "alg": alg, "enc": "A256GCM", "cty": "JWT", "zip": "DEF" }));
            let token = format!(
                "{header}.AAAA.AAAAAAAAAAAAAAAA.{}.AAAAAAAAAAAAAAAAAAAAAA",
                URL_SAFE_NO_PAD.encode(inner)
            );
            found.push((format!("JWE {alg}"), token));
        }
    }
    found.push(("four parts".to_owned(), format!("{good}.AAAA")));
    found.push(("two tokens".to_owned(), format!("{good}.{good}")));
    found
}

/// Rightly signed, with claims that are not those of an access token for us.
pub(crate) fn by_claims(forge: &TokenForge) -> Vec<(String, String)> {
    let fresh = || forge.access_token("ann");
    let now = fresh().claims()["iat"].as_i64().unwrap();
    let mut found = Vec::new();
    for name in ["exp", "nbf", "iat"] {
        let junk = [
            json!("9999999999"),
            json!({}),
            json!([9_999_999_999_i64]),
            json!(true),
            json!(null),
            json!(""),
            json!(1e300),
            json!(-1e300),
        ];
        for value in junk {
            let past = name != "exp" && value == json!(-1e300);
            let forever = name == "exp" && value == json!(1e300);
            if !past && !forever {
                found.push((format!("{name} = {value}"), fresh().claim(name, value).sign()));
            }
        }
    }
    found.push(("expired".into(), fresh().claim("exp", now - 3_600).sign()));
    found.push(("not yet".into(), fresh().claim("nbf", now + 3_600).sign()));
    found.push((
        "issued tomorrow".into(),
        fresh()
            .claim("iat", now + 86_400)
            .claim("exp", now + 90_000)
            .sign(),
    ));
    found.push((
        "neither exp nor iat".into(),
        fresh().without("exp").without("iat").sign(),
    ));
    for subject in [
        json!(null),
        json!(""),
        json!(7),
        json!(["ann"]),
        json!({ "a": "b" }),
        json!(true),
    ] {
        found.push((format!("sub = {subject}"), fresh().claim("sub", subject).sign()));
    }
    found.push(("no sub".into(), fresh().without("sub").sign()));
    for issuer in [
        json!("https://evil.example"),
        json!(format!("{}/", forge.issuer())),
        json!([forge.issuer()]),
        json!(null),
        json!(""),
    ] {
        found.push((format!("iss = {issuer}"), fresh().claim("iss", issuer).sign()));
    }
    found.push(("no iss".into(), fresh().without("iss").sign()));
    for audience in [
        json!("sister-client"),
        json!(["a", "b"]),
        json!([]),
        json!(""),
        json!(null),
        json!(7),
        json!("maxlab-api maxlab-api"),
        json!({ "maxlab-api": true }),
        json!([7]),
    ] {
        found.push((format!("aud = {audience}"), fresh().claim("aud", audience).sign()));
    }
    found.push(("no aud".into(), fresh().without("aud").sign()));
    let header = part(&json!({ "alg": "ES256", "kid": forge.kid(), "typ": "at+jwt" }));
    for payload in [
        "[]",
        "null",
        "\"ann\"",
        "{\"sub\":\"ann\",\"sub\":\"bob\"}",
        "{} x",
        "",
        "{\"sub\":\"\\ud800\"}",
    ] {
        let token = forge.sign(&json!({}));
        let (_, signature) = token.rsplit_once('.').unwrap();
        found.push((
            format!("payload {payload}"),
            format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(payload)),
        ));
    }
    found
}

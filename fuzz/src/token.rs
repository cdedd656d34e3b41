//! Tokens: an input without a line break is a presented token. With one, it is a header and a payload that
//! are signed here.

use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use maxlab_auth_core::credential::{MAX_TOKEN_BYTES, PresentedToken, parse_bearer};
use maxlab_auth_jose::{
    Algorithm, AuthenticClaims, ClaimsPolicy, CompactJws, KeySet, SignatureFault, TokenShape, TypRule,
    parse_object, shape_of,
};

use crate::hmac::{b64, mac, token, unb64};

/// Public keys whose private halves were deleted after [`GENUINE`] had been signed. Any other token that
/// these keys accept is forged.
static ISSUER: LazyLock<KeySet> = LazyLock::new(|| {
    let keys = KeySet::from_jwks(include_bytes!("../seeds/jwks/issuer.json")).expect("a key set");
    assert_eq!(keys.len(), 3);
    keys
});
const GENUINE: [&str; 3] = [
    include_str!("../seeds/token/genuine-es256"),
    include_str!("../seeds/token/genuine-eddsa"),
    include_str!("../seeds/token/genuine-rs256"),
];

const SECRET: &[u8] = b"a secret of more than thirty-two bytes";
static SHARED: LazyLock<KeySet> =
    LazyLock::new(|| KeySet::from_secret(SECRET, Algorithm::HS256).expect("the secret is long enough"));

/// Body of the target.
pub fn run(data: &[u8]) {
    if let Ok(Some(token)) = parse_bearer([data]) {
        let (scheme, rest) = data.split_at(b"Bearer ".len());
        assert!(scheme.eq_ignore_ascii_case(b"Bearer "));
        assert_eq!(token.expose().as_bytes(), rest);
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match text.split_once('\n') {
        None => presented(text),
        Some((header, payload)) => signed_here(header.as_bytes(), payload.as_bytes()),
    }
}

fn presented(text: &str) {
    if let Ok(token) = PresentedToken::parse(text) {
        assert!(token.expose() == text && text.len() <= MAX_TOKEN_BYTES);
    }
    let TokenShape::Jws(jws) = shape_of(text) else {
        return;
    };
    // Decoding and encoding again must give the same text: a token has one spelling.
    let reencoded: Option<Vec<String>> = text
        .split('.')
        .map(|part| unb64(part).map(|bytes| b64(&bytes)))
        .collect();
    assert_eq!(
        reencoded.expect("base64url").join("."),
        text,
        "a second spelling of a token"
    );
    if let Ok(claims) = jws.verify(&ISSUER, &Algorithm::ALL) {
        // The signing input, because an ECDSA signature has a second form that verifies too.
        let is_genuine = GENUINE
            .iter()
            .any(|genuine| signing_input(genuine) == signing_input(text));
        assert!(is_genuine, "a forged token is accepted");
        judge(&claims);
    }
    let signature = text.rsplit('.').next().and_then(unb64);
    let ours = mac(SECRET, Algorithm::HS256, signing_input(text));
    assert_eq!(
        jws.verify(&SHARED, &Algorithm::ALL).is_ok(),
        jws.header().alg() == "HS256" && signature.as_ref() == Some(&ours),
    );
}

fn signing_input(token: &str) -> &str {
    token.rsplit_once('.').map_or("", |(input, _)| input)
}

fn signed_here(header: &[u8], payload: &[u8]) {
    let token = token(SECRET, Algorithm::HS256, header, payload);
    presented(&token);
    let jws = match shape_of(&token) {
        TokenShape::Jws(jws) => jws,
        TokenShape::Opaque | TokenShape::Malformed(_) => {
            assert!(CompactJws::parse(&token).is_err(), "a JWS for one of two parsers");
            return;
        }
    };
    for spelling in [
        format!("{token}="),
        format!("{token}."),
        token.replacen('.', "=.", 1),
    ] {
        assert!(
            !matches!(shape_of(&spelling), TokenShape::Jws(_)),
            "{spelling} is a JWS too"
        );
    }
    match jws.verify(&SHARED, &Algorithm::ALL) {
        Ok(claims) => {
            assert_eq!(claims.algorithm(), Algorithm::HS256);
            assert_eq!(Ok(claims.as_map()), parse_object(payload).as_ref());
            judge(&claims);
            tampered(&token, payload.len());
        }
        Err(fault) if jws.header().algorithm().is_some() => assert_eq!(fault, SignatureFault::UnknownKey),
        Err(fault) => assert_eq!(fault, SignatureFault::AlgorithmNotAllowed),
    }
    assert!(
        jws.verify(&SHARED, &[Algorithm::ES256, Algorithm::RS256])
            .is_err()
    );
}

/// Checks that a signature with one flipped bit is refused. The bit depends on the length of the payload.
fn tampered(token: &str, which: usize) {
    let (input, signature) = token.rsplit_once('.').expect("three parts");
    let mut signature = unb64(signature).expect("the token was made here");
    let index = which % signature.len();
    signature[index] ^= 1 << (which % 8);
    let forged = format!("{input}.{}", b64(&signature));
    let jws = CompactJws::parse(&forged).expect("only its signature differs");
    let fault = jws
        .verify(&SHARED, &Algorithm::ALL)
        .expect_err("a forged signature");
    assert_eq!(fault, SignatureFault::BadSignature);
}

/// Checks that any authentic claims are judged without a panic, and that expired ones are never accepted.
fn judge(claims: &AuthenticClaims) {
    let now = Timestamp::from_second(1_800_000_000).expect("a time");
    for (token_types, max_age_seconds) in [(TypRule::Any, None), (TypRule::AccessToken, Some(3600))] {
        let policy = ClaimsPolicy {
            issuer: None,
            audiences: Vec::new(),
            audience_claim: None,
            token_types,
            leeway_seconds: 60,
            default_lifetime_seconds: 600,
            max_age_seconds,
        };
        if let Ok(times) = policy.check(claims, now) {
            let leeway = SignedDuration::from_secs(60);
            assert!(now.duration_since(times.expires_at) < leeway);
            assert!(
                times
                    .issued_at
                    .is_none_or(|issued| issued.duration_since(now) <= leeway)
            );
        }
    }
}

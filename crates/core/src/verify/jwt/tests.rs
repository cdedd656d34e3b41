//! One signature check per token, with the same verdict as a check by the layer itself.

use std::cell::Cell;
use std::sync::Mutex;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::FutureExt as _;
use serde_json::json;

use super::*;
use maxlab_auth_jose::{TypRule, shape_of};

mod keyless;

thread_local! {
    /// Number of signature checks on this thread.
    pub(in crate::verify) static CHECKS: Cell<u32> = const { Cell::new(0) };
}

const ISSUER: &str = "https://as.example";
const SECRET: &[u8] = b"a secret that is long enough for HS256, and then some";

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn unsigned(alg: &str, kid: Option<&str>) -> String {
    let header = json!({"alg": alg, "kid": kid.unwrap_or("none")});
    let claims = json!({"sub": "user-1", "iss": ISSUER, "exp": 1_800_000_900_u64});
    let mut header = header;
    if kid.is_none() {
        header.as_object_mut().unwrap().remove("kid");
    }
    format!("{}.{}", b64(header.to_string()), b64(claims.to_string()))
}

/// Key pair of an issuer.
struct Pair(EcdsaKeyPair);

impl Pair {
    fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    fn token(&self, kid: Option<&str>) -> String {
        let input = unsigned("ES256", kid);
        let signature = self.0.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
        format!("{input}.{}", b64(signature))
    }

    fn set(&self) -> Arc<KeySet> {
        let (x, y) = self.0.public_key().as_ref()[1..].split_at(32);
        let key = json!({"kty": "EC", "crv": "P-256", "kid": "k1", "x": b64(x), "y": b64(y)});
        Arc::new(KeySet::from_jwks(json!({"keys": [key]}).to_string().as_bytes()).unwrap())
    }
}

fn hs256(secret: &[u8]) -> String {
    hs256_by(secret, None)
}

fn hs256_by(secret: &[u8], kid: Option<&str>) -> String {
    let input = unsigned("HS256", kid);
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    format!("{input}.{}", b64(hmac::sign(&key, input.as_bytes())))
}

type Fetched = Result<Option<Arc<KeySet>>, Unavailable>;

/// Key source whose answers are set by the test.
struct Source {
    known: Option<Arc<KeySet>>,
    fetched: Fetched,
    issuer: Mutex<Option<&'static str>>,
    /// `true` if the keys were fetched a moment ago, so that every other key is known not to exist.
    is_newest: bool,
}

#[async_trait]
impl KeySetProvider for Source {
    fn cached(&self, _: Timestamp) -> Option<Arc<KeySet>> {
        self.known.clone()
    }

    fn fresh(&self, _: Option<&str>, _: Timestamp) -> Option<Arc<KeySet>> {
        self.fetched.clone().ok().flatten()
    }

    async fn keys_for(&self, _: Option<&str>, _: Timestamp) -> Fetched {
        self.fetched.clone()
    }

    fn is_unpublished(&self, kid: &str, _: Timestamp) -> bool {
        let lacks = |keys: &Arc<KeySet>| !keys.contains_kid(kid);
        self.is_newest && matches!(&self.fetched, Ok(Some(keys)) if lacks(keys))
    }

    fn issuer(&self, _: Timestamp) -> Option<String> {
        self.issuer.lock().unwrap().map(str::to_owned)
    }

    fn current_version(&self) -> Option<KeySetVersion> {
        None
    }
}

fn policy(issuer: Option<&str>) -> ClaimsPolicy {
    ClaimsPolicy {
        issuer: issuer.map(str::to_owned),
        audiences: Vec::new(),
        audience_claim: None,
        token_types: TypRule::Any,
        leeway_seconds: 0,
        default_lifetime_seconds: 900,
        max_age_seconds: None,
    }
}

fn check(source: &Arc<Source>, secret: bool, issuer: Option<&str>) -> Arc<JwtCheck> {
    let shared = KeySet::from_secret(SECRET, Algorithm::HS256).unwrap();
    Arc::new(JwtCheck {
        published_keys: Some(Arc::clone(source) as _),
        shared_secret: secret.then(|| (Algorithm::HS256, Arc::new(shared))),
        allowed_algorithms: vec![Algorithm::ES256],
        claims_policy: policy(issuer),
    })
}

fn jws(token: &str) -> CompactJws<'_> {
    match shape_of(token) {
        TokenShape::Jws(jws) => jws,
        other => panic!("{other:?}"),
    }
}

fn proof(check: &Arc<JwtCheck>, token: &str) -> Option<Box<SignatureProof>> {
    match check.precheck(&jws(token), now()) {
        PrecheckResult::Proven(proof) => Some(proof),
        PrecheckResult::Rejected(_) | PrecheckResult::Undecided => None,
    }
}

/// Returns the verdict of the layer, and the number of signatures that it checked.
fn verdict_and_checks(check: &JwtCheck, token: &str, proof: Option<&SignatureProof>) -> (String, u32) {
    CHECKS.set(0);
    let verdict = check.verify(&jws(token), proof, now()).now_or_never().unwrap();
    (format!("{verdict:?}"), CHECKS.get())
}

fn steady(keys: &Arc<KeySet>) -> Arc<Source> {
    Arc::new(Source {
        known: Some(Arc::clone(keys)),
        fetched: Ok(Some(Arc::clone(keys))),
        issuer: Mutex::new(Some(ISSUER)),
        is_newest: true,
    })
}

#[test]
fn what_was_proven_with_the_same_keys_is_not_checked_again() {
    let pair = Pair::new();
    let check = check(&steady(&pair.set()), true, None);
    for token in [pair.token(Some("k1")), pair.token(None), hs256(SECRET)] {
        let proof = proof(&check, &token).expect("the token is valid");
        let (verdict, checks) = verdict_and_checks(&check, &token, Some(&proof));
        assert_eq!(checks, 0, "{verdict}");
        assert_eq!((verdict, 1), verdict_and_checks(&check, &token, None));
    }
}

/// Covers every change between precheck and layer: keys removed, replaced, fetched again, gone
/// or unavailable, and the issuer discovered or changed. The tokens are our own, of another
/// key, and with and without a secret.
#[test]
fn the_layer_says_with_a_proof_what_it_says_without() {
    let (ours, other) = (Pair::new(), Pair::new());
    let sets = [ours.set(), other.set()];
    let unavailable = || Err(Unavailable::upstream("it is down"));
    let issuers = [None, Some(ISSUER), Some("https://other.example")];
    let tokens = [
        ours.token(Some("k1")),
        ours.token(None),
        other.token(Some("k1")),
        hs256(SECRET),
        hs256(&[b'x'; 40]),
    ];
    let (mut proven, mut fast) = (0, 0);
    for known in [None, Some(&sets[0]), Some(&sets[1])] {
        let again = Ok(Some(ours.set()));
        let same = Ok(known.cloned());
        for fetched in [same, again, Ok(Some(other.set())), Ok(None), unavailable()] {
            for (before, after) in issuers.iter().flat_map(|b| issuers.map(|a| (*b, a))) {
                for (secret, set) in [(true, None), (false, None), (false, Some(ISSUER))] {
                    let source = Arc::new(Source {
                        known: known.cloned(),
                        fetched: fetched.clone(),
                        issuer: Mutex::new(before),
                        is_newest: false,
                    });
                    let check = check(&source, secret, set);
                    for token in &tokens {
                        *source.issuer.lock().unwrap() = before;
                        let Some(proof) = proof(&check, token) else {
                            continue;
                        };
                        *source.issuer.lock().unwrap() = after;
                        proven += 1;
                        if let Some(accepted) = check.try_accept(&jws(token), &proof, now()) {
                            fast += 1;
                            let accepted = Verdict::Verified(Box::new(accepted.clone()));
                            assert_eq!(format!("{accepted:?}"), verdict_and_checks(&check, token, None).0);
                        }
                        assert_eq!(
                            verdict_and_checks(&check, token, Some(&proof)).0,
                            verdict_and_checks(&check, token, None).0,
                            "{before:?} {after:?} {fetched:?}"
                        );
                    }
                }
            }
        }
    }
    assert!(proven > 100 && fast > 20, "{proven} {fast}");
    assert!(fast < proven);
}

#[test]
fn a_key_that_is_gone_by_then_proves_nothing() {
    let pair = Pair::new();
    let token = pair.token(Some("k1"));
    let source = Arc::new(Source {
        known: Some(pair.set()),
        fetched: Ok(Some(Pair::new().set())),
        issuer: Mutex::new(Some(ISSUER)),
        is_newest: false,
    });
    let check = check(&source, false, None);
    let proof = proof(&check, &token).expect("the old keys prove it");
    assert!(check.try_accept(&jws(&token), &proof, now()).is_none());
    let (verdict, checks) = verdict_and_checks(&check, &token, Some(&proof));
    assert_eq!((verdict.as_str(), checks), ("Refuted(Signature)", 1));
}

#[test]
fn the_proof_of_another_check_is_none() {
    let pair = Pair::new();
    let (token, source) = (pair.token(Some("k1")), steady(&pair.set()));
    let lenient = check(&source, false, None);
    let strict = Arc::new(JwtCheck {
        published_keys: Some(Arc::clone(&source) as _),
        shared_secret: None,
        allowed_algorithms: vec![Algorithm::ES256],
        claims_policy: ClaimsPolicy {
            audiences: vec!["us".to_owned()],
            ..policy(None)
        },
    });
    let proof = proof(&lenient, &token).expect("the lenient check accepts it");
    assert_eq!(
        verdict_and_checks(&strict, &token, Some(&proof)).0,
        "Refuted(Claims)"
    );
}

//! What is told at once is what the layers would have said.

use std::sync::Mutex;

use async_trait::async_trait;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::FutureExt as _;
use futures::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::*;
use crate::identity::ClaimPaths;
use crate::revocation::Facts;
use crate::token::{Algorithm, ClaimsPolicy, KeySet, TypRule};
use crate::unavailable::Unavailable;
use crate::verify::chain::tests::{Layer, yes};
use crate::verify::jwt::tests::CHECKS;
use crate::verify::{
    ChainLimits, JwtCheck, JwtVerifier, KeySource, KeysInForce, Testimony, Verdict, Verifier,
};

const SECRET: &[u8] = b"a secret that is long enough for HS256, and then some";
const NOW: i64 = 1_800_000_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn signed(secret: &[u8], claims: &Value) -> String {
    let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let header = b64(json!({"alg": "HS256", "typ": "JWT"}).to_string().as_bytes());
    let input = format!("{header}.{}", b64(claims.to_string().as_bytes()));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let mac = hmac::sign(&key, input.as_bytes());
    format!("{input}.{}", b64(mac.as_ref()))
}

fn claims() -> Value {
    json!({"sub": "user-1", "jti": "j-1", "sid": "s-1", "client_id": "c-1", "iss": "https://as.example", "iat": NOW - 5,
        "exp": NOW + 900, "roles": ["a", "b"], "scope": "read write"})
}

fn chain(keep: u64, layers: impl FnOnce(Arc<dyn Verifier>) -> Vec<Arc<dyn Verifier>>) -> VerifyChain {
    let keys = KeySet::symmetric(SECRET, Algorithm::HS256).unwrap();
    let check = Arc::new(JwtCheck {
        published: None,
        shared: Some((Algorithm::HS256, Arc::new(keys))),
        allowed: vec![Algorithm::ES256],
        policy: policy(None),
    });
    let local = Arc::new(JwtVerifier::new(Arc::clone(&check)));
    VerifyChain::new(layers(local), Some(check), ClaimPaths::default(), limits(keep))
}

fn policy(issuer: Option<&str>) -> ClaimsPolicy {
    ClaimsPolicy {
        issuer: issuer.map(str::to_owned),
        audiences: Vec::new(),
        token_types: TypRule::Any,
        leeway_seconds: 10,
        default_lifetime_seconds: 900,
        max_age_seconds: None,
    }
}

fn limits(keep: u64) -> ChainLimits {
    ChainLimits {
        keep: Duration::from_secs(keep),
        bytes: 1 << 20,
        patience: Duration::from_secs(5),
    }
}

fn at_once(chain: &VerifyChain, token: &str) -> Option<Arc<Facts>> {
    let verified = chain.verify_at_once(token, at(NOW))?;
    Some(verified.into_facts())
}

async fn by_and_by(chain: &VerifyChain, token: &str) -> Option<Arc<Facts>> {
    let token = PresentedToken::parse(token).ok()?;
    let verdict = chain.verify(&token, at(NOW)).await;
    Some(verdict.ok()?.into_facts())
}

#[tokio::test]
async fn a_good_token_is_told_as_the_layers_tell_it() {
    let mut lean = claims();
    for name in ["jti", "sid", "client_id", "iat"] {
        lean.as_object_mut().unwrap().remove(name);
    }
    for claims in [claims(), lean] {
        let token = signed(SECRET, &claims);
        for keep in [0, 60] {
            let told = at_once(&chain(keep, |local| vec![local]), &token).expect("it is good");
            let asked = by_and_by(&chain(keep, |local| vec![local]), &token).await;
            assert_eq!(Some(told), asked, "{keep}");
        }
    }
}

#[tokio::test]
async fn it_is_remembered_like_any_other_verdict() {
    let token = signed(SECRET, &claims());
    // Nobody takes a secret away: there is no reason to look again before the end.
    for (keep, lasts) in [(0, 0), (5, 900), (60, 900)] {
        let chain = chain(keep, |local| vec![local]);
        assert!(at_once(&chain, &token).is_some());
        for second in (0..20).chain([899, 900, 901]) {
            let recalled = chain.recall(&token, at(NOW + second)).is_some();
            assert_eq!(recalled, second < lasts, "{keep} {second}");
        }
    }
}

#[tokio::test]
async fn what_is_not_good_is_left_to_the_layers() {
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        signed(SECRET, &claims)
    };
    let good = signed(SECRET, &claims());
    let table = [
        signed(&[b'x'; 40], &claims()),
        with("exp", json!(NOW - 60)),
        with("exp", json!(NOW)),
        with("exp", json!("soon")),
        with("nbf", json!(NOW + 60)),
        with("sub", json!("")),
        with("sub", json!(7)),
        with("nonce", json!("an ID token")),
        format!("{good}."),
        format!("{good}="),
        good.to_uppercase(),
        "opaque-1".to_owned(),
        "a b".to_owned(),
        String::new(),
    ];
    for token in table {
        let chain = chain(60, |local| vec![local]);
        assert_eq!(at_once(&chain, &token), None, "{token}");
        assert!(!matches!(chain.recall(&token, at(NOW)), Some(Ok(_))), "{token}");
    }
}

#[tokio::test]
async fn a_forged_signature_is_checked_once_by_both() {
    let forged = signed(&[b'x'; 40], &claims());
    for (keep, checks) in [(60, 1), (0, 2)] {
        let chain = chain(keep, |local| vec![local]);
        CHECKS.set(0);
        assert_eq!(at_once(&chain, &forged), None);
        let token = PresentedToken::parse(&forged).unwrap();
        let said = chain.verify(&token, at(NOW)).await.unwrap_err();
        assert!(matches!(said, VerifyFault::Rejected(Rejection::Signature)));
        assert_eq!(CHECKS.get(), checks, "{keep}");
    }
}

#[tokio::test]
async fn whoever_else_comes_first_is_asked_first() {
    let token = signed(SECRET, &claims());
    let remote = Layer::new(VerificationSource::OauthUserinfo, yes(None));
    let asked = Arc::clone(&remote);
    let chain = chain(60, |local| vec![remote, local]);
    assert_eq!(at_once(&chain, &token), None);
    assert_eq!(asked.asked(), 0);
}

/// Keys that say by themselves which they are.
struct Numbered {
    keys: Arc<KeySet>,
    in_force: Mutex<Option<KeysInForce>>,
    /// What is in force as soon as keys were given out: others may come while a token is looked at.
    then: Option<KeysInForce>,
}

#[async_trait]
impl KeySource for Numbered {
    fn known(&self, _: Timestamp) -> Option<Arc<KeySet>> {
        *self.in_force.lock().unwrap() = self.then;
        Some(Arc::clone(&self.keys))
    }

    fn fresh(&self, _: Option<&str>, now: Timestamp) -> Option<Arc<KeySet>> {
        self.known(now)
    }

    async fn keys_for(&self, _: Option<&str>, now: Timestamp) -> Result<Option<Arc<KeySet>>, Unavailable> {
        Ok(self.known(now))
    }

    fn issuer(&self, _: Timestamp) -> Option<String> {
        None
    }

    fn in_force(&self) -> Option<KeysInForce> {
        *self.in_force.lock().unwrap()
    }
}

/// How long, in seconds up to a hundred, a verdict is remembered where a remote layer's would be for `keep`: which keys are in force
/// from then on when those were got that it was found with, and whether it is told at once or by the layers.
async fn lasts(keep: u64, then: Option<KeysInForce>, issuer: Option<&str>, told_at_once: bool) -> i64 {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
    let set = json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "k1", "x": b64(x), "y": b64(y)}]});
    let header = b64(json!({"alg": "ES256", "kid": "k1"}).to_string().as_bytes());
    let input = format!("{header}.{}", b64(claims().to_string().as_bytes()));
    let signature = pair.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
    let token = format!("{input}.{}", b64(signature.as_ref()));
    let source = Arc::new(Numbered {
        keys: Arc::new(KeySet::from_jwks(set.to_string().as_bytes()).unwrap()),
        in_force: Mutex::new(Some(KeysInForce {
            edition: 1,
            fresh_until: at(NOW + 40),
        })),
        then,
    });
    let policy = policy(issuer);
    let check = Arc::new(JwtCheck {
        published: Some(source),
        shared: None,
        allowed: vec![Algorithm::ES256],
        policy,
    });
    let local = Arc::new(JwtVerifier::new(Arc::clone(&check)));
    let chain = VerifyChain::new(vec![local], Some(check), ClaimPaths::default(), limits(keep));
    if told_at_once {
        assert!(at_once(&chain, &token).is_some());
    } else {
        assert!(by_and_by(&chain, &token).await.is_some());
    }
    let current = |second: &i64| chain.recall(&token, at(NOW + second)).is_some();
    (0..100).take_while(current).count().try_into().unwrap()
}

#[tokio::test]
async fn a_verdict_counts_as_long_as_its_keys() {
    let keys = |edition, fresh_for| {
        Some(KeysInForce {
            edition,
            fresh_until: at(NOW + fresh_for),
        })
    };
    let ours = Some("https://as.example");
    for told_at_once in [true, false] {
        for (keep, beyond) in [(60, 15), (5, 5)] {
            for (then, issuer, seconds, why) in [
                (keys(1, 1_000), ours, 100, "the same keys, fresh"),
                (
                    keys(1, 40),
                    ours,
                    40,
                    "the same keys, and nobody knows whether they are",
                ),
                (keys(1, 3), ours, beyond, "the same keys, long since old"),
                (keys(2, 1_000), ours, 0, "other keys"),
                (None, ours, beyond, "no keys"),
                (
                    keys(1, 1_000),
                    None,
                    beyond,
                    "whose tokens are ours may be learnt",
                ),
            ] {
                let lasts = lasts(keep, then, issuer, told_at_once).await;
                assert_eq!(lasts, seconds, "{why}, {keep}");
            }
        }
        assert_eq!(lasts(0, keys(1, 1_000), ours, told_at_once).await, 0);
    }
}

/// A layer that answers at once and, asked in its turn, once it may.
struct Slow {
    local: Arc<dyn Verifier>,
    may: Arc<Semaphore>,
}

#[async_trait]
impl Verifier for Slow {
    fn source(&self) -> VerificationSource {
        self.local.source()
    }

    async fn verify(&self, shown: &Shown<'_>, now: Timestamp) -> Verdict {
        self.may.acquire().await.unwrap().forget();
        self.local.verify(shown, now).await
    }

    fn accepts_at_once<'a>(&self, shown: &Shown<'a>, now: Timestamp) -> Option<&'a Testimony> {
        self.local.accepts_at_once(shown, now)
    }
}

#[tokio::test]
async fn those_who_wait_for_the_layers_meanwhile_are_answered() {
    let token = signed(SECRET, &claims());
    let may = Arc::new(Semaphore::new(0));
    let slow = Arc::clone(&may);
    let chain = &chain(60, |local| vec![Arc::new(Slow { local, may: slow })]);
    let presented = PresentedToken::parse(&token).unwrap();
    let wait = || async { chain.verify(&presented, at(NOW)).await.is_ok() };
    let mut waiting = Box::pin(join_all([wait(), wait(), wait()]));
    assert_eq!((&mut waiting).now_or_never(), None, "they wait for the layer");
    assert!(chain.verify_at_once(&token, at(NOW)).is_some());
    may.add_permits(1);
    assert_eq!(waiting.now_or_never(), Some(vec![true; 3]));
    assert!(matches!(chain.recall(&token, at(NOW)), Some(Ok(_))));
}

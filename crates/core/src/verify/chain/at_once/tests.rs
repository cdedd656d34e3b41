//! What is told at once is what the layers would have said.

use async_trait::async_trait;
use aws_lc_rs::hmac;
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
use crate::verify::chain::tests::{Layer, yes};
use crate::verify::{ChainLimits, JwtCheck, JwtVerifier, Testimony, Verdict, Verifier};

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
        policy: ClaimsPolicy {
            issuer: None,
            audiences: Vec::new(),
            token_types: TypRule::Any,
            leeway_seconds: 10,
            default_lifetime_seconds: 900,
            max_age_seconds: None,
        },
    });
    let limits = ChainLimits {
        keep: Duration::from_secs(keep),
        bytes: 1 << 20,
        patience: Duration::from_secs(5),
    };
    let local = Arc::new(JwtVerifier::new(Arc::clone(&check)));
    VerifyChain::new(layers(local), Some(check), ClaimPaths::default(), limits)
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
    for (keep, lasts) in [(0, 0), (5, 5), (60, 15)] {
        let chain = chain(keep, |local| vec![local]);
        assert!(at_once(&chain, &token).is_some());
        for second in 0..=lasts + 1 {
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
        assert!(chain.recall(&token, at(NOW)).is_none(), "{token}");
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

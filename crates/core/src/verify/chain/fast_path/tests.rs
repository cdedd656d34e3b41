//! The fast path gives the result that the layers would have given.

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
use crate::unavailable::Unavailable;
use crate::verdict::CredentialInfo;
use crate::verify::chain::tests::{Layer, yes};
use crate::verify::jwt::tests::CHECKS;
use crate::verify::{
    ChainLimits, JwtCheck, JwtVerifier, KeySetProvider, KeySetVersion, LayerClaims, TokenVerifier, Verdict,
};
use maxlab_auth_jose::{Algorithm, ClaimsPolicy, KeySet, TypRule};

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
    json!({"sub": "user-1", "jti": "j-1", "sid": "s-1", "client_id": "c-1", "iss": "https://as.example",
        "iat": NOW - 5, "exp": NOW + 900, "roles": ["a", "b"], "scope": "read write"})
}

fn chain(
    ttl: u64,
    layers: impl FnOnce(Arc<dyn TokenVerifier>) -> Vec<Arc<dyn TokenVerifier>>,
) -> VerifyChain {
    let keys = KeySet::from_secret(SECRET, Algorithm::HS256).unwrap();
    let check = Arc::new(JwtCheck {
        published_keys: None,
        shared_secret: Some((Algorithm::HS256, Arc::new(keys))),
        allowed_algorithms: vec![Algorithm::ES256],
        claims_policy: policy(None),
    });
    let local = Arc::new(JwtVerifier::new(Arc::clone(&check)));
    VerifyChain::new(layers(local), Some(check), ClaimPaths::default(), limits(ttl))
}

fn policy(issuer: Option<&str>) -> ClaimsPolicy {
    ClaimsPolicy {
        issuer: issuer.map(str::to_owned),
        audiences: Vec::new(),
        audience_claim: None,
        token_types: TypRule::Any,
        leeway_seconds: 10,
        default_lifetime_seconds: 900,
        max_age_seconds: None,
    }
}

fn limits(ttl: u64) -> ChainLimits {
    ChainLimits {
        verdict_ttl: Duration::from_secs(ttl),
        cache_bytes: 1 << 20,
        layer_timeout: Duration::from_secs(5),
    }
}

fn fast_info(chain: &VerifyChain, token: &str) -> Option<Arc<CredentialInfo>> {
    let verified = chain.try_verify(token, at(NOW))?;
    Some(verified.into_info())
}

async fn slow_info(chain: &VerifyChain, token: &str) -> Option<Arc<CredentialInfo>> {
    let token = PresentedToken::parse(token).ok()?;
    let verdict = chain.verify(&token, at(NOW)).await;
    Some(verdict.ok()?.into_info())
}

#[tokio::test]
async fn a_good_token_is_told_as_the_layers_tell_it() {
    let mut sparse = claims();
    for name in ["jti", "sid", "client_id", "iat"] {
        sparse.as_object_mut().unwrap().remove(name);
    }
    for claims in [claims(), sparse] {
        let token = signed(SECRET, &claims);
        for ttl in [0, 60] {
            let fast = fast_info(&chain(ttl, |local| vec![local]), &token).expect("the token is valid");
            let slow = slow_info(&chain(ttl, |local| vec![local]), &token).await;
            assert_eq!(Some(fast), slow, "{ttl}");
        }
    }
}

#[tokio::test]
async fn it_is_remembered_like_any_other_verdict() {
    let token = signed(SECRET, &claims());
    // A secret is never taken away, so the verdict lasts as long as the token, whatever the cache time.
    for (ttl, lasts) in [(0, 0), (5, 900), (60, 900)] {
        let chain = chain(ttl, |local| vec![local]);
        assert!(fast_info(&chain, &token).is_some());
        for second in (0..20).chain([899, 900, 901]) {
            let is_cached = chain.lookup_cached(&token, at(NOW + second)).is_some();
            assert_eq!(is_cached, second < lasts, "{ttl} {second}");
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
        with("typ", json!("ID")),
        format!("{good}."),
        format!("{good}="),
        good.to_uppercase(),
        "opaque-1".to_owned(),
        "a b".to_owned(),
        String::new(),
    ];
    for token in table {
        let chain = chain(60, |local| vec![local]);
        assert_eq!(fast_info(&chain, &token), None, "{token}");
        assert!(
            !matches!(chain.lookup_cached(&token, at(NOW)), Some(Ok(_))),
            "{token}"
        );
    }
}

#[tokio::test]
async fn a_forged_signature_is_checked_once_by_both() {
    let forged = signed(&[b'x'; 40], &claims());
    for (ttl, checks) in [(60, 1), (0, 2)] {
        let chain = chain(ttl, |local| vec![local]);
        CHECKS.set(0);
        assert_eq!(fast_info(&chain, &forged), None);
        let token = PresentedToken::parse(&forged).unwrap();
        let fault = chain.verify(&token, at(NOW)).await.unwrap_err();
        assert!(matches!(fault, VerifyFault::Rejected(TokenRejection::Signature)));
        assert_eq!(CHECKS.get(), checks, "{ttl}");
    }
}

#[tokio::test]
async fn whoever_else_comes_first_is_asked_first() {
    let token = signed(SECRET, &claims());
    let remote = Layer::new(VerificationSource::OauthUserinfo, yes(None));
    let first_layer = Arc::clone(&remote);
    let chain = chain(60, |local| vec![remote, local]);
    assert_eq!(fast_info(&chain, &token), None);
    assert_eq!(first_layer.asked(), 0);
}

/// Key source with a version that the test sets.
struct Numbered {
    keys: Arc<KeySet>,
    version: Mutex<Option<KeySetVersion>>,
    /// Version from the first read of the keys on: they may change while a token is checked.
    next_version: Option<KeySetVersion>,
}

#[async_trait]
impl KeySetProvider for Numbered {
    fn cached(&self, _: Timestamp) -> Option<Arc<KeySet>> {
        *self.version.lock().unwrap() = self.next_version;
        Some(Arc::clone(&self.keys))
    }

    fn fresh(&self, _: Option<&str>, now: Timestamp) -> Option<Arc<KeySet>> {
        self.cached(now)
    }

    async fn keys_for(&self, _: Option<&str>, now: Timestamp) -> Result<Option<Arc<KeySet>>, Unavailable> {
        Ok(self.cached(now))
    }

    fn is_unpublished(&self, _: &str, _: Timestamp) -> bool {
        false
    }

    fn issuer(&self, _: Timestamp) -> Option<String> {
        Some("https://as.example".to_owned())
    }

    fn current_version(&self) -> Option<KeySetVersion> {
        *self.version.lock().unwrap()
    }
}

/// Returns the time in seconds, up to a hundred, for which a local verdict is cached.
///
/// `ttl` is the cache time of remote layers, and `next_version` the version of the
/// keys after the token was checked.
async fn lasts(
    ttl: u64,
    next_version: Option<KeySetVersion>,
    issuer: Option<&str>,
    use_fast_path: bool,
) -> i64 {
    let key_pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let (x, y) = key_pair.public_key().as_ref()[1..].split_at(32);
    let set = json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "k1", "x": b64(x), "y": b64(y)}]});
    let header = b64(json!({"alg": "ES256", "kid": "k1"}).to_string().as_bytes());
    let input = format!("{header}.{}", b64(claims().to_string().as_bytes()));
    let signature = key_pair.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
    let token = format!("{input}.{}", b64(signature.as_ref()));
    let source = Arc::new(Numbered {
        keys: Arc::new(KeySet::from_jwks(set.to_string().as_bytes()).unwrap()),
        version: Mutex::new(Some(KeySetVersion {
            number: 1,
            fresh_until: at(NOW + 40),
        })),
        next_version,
    });
    let policy = policy(issuer);
    let check = Arc::new(JwtCheck {
        published_keys: Some(source),
        shared_secret: None,
        allowed_algorithms: vec![Algorithm::ES256],
        claims_policy: policy,
    });
    let local = Arc::new(JwtVerifier::new(Arc::clone(&check)));
    let chain = VerifyChain::new(vec![local], Some(check), ClaimPaths::default(), limits(ttl));
    if use_fast_path {
        assert!(fast_info(&chain, &token).is_some());
    } else {
        assert!(slow_info(&chain, &token).await.is_some());
    }
    let current = |second: &i64| chain.lookup_cached(&token, at(NOW + second)).is_some();
    (0..100).take_while(current).count().try_into().unwrap()
}

#[tokio::test]
async fn a_verdict_counts_as_long_as_its_keys() {
    let keys = |number, fresh_for| {
        Some(KeySetVersion {
            number,
            fresh_until: at(NOW + fresh_for),
        })
    };
    let ours = Some("https://as.example");
    for use_fast_path in [true, false] {
        for (ttl, limit) in [(60, 15), (5, 5)] {
            for (next_version, issuer, seconds, why) in [
                (keys(1, 1_000), ours, 100, "the same keys, fresh"),
                (keys(1, 40), ours, 40, "the same keys, stale from then on"),
                (keys(1, 3), ours, limit, "the same keys, already stale"),
                (keys(2, 1_000), ours, 0, "other keys"),
                (None, ours, limit, "no keys"),
                (keys(1, 1_000), None, limit, "the issuer may become known"),
            ] {
                let lasts = lasts(ttl, next_version, issuer, use_fast_path).await;
                assert_eq!(lasts, seconds, "{why}, {ttl}");
            }
        }
        assert_eq!(lasts(0, keys(1, 1_000), ours, use_fast_path).await, 0);
    }
}

/// Layer that accepts on the fast path, and answers otherwise only with a permit.
struct Slow {
    local: Arc<dyn TokenVerifier>,
    may: Arc<Semaphore>,
}

#[async_trait]
impl TokenVerifier for Slow {
    fn source(&self) -> VerificationSource {
        self.local.source()
    }

    async fn verify(&self, input: &VerifyInput<'_>, now: Timestamp) -> Verdict {
        self.may.acquire().await.unwrap().forget();
        self.local.verify(input, now).await
    }

    fn try_accept<'a>(&self, input: &VerifyInput<'a>, now: Timestamp) -> Option<&'a LayerClaims> {
        self.local.try_accept(input, now)
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
    assert!(chain.try_verify(&token, at(NOW)).is_some());
    may.add_permits(1);
    assert_eq!(waiting.now_or_never(), Some(vec![true; 3]));
    assert!(matches!(chain.lookup_cached(&token, at(NOW)), Some(Ok(_))));
}

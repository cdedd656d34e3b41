//! A token is judged by the issuer that it names, and by no other.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::*;
use crate::credential::PresentedToken;
use crate::identity::{ClaimPaths, Subject};
use crate::verify::chain::tests::{Layer, yes};
use crate::verify::{ChainLimits, TokenVerifier, Verdict};

const OWN: &str = "https://as.example";
const ONE: &str = "https://one.example";
const TWO: &str = "https://two.example";

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn rejected() -> Verdict {
    Verdict::Rejected(TokenRejection::Refused)
}

fn silent() -> Verdict {
    Verdict::Unavailable(Unavailable::upstream("no answer"))
}

fn chain(issuer: Issuer, verdict: Verdict) -> Arc<VerifyChain> {
    let limits = ChainLimits {
        verdict_ttl: Duration::from_secs(60),
        cache_bytes: 1 << 20,
        layer_timeout: Duration::from_secs(5),
    };
    let layer: Arc<dyn TokenVerifier> = Layer::new(VerificationSource::Introspection, verdict);
    let chain = VerifyChain::new(vec![layer], None, ClaimPaths::default(), limits);
    Arc::new(chain.with_server_names(vec![OWN.to_owned()]).with_issuer(issuer))
}

/// Default chain with these chains of further issuers, in this order.
fn several(own: Verdict, others: [(&str, Verdict); 2]) -> Arc<VerifyChain> {
    let chains = others.map(|(url, verdict)| chain(Issuer::of(None, url), verdict));
    let own = chain(Issuer::DEFAULT, own);
    own.replace_other_issuers(chains.to_vec());
    own
}

fn opaque() -> PresentedToken {
    PresentedToken::parse("opaque-1").unwrap()
}

fn naming(issuer: &str) -> PresentedToken {
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(json!({"alg": "ES256", "kid": "k"}));
    let claims = part(json!({"iss": issuer, "sub": "user-1", "jti": "j-1"}));
    PresentedToken::parse(&format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode([7; 64]))).unwrap()
}

async fn subject(chain: &VerifyChain, token: &PresentedToken) -> Result<Subject, VerifyFault> {
    let verified = chain.verify(token, now()).await?;
    Ok(verified.into_info().identity.subject())
}

fn at_issuer(url: &str) -> Subject {
    let Verdict::Verified(claims) = yes(None) else {
        unreachable!("`yes` accepts")
    };
    Subject::new(Issuer::of(Some(OWN), url), claims.claims["sub"].as_str().unwrap())
}

#[tokio::test]
async fn x08_a_token_is_judged_by_the_issuer_that_it_names_exactly() {
    let chain = several(yes(None), [(ONE, yes(None)), (TWO, rejected())]);
    assert_eq!(subject(&chain, &naming(OWN)).await.unwrap(), at_issuer(OWN));
    assert_eq!(subject(&chain, &naming(ONE)).await.unwrap(), at_issuer(ONE));
    let fault = subject(&chain, &naming(TWO)).await.unwrap_err();
    assert!(
        matches!(fault, VerifyFault::Rejected(TokenRejection::Refused)),
        "{fault:?}"
    );
    // No other issuer says yes for it, although two of three would: the default issuer has no known name here, so it
    // is not certain that the token is not its own.
    for stranger in [
        "https://one.example/",
        "https://ONE.example",
        "https://three.example",
    ] {
        let fault = subject(&chain, &naming(stranger)).await.unwrap_err();
        assert!(
            matches!(fault, VerifyFault::Unavailable(_)),
            "{stranger}: {fault:?}"
        );
    }
}

#[tokio::test]
async fn i12_an_unverified_token_is_looked_up_at_the_issuer_that_it_names() {
    let chain = several(rejected(), [(ONE, yes(None)), (TWO, yes(None))]);
    let issuer_of = |token: &PresentedToken| chain.issuer_of(ParsedToken::parse(token).shape());
    assert_eq!(issuer_of(&naming(ONE)), Issuer::of(None, ONE));
    for token in [naming(OWN), naming("https://three.example"), opaque()] {
        assert_eq!(issuer_of(&token), Issuer::DEFAULT);
    }
}

#[tokio::test]
async fn an_opaque_token_is_asked_in_order_and_an_outage_is_neither_yes_nor_no() {
    for (own, one, two, expected) in [
        (yes(None), yes(None), yes(None), Some(OWN)),
        (rejected(), yes(None), yes(None), Some(ONE)),
        (rejected(), rejected(), yes(None), Some(TWO)),
        (silent(), rejected(), yes(None), Some(TWO)),
        (rejected(), silent(), yes(None), Some(TWO)),
    ] {
        let chain = several(own, [(ONE, one), (TWO, two)]);
        let found = subject(&chain, &opaque()).await.unwrap();
        assert_eq!(Some(found), expected.map(at_issuer));
    }
    let fault = async |own, one, two| {
        let chain = several(own, [(ONE, one), (TWO, two)]);
        subject(&chain, &opaque()).await.unwrap_err()
    };
    assert!(matches!(
        fault(rejected(), rejected(), rejected()).await,
        VerifyFault::Rejected(_)
    ));
    for (own, one, two) in [
        (silent(), rejected(), rejected()),
        (rejected(), silent(), rejected()),
        (rejected(), rejected(), silent()),
    ] {
        let fault = fault(own, one, two).await;
        assert!(matches!(fault, VerifyFault::Unavailable(_)), "{fault:?}");
    }
}

#[tokio::test]
async fn x07_what_a_removed_issuer_vouched_for_is_refused_at_once() {
    let own = several(rejected(), [(ONE, yes(None)), (TWO, yes(None))]);
    for token in [naming(ONE), opaque()] {
        assert_eq!(subject(&own, &token).await.unwrap(), at_issuer(ONE));
        assert!(own.lookup_cached(token.expose(), now()).is_some());
    }
    assert!(own.trusts_issuer(&Issuer::of(None, ONE)));
    own.replace_other_issuers(vec![chain(Issuer::of(None, TWO), yes(None))]);
    for token in [naming(ONE), opaque()] {
        assert!(own.lookup_cached(token.expose(), now()).is_none());
    }
    assert!(subject(&own, &naming(ONE)).await.is_err());
    // Of the opaque token, somebody else says that it is theirs: another person.
    assert_eq!(subject(&own, &opaque()).await.unwrap(), at_issuer(TWO));
    assert!(!own.trusts_issuer(&Issuer::of(None, ONE)));
    assert!(own.trusts_issuer(&Issuer::of(None, TWO)) && own.trusts_issuer(&Issuer::DEFAULT));
}

//! Result of the verdicts of the layers, with and without a time-out.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::identity::ClaimPaths;
use crate::verify::ChainLimits;
use crate::verify::chain::tests::{Layer, at, no, token, yes};

const DAY: i64 = 86_400_000;

fn chain(layers: &[&Arc<Layer>]) -> VerifyChain {
    let limits = ChainLimits {
        verdict_ttl: Duration::from_secs(5),
        cache_bytes: 1 << 20,
        layer_timeout: Duration::from_millis(100),
    };
    let layers = layers
        .iter()
        .map(|layer| Arc::clone(*layer) as Arc<dyn TokenVerifier>);
    VerifyChain::new(layers.collect(), None, ClaimPaths::default(), limits)
}

async fn verdict(chain: &VerifyChain, millis: i64) -> Result<(), VerifyFault> {
    chain.verify(&token("opaque-1"), at(millis)).await.map(drop)
}

#[tokio::test]
async fn s8_a_silent_layer_takes_no_time_from_the_next() {
    let silent = Layer::new(VerificationSource::OauthUserinfo, no());
    let second = Layer::new(VerificationSource::Introspection, no());
    let fallback = Layer::new(VerificationSource::LocalJwt, yes(None));
    silent.shut();
    let chain = chain(&[&silent, &second, &fallback]);
    assert!(matches!(
        verdict(&chain, 0).await,
        Err(VerifyFault::Rejected(TokenRejection::Refused))
    ));
    assert_eq!((second.asked(), fallback.asked()), (1, 0));
}

#[tokio::test]
async fn s7_what_one_layer_refutes_no_other_is_asked_about() {
    let first = Layer::new(
        VerificationSource::LocalJwt,
        Verdict::Refuted(TokenRejection::Signature),
    );
    let careless = Layer::new(VerificationSource::OauthUserinfo, yes(None));
    assert!(matches!(
        verdict(&chain(&[&first, &careless]), 0).await,
        Err(VerifyFault::Rejected(TokenRejection::Signature))
    ));
    assert_eq!(careless.asked(), 0);
}

#[tokio::test]
async fn w13_a_refusal_of_a_clock_that_was_set_back_is_found_anew() {
    let layer = Layer::new(VerificationSource::OauthUserinfo, no());
    let chain = chain(&[&layer]);
    assert!(verdict(&chain, DAY).await.is_err());
    layer.says(yes(None));
    assert!(
        verdict(&chain, DAY).await.is_err(),
        "a rejection is cached for a moment"
    );
    assert!(verdict(&chain, 0).await.is_ok());
}

#[tokio::test]
async fn w13_a_yes_of_a_clock_that_was_set_back_is_asked_for_again() {
    let layer = Layer::new(VerificationSource::OauthUserinfo, yes(None));
    let chain = chain(&[&layer]);
    assert!(verdict(&chain, DAY).await.is_ok());
    layer.says(no());
    assert!(
        verdict(&chain, DAY).await.is_ok(),
        "an accepted token is cached for a while"
    );
    assert!(verdict(&chain, 0).await.is_err());
    assert!(chain.lookup_cached("opaque-1", at(DAY)).is_none());
}

//! Requests to the authorization server are charged to the caller that causes them.

use super::*;

/// Budget for a number of requests.
struct Purse(AtomicUsize);

impl UpstreamBudget for Purse {
    fn try_spend(&self) -> Result<(), Unavailable> {
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
            .map(|_| ())
            .map_err(|_| Unavailable::throttled("the budget is spent", Duration::from_secs(3)))
    }
}

#[tokio::test]
async fn only_a_question_to_the_authorization_server_costs_and_a_spent_budget_is_never_remembered() {
    let scene = Scene::with_cached_verdict(yes(None)).await;
    let (purse, empty) = (Purse(AtomicUsize::new(1)), Purse(AtomicUsize::new(0)));
    let other = token("opaque-other");
    let examined = ParsedToken::parse(&other);
    let refused = scene.chain.verify_parsed(&examined, at(0), &empty).await;
    let wait = Some(Duration::from_secs(3));
    assert!(
        matches!(&refused, Err(VerifyFault::Unavailable(fault)) if fault.retry_after() == wait),
        "{refused:?}"
    );
    let asked = scene.remote.asked();
    scene.chain.verify_parsed(&examined, at(0), &purse).await.unwrap();
    assert_eq!(scene.remote.asked(), asked + 1);
    // The cached verdict costs nothing.
    scene.chain.verify_parsed(&examined, at(1), &empty).await.unwrap();
    assert_eq!(scene.remote.asked(), asked + 1);
}

#[tokio::test]
async fn who_waits_for_a_caller_whose_budget_is_spent_asks_with_its_own() {
    let scene = Scene::with_cached_verdict(yes(None)).await;
    let (purse, empty) = (Purse(AtomicUsize::new(1)), Purse(AtomicUsize::new(0)));
    let other = token("opaque-other");
    let examined = ParsedToken::parse(&other);
    let (poor, rich) = tokio::join!(
        scene.chain.verify_parsed(&examined, at(0), &empty),
        scene.chain.verify_parsed(&examined, at(0), &purse)
    );
    assert!(matches!(poor, Err(VerifyFault::Unavailable(fault)) if fault.is_throttled()));
    rich.unwrap();
}

#[tokio::test]
async fn a_layer_that_only_checks_signatures_costs_nothing() {
    let local = Layer::new(VerificationSource::LocalJwt, yes(None));
    let limits = ChainLimits {
        verdict_ttl: KEEP,
        cache_bytes: 1 << 20,
        layer_timeout: Duration::from_secs(1),
    };
    let chain = VerifyChain::new(vec![local.clone()], None, ClaimPaths::default(), limits);
    let empty = Purse(AtomicUsize::new(0));
    let verdict = chain
        .verify_parsed(&ParsedToken::parse(&token("opaque")), at(0), &empty)
        .await;
    verdict.unwrap();
    assert_eq!(local.asked(), 1);
}

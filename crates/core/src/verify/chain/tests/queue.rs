//! The queue of due refreshes: its bound, and the time before a task drains it.

use super::*;

#[tokio::test]
async fn the_queue_is_bounded_and_nothing_waits_where_nobody_drains_it() {
    let mut scene = Scene::with_cached_verdict(yes(None)).await;
    let names: Vec<_> = (0..300).map(|n| format!("opaque-{n}")).collect();
    for name in &names {
        scene.chain.verify(&token(name), at(0)).await.unwrap();
    }
    let use_all = |scene: &Scene| {
        for name in &names {
            assert!(matches!(scene.chain.lookup_cached(name, at(7_000)), Some(Ok(_))));
        }
    };
    use_all(&scene);
    let first = std::iter::from_fn(|| scene.queued()).count();
    use_all(&scene);
    let rest = std::iter::from_fn(|| scene.queued()).count();
    assert_eq!((first, rest), (256, 44));
    assert!(
        scene.chain.due_refreshes().is_none(),
        "the queue has a receiver already"
    );
}

#[tokio::test]
async fn without_somebody_who_renews_nothing_is_claimed() {
    let remote = Layer::new(VerificationSource::OauthUserinfo, yes(None));
    let limits = ChainLimits {
        verdict_ttl: KEEP,
        cache_bytes: 64 << 20,
        layer_timeout: Duration::from_secs(5),
    };
    let chain = VerifyChain::new(vec![remote], None, ClaimPaths::default(), limits);
    chain.verify(&token("opaque-1"), at(0)).await.unwrap();
    assert!(matches!(chain.lookup_cached("opaque-1", at(7_000)), Some(Ok(_))));
    let mut due = chain.due_refreshes().unwrap();
    assert!(matches!(chain.lookup_cached("opaque-1", at(7_001)), Some(Ok(_))));
    assert!(due.next().now_or_never().flatten().is_some());
}

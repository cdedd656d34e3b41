//! Refresh-ahead: verdicts that are verified again before they expire.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures::FutureExt as _;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::unconstrained;

use super::*;
use crate::events::RefreshAheadOutcome;
use crate::identity::VerificationSource;
use crate::unavailable::Unavailable;
use crate::verify::{DueRefreshes, LayerClaims, TokenRejection, Verdict, VerifyInput};

mod budget;
mod issuer;
mod queue;

/// Layer with a fixed verdict, which counts its calls.
pub(super) struct Layer {
    source: VerificationSource,
    says: Mutex<Verdict>,
    asked: AtomicUsize,
    /// One call is answered per permit.
    gate: Semaphore,
}

impl Layer {
    pub(super) fn new(source: VerificationSource, says: Verdict) -> Arc<Self> {
        Arc::new(Self {
            source,
            says: Mutex::new(says),
            asked: AtomicUsize::new(0),
            gate: Semaphore::new(1_000),
        })
    }

    pub(super) fn says(&self, verdict: Verdict) {
        *self.says.lock().unwrap() = verdict;
    }

    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    pub(super) fn shut(&self) {
        self.gate.forget_permits(1_000);
    }
}

#[async_trait]
impl TokenVerifier for Layer {
    fn source(&self) -> VerificationSource {
        self.source
    }

    async fn verify(&self, _: &VerifyInput<'_>, _: Timestamp) -> Verdict {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.gate.acquire().await.unwrap().forget();
        self.says.lock().unwrap().clone()
    }
}

pub(super) fn yes(expires_at: Option<Timestamp>) -> Verdict {
    let serde_json::Value::Object(claims) = json!({"sub": "user-1", "user_id": "user-1"}) else {
        unreachable!()
    };
    Verdict::Verified(Box::new(LayerClaims {
        claims: Arc::new(claims),
        expires_at,
        key_id: None,
    }))
}

pub(super) fn no() -> Verdict {
    Verdict::Rejected(TokenRejection::Refused)
}

fn silence() -> Verdict {
    Verdict::Unavailable(Unavailable::upstream("the layer is down"))
}

/// Cache time. A use in the last two of the eight seconds starts a refresh.
const KEEP: Duration = Duration::from_secs(8);

/// Time in milliseconds after the start.
pub(super) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(1_800_000_000_000 + millis).unwrap()
}

pub(super) fn token(name: &str) -> PresentedToken {
    PresentedToken::parse(name).unwrap()
}

struct Scene {
    chain: VerifyChain,
    remote: Arc<Layer>,
    due: DueRefreshes,
    token: PresentedToken,
}

impl Scene {
    /// One remote layer, which has accepted a token at the start.
    async fn with_cached_verdict(says: Verdict) -> Self {
        Self::with(says, Vec::new()).await
    }

    async fn with(says: Verdict, more: Vec<Arc<dyn TokenVerifier>>) -> Self {
        let remote = Layer::new(VerificationSource::OauthUserinfo, says);
        let mut layers = vec![Arc::clone(&remote) as Arc<dyn TokenVerifier>];
        layers.extend(more);
        let scene = Self::of(layers, remote);
        scene.chain.verify(&scene.token, at(0)).await.unwrap();
        scene
    }

    fn of(layers: Vec<Arc<dyn TokenVerifier>>, remote: Arc<Layer>) -> Self {
        let limits = ChainLimits {
            verdict_ttl: KEEP,
            cache_bytes: 64 << 20,
            layer_timeout: Duration::from_secs(5),
        };
        let chain = VerifyChain::new(layers, None, ClaimPaths::default(), limits);
        let due = chain.due_refreshes().unwrap();
        Self {
            chain,
            remote,
            due,
            token: token("opaque-1"),
        }
    }

    fn is_recalled(&self, millis: i64) -> bool {
        matches!(
            self.chain.lookup_cached(self.token.expose(), at(millis)),
            Some(Ok(_))
        )
    }

    /// Returns the next token in the queue.
    fn queued(&mut self) -> Option<String> {
        // Without tokio's budget for one task, which a test that takes hundreds at once would use up.
        let next = unconstrained(self.due.next()).now_or_never().flatten()?;
        Some(next.expose().to_owned())
    }

    async fn renewed(&mut self, millis: i64) -> RefreshAheadOutcome {
        assert_eq!(self.queued().as_deref(), Some(self.token.expose()));
        self.chain.refresh_verdict(&self.token, at(millis)).await
    }
}

#[tokio::test]
async fn a_token_in_use_is_renewed_once_shortly_before_its_end() {
    let mut scene = Scene::with_cached_verdict(yes(None)).await;
    assert!(scene.is_recalled(5_999));
    assert_eq!(scene.queued(), None, "too early");
    for millis in [6_000, 6_001, 6_500] {
        assert!(scene.is_recalled(millis));
        scene.chain.verify(&scene.token, at(millis)).await.unwrap();
    }
    assert_eq!(scene.remote.asked(), 1);
    assert_eq!(scene.renewed(6_600).await, RefreshAheadOutcome::Verified);
    assert_eq!(scene.queued(), None, "refreshed once");
    assert!(scene.is_recalled(8_001) && scene.is_recalled(12_599));
    assert_eq!(scene.queued(), None, "the new verdict is young");
    assert!(scene.is_recalled(14_000));
    assert_eq!(scene.renewed(14_001).await, RefreshAheadOutcome::Verified);
    assert_eq!(scene.remote.asked(), 3);
}

#[tokio::test]
async fn any_use_asks_for_it() {
    let mut scene = Scene::with_cached_verdict(yes(None)).await;
    scene.chain.verify(&scene.token, at(7_000)).await.unwrap();
    assert_eq!(scene.queued().as_deref(), Some("opaque-1"));
}

#[tokio::test]
async fn a_token_out_of_use_is_not_renewed() {
    let mut scene = Scene::with_cached_verdict(yes(None)).await;
    assert!(scene.is_recalled(5_000));
    assert!(!scene.is_recalled(8_000));
    assert_eq!(scene.queued(), None);
    assert_eq!(
        scene.chain.refresh_verdict(&scene.token, at(7_000)).await,
        RefreshAheadOutcome::Skipped
    );
    assert_eq!(scene.remote.asked(), 1);
}

#[tokio::test]
async fn a_no_counts_at_once() {
    let mut scene = Scene::with_cached_verdict(yes(None)).await;
    assert!(scene.is_recalled(6_500));
    scene.remote.says(no());
    assert_eq!(scene.renewed(6_600).await, RefreshAheadOutcome::Rejected);
    assert!(!scene.is_recalled(6_601));
    let refused = scene.chain.verify(&scene.token, at(6_601)).await;
    assert!(matches!(
        refused,
        Err(VerifyFault::Rejected(TokenRejection::Refused))
    ));
    assert_eq!(scene.remote.asked(), 2, "the rejection is cached");
}

#[tokio::test]
async fn an_outage_leaves_the_old_verdict_until_its_end_and_is_not_tried_again() {
    let mut scene = Scene::with_cached_verdict(yes(None)).await;
    assert!(scene.is_recalled(6_500));
    scene.remote.says(silence());
    assert_eq!(scene.renewed(6_600).await, RefreshAheadOutcome::Unavailable);
    assert!(scene.is_recalled(7_999));
    assert_eq!((scene.queued(), scene.remote.asked()), (None, 2));
    assert!(!scene.is_recalled(8_000));
    let unknown = scene.chain.verify(&scene.token, at(8_000)).await;
    assert!(matches!(unknown, Err(VerifyFault::Unavailable(_))));
}

#[tokio::test]
async fn what_the_fallback_says_is_no_renewal() {
    let local = Layer::new(VerificationSource::LocalJwt, yes(None));
    let mut scene = Scene::with(yes(None), vec![local]).await;
    assert!(scene.is_recalled(6_500));
    scene.remote.says(silence());
    assert_eq!(scene.renewed(6_600).await, RefreshAheadOutcome::Unavailable);
    let still = scene
        .chain
        .lookup_cached("opaque-1", at(7_000))
        .unwrap()
        .unwrap()
        .into_info();
    assert_eq!(
        still.identity.verification_source,
        VerificationSource::OauthUserinfo
    );
    let then = scene
        .chain
        .verify(&scene.token, at(8_000))
        .await
        .unwrap()
        .into_info();
    assert_eq!(then.identity.verification_source, VerificationSource::LocalJwt);
}

#[tokio::test]
async fn a_verdict_that_was_made_here_is_not_renewed() {
    let local = Layer::new(VerificationSource::LocalJwt, yes(None));
    let mut scene = Scene::of(vec![Arc::clone(&local) as _], Arc::clone(&local));
    scene.chain.verify(&scene.token, at(0)).await.unwrap();
    assert!(scene.is_recalled(7_999));
    assert_eq!(scene.queued(), None);
}

#[tokio::test]
async fn nothing_is_renewed_past_the_tokens_own_end() {
    let mut ending = Scene::with_cached_verdict(yes(Some(at(7_900)))).await;
    assert!(ending.is_recalled(7_500));
    assert_eq!(ending.queued(), None, "asking again would not extend it");

    let mut later = Scene::with_cached_verdict(yes(Some(at(10_000)))).await;
    assert!(later.is_recalled(7_500));
    assert_eq!(later.renewed(7_600).await, RefreshAheadOutcome::Verified);
    assert!(later.is_recalled(9_999) && !later.is_recalled(10_000));
    assert_eq!(later.queued(), None);
}

#[tokio::test]
async fn whoever_comes_after_the_end_waits_for_the_renewal() {
    for (verdict, renewed) in [
        (yes(None), RefreshAheadOutcome::Verified),
        (no(), RefreshAheadOutcome::Rejected),
        (silence(), RefreshAheadOutcome::Unavailable),
    ] {
        let mut scene = Scene::with_cached_verdict(yes(None)).await;
        assert!(scene.is_recalled(7_900));
        assert!(scene.queued().is_some());
        scene.remote.says(verdict);
        scene.remote.shut();
        let renewal = scene.chain.refresh_verdict(&scene.token, at(7_950));
        let request = scene.chain.verify(&scene.token, at(8_100));
        let another = async {
            let second = scene.chain.refresh_verdict(&scene.token, at(7_960)).await;
            tokio::task::yield_now().await;
            scene.remote.gate.add_permits(1);
            second
        };
        let (first, answer, second) = tokio::join!(renewal, request, another);
        assert_eq!((first, second), (renewed, RefreshAheadOutcome::Skipped));
        assert_eq!(answer.is_ok(), renewed == RefreshAheadOutcome::Verified);
        assert_eq!(scene.remote.asked(), 2, "{renewed:?}");
    }
}

#[tokio::test]
async fn whoever_waits_for_a_renewal_that_is_given_up_asks_himself() {
    let mut scene = Scene::with_cached_verdict(yes(None)).await;
    assert!(scene.is_recalled(7_900));
    assert!(scene.queued().is_some());
    scene.remote.shut();
    let mut renewal = Box::pin(scene.chain.refresh_verdict(&scene.token, at(7_950)));
    assert!(renewal.as_mut().now_or_never().is_none());
    let giving_up = async {
        tokio::task::yield_now().await;
        drop(renewal);
        scene.remote.gate.add_permits(1);
    };
    let (answer, ()) = tokio::join!(scene.chain.verify(&scene.token, at(8_100)), giving_up);
    assert!(answer.is_ok());
    assert_eq!(scene.remote.asked(), 3);
}

#[tokio::test]
async fn a_renewal_that_comes_too_late_asks_nobody() {
    let mut scene = Scene::with_cached_verdict(yes(None)).await;
    assert!(scene.is_recalled(7_900));
    assert_eq!(scene.renewed(8_000).await, RefreshAheadOutcome::Skipped);
    scene.chain.verify(&scene.token, at(8_000)).await.unwrap();
    assert_eq!(
        scene.chain.refresh_verdict(&scene.token, at(8_001)).await,
        RefreshAheadOutcome::Skipped
    );
    assert_eq!(scene.remote.asked(), 2);
}

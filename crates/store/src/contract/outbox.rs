//! The contract of `Outbox`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use maxlab_auth_core::outbox::{Outbox, UpstreamRevocation};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::cases;
use super::given::{later, now, sealed};

const LEASE: Duration = Duration::from_secs(10);

/// Holds an outbox to its contract; `make` makes an empty one.
pub async fn outbox<S: Outbox + 'static>(make: impl AsyncFn() -> S) {
    cases!(make:
        what_is_taken_is_leased_and_comes_back,
        what_was_not_heard_waits_for_its_time,
        what_was_heard_is_gone,
        takers_never_share,
    );
}

fn item(contents: &str, at: u64) -> UpstreamRevocation {
    UpstreamRevocation {
        id: Uuid::now_v7(),
        sealed: sealed(contents),
        created_at: later(at),
        attempts: 0,
    }
}

fn contents(items: &[UpstreamRevocation]) -> Vec<&str> {
    items.iter().map(|item| item.sealed.as_str()).collect()
}

async fn what_is_taken_is_leased_and_comes_back(outbox: Arc<impl Outbox>) {
    let items = [item("a", 0), item("b", 1), item("c", 2)];
    outbox.enqueue(&items).await.unwrap();
    outbox.enqueue(&items).await.unwrap();
    assert_eq!(
        contents(&outbox.take_due(now(), LEASE, 9).await.unwrap()),
        ["a"],
        "only a is due yet"
    );
    let taken = outbox.take_due(later(2), LEASE, 1).await.unwrap();
    assert_eq!(contents(&taken), ["b"], "the longest due that nobody has");
    assert_eq!(
        (taken[0].id, taken[0].created_at, taken[0].attempts),
        (items[1].id, later(1), 0)
    );
    assert_eq!(
        contents(&outbox.take_due(later(2), LEASE, 9).await.unwrap()),
        ["c"]
    );
    assert_eq!(
        contents(&outbox.take_due(later(9), LEASE, 9).await.unwrap()),
        [""; 0]
    );
    assert_eq!(
        contents(&outbox.take_due(later(10), LEASE, 9).await.unwrap()),
        ["a"]
    );
    assert_eq!(
        contents(&outbox.take_due(later(12), LEASE, 9).await.unwrap()),
        ["b", "c"]
    );
    assert_eq!(outbox.backlog().await.unwrap(), (3, Some(now())));
}

async fn what_was_not_heard_waits_for_its_time(outbox: Arc<impl Outbox>) {
    let one = item("a", 0);
    outbox.enqueue(std::slice::from_ref(&one)).await.unwrap();
    for attempt in 1..4_u32 {
        outbox.take_due(later(100), LEASE, 9).await.unwrap();
        let at = 100 + u64::from(attempt);
        outbox.retry_at(one.id, later(at)).await.unwrap();
        assert_eq!(
            contents(&outbox.take_due(later(at - 1), LEASE, 9).await.unwrap()),
            [""; 0]
        );
        let taken = outbox.take_due(later(at), LEASE, 9).await.unwrap();
        assert_eq!(taken[0].attempts, attempt);
        outbox.retry_at(one.id, now()).await.unwrap();
        outbox.delivered(Uuid::now_v7()).await.unwrap();
        outbox.delivered(one.id).await.unwrap();
        outbox
            .enqueue(&[UpstreamRevocation {
                attempts: attempt,
                ..one.clone()
            }])
            .await
            .unwrap();
    }
    assert_eq!(outbox.backlog().await.unwrap().0, 1);
}

async fn what_was_heard_is_gone(outbox: Arc<impl Outbox>) {
    let items = [item("a", 0), item("b", 1)];
    outbox.enqueue(&items).await.unwrap();
    outbox.take_due(later(1), LEASE, 9).await.unwrap();
    outbox.delivered(items[0].id).await.unwrap();
    assert_eq!(outbox.backlog().await.unwrap(), (1, Some(later(1))));
    outbox.delivered(items[1].id).await.unwrap();
    assert_eq!(outbox.backlog().await.unwrap(), (0, None));
    assert_eq!(
        contents(&outbox.take_due(later(99), LEASE, 9).await.unwrap()),
        [""; 0]
    );
}

async fn takers_never_share(outbox: Arc<impl Outbox + 'static>) {
    let items: Vec<_> = (0..60).map(|n| item(&n.to_string(), 0)).collect();
    outbox.enqueue(&items).await.unwrap();
    let mut takers = JoinSet::new();
    for _ in 0..6 {
        let outbox = Arc::clone(&outbox);
        takers.spawn(async move {
            let mut mine = Vec::new();
            // A taker that finds nothing may have met others' locks: it looks again until nothing is free.
            for _ in 0..30 {
                mine.extend(
                    outbox
                        .take_due(now(), LEASE, 3)
                        .await
                        .unwrap()
                        .into_iter()
                        .map(|item| item.id),
                );
            }
            mine
        });
    }
    let taken: Vec<_> = takers.join_all().await.into_iter().flatten().collect();
    assert_eq!(taken.len(), 60, "each was taken once");
    assert_eq!(taken.into_iter().collect::<BTreeSet<_>>().len(), 60);
}

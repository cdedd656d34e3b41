//! The contract of `Outbox`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use maxlab_auth_core::outbox::{Outbox, UpstreamRevocation};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::fixtures::{later, now, sealed};
use super::run_cases;

const LEASE: Duration = Duration::from_secs(10);

/// Checks that an outbox keeps its contract. `make` creates an empty one.
pub async fn outbox<S: Outbox + 'static>(make: impl AsyncFn() -> S) {
    run_cases!(make:
        what_is_taken_is_leased_and_comes_back,
        what_was_not_heard_waits_for_its_time,
        what_was_heard_is_gone,
        takers_never_share,
        l11_a_message_waits_for_its_time_or_its_release,
        w6_flows_take_turns,
    );
}

fn outbox_item(contents: &str, at: u64) -> UpstreamRevocation {
    UpstreamRevocation {
        id: Uuid::now_v7(),
        sealed: sealed(contents),
        created_at: later(at),
        due_at: later(at),
        attempts: 0,
        fairness_key: "one".to_owned(),
    }
}

fn contents(items: &[UpstreamRevocation]) -> Vec<&str> {
    items.iter().map(|item| item.sealed.as_str()).collect()
}

async fn what_is_taken_is_leased_and_comes_back(outbox: Arc<impl Outbox>) {
    let items = [outbox_item("a", 0), outbox_item("b", 1), outbox_item("c", 2)];
    outbox.enqueue(&items).await.unwrap();
    outbox.enqueue(&items).await.unwrap();
    assert_eq!(
        contents(&outbox.take_due(now(), LEASE, 9).await.unwrap()),
        ["a"],
        "only a is due yet"
    );
    let taken = outbox.take_due(later(2), LEASE, 1).await.unwrap();
    assert_eq!(contents(&taken), ["b"], "the longest due without a lease");
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
    let one = outbox_item("a", 0);
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
        outbox.mark_delivered(Uuid::now_v7()).await.unwrap();
        outbox.mark_delivered(one.id).await.unwrap();
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
    let items = [outbox_item("a", 0), outbox_item("b", 1)];
    outbox.enqueue(&items).await.unwrap();
    outbox.take_due(later(1), LEASE, 9).await.unwrap();
    outbox.mark_delivered(items[0].id).await.unwrap();
    assert_eq!(outbox.backlog().await.unwrap(), (1, Some(later(1))));
    outbox.mark_delivered(items[1].id).await.unwrap();
    assert_eq!(outbox.backlog().await.unwrap(), (0, None));
    assert_eq!(
        contents(&outbox.take_due(later(99), LEASE, 9).await.unwrap()),
        [""; 0]
    );
}

async fn l11_a_message_waits_for_its_time_or_its_release(outbox: Arc<impl Outbox>) {
    let delayed = |contents: &str, flow: &str| UpstreamRevocation {
        due_at: later(60),
        fairness_key: flow.to_owned(),
        ..outbox_item(contents, 0)
    };
    let items = [delayed("a", "one"), delayed("b", "one"), delayed("c", "two")];
    outbox.enqueue(&items).await.unwrap();
    assert_eq!(
        contents(&outbox.take_due(later(59), LEASE, 9).await.unwrap()),
        [""; 0],
        "none is due"
    );
    assert_eq!(outbox.release("nobody", later(1)).await.unwrap(), 0);
    assert_eq!(outbox.release("one", later(1)).await.unwrap(), 2);
    assert_eq!(
        contents(&outbox.take_due(later(1), LEASE, 9).await.unwrap()),
        ["a", "b"]
    );
    // A failed attempt keeps its own time.
    outbox.retry_at(items[0].id, later(40)).await.unwrap();
    outbox.mark_delivered(items[1].id).await.unwrap();
    assert_eq!(outbox.release("one", later(2)).await.unwrap(), 1);
    assert_eq!(
        contents(&outbox.take_due(later(39), LEASE, 9).await.unwrap()),
        [""; 0]
    );
    assert_eq!(
        contents(&outbox.take_due(later(60), LEASE, 9).await.unwrap()),
        ["a", "c"],
        "released or not, its time has come"
    );
    outbox.mark_delivered(items[0].id).await.unwrap();
    assert_eq!(outbox.release("one", later(60)).await.unwrap(), 0);
}

async fn takers_never_share(outbox: Arc<impl Outbox + 'static>) {
    let items: Vec<_> = (0..60).map(|n| outbox_item(&n.to_string(), 0)).collect();
    outbox.enqueue(&items).await.unwrap();
    let mut takers = JoinSet::new();
    for _ in 0..6 {
        let outbox = Arc::clone(&outbox);
        takers.spawn(async move {
            let mut mine = Vec::new();
            // A taker that gets nothing may have skipped locked rows, so each tries several times.
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

/// Checks that many items of one client do not delay an item of another.
async fn w6_flows_take_turns(outbox: Arc<impl Outbox>) {
    let of = |flow: &str, contents: &str, at| UpstreamRevocation {
        fairness_key: flow.to_owned(),
        ..outbox_item(contents, at)
    };
    let many: Vec<_> = (0..20).map(|n| of("loud", &format!("loud {n:02}"), 0)).collect();
    outbox.enqueue(&many).await.unwrap();
    // Some are delivered before the items of other flows arrive.
    for item in outbox.take_due(now(), LEASE, 5).await.unwrap() {
        outbox.mark_delivered(item.id).await.unwrap();
    }
    outbox
        .enqueue(&[of("quiet", "quiet 0", 1), of("quiet", "quiet 1", 1)])
        .await
        .unwrap();
    outbox.enqueue(&[of("other", "other 0", 1)]).await.unwrap();
    let next = outbox.take_due(later(1), LEASE, 5).await.unwrap();
    let mut first: Vec<_> = contents(&next).into_iter().take(3).collect();
    first.sort_unstable();
    assert_eq!(first, ["loud 05", "other 0", "quiet 0"], "each flow has a turn");
    assert!(contents(&next).contains(&"quiet 1"), "{:?}", contents(&next));
    // An item that fails repeatedly delays no other flow.
    let stuck = next.iter().find(|item| item.fairness_key == "other").unwrap();
    outbox.retry_at(stuck.id, later(500)).await.unwrap();
    outbox.enqueue(&[of("late", "late 0", 2)]).await.unwrap();
    let next = outbox.take_due(later(2), LEASE, 2).await.unwrap();
    assert!(contents(&next).contains(&"late 0"), "{:?}", contents(&next));
}

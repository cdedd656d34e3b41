//! Waiting for conditions with a deadline, in the place of pauses of fixed length.

use std::time::{Duration, Instant};

/// Time after which a condition that a test waits for counts as failed.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two checks of a condition.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

// The bounds name the future, because the compiler cannot tell that an `AsyncFnMut` gives one that may be
// spawned.

/// Waits until the condition holds.
///
/// # Panics
/// If that takes longer than [`PATIENCE`].
pub async fn eventually<F: Future<Output = bool>>(what: &str, condition: impl FnMut() -> F) {
    eventually_within(PATIENCE, what, condition).await;
}

/// Waits until the condition holds.
///
/// # Panics
/// If that takes longer than `limit`.
pub async fn eventually_within<F>(limit: Duration, what: &str, condition: impl FnMut() -> F)
where
    F: Future<Output = bool>,
{
    assert!(
        holds_within(limit, condition).await,
        "not within {limit:?}: {what}"
    );
}

/// Waits until the condition holds, and returns whether it did within `limit`.
pub async fn holds_within<F>(limit: Duration, mut condition: impl FnMut() -> F) -> bool
where
    F: Future<Output = bool>,
{
    let found = poll_within(limit, || {
        let holds = condition();
        async { holds.await.then_some(()) }
    });
    found.await.is_some()
}

/// Waits until `look` finds something. Returns `None` if that takes longer than `limit`.
pub async fn poll_within<T, F>(limit: Duration, mut look: impl FnMut() -> F) -> Option<T>
where
    F: Future<Output = Option<T>>,
{
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            return Some(found);
        }
        if started.elapsed() > limit {
            return None;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Starts `action` after a delay: for races whose sides begin at different moments.
pub async fn after<F: Future>(delay: Duration, action: F) -> F::Output {
    tokio::time::sleep(delay).await;
    action.await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_condition_is_asked_until_it_holds_and_no_longer_than_its_limit() {
        let mut asked = 0;
        let third = poll_within(PATIENCE, || {
            asked += 1;
            std::future::ready((asked == 3).then_some(asked))
        });
        assert_eq!(third.await, Some(3));
        let started = Instant::now();
        assert!(!holds_within(Duration::from_millis(30), async || false).await);
        assert!(started.elapsed() >= Duration::from_millis(30));
    }
}

//! Wrapper of a future that shares its task with a busy one. It is polled only when its own waker was called,
//! and not each time that the task wakes.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures::future::BoxFuture;
use futures::task::AtomicWaker;

/// Future that polls the inner future only after its own waker was called (decision 14: each poll of a timer
/// costs).
pub(crate) struct PollOnWake<'f, T> {
    future: BoxFuture<'f, T>,
    wake_flag: Arc<WakeFlag>,
    waker: Waker,
}

/// Waker of the inner future: sets the flag and wakes the task.
struct WakeFlag {
    was_woken: AtomicBool,
    task: AtomicWaker,
}

impl Wake for WakeFlag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Before the task wakes, so that its poll finds the flag set.
        self.was_woken.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl<'f, T> PollOnWake<'f, T> {
    pub(crate) fn new(future: impl Future<Output = T> + Send + 'f) -> Self {
        let wake_flag = Arc::new(WakeFlag {
            // Set at the start: the first poll must reach the inner future, which registers the waker.
            was_woken: AtomicBool::new(true),
            task: AtomicWaker::new(),
        });
        Self {
            future: Box::pin(future),
            waker: Waker::from(Arc::clone(&wake_flag)),
            wake_flag,
        }
    }
}

impl<T> Future for PollOnWake<'_, T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = self.get_mut();
        // Registered before the flag is read, so that no wake-up is lost between the two.
        this.wake_flag.task.register(cx.waker());
        if !this.wake_flag.was_woken.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        this.future.as_mut().poll(&mut Context::from_waker(&this.waker))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use futures::FutureExt as _;
    use futures::future::poll_fn;
    use tokio::sync::Notify;
    use tokio::time::sleep;

    use super::*;

    #[tokio::test]
    async fn it_is_looked_at_when_it_calls_and_at_no_other_time() {
        let (bell, looks) = (Notify::new(), std::sync::atomic::AtomicUsize::new(0));
        let mut rings = Box::pin(async {
            bell.notified().await;
            sleep(Duration::from_millis(5)).await;
            7
        });
        let mut seldom = PollOnWake::new(poll_fn(|cx| {
            looks.fetch_add(1, Ordering::Relaxed);
            rings.as_mut().poll(cx)
        }));
        for _ in 0..10 {
            assert_eq!((&mut seldom).now_or_never(), None);
        }
        assert_eq!(looks.load(Ordering::Relaxed), 1);
        bell.notify_one();
        assert_eq!((&mut seldom).await, 7);
        assert!(looks.load(Ordering::Relaxed) <= 4);
        let busy = Cell::new(0);
        let mut late = PollOnWake::new(sleep(Duration::from_millis(10)));
        poll_fn(|cx| {
            busy.set(busy.get() + 1);
            late.poll_unpin(cx)
        })
        .await;
        assert!(busy.get() >= 2);
    }
}

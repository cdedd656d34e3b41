//! A future beside a busy one in the same task: it is looked at when it has something to say, and not each time that the
//! other has.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures::future::BoxFuture;
use futures::task::AtomicWaker;

/// Polls what is inside only after its own waker was called.
pub(super) struct Seldom<'f, T> {
    future: BoxFuture<'f, T>,
    call: Arc<Call>,
    waker: Waker,
}

struct Call {
    came: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.came.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl<'f, T> Seldom<'f, T> {
    pub(super) fn new(future: impl Future<Output = T> + Send + 'f) -> Self {
        let call = Arc::new(Call {
            came: AtomicBool::new(true),
            task: AtomicWaker::new(),
        });
        Self {
            future: Box::pin(future),
            waker: Waker::from(Arc::clone(&call)),
            call,
        }
    }
}

impl<T> Future for Seldom<'_, T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = self.get_mut();
        // Before the look, so that no call falls between the two.
        this.call.task.register(cx.waker());
        if !this.call.came.swap(false, Ordering::AcqRel) {
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
        let mut seldom = Seldom::new(poll_fn(|cx| {
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
        let mut late = Seldom::new(sleep(Duration::from_millis(10)));
        poll_fn(|cx| {
            busy.set(busy.get() + 1);
            late.poll_unpin(cx)
        })
        .await;
        assert!(busy.get() >= 2);
    }
}

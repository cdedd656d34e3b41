//! Executor of HTTP/2 streams: each stream is a task, and a stream whose answer the client does not read is
//! reset (decision 24).

use std::cell::RefCell;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures::future::poll_fn;
use hyper::rt::Executor;
use tokio::time::timeout;

use crate::activity::ConnectionActivity;
use crate::events::{ListenerEvent, ListenerEvents};

thread_local! {
    /// Connection of the stream that is being polled on this thread, set when its answer is ready.
    static ANSWERED: RefCell<Option<Arc<ConnectionActivity>>> = const { RefCell::new(None) };
}

/// Records that the answer of the stream that is being polled is ready.
pub(crate) fn mark_answer_ready(connection: &Arc<ConnectionActivity>) {
    ANSWERED.with_borrow_mut(|answered| *answered = Some(Arc::clone(connection)));
}

/// Executor that spawns each stream with a time limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamExecutor {
    /// Time in which a client must read an answer, from the moment that the answer is ready.
    pub(crate) delivery_timeout: Duration,
    pub(crate) events: &'static dyn ListenerEvents,
}

impl<F> Executor<F> for StreamExecutor
where
    F: Future + Send + 'static,
{
    fn execute(&self, stream: F) {
        let Self {
            delivery_timeout,
            events,
        } = *self;
        tokio::spawn(async move {
            let mut stream = pin!(stream);
            let answered = poll_fn(|cx| {
                // hyper polls the router inside its stream, so a mark that is set during this poll belongs to
                // this stream. A mark from another stream on this thread is removed first.
                ANSWERED.with_borrow_mut(Option::take);
                match stream.as_mut().poll(cx) {
                    Poll::Ready(_) => Poll::Ready(None),
                    Poll::Pending => match ANSWERED.with_borrow_mut(Option::take) {
                        Some(connection) => Poll::Ready(Some(connection)),
                        None => Poll::Pending,
                    },
                }
            });
            let Some(connection) = answered.await else { return };
            // Dropping a stream before its end resets it (RFC 9113 §6.4).
            if timeout(delivery_timeout, stream).await.is_err() {
                events.record(ListenerEvent::AnswerAbandoned);
                connection.mark_answer_unread();
            }
        });
    }
}

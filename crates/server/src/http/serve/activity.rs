//! What a connection has been doing, and how long it may go on doing it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// How long a connection may stay in each of its states.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// From the first byte of a request's head to its last; a new connection owes that byte from the start.
    pub(super) header: Duration,
    /// Between two requests.
    pub(super) idle: Duration,
    /// Without any exchange beginning or ending while some are open.
    pub(super) exchange: Duration,
}

/// The state of one connection, shared between its socket (which sees bytes) and its service (which sees exchanges).
#[derive(Debug)]
pub(super) struct Activity {
    patience: Patience,
    state: Mutex<State>,
    /// The next answer is the last one.
    draining: AtomicBool,
}

impl Activity {
    pub(super) fn new(patience: Patience) -> Arc<Self> {
        Arc::new(Self {
            patience,
            state: Mutex::new(State::new(Instant::now())),
            draining: AtomicBool::new(false),
        })
    }

    /// Bytes came in.
    pub(super) fn received(&self) {
        self.state().received(Instant::now());
    }

    /// A request's head is complete. The exchange ends when the returned value is dropped.
    pub(super) fn begin(self: &Arc<Self>, multiplexed: bool) -> Exchange {
        self.state().begin(Instant::now(), multiplexed);
        Exchange(Arc::clone(self))
    }

    /// A request came at this moment, and was answered at once, below HTTP.
    pub(super) fn answered(&self, came_at: Instant) {
        let mut state = self.state();
        state.changed = came_at;
        state.head_began = None;
    }

    /// How many exchanges have begun so far.
    pub(super) fn begun(&self) -> u64 {
        self.state().begun
    }

    /// Whether since then exactly one exchange has begun, and it is over.
    pub(super) fn has_ended_one_since(&self, begun: u64) -> bool {
        let state = self.state();
        state.open == 0 && state.begun == begun + 1
    }

    /// From now on the client is told with the next answer that the connection ends.
    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether the next answer is the last one.
    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Whether it is known to be an HTTP/2 connection, whose end has a frame of its own.
    pub(super) fn is_multiplexed(&self) -> bool {
        self.state().multiplexed
    }

    /// Waits until the connection has outstayed its patience.
    pub(super) async fn overdue(&self) {
        loop {
            let now = Instant::now();
            let deadline = self.state().deadline(self.patience);
            if deadline <= now {
                return;
            }
            // A deadline can move closer while we wait (a head begins), but never closer than this.
            sleep_until(deadline.min(now + self.patience.header / 2)).await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An exchange under way: from the request's head to the last byte of the answer's body.
#[derive(Debug)]
pub(super) struct Exchange(Arc<Activity>);

impl Exchange {
    /// Whether its answer is the connection's last one, and has to say so itself (RFC 9112 §9.6).
    pub(super) fn is_the_last(&self) -> bool {
        self.0.is_draining() && !self.0.is_multiplexed()
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.0.state().end(Instant::now());
    }
}

#[derive(Debug)]
struct State {
    /// Exchanges whose answer is not yet handed over whole.
    open: usize,
    /// Exchanges that have begun, also those that are over.
    begun: u64,
    /// When the last exchange began or ended.
    changed: Instant,
    /// When the head that is being read began.
    head_began: Option<Instant>,
    /// On HTTP/2, bytes between exchanges are mostly pings and acknowledgements, no slow head.
    multiplexed: bool,
}

impl State {
    fn new(now: Instant) -> Self {
        Self {
            open: 0,
            begun: 0,
            changed: now,
            head_began: Some(now),
            multiplexed: false,
        }
    }

    fn received(&mut self, now: Instant) {
        if self.open == 0 && !self.multiplexed && self.head_began.is_none() {
            self.head_began = Some(now);
        }
    }

    fn begin(&mut self, now: Instant, multiplexed: bool) {
        *self = Self {
            open: self.open + 1,
            begun: self.begun + 1,
            changed: now,
            head_began: None,
            multiplexed,
        };
    }

    fn end(&mut self, now: Instant) {
        self.open -= 1;
        self.changed = now;
    }

    fn deadline(&self, patience: Patience) -> Instant {
        match self.head_began {
            Some(began) => began + patience.header,
            None if self.open == 0 => self.changed + patience.idle,
            None => self.changed + patience.exchange,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        header: Duration::from_secs(10),
        idle: Duration::from_secs(75),
        exchange: Duration::from_secs(180),
    };

    /// A connection, and what its clock shows after so many seconds.
    fn connection() -> (State, impl Fn(u64) -> Instant) {
        let start = Instant::now();
        (State::new(start), move |seconds| {
            start + Duration::from_secs(seconds)
        })
    }

    #[test]
    fn each_state_has_its_deadline() {
        let (mut state, at) = connection();
        assert_eq!(state.deadline(PATIENCE), at(10), "a silent new connection");
        state.received(at(5));
        assert_eq!(state.deadline(PATIENCE), at(10), "its bytes buy no time");
        state.begin(at(6), false);
        assert_eq!(state.deadline(PATIENCE), at(186), "an exchange that does not end");
        state.end(at(7));
        assert_eq!(state.deadline(PATIENCE), at(82), "an idle connection");
        state.received(at(30));
        state.received(at(39));
        assert_eq!(
            state.deadline(PATIENCE),
            at(40),
            "a head counts from its first byte"
        );
    }

    #[test]
    fn a_body_is_no_head() {
        let (mut state, at) = connection();
        state.begin(at(0), false);
        state.received(at(1));
        state.end(at(2));
        assert_eq!(state.deadline(PATIENCE), at(77));
    }

    #[test]
    fn pings_of_an_idle_http2_connection_are_no_head() {
        let (mut state, at) = connection();
        state.begin(at(0), true);
        state.begin(at(1), true);
        state.end(at(2));
        assert_eq!(state.deadline(PATIENCE), at(182), "one stream is open still");
        state.end(at(3));
        state.received(at(4));
        assert_eq!(state.deadline(PATIENCE), at(78));
    }

    #[tokio::test]
    async fn a_head_that_begins_while_idle_is_noticed_in_time() {
        let patience = Patience {
            header: Duration::from_millis(60),
            ..PATIENCE
        };
        let activity = Activity::new(patience);
        drop(activity.begin(false));
        let start = Instant::now();
        let late = async {
            sleep_until(start + Duration::from_millis(40)).await;
            activity.received();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = activity.overdue() => {}
            () = late => {}
        }
        let cut = start.elapsed();
        assert!(cut >= Duration::from_millis(100), "cut too early: {cut:?}");
        assert!(cut < Duration::from_secs(30), "cut too late: {cut:?}");
    }
}

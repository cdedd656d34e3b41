//! Activity of a connection, and the deadline that follows from it.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Number of abandoned answers after which a connection is closed (decision 24).
const MAX_UNREAD_ANSWERS: u32 = 8;
/// Time for which a connection without work may stay open at a shutdown: its client reads an answer, or has
/// not closed yet.
const LAST_ANSWER_GRACE: Duration = Duration::from_secs(3);

/// Longest time for which a connection may stay in each of its states.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionTimeouts {
    /// From the first byte of a request head to its last. On a new connection, from its start.
    pub(crate) header: Duration,
    /// Between two requests.
    pub(crate) idle: Duration,
    /// With open exchanges, from the last time that one began, was answered, went on or ended.
    pub(crate) exchange: Duration,
}

/// State of one connection, shared between its socket (which sees bytes) and its service (which sees
/// exchanges).
#[derive(Debug)]
pub(crate) struct ConnectionActivity {
    timeouts: ConnectionTimeouts,
    state: Mutex<ActivityState>,
    /// `true` if the next answer is the last one.
    draining: AtomicBool,
    /// Bytes of answers that the client has not read yet.
    pub(crate) unread: AtomicUsize,
    /// Number of answers that were abandoned because the client did not read them.
    unread_answers: AtomicU32,
    /// `true` if the connection is to close in favour of another.
    evicted: AtomicBool,
    /// Wakes the connection after `evicted` was set, or after too many unread answers.
    eviction: Notify,
}

impl ConnectionActivity {
    pub(crate) fn new(timeouts: ConnectionTimeouts) -> Arc<Self> {
        Arc::new(Self {
            timeouts,
            state: Mutex::new(ActivityState::new(Instant::now())),
            draining: AtomicBool::new(false),
            unread: AtomicUsize::new(0),
            unread_answers: AtomicU32::new(0),
            evicted: AtomicBool::new(false),
            eviction: Notify::new(),
        })
    }

    /// Records that bytes were received.
    pub(crate) fn mark_received(&self) {
        self.state().mark_received(Instant::now());
    }

    /// Records that a request head is complete. The exchange ends when the returned value is dropped.
    pub(crate) fn begin_request(self: &Arc<Self>, multiplexed: bool) -> InFlightRequest {
        self.state().begin_request(Instant::now(), multiplexed);
        InFlightRequest {
            activity: Arc::clone(self),
            answered: false,
        }
    }

    /// Records that a request was received at this time and answered by the fast path.
    pub(crate) fn mark_fast_answer(&self, received_at: Instant) {
        let mut state = self.state();
        state.changed_at = received_at;
        state.head_began_at = None;
    }

    /// Returns the time since when the connection has been idle; `None` while a request is in progress. An
    /// incomplete head counts as idle, so that slow heads cannot hold slots.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        self.state().idle_since()
    }

    /// Asks the connection to close, if it has been idle since `idle_since`. Returns `false` if it was used
    /// meanwhile.
    pub(crate) fn try_evict(&self, idle_since: Instant) -> bool {
        let is_still_idle = self.state().idle_since() == Some(idle_since);
        // A request may begin here, after the check. The connection then answers it and closes
        // (`ConnectionServer::serve`).
        if is_still_idle {
            // Before the notification, so that the woken connection finds it set.
            self.evicted.store(true, Ordering::Release);
            self.start_draining();
            // `notify_one` keeps a permit: it is not lost if the connection does not wait at this moment.
            self.eviction.notify_one();
        }
        is_still_idle
    }

    /// Returns `true` if the connection was asked to close in favour of another.
    pub(crate) fn is_evicted(&self) -> bool {
        self.evicted.load(Ordering::Acquire)
    }

    /// Waits until the connection is asked to close, or has left too many answers unread.
    pub(crate) async fn evicted(&self) {
        self.eviction.notified().await;
    }

    /// Returns the number of exchanges that have begun so far.
    pub(crate) fn requests_begun(&self) -> u64 {
        self.state().requests_begun
    }

    /// Returns `true` if exactly one exchange has begun since `begun` was read, and it has ended.
    pub(crate) fn has_completed_one_since(&self, begun: u64) -> bool {
        let state = self.state();
        state.open_requests == 0 && state.requests_begun == begun + 1
    }

    /// Makes the next answer the last one: it says that the connection closes.
    pub(crate) fn start_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Records that the server shuts down. Unread answers then have `LAST_ANSWER_GRACE` left.
    pub(crate) fn start_shutdown(&self) {
        self.start_draining();
        self.state().shutdown_began_at = Some(Instant::now());
    }

    /// Records that an answer was abandoned because the client did not read it in time.
    pub(crate) fn mark_answer_unread(&self) {
        // `+ 1`: `fetch_add` returns the value before.
        if self.unread_answers.fetch_add(1, Ordering::AcqRel) + 1 >= MAX_UNREAD_ANSWERS {
            self.eviction.notify_one();
        }
    }

    /// Returns `true` if the client has left too many answers unread.
    pub(crate) fn is_not_reading(&self) -> bool {
        self.unread_answers.load(Ordering::Acquire) >= MAX_UNREAD_ANSWERS
    }

    /// Returns `true` if the next answer is the last one.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Returns `true` if the connection is known to be HTTP/2, which has a frame for its end (GOAWAY).
    pub(crate) fn is_multiplexed(&self) -> bool {
        self.state().multiplexed
    }

    /// Waits until the deadline of the connection has passed.
    pub(crate) async fn timed_out(&self) {
        loop {
            let now = Instant::now();
            let deadline = self.state().deadline(self.timeouts);
            if deadline <= now {
                return;
            }
            // The deadline can come closer during the wait (a head begins, an answer is ready), but not
            // closer than this.
            let step = (self.timeouts.header / 2).min(LAST_ANSWER_GRACE);
            sleep_until(deadline.min(now + step)).await;
        }
    }

    // The lock is held for a few assignments and never across an `await`. After a panic the state is still
    // consistent.
    fn state(&self) -> MutexGuard<'_, ActivityState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Exchange in progress: from the end of the request head to the last byte of the answer.
#[derive(Debug)]
pub(crate) struct InFlightRequest {
    activity: Arc<ConnectionActivity>,
    answered: bool,
}

impl InFlightRequest {
    /// Returns `true` if the answer is the last one of the connection and must say so in a header (RFC 9112
    /// §9.6).
    pub(crate) fn is_last(&self) -> bool {
        self.activity.is_draining() && !self.activity.is_multiplexed()
    }

    /// Records that the answer is ready. From now on the server waits for the client.
    pub(crate) fn mark_answered(&mut self) {
        // Once for each exchange: `end_request` subtracts one.
        if !std::mem::replace(&mut self.answered, true) {
            self.activity.state().mark_answered(Instant::now());
        }
    }

    /// Records that a part of the answer was handed over: an answer that goes on is no silence.
    pub(crate) fn mark_progress(&self) {
        self.activity.state().changed_at = Instant::now();
    }

    /// Returns the activity of the connection.
    pub(crate) fn activity(&self) -> &Arc<ConnectionActivity> {
        &self.activity
    }
}

impl Drop for InFlightRequest {
    fn drop(&mut self) {
        self.activity.state().end_request(Instant::now(), self.answered);
    }
}

#[derive(Debug)]
struct ActivityState {
    /// Number of exchanges whose answer is not completely handed over.
    open_requests: usize,
    /// Number of open exchanges whose answer is ready.
    answered_requests: usize,
    /// Start of the server's shutdown.
    shutdown_began_at: Option<Instant>,
    /// Number of exchanges that have begun, including those that have ended.
    requests_begun: u64,
    /// Last time that an exchange began, was answered, went on or ended.
    changed_at: Instant,
    /// Start of the head that is being read.
    head_began_at: Option<Instant>,
    /// `true` for HTTP/2. Bytes between exchanges are then mostly pings and acknowledgements, and no slow
    /// head.
    multiplexed: bool,
}

impl ActivityState {
    fn new(now: Instant) -> Self {
        Self {
            open_requests: 0,
            answered_requests: 0,
            shutdown_began_at: None,
            requests_begun: 0,
            changed_at: now,
            // A client that connects and sends nothing has the time of a head.
            head_began_at: Some(now),
            multiplexed: false,
        }
    }

    fn mark_received(&mut self, now: Instant) {
        // Only the first byte counts: later ones must not extend the deadline (slowloris). During an
        // exchange, bytes are a body.
        if self.open_requests == 0 && !self.multiplexed && self.head_began_at.is_none() {
            self.head_began_at = Some(now);
        }
    }

    fn begin_request(&mut self, now: Instant, multiplexed: bool) {
        *self = Self {
            open_requests: self.open_requests + 1,
            answered_requests: self.answered_requests,
            shutdown_began_at: self.shutdown_began_at,
            requests_begun: self.requests_begun + 1,
            changed_at: now,
            head_began_at: None,
            multiplexed,
        };
    }

    fn mark_answered(&mut self, now: Instant) {
        self.answered_requests += 1;
        self.changed_at = now;
    }

    fn end_request(&mut self, now: Instant, answered: bool) {
        self.open_requests -= 1;
        self.answered_requests -= usize::from(answered);
        self.changed_at = now;
    }

    fn idle_since(&self) -> Option<Instant> {
        (self.open_requests == 0).then(|| self.head_began_at.unwrap_or(self.changed_at))
    }

    fn deadline(&self, timeouts: ConnectionTimeouts) -> Instant {
        let deadline = match self.head_began_at {
            Some(began) => began + timeouts.header,
            None if self.open_requests == 0 => self.changed_at + timeouts.idle,
            None => self.changed_at + timeouts.exchange,
        };
        match self.shutdown_began_at {
            // Every open exchange is answered, so only the client delays the end.
            Some(ending) if self.open_requests == self.answered_requests => {
                deadline.min(self.changed_at.max(ending) + LAST_ANSWER_GRACE)
            }
            _ => deadline,
        }
    }
}

#[cfg(test)]
mod tests;

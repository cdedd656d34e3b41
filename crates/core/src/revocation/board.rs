//! The board on which instances say how far they have applied the stream.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::awaiting::Awaiting;
use super::log::Instance;
use super::member::Position;

/// Who said that they have applied what, as the stream brings it.
#[derive(Default)]
pub(super) struct Board {
    applied: Mutex<HashMap<Instance, Position>>,
    news: Notify,
}

impl Board {
    pub(super) fn post(&self, applied: Vec<(Instance, Position)>) {
        if applied.is_empty() {
            return;
        }
        let mut board = self.applied.lock().unwrap_or_else(PoisonError::into_inner);
        for (instance, position) in applied {
            let stands = board.entry(instance).or_default();
            *stands = position.max(*stands);
        }
        drop(board);
        self.news.notify_waiters();
    }

    pub(super) fn clear(&self) {
        self.applied
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// Ends with the next post after this call.
    pub(super) fn news(&self) -> Notified<'_> {
        self.news.notified()
    }

    /// Tells what stands on it to somebody who waits for all of them.
    pub(super) fn tell(&self, awaiting: &mut Awaiting) {
        let board = self.applied.lock().unwrap_or_else(PoisonError::into_inner);
        for (instance, position) in board.iter() {
            awaiting.applied(instance, *position);
        }
    }
}

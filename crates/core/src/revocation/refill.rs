//! A store that lost its data, or is new, gets the journal written into it, by one instance for all.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::sleep;

use super::log::{Filling, Instance, LogFault, RevocationLog};
use super::record::JournalEntry;
use super::store::Journal;
use super::term::Term;
use crate::unavailable::Unavailable;

/// How many journal lines are carried into the store at a time.
const BATCH: u32 = 1_000;
/// How often it is looked whether another instance has filled the store.
const LOOK: Duration = Duration::from_millis(50);

/// The writing of one journal into one data set.
pub(super) struct Refill<'m> {
    pub(super) journal: &'m dyn Journal,
    pub(super) log: &'m dyn RevocationLog,
    /// Who does it.
    pub(super) me: Instance,
    /// The journal's own name.
    pub(super) name: &'m str,
    /// The term of the data set.
    pub(super) term: &'m Term,
}

impl Refill<'_> {
    /// Writes the journal into the store, or waits until another instance has; `false` if the data set was lost
    /// meanwhile.
    pub(super) async fn run(&self, now: Timestamp) -> Result<bool, Unavailable> {
        loop {
            let view = self.log.look(self.name).await?;
            if view.epoch != self.term.epoch {
                return Ok(false);
            }
            if view.filled.as_deref() == Some(&self.term.mark()) {
                return Ok(true);
            }
            if self.log.begin_filling(self.name, &self.me).await? == Filling::Another {
                sleep(LOOK).await;
                continue;
            }
            let filled = match self.replay(now).await {
                Ok(()) => self.log.mark_filled(self.name, self.term).await,
                Err(fault) => Err(fault),
            };
            return match filled {
                Ok(()) => Ok(true),
                Err(LogFault::AnotherEpoch) => Ok(false),
                Err(LogFault::Unavailable(fault)) => Err(fault),
            };
        }
    }

    async fn replay(&self, now: Timestamp) -> Result<(), LogFault> {
        let (mut position, mut count) = (i64::MIN, 0_usize);
        loop {
            let lines = self.journal.live_after(position, BATCH, now).await?;
            let Some(last) = lines.last() else { break };
            position = last.position;
            count += lines.len();
            let entries: Vec<JournalEntry> = lines.into_iter().map(|line| line.entry).collect();
            self.log.publish(&self.term.epoch, &entries, now).await?;
            self.log.begin_filling(self.name, &self.me).await?;
            tracing::info!(lines = count, "filling the store from the journal");
        }
        Ok(())
    }
}

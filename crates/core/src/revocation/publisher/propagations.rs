//! Lines that several callers want in force: one propagation for all of them.

use std::sync::Arc;

use jiff::Timestamp;

use super::Publisher;
use crate::revocation::journal_entry::JournalLine;
use crate::unavailable::Unavailable;

impl Publisher {
    /// Returns true if this instance is propagating the line.
    pub(in crate::revocation) fn is_propagating(&self, line: &JournalLine) -> bool {
        self.propagations.find(line.position).is_some()
    }

    /// Waits until recorded lines are acknowledged. Joins the propagations in progress and starts one for the
    /// other lines, which runs to its end even if its callers stop waiting.
    #[tracing::instrument(level = "debug", skip_all, fields(lines = lines.len()))]
    pub(in crate::revocation) async fn join_or_start(
        self: &Arc<Self>,
        lines: Vec<JournalLine>,
        now: Timestamp,
    ) -> Result<(), Unavailable> {
        let (mut joined, mut remaining) = (Vec::new(), Vec::new());
        for line in lines {
            match self.propagations.find(line.position) {
                Some(outcome) => joined.push(outcome),
                None => remaining.push(line),
            }
        }
        if !remaining.is_empty() {
            let propagation = self.propagations.begin(&remaining);
            joined.push(propagation.outcome());
            let this = Arc::clone(self);
            // A task of its own: a caller that disconnects must not stop what others wait for.
            tokio::spawn(async move { propagation.finish(this.publish_and_await(&remaining, now).await) });
        }
        for outcome in joined {
            outcome.wait().await?;
        }
        Ok(())
    }
}

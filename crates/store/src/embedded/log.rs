//! The revocation stream within one machine: a table of the embedded store, with the leases of its followers.

use async_trait::async_trait;
use jiff::Timestamp;
use maxlab_auth_core::revocation::{
    InstanceId, JournalEntry, LeaseHolder, LeaseRenewal, LogFault, PublishReceipt, RefillLock, RevocationLog,
    StoreView, StreamPosition, StreamSubscription,
};
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verdict::{Epoch, Term};
use uuid::Uuid;

use super::EmbeddedStore;
use super::log_follower::LogTableFollower;
use super::log_rows::{ensure_epoch, load_meta, read_u64, to_i64};
use super::revocations::{upsert_exemptions, upsert_revocations};
use super::snapshot::{SELECT_EXEMPTION_PAGE, SELECT_REVOKED_PAGE, exemption_from_row, revoked_from_row};
use crate::entry_codec;
use crate::sql::{PooledConnection, escape_text, sql_values, to_json_rows};

/// Number of entries that the table keeps. A follower that is further behind loads the snapshot again.
const MAX_LOG_ENTRIES: i64 = 100_000;

#[async_trait]
impl RevocationLog for EmbeddedStore {
    #[tracing::instrument(name = "revocation_log.view", level = "debug", skip_all)]
    async fn view(&self, journal: &str) -> Result<StoreView, Unavailable> {
        let generation = {
            let mut conn = self.database.acquire_reader().await?;
            load_meta(&mut conn, "generation").await?
        };
        // The reader is back in its pool before the writer is awaited: no caller holds two connections.
        let epoch = match generation {
            Some(epoch) => epoch,
            None => self.create_generation().await?,
        };
        let mut conn = self.database.acquire_reader().await?;
        Ok(StoreView {
            epoch: Epoch::new(epoch),
            filled_mark: load_meta(&mut conn, &format!("filled:{journal}")).await?,
            settled_mark: load_meta(&mut conn, &format!("settled:{journal}")).await?,
        })
    }

    /// Always succeeds: one file has no second master.
    async fn confirm_primary(&self) -> Result<(), Unavailable> {
        Ok(())
    }

    #[tracing::instrument(name = "revocation_log.renew_lease", level = "debug", skip_all)]
    async fn renew_lease(&self, renewal: LeaseRenewal<'_>) -> Result<StreamPosition, LogFault> {
        // Without a holder the caller asks only for the position, which needs no write transaction.
        let Some((holder, applied)) = renewal.holder else {
            let mut conn = self.database.acquire_reader().await?;
            ensure_epoch(&mut conn, renewal.epoch).await?;
            return Ok(last_position(&mut conn).await?);
        };
        // One transaction: a later publish finds the lease, and an earlier one is in the position.
        let mut conn = self.database.begin_write().await?;
        ensure_epoch(&mut conn, renewal.epoch).await?;
        conn.execute(
            "INSERT INTO leases (holder, renewal, applied, lease_us) VALUES ($1, $2, $3, $4)
             ON CONFLICT (holder) DO UPDATE SET
                 renewal = excluded.renewal, applied = excluded.applied, lease_us = excluded.lease_us",
            &sql_values![
                holder.as_str(),
                to_i64(renewal.number),
                to_i64(applied),
                to_i64(renewal.lease)
            ],
        )
        .await?;
        let position = last_position(&mut conn).await?;
        conn.commit().await?;
        Ok(position)
    }

    #[tracing::instrument(name = "revocation_log.release_lease", level = "debug", skip_all)]
    async fn release_lease(&self, instance: &InstanceId) -> Result<(), Unavailable> {
        let mut conn = self.database.acquire_writer().await?;
        conn.execute(
            "DELETE FROM leases WHERE holder = $1",
            &sql_values![instance.as_str()],
        )
        .await
        .map(drop)
    }

    #[tracing::instrument(name = "revocation_log.evict_holder", level = "debug", skip_all)]
    async fn evict_holder(&self, holder: &LeaseHolder) -> Result<(), Unavailable> {
        let mut conn = self.database.acquire_writer().await?;
        conn.execute(
            // A holder that has renewed since is kept: the caller waited for the older lease only.
            "DELETE FROM leases WHERE holder = $1 AND renewal = $2",
            &sql_values![holder.instance.as_str(), to_i64(holder.renewal_number)],
        )
        .await
        .map(drop)
    }

    #[tracing::instrument(name = "revocation_log.publish", level = "debug", skip_all, fields(entries = entries.len()))]
    async fn publish(
        &self,
        epoch: &Epoch,
        entries: &[JournalEntry],
        _now: Timestamp,
    ) -> Result<PublishReceipt, LogFault> {
        let mut conn = self.database.begin_write().await?;
        ensure_epoch(&mut conn, epoch).await?;
        let before = last_position(&mut conn).await?;
        // Exemptions first: a cut-off that arrives before them would refuse a login for a moment (I6).
        let (mut exemptions, mut revocations) = (Vec::new(), Vec::new());
        let (mut lines, mut revocation_lines) = (Vec::new(), Vec::new());
        for entry in entries {
            let line = escape_text(&entry_codec::encode(entry));
            match entry {
                JournalEntry::Exempted(exemption) => {
                    exemptions.push(exemption);
                    lines.push(line);
                }
                JournalEntry::Revoked(revocation) => {
                    revocations.push(revocation);
                    revocation_lines.push(line);
                }
            }
        }
        lines.append(&mut revocation_lines);
        // Direct reads and the stream change in one transaction, so that no reader sees only one of them.
        upsert_exemptions(&mut conn, exemptions).await?;
        upsert_revocations(&mut conn, revocations).await?;
        conn.execute(
            "INSERT INTO log (line) SELECT value FROM json_each($1) ORDER BY key",
            &sql_values![to_json_rows(&lines)?.as_str()],
        )
        .await?;
        let position = last_position(&mut conn).await?;
        conn.execute(
            "DELETE FROM log WHERE position <= $1",
            &sql_values![to_i64(position).saturating_sub(MAX_LOG_ENTRIES)],
        )
        .await?;
        // In the same transaction: a lease that is renewed later answers a position with these entries.
        let holders = load_holders(&mut conn).await?;
        conn.commit().await?;
        Ok(PublishReceipt {
            before,
            position,
            holders,
        })
    }

    #[tracing::instrument(name = "revocation_log.holders", level = "debug", skip_all)]
    async fn holders(&self) -> Result<Vec<LeaseHolder>, Unavailable> {
        load_holders(&mut self.database.acquire_reader().await?).await
    }

    #[tracing::instrument(name = "revocation_log.report_applied", level = "debug", skip_all)]
    async fn report_applied(
        &self,
        instance: &InstanceId,
        position: StreamPosition,
    ) -> Result<(), Unavailable> {
        let mut conn = self.database.acquire_writer().await?;
        conn.execute(
            // Reports may overtake each other, so the highest counts. Without a lease nothing is recorded.
            "UPDATE leases SET applied = max(applied, $2) WHERE holder = $1",
            &sql_values![instance.as_str(), to_i64(position)],
        )
        .await
        .map(drop)
    }

    /// Always acquires the lock: the file serves one gateway process.
    async fn acquire_refill_lock(
        &self,
        _journal: &str,
        _instance: &InstanceId,
    ) -> Result<RefillLock, Unavailable> {
        Ok(RefillLock::Acquired)
    }

    #[tracing::instrument(name = "revocation_log.mark_filled", level = "debug", skip_all)]
    async fn mark_filled(&self, journal: &str, term: &Term) -> Result<(), LogFault> {
        self.write_mark(&format!("filled:{journal}"), term).await
    }

    #[tracing::instrument(name = "revocation_log.mark_settled", level = "debug", skip_all)]
    async fn mark_settled(&self, journal: &str, term: &Term) -> Result<(), LogFault> {
        self.write_mark(&format!("settled:{journal}"), term).await
    }

    #[tracing::instrument(name = "revocation_log.snapshot", level = "debug", skip_all)]
    async fn snapshot(
        &self,
        epoch: &Epoch,
        now: Timestamp,
        sink: &mut (dyn FnMut(JournalEntry) + Send),
    ) -> Result<(), LogFault> {
        self.read_in_pages(SELECT_REVOKED_PAGE, revoked_from_row, now, sink)
            .await?;
        self.read_in_pages(SELECT_EXEMPTION_PAGE, exemption_from_row, now, sink)
            .await?;
        // Checked last: the pages belong to one data set only if it is still the current one.
        ensure_epoch(&mut self.database.acquire_reader().await?, epoch).await
    }

    #[tracing::instrument(name = "revocation_log.subscribe", level = "debug", skip_all)]
    async fn subscribe(
        &self,
        epoch: &Epoch,
        behind: StreamPosition,
    ) -> Result<Box<dyn StreamSubscription>, LogFault> {
        Ok(Box::new(LogTableFollower::new(self, epoch, behind)))
    }
}

impl EmbeddedStore {
    async fn create_generation(&self) -> Result<String, Unavailable> {
        let mut conn = self.database.begin_write().await?;
        conn.execute(
            "INSERT INTO meta (name, value) VALUES ('generation', $1) ON CONFLICT DO NOTHING",
            &sql_values![Uuid::now_v7().simple().to_string().as_str()],
        )
        .await?;
        // Another process may have been first. Its generation counts.
        let generation = load_meta(&mut conn, "generation").await?;
        conn.commit().await?;
        generation.ok_or_else(|| Unavailable::store("the generation was not stored"))
    }

    async fn write_mark(&self, name: &str, term: &Term) -> Result<(), LogFault> {
        let mut conn = self.database.begin_write().await?;
        ensure_epoch(&mut conn, &term.epoch).await?;
        conn.execute(
            "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            &sql_values![name, term.mark().as_str()],
        )
        .await?;
        conn.commit().await?;
        Ok(())
    }
}

async fn last_position(conn: &mut PooledConnection) -> Result<StreamPosition, Unavailable> {
    let row = conn
        // `sqlite_sequence` remembers the last number even if the table was trimmed to nothing.
        .fetch_first("SELECT seq FROM sqlite_sequence WHERE name = 'log'", &[])
        .await?;
    row.map_or(Ok(0), |row| read_u64(&row, 0))
}

async fn load_holders(conn: &mut PooledConnection) -> Result<Vec<LeaseHolder>, Unavailable> {
    let rows = conn
        .fetch_all("SELECT holder, renewal, applied, lease_us FROM leases", &[])
        .await?;
    rows.iter()
        .map(|row| {
            Ok(LeaseHolder {
                instance: InstanceId::new(row.text(0)?),
                renewal_number: read_u64(row, 1)?,
                applied: read_u64(row, 2)?,
                lease: read_u64(row, 3)?,
            })
        })
        .collect()
}

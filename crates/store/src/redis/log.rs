//! The revocation stream, the leases of its followers, and the snapshot for an instance that joins.
//!
//! The keys have one hash tag, so that a Cluster keeps them in one slot and one script can use them together.
//! The stream's own name is that tag.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use maxlab_auth_core::revocation::{
    InstanceId, JournalEntry, LeaseHolder, LeaseRenewal, LogFault, PublishReceipt, RefillLock, RevocationLog,
    StoreView, StreamPosition, StreamSubscription,
};
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verdict::{Epoch, Term};
use redis::{Cmd, Pipeline, Value};
use uuid::Uuid;

use super::RedisStore;
use super::log_keys::{
    ACK_STREAM, FILLED, GENERATION, LEASES, POSITION, SETTLED, SNAPSHOT_PARTS, generation_of,
};
use super::log_publish::publish_command;
use super::reply::{convert_reply, unexpected_reply};
use super::revocation_stream::RevocationStream;
use super::script::{
    LOG_BEGIN_FILLING, LOG_EVICT, LOG_MARK, LOG_RECORD_APPLIED, LOG_RENEW, SET_IF_ABSENT, eval_command,
};
use crate::entry_codec;
use crate::millis::floor_ms;

/// Time after which the lock for filling the store expires if its holder dies.
const FILL_LOCK_TTL: Duration = Duration::from_secs(10);
/// Number of snapshot lines in one round trip (a hint to SSCAN).
const SNAPSHOT_SCAN_COUNT: usize = 10_000;
/// Largest number of entries that one script appends. Equals the largest batch of the journal.
const MAX_GROUP_ENTRIES: usize = 512;

#[async_trait]
impl RevocationLog for RedisStore {
    #[tracing::instrument(name = "revocation_log.view", level = "debug", skip_all)]
    async fn view(&self, journal: &str) -> Result<StoreView, Unavailable> {
        self.reject_other_journal(journal).await?;
        let mut pipeline = Pipeline::with_capacity(3);
        // Draws a generation only if the data set has none. A flushed Redis gets a new one here.
        let mut generation = eval_command(SET_IF_ABSENT, &[GENERATION]);
        generation.arg(Uuid::now_v7().simple().to_string());
        pipeline.add_command(generation);
        pipeline.cmd("HGET").arg(FILLED).arg(journal);
        pipeline.cmd("HGET").arg(SETTLED).arg(journal);
        type StoreViewReply = (String, Option<String>, Option<String>);
        let ((generation, filled_mark, settled_mark), server) = self
            .client
            .pipeline_ordered_with_identity::<StoreViewReply>(&pipeline)
            .await?;
        Ok(StoreView {
            epoch: Epoch::new(format!("{generation}@{server}")),
            filled_mark,
            settled_mark,
        })
    }

    #[tracing::instrument(name = "revocation_log.confirm_primary", level = "debug", skip_all)]
    async fn confirm_primary(&self) -> Result<(), Unavailable> {
        self.client.confirm().await.map(drop)
    }

    #[tracing::instrument(name = "revocation_log.renew_lease", level = "debug", skip_all)]
    async fn renew_lease(&self, renewal: LeaseRenewal<'_>) -> Result<StreamPosition, LogFault> {
        // In a Cluster any master may have been replaced, and the script below reaches only one of them.
        self.client.refresh_identity().await?;
        let Some((holder, applied)) = renewal.holder else {
            return self.read_position(renewal.epoch).await;
        };
        let mut renew = eval_command(LOG_RENEW, &[GENERATION, POSITION, LEASES]);
        renew
            .arg(generation_of(renewal.epoch))
            .arg(holder.as_str())
            .arg(renewal.number)
            .arg(applied)
            .arg(renewal.lease);
        self.eval_in_epoch::<StreamPosition>(renewal.epoch, &renew).await
    }

    #[tracing::instrument(name = "revocation_log.release_lease", level = "debug", skip_all)]
    async fn release_lease(&self, instance: &InstanceId) -> Result<(), Unavailable> {
        self.client
            .query(redis::cmd("HDEL").arg(LEASES).arg(instance.as_str()))
            .await
    }

    #[tracing::instrument(name = "revocation_log.evict_holder", level = "debug", skip_all)]
    async fn evict_holder(&self, holder: &LeaseHolder) -> Result<(), Unavailable> {
        let mut evict = eval_command(LOG_EVICT, &[LEASES]);
        evict.arg(holder.instance.as_str()).arg(holder.renewal_number);
        self.client.query(&evict).await
    }

    #[tracing::instrument(name = "revocation_log.publish", level = "debug", skip_all, fields(entries = entries.len()))]
    async fn publish(
        &self,
        epoch: &Epoch,
        entries: &[JournalEntry],
        now: Timestamp,
    ) -> Result<PublishReceipt, LogFault> {
        // Direct reads must find an entry before it can be acknowledged, so this comes before the stream.
        self.write_entries(entries, now).await?;
        // Exemptions first: a cut-off that arrives before them would refuse a login for a moment (I6).
        let (exemptions, revocations): (Vec<_>, Vec<_>) = entries
            .iter()
            .partition(|entry| matches!(entry, JournalEntry::Exempted(_)));
        let ordered: Vec<_> = exemptions.into_iter().chain(revocations).collect();
        type PublishReply = (StreamPosition, StreamPosition, Vec<(String, String)>);
        let mut published = None;
        for group in ordered.chunks(MAX_GROUP_ENTRIES) {
            let command = publish_command(epoch, group, now);
            let (before, position, leases) = self.eval_in_epoch::<PublishReply>(epoch, &command).await?;
            // The receipt of the last group: its leases are the newest, and its position covers all groups.
            published = Some(PublishReceipt {
                before,
                position,
                holders: leases.iter().filter_map(parse_holder).collect(),
            });
        }
        published.ok_or_else(|| Unavailable::store("no entries to publish").into())
    }

    #[tracing::instrument(name = "revocation_log.holders", level = "debug", skip_all)]
    async fn holders(&self) -> Result<Vec<LeaseHolder>, Unavailable> {
        let leases: Vec<(String, String)> = self.client.query(redis::cmd("HGETALL").arg(LEASES)).await?;
        Ok(leases.iter().filter_map(parse_holder).collect())
    }

    #[tracing::instrument(name = "revocation_log.report_applied", level = "debug", skip_all)]
    async fn report_applied(
        &self,
        instance: &InstanceId,
        position: StreamPosition,
    ) -> Result<(), Unavailable> {
        let mut applied = eval_command(LOG_RECORD_APPLIED, &[LEASES, ACK_STREAM]);
        applied.arg(instance.as_str()).arg(position);
        self.client.query(&applied).await
    }

    #[tracing::instrument(name = "revocation_log.acquire_refill_lock", level = "debug", skip_all)]
    async fn acquire_refill_lock(
        &self,
        journal: &str,
        instance: &InstanceId,
    ) -> Result<RefillLock, Unavailable> {
        let lock = format!("gateway:{{revocations}}:filling:{journal}");
        let mut begin = eval_command(LOG_BEGIN_FILLING, &[&lock]);
        begin.arg(instance.as_str()).arg(FILL_LOCK_TTL.as_secs() * 1_000);
        let acquired: bool = self.client.query(&begin).await?;
        Ok(if acquired {
            RefillLock::Acquired
        } else {
            RefillLock::HeldByOther
        })
    }

    #[tracing::instrument(name = "revocation_log.mark_filled", level = "debug", skip_all)]
    async fn mark_filled(&self, journal: &str, term: &Term) -> Result<(), LogFault> {
        self.write_mark(FILLED, journal, term).await
    }

    #[tracing::instrument(name = "revocation_log.mark_settled", level = "debug", skip_all)]
    async fn mark_settled(&self, journal: &str, term: &Term) -> Result<(), LogFault> {
        self.write_mark(SETTLED, journal, term).await
    }

    #[tracing::instrument(name = "revocation_log.snapshot", level = "debug", skip_all)]
    async fn snapshot(
        &self,
        epoch: &Epoch,
        now: Timestamp,
        sink: &mut (dyn FnMut(JournalEntry) + Send),
    ) -> Result<(), LogFault> {
        let mut parts = redis::cmd("ZRANGE");
        parts
            .arg(SNAPSHOT_PARTS)
            .arg(floor_ms(now))
            .arg("+inf")
            .arg("BYSCORE");
        for part in self.client.query::<Vec<String>>(&parts).await? {
            let mut cursor = 0_u64;
            loop {
                // SSCAN may return a line twice. Applying an entry twice changes nothing.
                let mut scan = redis::cmd("SSCAN");
                scan.arg(&part).arg(cursor).arg("COUNT").arg(SNAPSHOT_SCAN_COUNT);
                let (next, lines): (u64, Vec<String>) = self.client.query(&scan).await?;
                for text in &lines {
                    sink(entry_codec::decode(text).ok_or_else(unexpected_reply)?);
                }
                cursor = next;
                if cursor == 0 {
                    break;
                }
            }
        }
        // The parts are a complete snapshot only if the data set is still the same.
        self.read_position(epoch).await.map(drop)
    }

    #[tracing::instrument(name = "revocation_log.subscribe", level = "debug", skip_all)]
    async fn subscribe(
        &self,
        epoch: &Epoch,
        behind: StreamPosition,
    ) -> Result<Box<dyn StreamSubscription>, LogFault> {
        let stream = RevocationStream::open(&self.client, behind).await?;
        // The connection is new: it may have reached another server than the client's.
        if stream.server_identity() != server_of(epoch) {
            return Err(LogFault::EpochChanged);
        }
        Ok(Box::new(stream))
    }
}

impl RedisStore {
    /// Runs a script that returns nil if the generation is another one.
    async fn eval_in_epoch<T: redis::FromRedisValue>(
        &self,
        epoch: &Epoch,
        script: &Cmd,
    ) -> Result<T, LogFault> {
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline.add_command(script.clone());
        let ((answer,), server) = self
            .client
            .pipeline_ordered_with_identity::<(Value,)>(&pipeline)
            .await?;
        // The script checks the generation. The server's identity belongs to the connection.
        if matches!(answer, Value::Nil) || server.to_string() != server_of(epoch) {
            return Err(LogFault::EpochChanged);
        }
        Ok(convert_reply(answer)?)
    }

    async fn read_position(&self, epoch: &Epoch) -> Result<StreamPosition, LogFault> {
        // The generation is read last: if the data was lost before the position was read, it shows.
        let mut pipeline = Pipeline::with_capacity(2);
        pipeline.cmd("GET").arg(POSITION);
        pipeline.cmd("GET").arg(GENERATION);
        type PositionReply = (Option<StreamPosition>, Option<String>);
        let ((position, generation), server) = self
            .client
            .pipeline_ordered_with_identity::<PositionReply>(&pipeline)
            .await?;
        if generation.as_deref() != Some(generation_of(epoch)) || server.to_string() != server_of(epoch) {
            return Err(LogFault::EpochChanged);
        }
        Ok(position.unwrap_or(0))
    }

    async fn write_mark(&self, marks: &str, journal: &str, term: &Term) -> Result<(), LogFault> {
        let mut mark = eval_command(LOG_MARK, &[GENERATION, marks]);
        mark.arg(generation_of(&term.epoch)).arg(journal).arg(term.mark());
        self.eval_in_epoch::<u64>(&term.epoch, &mark).await.map(drop)
    }
}

/// Returns the part of an epoch that identifies the server.
fn server_of(epoch: &Epoch) -> &str {
    epoch.as_str().split_once('@').map_or("", |(_, server)| server)
}

/// Parses a field of the lease hash. `None` for a form that this version does not write.
fn parse_holder((name, lease): &(String, String)) -> Option<LeaseHolder> {
    let mut fields = lease.split(':');
    Some(LeaseHolder {
        instance: InstanceId::new(name),
        renewal_number: fields.next()?.parse().ok()?,
        applied: fields.next()?.parse().ok()?,
        lease: fields.next()?.parse().ok()?,
    })
}

//! The stream of revocations, the leases of those who follow it, and the snapshot that a joining instance reads.
//!
//! All keys carry one hash tag, so that a cluster keeps them in one slot and one script can touch them together.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use maxlab_auth_core::revocation::{
    Epoch, Filling, Follow, Holder, Instance, JournalEntry, LogFault, Position, Published, Renewal,
    RevocationLog, StoreView, Term,
};
use maxlab_auth_core::unavailable::Unavailable;
use redis::{Cmd, Pipeline, Value};
use uuid::Uuid;

use super::RedisStore;
use super::follow::Stream;
use super::revocations::{typed, unreadable};
use super::script::{
    FOUND_GENERATION, LOG_APPLIED, LOG_BEGIN_FILLING, LOG_EVICT, LOG_MARK, LOG_PUBLISH, LOG_RENEW, eval,
};
use crate::line;
use crate::moment::floor_ms;

pub(super) const GENERATION: &str = "gateway:{revocations}:generation";
pub(super) const STREAM: &str = "revocations";
pub(super) const NOTICES: &str = "gateway:{revocations}:notices";
const POSITION: &str = "gateway:{revocations}:position";
const LEASES: &str = "gateway:{revocations}:leases";
const FILLED: &str = "gateway:{revocations}:filled";
const SETTLED: &str = "gateway:{revocations}:settled";
const PARTS: &str = "gateway:{revocations}:snapshots";

/// The stream keeps about so many entries: whoever lags further behind reads the snapshot again.
const LONGEST_STREAM: usize = 100_000;
/// The snapshot has one part for each span of expiry, which Redis forgets as a whole.
const PART_MS: i64 = 3_600_000;
/// The right to fill the store lapses after this long, if its holder dies.
const FILLING: Duration = Duration::from_secs(10);
/// How many lines of a snapshot come in one trip.
const LINES: usize = 10_000;
/// The longest group of entries in one step: that of the journal.
const GROUP: usize = 512;

#[async_trait]
impl RevocationLog for RedisStore {
    async fn look(&self, journal: &str) -> Result<StoreView, Unavailable> {
        let mut pipeline = Pipeline::with_capacity(3);
        let mut found = eval(FOUND_GENERATION, &[GENERATION]);
        found.arg(Uuid::now_v7().simple().to_string());
        pipeline.add_command(found);
        pipeline.cmd("HGET").arg(FILLED).arg(journal);
        pipeline.cmd("HGET").arg(SETTLED).arg(journal);
        type Answer = (String, Option<String>, Option<String>);
        let ((generation, filled, settled), server) =
            self.link.trip_with_identity::<Answer>(&pipeline).await?;
        Ok(StoreView {
            epoch: Epoch::new(format!("{generation}@{server}")),
            filled,
            settled,
        })
    }

    async fn confirm(&self) -> Result<(), Unavailable> {
        self.link.confirm().await
    }

    async fn renew(&self, renewal: Renewal<'_>) -> Result<Position, LogFault> {
        let Some((holder, applied)) = renewal.holder else {
            return self.position(renewal.epoch).await;
        };
        let mut renew = eval(LOG_RENEW, &[GENERATION, POSITION, LEASES]);
        renew
            .arg(generation(renewal.epoch))
            .arg(holder.as_str())
            .arg(applied)
            .arg(renewal.lease);
        self.in_epoch::<Position>(renewal.epoch, &renew).await
    }

    async fn release(&self, instance: &Instance) -> Result<(), Unavailable> {
        self.link
            .one(redis::cmd("HDEL").arg(LEASES).arg(instance.as_str()))
            .await
    }

    async fn evict(&self, holder: &Holder) -> Result<(), Unavailable> {
        let mut evict = eval(LOG_EVICT, &[LEASES]);
        evict.arg(holder.instance.as_str()).arg(holder.renewals);
        self.link.one(&evict).await
    }

    async fn publish(
        &self,
        epoch: &Epoch,
        entries: &[JournalEntry],
        now: Timestamp,
    ) -> Result<Published, LogFault> {
        self.write_keys(entries, now).await?;
        // Spares first: a cut-off that arrives before its exemptions would refuse a login for a moment (I6).
        let (spares, orders): (Vec<_>, Vec<_>) = entries
            .iter()
            .partition(|entry| matches!(entry, JournalEntry::Spared(_)));
        let ordered: Vec<_> = spares.into_iter().chain(orders).collect();
        let mut published = None;
        for group in ordered.chunks(GROUP) {
            let command = publish(epoch, group, now);
            let (position, leases) = self
                .in_epoch::<(Position, Vec<(String, String)>)>(epoch, &command)
                .await?;
            published = Some(Published {
                before: position.saturating_sub(group.len() as Position),
                position,
                holders: leases.iter().filter_map(holder).collect(),
            });
        }
        published.ok_or_else(|| Unavailable::store("nothing was given to publish").into())
    }

    async fn holders(&self) -> Result<Vec<Holder>, Unavailable> {
        let leases: Vec<(String, String)> = self.link.one(redis::cmd("HGETALL").arg(LEASES)).await?;
        Ok(leases.iter().filter_map(holder).collect())
    }

    async fn applied(&self, instance: &Instance, position: Position) -> Result<(), Unavailable> {
        let mut applied = eval(LOG_APPLIED, &[LEASES, NOTICES]);
        applied.arg(instance.as_str()).arg(position);
        self.link.one(&applied).await
    }

    async fn begin_filling(&self, journal: &str, instance: &Instance) -> Result<Filling, Unavailable> {
        let right = format!("gateway:{{revocations}}:filling:{journal}");
        let mut begin = eval(LOG_BEGIN_FILLING, &[&right]);
        begin.arg(instance.as_str()).arg(FILLING.as_secs() * 1_000);
        let mine: bool = self.link.one(&begin).await?;
        Ok(if mine { Filling::Mine } else { Filling::Another })
    }

    async fn mark_filled(&self, journal: &str, term: &Term) -> Result<(), LogFault> {
        self.mark(FILLED, journal, term).await
    }

    async fn mark_settled(&self, journal: &str, term: &Term) -> Result<(), LogFault> {
        self.mark(SETTLED, journal, term).await
    }

    async fn snapshot(
        &self,
        epoch: &Epoch,
        now: Timestamp,
        sink: &mut (dyn FnMut(JournalEntry) + Send),
    ) -> Result<(), LogFault> {
        let mut parts = redis::cmd("ZRANGE");
        parts.arg(PARTS).arg(floor_ms(now)).arg("+inf").arg("BYSCORE");
        for part in self.link.one::<Vec<String>>(&parts).await? {
            let mut cursor = 0_u64;
            loop {
                let mut scan = redis::cmd("SSCAN");
                scan.arg(&part).arg(cursor).arg("COUNT").arg(LINES);
                let (next, lines): (u64, Vec<String>) = self.link.one(&scan).await?;
                for text in &lines {
                    sink(line::read(text).ok_or_else(unreadable)?);
                }
                cursor = next;
                if cursor == 0 {
                    break;
                }
            }
        }
        // What was read is the whole of it only if the data set is still the same.
        self.position(epoch).await.map(drop)
    }

    async fn follow(&self, epoch: &Epoch, behind: Position) -> Result<Box<dyn Follow>, LogFault> {
        let stream = Stream::open(&self.link, behind).await?;
        if stream.server() != server(epoch) {
            return Err(LogFault::AnotherEpoch);
        }
        Ok(Box::new(stream))
    }
}

impl RedisStore {
    /// Runs a script that answers nothing when the generation is another one.
    async fn in_epoch<T: redis::FromRedisValue>(&self, epoch: &Epoch, script: &Cmd) -> Result<T, LogFault> {
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline.add_command(script.clone());
        let ((answer,), at) = self.link.trip_with_identity::<(Value,)>(&pipeline).await?;
        if matches!(answer, Value::Nil) || at.to_string() != server(epoch) {
            return Err(LogFault::AnotherEpoch);
        }
        Ok(typed(answer)?)
    }

    async fn position(&self, epoch: &Epoch) -> Result<Position, LogFault> {
        let mut pipeline = Pipeline::with_capacity(2);
        pipeline.cmd("GET").arg(POSITION);
        pipeline.cmd("GET").arg(GENERATION);
        type Answer = (Option<Position>, Option<String>);
        let ((position, shown), at) = self.link.trip_with_identity::<Answer>(&pipeline).await?;
        if shown.as_deref() != Some(generation(epoch)) || at.to_string() != server(epoch) {
            return Err(LogFault::AnotherEpoch);
        }
        Ok(position.unwrap_or(0))
    }

    async fn mark(&self, marks: &str, journal: &str, term: &Term) -> Result<(), LogFault> {
        let mut mark = eval(LOG_MARK, &[GENERATION, marks]);
        mark.arg(generation(&term.epoch)).arg(journal).arg(term.mark());
        self.in_epoch::<u64>(&term.epoch, &mark).await.map(drop)
    }
}

/// The script that appends a group of entries.
fn publish(epoch: &Epoch, group: &[&JournalEntry], now: Timestamp) -> Cmd {
    let now = floor_ms(now);
    let mut ends: Vec<i64> = Vec::new();
    let lines: Vec<(usize, String)> = group
        .iter()
        .map(|entry| {
            let expires = line::expires_ms(entry);
            let text = line::write(entry);
            if expires <= now {
                return (0, text);
            }
            let end = expires
                .div_euclid(PART_MS)
                .saturating_add(1)
                .saturating_mul(PART_MS);
            let part = ends.iter().position(|known| *known == end).unwrap_or_else(|| {
                ends.push(end);
                ends.len() - 1
            });
            (part + 1, text)
        })
        .collect();
    let parts: Vec<String> = ends
        .iter()
        .map(|end| format!("gateway:{{revocations}}:snapshot:{}", end / PART_MS))
        .collect();
    let mut keys = vec![GENERATION, POSITION, STREAM, LEASES, PARTS];
    keys.extend(parts.iter().map(String::as_str));
    let mut command = eval(LOG_PUBLISH, &keys);
    command.arg(generation(epoch)).arg(LONGEST_STREAM).arg(now);
    for end in ends {
        command.arg(end);
    }
    for (part, text) in lines {
        command.arg(part).arg(text);
    }
    command
}

/// The part of an epoch that is written into the store.
fn generation(epoch: &Epoch) -> &str {
    epoch
        .as_str()
        .split_once('@')
        .map_or("", |(generation, _)| generation)
}

/// The part of an epoch that tells the server.
fn server(epoch: &Epoch) -> &str {
    epoch.as_str().split_once('@').map_or("", |(_, server)| server)
}

fn holder((name, lease): &(String, String)) -> Option<Holder> {
    let mut fields = lease.split(':');
    Some(Holder {
        instance: Instance::new(name),
        renewals: fields.next()?.parse().ok()?,
        applied: fields.next()?.parse().ok()?,
        lease: fields.next()?.parse().ok()?,
    })
}

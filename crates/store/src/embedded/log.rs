//! The stream of revocations within one machine: a table that the gateway looks at every few milliseconds, if its file shows
//! a write, since only the command line writes to it from outside.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use maxlab_auth_core::revocation::{
    Delivered, Epoch, Filling, Follow, Holder, Instance, JournalEntry, LogFault, News, Position, Published,
    Renewal, RevocationLog, StoreView, Term,
};
use maxlab_auth_core::unavailable::Unavailable;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::EmbeddedStore;
use super::glance::Glance;
use super::revocations::{exempt, record};
use super::snapshot::{REVOKED, SPARED, revoked, spared};
use crate::line;
use crate::sql::{Held, Row, escaped, json, values};

/// How often the table is looked at.
const LOOK: Duration = Duration::from_millis(15);
/// How many entries come at once.
const AT_ONCE: u32 = 1_000;
/// The table keeps so many entries: whoever lags further behind reads the snapshot again.
const LONGEST_LOG: i64 = 100_000;

#[async_trait]
impl RevocationLog for EmbeddedStore {
    async fn look(&self, journal: &str) -> Result<StoreView, Unavailable> {
        let shown = {
            let mut held = self.database.reader().await?;
            meta(&mut held, "generation").await?
        };
        let epoch = match shown {
            Some(epoch) => epoch,
            None => self.found_generation().await?,
        };
        let mut held = self.database.reader().await?;
        Ok(StoreView {
            epoch: Epoch::new(epoch),
            filled: meta(&mut held, &format!("filled:{journal}")).await?,
            settled: meta(&mut held, &format!("settled:{journal}")).await?,
        })
    }

    /// One file has no second master.
    async fn confirm(&self) -> Result<(), Unavailable> {
        Ok(())
    }

    async fn renew(&self, renewal: Renewal<'_>) -> Result<Position, LogFault> {
        let Some((holder, applied)) = renewal.holder else {
            let mut held = self.database.reader().await?;
            in_epoch(&mut held, renewal.epoch).await?;
            return Ok(last(&mut held).await?);
        };
        let mut held = self.database.begin().await?;
        in_epoch(&mut held, renewal.epoch).await?;
        held.execute(
            "INSERT INTO leases (holder, renewal, applied, lease_us) VALUES ($1, $2, $3, $4)
             ON CONFLICT (holder) DO UPDATE SET
                 renewal = excluded.renewal, applied = excluded.applied, lease_us = excluded.lease_us",
            &values![
                holder.as_str(),
                signed(renewal.number),
                signed(applied),
                signed(renewal.lease)
            ],
        )
        .await?;
        let position = last(&mut held).await?;
        held.commit().await?;
        Ok(position)
    }

    async fn release(&self, instance: &Instance) -> Result<(), Unavailable> {
        let mut held = self.database.writer().await?;
        held.execute(
            "DELETE FROM leases WHERE holder = $1",
            &values![instance.as_str()],
        )
        .await
        .map(drop)
    }

    async fn evict(&self, holder: &Holder) -> Result<(), Unavailable> {
        let mut held = self.database.writer().await?;
        held.execute(
            "DELETE FROM leases WHERE holder = $1 AND renewal = $2",
            &values![holder.instance.as_str(), signed(holder.renewal)],
        )
        .await
        .map(drop)
    }

    async fn publish(
        &self,
        epoch: &Epoch,
        entries: &[JournalEntry],
        _now: Timestamp,
    ) -> Result<Published, LogFault> {
        let mut held = self.database.begin().await?;
        in_epoch(&mut held, epoch).await?;
        let before = last(&mut held).await?;
        // Spares first: a cut-off that arrives before its exemptions would refuse a login for a moment (I6).
        let (mut spares, mut orders) = (Vec::new(), Vec::new());
        let (mut lines, mut later) = (Vec::new(), Vec::new());
        for entry in entries {
            let line = escaped(&line::write(entry));
            match entry {
                JournalEntry::Spared(spare) => {
                    spares.push(spare);
                    lines.push(line);
                }
                JournalEntry::Revoked(order) => {
                    orders.push(order);
                    later.push(line);
                }
            }
        }
        lines.append(&mut later);
        exempt(&mut held, spares).await?;
        record(&mut held, orders).await?;
        held.execute(
            "INSERT INTO log (line) SELECT value FROM json_each($1) ORDER BY key",
            &values![json(&lines)?.as_str()],
        )
        .await?;
        let position = last(&mut held).await?;
        held.execute(
            "DELETE FROM log WHERE position <= $1",
            &values![signed(position).saturating_sub(LONGEST_LOG)],
        )
        .await?;
        let holders = holders(&mut held).await?;
        held.commit().await?;
        Ok(Published {
            before,
            position,
            holders,
        })
    }

    async fn holders(&self) -> Result<Vec<Holder>, Unavailable> {
        holders(&mut self.database.reader().await?).await
    }

    async fn applied(&self, instance: &Instance, position: Position) -> Result<(), Unavailable> {
        let mut held = self.database.writer().await?;
        held.execute(
            "UPDATE leases SET applied = max(applied, $2) WHERE holder = $1",
            &values![instance.as_str(), signed(position)],
        )
        .await
        .map(drop)
    }

    /// The file serves one gateway: whoever comes here is the one.
    async fn begin_filling(&self, _journal: &str, _instance: &Instance) -> Result<Filling, Unavailable> {
        Ok(Filling::Mine)
    }

    async fn mark_filled(&self, journal: &str, term: &Term) -> Result<(), LogFault> {
        self.mark(&format!("filled:{journal}"), term).await
    }

    async fn mark_settled(&self, journal: &str, term: &Term) -> Result<(), LogFault> {
        self.mark(&format!("settled:{journal}"), term).await
    }

    async fn snapshot(
        &self,
        epoch: &Epoch,
        now: Timestamp,
        sink: &mut (dyn FnMut(JournalEntry) + Send),
    ) -> Result<(), LogFault> {
        self.each(REVOKED, revoked, now, sink).await?;
        self.each(SPARED, spared, now, sink).await?;
        in_epoch(&mut self.database.reader().await?, epoch).await
    }

    async fn follow(&self, epoch: &Epoch, behind: Position) -> Result<Box<dyn Follow>, LogFault> {
        Ok(Box::new(Table {
            store: self.clone(),
            epoch: epoch.clone(),
            position: behind,
            glance: Glance::at(&self.path),
        }))
    }
}

/// The table as one process looks at it.
struct Table {
    store: EmbeddedStore,
    epoch: Epoch,
    position: Position,
    glance: Glance,
}

#[async_trait]
impl Follow for Table {
    async fn next(&mut self, patience: Duration) -> Result<News, LogFault> {
        let deadline = Instant::now() + patience;
        loop {
            let mut entries = Vec::new();
            if let Some(seen) = self.glance.at_news() {
                entries = self.entries().await?;
                if entries.len() < AT_ONCE as usize {
                    self.glance.was_read(seen);
                }
            }
            if !entries.is_empty() || Instant::now() >= deadline {
                return Ok(News {
                    entries,
                    applied: Vec::new(),
                });
            }
            sleep(LOOK).await;
        }
    }
}

impl Table {
    async fn entries(&mut self) -> Result<Vec<Delivered>, LogFault> {
        let mut held = self.store.database.reader().await?;
        let rows = held
            .rows(
                "SELECT position, line FROM log WHERE position > $1 ORDER BY position LIMIT $2",
                &values![signed(self.position), AT_ONCE],
            )
            .await?;
        if rows.is_empty() {
            in_epoch(&mut held, &self.epoch).await?;
        }
        let mut entries = Vec::with_capacity(rows.len());
        for row in &rows {
            let position = unsigned(row, 0)?;
            let entry = line::read(&row.text(1)?).ok_or_else(|| row.unreadable("log line"))?;
            // Numbers are given under one writer's lock and none is left out.
            entries.push(Delivered {
                before: position.saturating_sub(1),
                position,
                entry,
            });
            self.position = position;
        }
        Ok(entries)
    }
}

impl EmbeddedStore {
    async fn found_generation(&self) -> Result<String, Unavailable> {
        let mut held = self.database.begin().await?;
        held.execute(
            "INSERT INTO meta (name, value) VALUES ('generation', $1) ON CONFLICT DO NOTHING",
            &values![Uuid::now_v7().simple().to_string().as_str()],
        )
        .await?;
        let stands = meta(&mut held, "generation").await?;
        held.commit().await?;
        stands.ok_or_else(|| Unavailable::store("the generation did not stay"))
    }

    async fn mark(&self, name: &str, term: &Term) -> Result<(), LogFault> {
        let mut held = self.database.begin().await?;
        in_epoch(&mut held, &term.epoch).await?;
        held.execute(
            "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            &values![name, term.mark().as_str()],
        )
        .await?;
        held.commit().await?;
        Ok(())
    }
}

async fn in_epoch(held: &mut Held, epoch: &Epoch) -> Result<(), LogFault> {
    if meta(held, "generation").await?.as_deref() == Some(epoch.as_str()) {
        Ok(())
    } else {
        Err(LogFault::AnotherEpoch)
    }
}

async fn meta(held: &mut Held, name: &str) -> Result<Option<String>, Unavailable> {
    let row = held
        .row("SELECT value FROM meta WHERE name = $1", &values![name])
        .await?;
    row.map(|row| row.text(0)).transpose()
}

async fn last(held: &mut Held) -> Result<Position, Unavailable> {
    let row = held
        .row("SELECT seq FROM sqlite_sequence WHERE name = 'log'", &[])
        .await?;
    row.map_or(Ok(0), |row| unsigned(&row, 0))
}

async fn holders(held: &mut Held) -> Result<Vec<Holder>, Unavailable> {
    let rows = held
        .rows("SELECT holder, renewal, applied, lease_us FROM leases", &[])
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Holder {
                instance: Instance::new(row.text(0)?),
                renewal: unsigned(row, 1)?,
                applied: unsigned(row, 2)?,
                lease: unsigned(row, 3)?,
            })
        })
        .collect()
}

fn unsigned(row: &Row, column: usize) -> Result<u64, Unavailable> {
    u64::try_from(row.int(column)?).map_err(|_| row.unreadable("number"))
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

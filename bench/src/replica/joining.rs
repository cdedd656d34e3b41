//! What a joining instance takes to load what the shared store holds.

use std::time::Instant;

use anyhow::{Context as _, Result};
use maxlab_auth_core::random;
use maxlab_auth_core::revocation::{JournalEntry, Replica, RevocationLog as _};
use maxlab_auth_store::RedisStore;
use maxlab_auth_testkit::{RedisOptions, RedisServer};

use super::MILLION;
use super::names::{self, START};
use crate::report::Report;

/// Entries that are published together.
const GROUP: u64 = 500;
/// The entries expire within some hours, evenly: the snapshot has a part for each.
const LIFE: u64 = 3_600;
const SPREAD: u64 = 4 * 3_600;

/// Publishes a million entries to a Redis of its own and times the snapshot into an empty replica.
///
/// # Errors
/// There is no Redis to start, or it does not do as it is told.
pub(super) async fn measure(report: &mut Report) -> Result<()> {
    let server = RedisServer::start_with(RedisOptions::plain())
        .await
        .context("a million entries are loaded from a real Redis: install redis-server")?;
    let store = RedisStore::connect(&server.url()).await?;
    let epoch = store.look("bench").await?.epoch;
    for first in (0..MILLION).step_by(usize::try_from(GROUP)?) {
        let group: Vec<JournalEntry> = (first..first + GROUP)
            .map(|number| names::revocation(names::revoked(number), LIFE + number % SPREAD))
            .collect();
        store.publish(&epoch, &group, START).await?;
    }
    let replica = Replica::new(random::bytes()?);
    let started = Instant::now();
    store
        .snapshot(&epoch, START, &mut |entry| replica.apply(&entry))
        .await?;
    report.at_most(
        "loading a million entries from Redis",
        3.0,
        started.elapsed().as_secs_f64(),
        "s",
    );
    let loaded = replica.stats().tokens;
    anyhow::ensure!(
        u64::try_from(loaded)? == MILLION,
        "{loaded} of a million entries were loaded"
    );
    Ok(())
}

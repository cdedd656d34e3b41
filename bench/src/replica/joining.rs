//! Time that a joining instance needs to load the contents of the shared store.

use std::time::Instant;

use anyhow::{Context as _, Result};
use maxlab_auth_core::random;
use maxlab_auth_core::revocation::{JournalEntry, Replica, RevocationLog as _};
use maxlab_auth_store::RedisStore;
use maxlab_auth_testkit::{RedisOptions, RedisServer};

use super::MILLION;
use super::names::{self, START};
use crate::report::BenchReport;

/// Number of entries that are published together.
const GROUP: u64 = 500;
/// Shortest lifetime of an entry, in seconds.
const LIFE: u64 = 3_600;
/// Lifetimes differ by up to this many seconds. A snapshot is read in parts by expiry, so it has several
/// parts.
const SPREAD: u64 = 4 * 3_600;

/// Publishes a million entries to a private Redis, and measures the time to load them into an empty replica.
///
/// # Errors
/// Redis cannot be started, or loses entries.
pub(super) async fn measure(report: &mut BenchReport) -> Result<()> {
    let server = RedisServer::start_with(RedisOptions::plain())
        .await
        .context("a million entries are loaded from a real Redis: install redis-server")?;
    let store = RedisStore::connect(&server.url()).await?;
    let epoch = store.view("bench").await?.epoch;
    for first in (0..MILLION).step_by(usize::try_from(GROUP)?) {
        let group: Vec<JournalEntry> = (first..first + GROUP)
            .map(|number| names::revocation(names::revoked(number), LIFE + number % SPREAD))
            .collect();
        store.publish(&epoch, &group, START).await?;
    }
    let replica = Replica::new(random::bytes()?);
    // Only the snapshot is measured. An instance that joins finds the entries published.
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
    // Checked after the report: the time of an incomplete load would mean nothing.
    let loaded = replica.stats().tokens;
    anyhow::ensure!(
        u64::try_from(loaded)? == MILLION,
        "{loaded} of a million entries were loaded"
    );
    Ok(())
}

//! Servers of a deployment: real ones, on private ports.

use std::fmt;

use anyhow::{Result, ensure};
use maxlab_auth_testkit::servers::RedisReply;
use maxlab_auth_testkit::{PostgresServer, RedisOptions, RedisServer, wait};

/// Maximum time until all instances hold their leases.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// Kind of store and journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StoreKind {
    /// One process with its own files.
    Embedded,
    /// A shared Redis, and a SQLite journal for each instance.
    RedisSqlite,
    /// A shared Redis, and one PostgreSQL.
    RedisPostgres,
}

impl StoreKind {
    /// Returns the numbers of instances that are measured.
    pub(super) fn instances(self) -> &'static [usize] {
        match self {
            Self::Embedded => &[1],
            Self::RedisSqlite | Self::RedisPostgres => &[1, 3, 10],
        }
    }
}

impl fmt::Display for StoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Embedded => "embedded, SQLite",
            Self::RedisSqlite => "Redis, SQLite each",
            Self::RedisPostgres => "Redis, PostgreSQL",
        })
    }
}

/// Servers of one deployment. They are stopped on drop.
#[derive(Debug)]
pub(super) struct Deployment {
    redis: Option<RedisServer>,
    /// The server, and the URL of an empty database on it.
    postgres: Option<(PostgresServer, String)>,
}

impl Deployment {
    /// Starts the servers that these stores need.
    ///
    /// PostgreSQL syncs each commit. Redis syncs every second, its default with an append-only file: the
    /// journal is what must not lose anything.
    pub(super) async fn start(stores: StoreKind) -> Result<Self> {
        // Memory only would make Redis faster than it is in production.
        let options = RedisOptions::plain()
            .setting("appendonly", "yes")
            .setting("appendfsync", "everysec");
        let redis = match stores {
            StoreKind::Embedded => None,
            _ => Some(RedisServer::start_with(options).await?),
        };
        let postgres = match stores {
            StoreKind::RedisPostgres => {
                // Tests run without syncing. Here the sync is what is measured.
                let server = PostgresServer::start_synced().await?;
                let url = server.create_database().await?;
                Some((server, url))
            }
            _ => None,
        };
        Ok(Self { redis, postgres })
    }

    pub(super) fn redis(&self) -> Option<String> {
        self.redis.as_ref().map(RedisServer::url)
    }

    pub(super) fn postgres(&self) -> Option<&str> {
        self.postgres.as_ref().map(|(_, url)| url.as_str())
    }

    /// Waits until this many instances hold a lease, so that every revoke waits for all of them.
    pub(super) async fn await_leases(&self, instances: usize) -> Result<()> {
        let Some(redis) = &self.redis else { return Ok(()) };
        let expected = i64::try_from(instances)?;
        let all = wait::holds_within(PATIENCE, async || {
            let leases = redis.command(&["HLEN", "gateway:{revocations}:leases"]).await;
            leases.is_ok_and(|count| count == RedisReply::Integer(expected))
        });
        ensure!(all.await, "{expected} instances do not all hold a lease");
        Ok(())
    }
}

//! What a deployment stands on: real servers on private ports, and folders that go with it.

use std::fmt;

use anyhow::{Result, bail};
use maxlab_auth_testkit::servers::RedisReply;
use maxlab_auth_testkit::{PostgresServer, RedisOptions, RedisServer};

/// How long instances may take to hold their leases.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// Where revocations are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stores {
    /// One process with its files.
    Embedded,
    /// A shared Redis, and an SQLite journal for each instance.
    RedisSqlite,
    /// A shared Redis, and one PostgreSQL.
    RedisPostgres,
}

impl Stores {
    /// How many instances are measured on them.
    pub(super) fn instances(self) -> &'static [usize] {
        match self {
            Self::Embedded => &[1],
            Self::RedisSqlite | Self::RedisPostgres => &[1, 3, 10],
        }
    }
}

impl fmt::Display for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Embedded => "embedded, SQLite",
            Self::RedisSqlite => "Redis, SQLite each",
            Self::RedisPostgres => "Redis, PostgreSQL",
        })
    }
}

/// The servers of one deployment; ended when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    redis: Option<RedisServer>,
    /// The server, and the URL of an empty database of it.
    postgres: Option<(PostgresServer, String)>,
}

impl Place {
    /// Starts what these stores need. PostgreSQL syncs each commit; Redis syncs every second, as it does unless told
    /// otherwise where it keeps a file, for the journal is what must not forget.
    pub(super) async fn start(stores: Stores) -> Result<Self> {
        let options = RedisOptions::plain()
            .setting("appendonly", "yes")
            .setting("appendfsync", "everysec");
        let redis = match stores {
            Stores::Embedded => None,
            _ => Some(RedisServer::start_with(options).await?),
        };
        let postgres = match stores {
            Stores::RedisPostgres => {
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

    /// Waits until so many instances hold a lease, so that each of them is waited for.
    pub(super) async fn await_leases(&self, instances: usize) -> Result<()> {
        let Some(redis) = &self.redis else { return Ok(()) };
        let wanted = i64::try_from(instances)?;
        let started = std::time::Instant::now();
        loop {
            let held = redis.command(&["HLEN", "gateway:{revocations}:leases"]).await?;
            match held {
                RedisReply::Integer(held) if held == wanted => return Ok(()),
                other if started.elapsed() > PATIENCE => bail!("{wanted} leases are awaited: {other:?}"),
                _ => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            }
        }
    }
}

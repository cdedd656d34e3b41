//! The arrangements of stores that are tortured, and the faults that each one is put through.

use crate::faults::FaultKind;

/// Where instances keep what they know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrangement {
    /// One process on its own files, and the command line beside it.
    Embedded,
    /// One Redis, and a SQLite journal on each instance.
    RedisSqlite,
    /// One Redis and one PostgreSQL.
    RedisPostgres,
    /// A Redis master and two replicas under three Sentinels, and one PostgreSQL.
    SentinelPostgres,
}

impl Arrangement {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::RedisSqlite => "redis-sqlite",
            Self::RedisPostgres => "redis-postgres",
            Self::SentinelPostgres => "sentinel-postgres",
        }
    }

    pub(crate) fn instances(self) -> usize {
        match self {
            Self::Embedded => 1,
            Self::RedisSqlite | Self::RedisPostgres | Self::SentinelPostgres => 3,
        }
    }

    /// Whether there is one Redis, which each instance reaches by a link of its own.
    pub(crate) fn has_redis(self) -> bool {
        matches!(self, Self::RedisSqlite | Self::RedisPostgres)
    }

    /// Whether Sentinels say which Redis is the master; they name it by its own address, past any link.
    pub(crate) fn has_sentinels(self) -> bool {
        self == Self::SentinelPostgres
    }

    /// Whether every instance knows which tokens were given out with which login; with a SQLite each, an instance knows
    /// those of the logins that began there.
    pub(crate) fn shares_register(self) -> bool {
        self != Self::RedisSqlite
    }

    /// Whether a session is lost with Redis: no instance can read the SQLite of another.
    pub(crate) fn has_sessions_in_redis(self) -> bool {
        self == Self::RedisSqlite
    }

    pub(crate) fn has_postgres(self) -> bool {
        matches!(self, Self::RedisPostgres | Self::SentinelPostgres)
    }

    /// What can befall it, whatever it promises.
    pub(crate) fn faults(self) -> Vec<FaultKind> {
        let mut faults = vec![FaultKind::KillGateway, FaultKind::PauseGateway];
        if self.has_redis() {
            faults.extend(FaultKind::OF_A_LINK);
            faults.extend(FaultKind::OF_REDIS);
        }
        if self.has_sentinels() {
            faults.extend(FaultKind::OF_A_MASTER);
            faults.push(FaultKind::FlushRedis);
        }
        if self.has_postgres() {
            faults.extend(FaultKind::OF_THE_DATABASE);
        }
        faults
    }
}

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
}

impl Arrangement {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::RedisSqlite => "redis-sqlite",
            Self::RedisPostgres => "redis-postgres",
        }
    }

    pub(crate) fn instances(self) -> usize {
        match self {
            Self::Embedded => 1,
            Self::RedisSqlite | Self::RedisPostgres => 3,
        }
    }

    pub(crate) fn has_redis(self) -> bool {
        self != Self::Embedded
    }

    pub(crate) fn has_postgres(self) -> bool {
        self == Self::RedisPostgres
    }

    /// What can befall it, whatever it promises.
    pub(crate) fn faults(self) -> Vec<FaultKind> {
        let mut faults = vec![FaultKind::KillGateway, FaultKind::PauseGateway];
        if self.has_redis() {
            faults.extend(FaultKind::OF_A_LINK);
            faults.extend(FaultKind::OF_REDIS);
        }
        if self.has_postgres() {
            faults.extend(FaultKind::OF_THE_DATABASE);
        }
        faults
    }

    /// Faults under which `docs/REVOCATION.md` does not promise anything here; they are tried when asked for by name.
    pub(crate) fn not_promised(self) -> &'static [FaultKind] {
        match self {
            Self::Embedded => &[],
            // What Redis loses, only the instance that recorded it can bring back.
            Self::RedisSqlite => &[
                FaultKind::FlushRedis,
                FaultKind::ReplaceRedis,
                FaultKind::OldSnapshot,
            ],
            // A generation key that came back with the old data.
            Self::RedisPostgres => &[FaultKind::OldSnapshot],
        }
    }
}

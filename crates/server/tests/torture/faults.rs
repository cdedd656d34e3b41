//! The faults: which there are, and in which order they come.

use std::time::Duration;

use crate::arrangement::Arrangement;
use maxlab_auth_testkit::SeededRandom;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum FaultKind {
    /// Nothing does.
    Undisturbed,
    /// One gateway is killed and started again.
    KillGateway,
    /// One gateway stands still, and goes on.
    PauseGateway,
    /// One gateway's connections to Redis are dropped and refused.
    CutLink,
    /// What one gateway sends to Redis arrives, and no answer does.
    OneWayToRedis,
    /// What Redis pushes arrives, and nothing reaches it.
    OneWayFromRedis,
    /// One gateway's link to Redis takes its time.
    SlowLink,
    /// Redis is killed and comes back with its data.
    RestartRedis,
    /// Redis stands still, and goes on.
    PauseRedis,
    /// Redis is emptied.
    FlushRedis,
    /// Redis is killed and comes back empty.
    ReplaceRedis,
    /// Redis is killed and comes back as it was some time ago.
    OldSnapshot,
    /// Redis is emptied, and restored some time later as it was right before.
    FlushThenSnapshot,
    /// The Sentinels make another Redis the master, on demand.
    Failover,
    /// The replicas stop hearing from the master; some time later one of them becomes the master, and lacks it all.
    LaggedFailover,
    /// The master is killed; another one takes over; the old one comes back, as a master at first.
    KillMaster,
    /// The master stands still; another one takes over; the old one goes on and takes itself for the master.
    PauseMaster,
    /// PostgreSQL is killed and comes back.
    RestartPostgres,
    /// The first gateway's connections to PostgreSQL are dropped and refused.
    CutDatabaseLink,
}

impl FaultKind {
    pub(crate) const OF_A_LINK: [Self; 4] = [
        Self::CutLink,
        Self::OneWayToRedis,
        Self::OneWayFromRedis,
        Self::SlowLink,
    ];
    pub(crate) const OF_REDIS: [Self; 6] = [
        Self::RestartRedis,
        Self::PauseRedis,
        Self::FlushRedis,
        Self::ReplaceRedis,
        Self::OldSnapshot,
        Self::FlushThenSnapshot,
    ];
    pub(crate) const OF_A_MASTER: [Self; 4] = [
        Self::Failover,
        Self::LaggedFailover,
        Self::KillMaster,
        Self::PauseMaster,
    ];
    pub(crate) const OF_THE_DATABASE: [Self; 2] = [Self::RestartPostgres, Self::CutDatabaseLink];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Undisturbed => "undisturbed",
            Self::KillGateway => "kill -9",
            Self::PauseGateway => "SIGSTOP and resume",
            Self::CutLink => "link cut",
            Self::OneWayToRedis => "link one-way (to Redis)",
            Self::OneWayFromRedis => "link one-way (from Redis)",
            Self::SlowLink => "slow link",
            Self::RestartRedis => "Redis restart",
            Self::PauseRedis => "Redis frozen",
            Self::FlushRedis => "FLUSHALL",
            Self::ReplaceRedis => "Redis replaced (empty)",
            Self::OldSnapshot => "old snapshot",
            Self::FlushThenSnapshot => "FLUSHALL then snapshot",
            Self::Failover => "Sentinel failover",
            Self::LaggedFailover => "failover (replica lagged)",
            Self::KillMaster => "failover (master killed)",
            Self::PauseMaster => "failover (master frozen)",
            Self::RestartPostgres => "PostgreSQL restart",
            Self::CutDatabaseLink => "database link cut",
        }
    }

    /// Whether Redis may lack sessions afterwards that it had.
    pub(crate) fn loses_sessions(self) -> bool {
        let of_redis = [
            Self::FlushRedis,
            Self::ReplaceRedis,
            Self::OldSnapshot,
            Self::FlushThenSnapshot,
        ];
        of_redis.contains(&self) || Self::OF_A_MASTER.contains(&self)
    }

    /// Whether it hits one instance only.
    fn is_of_one_instance(self) -> bool {
        matches!(self, Self::KillGateway | Self::PauseGateway) || Self::OF_A_LINK.contains(&self)
    }
}

/// One fault to come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    /// The instance that it hits, if it hits one only.
    pub(crate) instance: Option<usize>,
    /// How long it lasts.
    pub(crate) hold: Duration,
}

/// The faults of one round: each kind once, in an order that the dice give.
pub(crate) fn round(
    arrangement: Arrangement,
    wanted: &[FaultKind],
    hold: Duration,
    dice: &mut SeededRandom,
) -> Vec<Fault> {
    let mut kinds = wanted.to_vec();
    dice.shuffle(&mut kinds);
    let mut draw = |kind: FaultKind| Fault {
        kind,
        instance: match kind {
            FaultKind::CutDatabaseLink => Some(0),
            kind if kind.is_of_one_instance() => Some(dice.below(arrangement.instances())),
            _ => None,
        },
        hold: dice.up_to_double(hold),
    };
    kinds.into_iter().map(&mut draw).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_round_has_each_fault_once_and_a_seed_brings_it_back() {
        let arrangement = Arrangement::RedisPostgres;
        let least = Duration::from_secs(1);
        let draw = |seed| {
            round(
                arrangement,
                &arrangement.faults(),
                least,
                &mut SeededRandom::seeded(seed),
            )
        };
        let kinds = |faults: &[Fault]| faults.iter().map(|fault| fault.kind).collect::<Vec<_>>();
        let faults = draw(1);
        let all: BTreeSet<_> = arrangement.faults().into_iter().collect();
        assert_eq!(faults.len(), all.len());
        assert_eq!(kinds(&faults).into_iter().collect::<BTreeSet<_>>(), all);
        assert_eq!(kinds(&faults), kinds(&draw(1)));
        assert_ne!(kinds(&faults), kinds(&draw(2)));
        for fault in faults {
            assert!(fault.hold >= least && fault.hold <= least * 2, "{fault:?}");
            assert!(fault.instance.is_none_or(|instance| instance < 3), "{fault:?}");
        }
    }
}

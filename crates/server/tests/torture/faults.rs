//! The faults: what each one does to the world, and in which order they come.

use std::time::Duration;

use maxlab_auth_testkit::{Direction, RedisSentinels, RedisServer};

use crate::arrangement::Arrangement;
use crate::world::World;
use maxlab_auth_testkit::Random;

/// How long a slow link holds every piece of data back, each way.
const SLOWNESS: Duration = Duration::from_millis(150);

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
    /// The Sentinels make another Redis the master, on demand.
    Failover,
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
    pub(crate) const OF_REDIS: [Self; 5] = [
        Self::RestartRedis,
        Self::PauseRedis,
        Self::FlushRedis,
        Self::ReplaceRedis,
        Self::OldSnapshot,
    ];
    pub(crate) const OF_A_MASTER: [Self; 3] = [Self::Failover, Self::KillMaster, Self::PauseMaster];
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
            Self::Failover => "Sentinel failover",
            Self::KillMaster => "failover (master killed)",
            Self::PauseMaster => "failover (master frozen)",
            Self::RestartPostgres => "PostgreSQL restart",
            Self::CutDatabaseLink => "database link cut",
        }
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
    dice: &mut Random,
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
        hold: dice.about(hold),
    };
    kinds.into_iter().map(&mut draw).collect()
}

/// Does it, keeps it so for its time, and heals it.
///
/// # Panics
/// When a server that was killed does not come back.
pub(crate) async fn inflict(world: &mut World, fault: Fault) {
    let hold = || tokio::time::sleep(fault.hold);
    match (fault.kind, fault.instance) {
        (FaultKind::KillGateway, Some(instance)) => {
            tokio::task::block_in_place(|| world.gateways[instance].kill9());
            hold().await;
            world.gateways[instance].restart().await.unwrap();
        }
        (FaultKind::PauseGateway, Some(instance)) => {
            tokio::task::block_in_place(|| world.gateways[instance].pause());
            hold().await;
            tokio::task::block_in_place(|| world.gateways[instance].resume());
        }
        (FaultKind::CutDatabaseLink, _) => {
            let link = world.database_link.as_ref().unwrap();
            link.cut().await;
            hold().await;
            link.heal().await.unwrap();
        }
        (kind, Some(instance)) => {
            let link = &world.redis_links[instance];
            match kind {
                FaultKind::CutLink => link.cut().await,
                FaultKind::OneWayToRedis => link.one_way(Direction::ToServer),
                FaultKind::OneWayFromRedis => link.one_way(Direction::ToClient),
                FaultKind::SlowLink => link.delay(SLOWNESS),
                other => panic!("{other:?} hits no single instance"),
            }
            hold().await;
            link.heal().await.unwrap();
        }
        (kind, None) => Box::pin(inflict_on_all(world, kind, fault.hold)).await,
    }
}

async fn inflict_on_all(world: &mut World, kind: FaultKind, hold_for: Duration) {
    let hold = || tokio::time::sleep(hold_for);
    if kind == FaultKind::RestartPostgres {
        let postgres = world.postgres.as_mut().unwrap();
        tokio::task::block_in_place(|| postgres.kill());
        hold().await;
        postgres.restart().await.unwrap();
        return;
    }
    if let Some(sentinels) = &mut world.sentinels {
        return inflict_on_master(sentinels, kind, hold_for).await;
    }
    let redis = world.redis.as_mut().unwrap();
    match kind {
        FaultKind::RestartRedis => {
            tokio::task::block_in_place(|| redis.kill());
            hold().await;
            redis.restart().await.unwrap();
        }
        FaultKind::PauseRedis => {
            tokio::task::block_in_place(|| redis.pause());
            hold().await;
            tokio::task::block_in_place(|| redis.resume());
        }
        FaultKind::FlushRedis => {
            flush(redis).await;
            hold().await;
        }
        FaultKind::ReplaceRedis => {
            redis.replace().await.unwrap();
            hold().await;
        }
        FaultKind::OldSnapshot => {
            let old = world.snapshot.take().unwrap();
            redis.roll_back(&old).await.unwrap();
            hold().await;
            // For the next time; what is revoked from here to there will be lost then.
            world.snapshot = Some(redis.snapshot().unwrap());
        }
        other => panic!("{other:?} does not hit all"),
    }
}

async fn inflict_on_master(sentinels: &mut RedisSentinels, kind: FaultKind, hold: Duration) {
    let hold = || tokio::time::sleep(hold);
    let master = master(sentinels).await;
    match kind {
        FaultKind::Failover => {
            fail_over(sentinels).await;
            hold().await;
        }
        FaultKind::KillMaster => {
            tokio::task::block_in_place(|| sentinels.server_mut(master).kill());
            hold().await;
            sentinels.master_other_than(master).await.unwrap();
            sentinels.server_mut(master).restart().await.unwrap();
        }
        FaultKind::PauseMaster => {
            tokio::task::block_in_place(|| sentinels.server(master).pause());
            hold().await;
            sentinels.master_other_than(master).await.unwrap();
            tokio::task::block_in_place(|| sentinels.server(master).resume());
        }
        FaultKind::FlushRedis => {
            flush(sentinels.server(master)).await;
            hold().await;
        }
        other => panic!("{other:?} is no fault of a master"),
    }
}

/// The master that most Sentinels name; after a failover they need a moment to agree.
async fn master(sentinels: &RedisSentinels) -> usize {
    for _ in 0..600 {
        if let Some(master) = sentinels.master().await {
            return master;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the Sentinels don't agree on a master");
}

/// Right after another failover there may be no replica yet that could take over.
async fn fail_over(sentinels: &RedisSentinels) {
    for _ in 0..60 {
        if sentinels.failover().await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("no replica takes over");
}

/// Redis may be slow to answer on a busy machine; a second FLUSHALL does no harm.
async fn flush(redis: &RedisServer) {
    const TRIES: usize = 10;
    for _ in 0..TRIES {
        if redis.flush_all().await.is_ok() {
            return;
        }
    }
    panic!("Redis does not do as it is told");
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
                &mut Random::seeded(seed),
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

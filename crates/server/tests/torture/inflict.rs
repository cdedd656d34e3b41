//! What each fault does to the world.

use std::time::Duration;

use maxlab_auth_testkit::wait::{eventually_within, poll_within};
use maxlab_auth_testkit::{Direction, RedisSentinels, RedisServer};

use crate::faults::{Fault, FaultKind};
use crate::world::World;

/// How long a slow link holds every piece of data back, each way.
const SLOWNESS: Duration = Duration::from_millis(150);

/// Longest time until the Sentinels agree, and until a replica can take over.
const AGREEMENT: Duration = Duration::from_secs(60);

/// Does it, keeps it so for its time, and heals it.
///
/// # Panics
/// When a server that was killed does not come back.
pub(crate) async fn inflict(world: &mut World, fault: Fault) {
    let hold = || holding(fault.hold);
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

/// Lets a fault last.
async fn holding(time: Duration) {
    tokio::time::sleep(time).await;
}

async fn inflict_on_all(world: &mut World, kind: FaultKind, hold_for: Duration) {
    let hold = || holding(hold_for);
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
        FaultKind::FlushThenSnapshot => {
            let full = redis.snapshot().unwrap();
            flush(redis).await;
            hold().await;
            redis.roll_back(&full).await.unwrap();
            hold().await;
        }
        other => panic!("{other:?} does not hit all"),
    }
}

async fn inflict_on_master(sentinels: &mut RedisSentinels, kind: FaultKind, hold: Duration) {
    let hold = || holding(hold);
    let master = master(sentinels).await;
    match kind {
        FaultKind::Failover => {
            fail_over(sentinels).await;
            hold().await;
        }
        FaultKind::LaggedFailover => {
            replicate(sentinels.server(master), false).await;
            hold().await;
            fail_over(sentinels).await;
            replicate(sentinels.server(master), true).await;
        }
        FaultKind::KillMaster => {
            tokio::task::block_in_place(|| sentinels.server_mut(master).kill());
            hold().await;
            sentinels.wait_for_new_master(master).await.unwrap();
            sentinels.server_mut(master).restart().await.unwrap();
        }
        FaultKind::PauseMaster => {
            tokio::task::block_in_place(|| sentinels.server(master).pause());
            hold().await;
            sentinels.wait_for_new_master(master).await.unwrap();
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
    let master = poll_within(AGREEMENT, async || sentinels.master().await).await;
    master.unwrap_or_else(|| panic!("the Sentinels do not agree on a master"))
}

/// Right after another failover there may be no replica yet that could take over.
async fn fail_over(sentinels: &RedisSentinels) {
    eventually_within(AGREEMENT, "a replica takes over", async || {
        sentinels.failover().await.is_ok()
    })
    .await;
}

/// Lets a master's replicas follow it, or stops them.
async fn replicate(master: &RedisServer, allowed: bool) {
    let rules = if allowed {
        ["+psync", "+sync"]
    } else {
        ["-psync", "-sync"]
    };
    insist(master, &["ACL", "SETUSER", "default", rules[0], rules[1]]).await;
    if !allowed {
        insist(master, &["CLIENT", "KILL", "TYPE", "replica"]).await;
    }
}

async fn flush(redis: &RedisServer) {
    insist(redis, &["FLUSHALL"]).await;
}

/// Redis may be slow to answer on a busy machine; none of these commands does harm when it is repeated.
async fn insist(redis: &RedisServer, command: &[&str]) {
    const TRIES: usize = 10;
    for _ in 0..TRIES {
        if redis.command(command).await.is_ok() {
            return;
        }
    }
    panic!("Redis refuses {command:?}");
}

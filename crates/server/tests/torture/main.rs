//! Real processes under faults and load: every answer is written down by one clock, and the history is judged.
//!
//! The tests of the arrangements run each fault once. `cargo xtask torture --minutes N` runs the same for as long as
//! one likes, and leaves `report.md` and `latency.svg` in `target/torture`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

mod arrangement;
mod check;
mod faults;
mod figures;
mod history;
mod inflict;
mod load;
mod plan;
mod plot;
mod report;
mod run;
mod table;
mod world;

use arrangement::Arrangement;
use plan::Plan;

async fn torture(arrangement: Arrangement) {
    let verdict = Box::pin(run::run(arrangement, Plan::of(arrangement))).await;
    report::conclude(&verdict);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn embedded() {
    torture(Arrangement::Embedded).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn redis_sqlite() {
    torture(Arrangement::RedisSqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn redis_postgres() {
    torture(Arrangement::RedisPostgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn sentinel_postgres() {
    torture(Arrangement::SentinelPostgres).await;
}

//! Concurrent readers, writers and sweeps.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::*;
use crate::revocation::RevocationReason;
use crate::revocation::replica::arena::BlockArena;
use crate::revocation::replica::compact_record::{CompactRecord, RecordName};
use crate::revocation::replica::sorted_run::SortedRun;
use crate::revocation::replica::unix_second::UnixSecond;

#[test]
fn an_applied_and_unexpired_entry_is_never_absent() {
    const WRITTEN: u64 = 60_000;
    let replica = replica();
    let done = AtomicBool::new(false);
    // Every number below a writer's count is applied.
    let counts = [AtomicU64::new(0), AtomicU64::new(0)];
    let key = |writer: usize, number: u64| token(&format!("kept-{writer}-{number}"));
    thread::scope(|scope| {
        let writers = [0, 1].map(|writer| {
            let (replica, counts) = (&replica, &counts);
            scope.spawn(move || {
                for number in 0..WRITTEN {
                    replica.apply(&revoked(
                        key(writer, number),
                        None,
                        RevocationReason::Admin,
                        1_000,
                    ));
                    counts[writer].store(number + 1, Ordering::Release);
                    // An expired entry among them, for the sweep to remove.
                    replica.apply(&revoked(
                        token(&format!("gone-{writer}-{number}")),
                        None,
                        RevocationReason::Logout,
                        5,
                    ));
                }
            })
        });
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                replica.sweep(at(10), 500);
            }
        });
        for seed in 1..=2_u64 {
            let (replica, counts, done) = (&replica, &counts, &done);
            scope.spawn(move || {
                let mut random = seed;
                while !done.load(Ordering::Relaxed) {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(seed);
                    let writer = usize::from(random >> 63 == 1);
                    let Some(below) = counts[writer].load(Ordering::Acquire).checked_sub(1) else {
                        continue;
                    };
                    let number = (random >> 20) % (below + 1);
                    let found = replica.revoked(replica.fingerprint(&key(writer, number)), at(10));
                    assert_eq!(found.map(|found| found.reason), Some(RevocationReason::Admin));
                    let never = replica.fingerprint(&token(&format!("never-{random}")));
                    assert_eq!(replica.revoked(never, at(10)), None);
                }
            });
        }
        let ended = writers.map(thread::ScopedJoinHandle::join);
        done.store(true, Ordering::Relaxed);
        ended.into_iter().for_each(Result::unwrap);
    });
    sweep_all(&replica, 10);
    assert_eq!(replica.stats().tokens, 2 * usize::try_from(WRITTEN).unwrap());
}

/// All names are in one run, so that every write moves the records that are read. Blocks pass between two
/// runs.
#[test]
fn a_reader_that_a_write_overtakes_reads_again() {
    let (arena, runs) = (BlockArena::new(), [SortedRun::new(), SortedRun::new()]);
    let done = AtomicBool::new(false);
    let name = |i: u64| RecordName::new(i.wrapping_mul(0x9E37_79B9_7F4A_7C15), 1, false);
    let kept: Vec<_> = (0..200).map(name).collect();
    for run in &runs {
        for name in &kept {
            run.upsert(
                &arena,
                *name,
                CompactRecord::new(*name, UnixSecond::from_u32(100), RevocationReason::Admin),
            );
        }
    }
    thread::scope(|scope| {
        for run in &runs {
            let (kept, arena, done) = (&kept, &arena, &done);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    for name in kept {
                        let found = run
                            .find(arena, *name)
                            .map(|record| (record.reason(), record.expiry()));
                        assert_eq!(found, Some((RevocationReason::Admin, UnixSecond::from_u32(100))));
                    }
                }
            });
        }
        for round in 0..60 {
            for run in &runs {
                for i in 0..500 {
                    let name = name(1_000 + round * 500 + i);
                    run.upsert(
                        &arena,
                        name,
                        CompactRecord::new(name, UnixSecond::from_u32(5), RevocationReason::Logout),
                    );
                }
                assert_eq!(run.remove_expired(&arena, UnixSecond::from_u32(5)), 500);
            }
        }
        done.store(true, Ordering::Relaxed);
    });
}

//! Readers, writers and the sweep at once.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::*;
use crate::revocation::Reason;
use crate::revocation::replica::arena::Arena;
use crate::revocation::replica::moment::Second;
use crate::revocation::replica::record::{Name, Record};
use crate::revocation::replica::run::Run;

#[test]
fn what_was_applied_and_has_not_expired_is_never_absent() {
    const WRITTEN: u64 = 60_000;
    let replica = replica();
    let done = AtomicBool::new(false);
    // Each writer's numbers below its mark are applied.
    let marks = [AtomicU64::new(0), AtomicU64::new(0)];
    let key = |writer: usize, number: u64| token(&format!("kept-{writer}-{number}"));
    thread::scope(|scope| {
        let writers = [0, 1].map(|writer| {
            let (replica, marks) = (&replica, &marks);
            scope.spawn(move || {
                for number in 0..WRITTEN {
                    replica.apply(&revoked(key(writer, number), None, Reason::Admin, 1_000));
                    marks[writer].store(number + 1, Ordering::Release);
                    // One that has expired already lies among them for the sweep to take out.
                    replica.apply(&revoked(
                        token(&format!("gone-{writer}-{number}")),
                        None,
                        Reason::Logout,
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
            let (replica, marks, done) = (&replica, &marks, &done);
            scope.spawn(move || {
                let mut random = seed;
                while !done.load(Ordering::Relaxed) {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(seed);
                    let writer = usize::from(random >> 63 == 1);
                    let Some(below) = marks[writer].load(Ordering::Acquire).checked_sub(1) else {
                        continue;
                    };
                    let number = (random >> 20) % (below + 1);
                    let found = replica.revoked(replica.fingerprint(&key(writer, number)), at(10));
                    assert_eq!(found.map(|found| found.reason), Some(Reason::Admin));
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

/// All in one run, so that every write moves what the readers look for, and blocks pass between two runs.
#[test]
fn a_reader_that_a_write_overtakes_looks_again() {
    let (arena, runs) = (Arena::new(), [Run::new(), Run::new()]);
    let done = AtomicBool::new(false);
    let name = |i: u64| Name::new(i.wrapping_mul(0x9E37_79B9_7F4A_7C15), 1, false);
    let kept: Vec<_> = (0..200).map(name).collect();
    for run in &runs {
        for name in &kept {
            run.put(
                &arena,
                *name,
                Record::new(*name, Second::from_u32(100), Reason::Admin),
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
                        assert_eq!(found, Some((Reason::Admin, Second::from_u32(100))));
                    }
                }
            });
        }
        for round in 0..60 {
            for run in &runs {
                for i in 0..500 {
                    let name = name(1_000 + round * 500 + i);
                    run.put(
                        &arena,
                        name,
                        Record::new(name, Second::from_u32(5), Reason::Logout),
                    );
                }
                assert_eq!(run.forget(&arena, Second::from_u32(5)), 500);
            }
        }
        done.store(true, Ordering::Relaxed);
    });
}

//! One shard with names that a hash would hardly give: ties, extremes, and many orders close together.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::revocation::RevocationReason;
use crate::revocation::replica::arena::BlockArena;
use crate::revocation::replica::compact_record::{CompactRecord, RecordName};
use crate::revocation::replica::sorted_run::SortedRun;
use crate::revocation::replica::unix_second::UnixSecond;

fn name(order: u64, tag: u32) -> RecordName {
    RecordName::new(order, tag, tag % 2 == 1)
}

/// Orders close to both ends, and some anywhere.
fn orders() -> impl Strategy<Value = u64> {
    prop_oneof![0..40_u64, (u64::MAX - 40)..=u64::MAX, any::<u64>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_run_holds_what_a_sorted_map_would(
        entries in prop::collection::vec((orders(), 0..4_u32, 1..60_u32), 0..900),
        sweeps in prop::collection::vec(1..60_u32, 0..6),
    ) {
        let (arena, run) = (BlockArena::new(), SortedRun::new());
        let mut model: BTreeMap<(u64, u32), u32> = BTreeMap::new();
        let each = entries.len() / (sweeps.len() + 1) + 1;
        for (part, sweep) in entries.chunks(each).zip(sweeps.iter().map(Some).chain([None; 9])) {
            for (order, tag, expiry) in part {
                let record = CompactRecord::new(name(*order, *tag), UnixSecond::from_u32(*expiry), RevocationReason::Admin);
                run.upsert(&arena, name(*order, *tag), record);
                let latest = model.entry((*order, *tag)).or_default();
                *latest = (*latest).max(*expiry);
            }
            if let Some(now) = sweep {
                let before = model.len();
                model.retain(|_, expiry| *expiry > *now);
                let forgotten = run.remove_expired(&arena, UnixSecond::from_u32(*now));
                prop_assert_eq!(forgotten as usize, before - model.len());
            }
            prop_assert_eq!(run.len() as usize, model.len());
            prop_assert_eq!(run.sessions() as usize, model.keys().filter(|(_, tag)| tag % 2 == 1).count());
            for ((order, tag), expiry) in &model {
                let found = run.find(&arena, name(*order, *tag)).map(|record| record.expiry());
                prop_assert_eq!(found, Some(UnixSecond::from_u32(*expiry)));
                prop_assert!(run.find(&arena, name(*order, tag + 4)).is_none());
            }
        }
    }
}

#[test]
fn a_run_grows_far_beyond_its_inline_ids_and_releases_every_block() {
    let (arena, run) = (BlockArena::new(), SortedRun::new());
    let names: Vec<_> = (0..6_000_u64)
        .map(|i| name(i.wrapping_mul(0x9E37_79B9_7F4A_7C15), 0))
        .collect();
    let fill = || {
        for (i, name) in (1..).zip(&names) {
            run.upsert(
                &arena,
                *name,
                CompactRecord::new(*name, UnixSecond::from_u32(i), RevocationReason::Logout),
            );
        }
    };
    fill();
    let bytes = arena.bytes();
    assert!(names.iter().all(|name| run.find(&arena, *name).is_some()));
    assert_eq!(run.remove_expired(&arena, UnixSecond::from_u32(5_990)), 5_990);
    assert_eq!(
        names
            .iter()
            .filter(|name| run.find(&arena, **name).is_some())
            .count(),
        10
    );
    // Released blocks are used again: five more rounds need no more memory than the first.
    for _ in 0..5 {
        assert_ne!(run.remove_expired(&arena, UnixSecond::from_u32(6_000)), 0);
        assert_eq!(run.len(), 0);
        fill();
    }
    assert_eq!(arena.bytes(), bytes);
}

//! The lock-free code of the replica, in every order of its loads and stores that the memory model allows.
//!
//! The files under test are compiled a second time, against loom's atomics: they take theirs from
//! `crate::sync`, which is another module here. So no flag is needed, and every test run tries them.
#![expect(dead_code, reason = "each file has more than is modelled here")]

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

mod sync {
    pub(crate) use loom::sync::atomic;
    pub(crate) use loom::{hint, thread};
}

#[path = "../../src/verdict/compact"]
mod verdict {
    #[path = "not_revoked_memo.rs"]
    mod not_revoked_memo;
    pub(crate) use not_revoked_memo::{ChangeSlots, MAX_NAMES, NotRevokedMemo};
}

#[path = "../../src/revocation"]
mod revocation {
    #[path = "replica"]
    pub(crate) mod replica {
        #[path = "change_log.rs"]
        mod change_log;
        #[path = "seqlock.rs"]
        mod seqlock;

        /// Name by its slot, in the place of the keyed hash.
        mod fingerprint {
            #[derive(Clone, Copy)]
            pub(crate) struct Fingerprint(pub(crate) u16);

            impl Fingerprint {
                pub(crate) fn shard(&self, _bits: u32) -> usize {
                    usize::from(self.0)
                }
            }
        }

        pub(crate) mod model {
            use super::change_log::{ChangeLog, ChangeSeq};
            use super::fingerprint::Fingerprint;
            use super::seqlock::SeqlockVersion;
            use crate::sync::atomic::{AtomicBool, AtomicU32, Ordering};
            use crate::verdict::{ChangeSlots, NotRevokedMemo};

            /// A record of two words, as the sorted runs have them.
            pub(crate) struct TwoWords {
                version: SeqlockVersion,
                words: [AtomicU32; 2],
            }

            impl TwoWords {
                pub(crate) fn new() -> Self {
                    Self {
                        version: SeqlockVersion::starting_at(AtomicU32::new(0)),
                        words: [AtomicU32::new(0), AtomicU32::new(0)],
                    }
                }

                pub(crate) fn write(&self, value: u32) {
                    let _writing = self.version.begin_write();
                    for word in &self.words {
                        word.store(value, Ordering::Relaxed);
                    }
                }

                pub(crate) fn read(&self) -> [u32; 2] {
                    let load = || [0, 1].map(|n: usize| self.words[n].load(Ordering::Relaxed));
                    self.version.read(load)
                }
            }

            /// A replica with one name, and the memo of one verdict of that name.
            pub(crate) struct OneName {
                revoked: AtomicBool,
                changes: ChangeLog,
                memo: NotRevokedMemo,
            }

            const NAME: Fingerprint = Fingerprint(7);

            impl OneName {
                pub(crate) fn new() -> Self {
                    Self {
                        revoked: AtomicBool::new(false),
                        changes: ChangeLog::new(),
                        memo: NotRevokedMemo::default(),
                    }
                }

                /// Records an entry in the order of `Replica::apply`.
                pub(crate) fn revoke(&self) {
                    self.revoked.store(true, Ordering::Release);
                    self.changes.record(NAME);
                }

                /// Answers in the order of `lookup`: the memo first, then the entries.
                pub(crate) fn is_revoked(&self) -> bool {
                    if let Some((slots, since)) = self.memo.last_clear_lookup()
                        && !self.changes.any_changed_since(slots, ChangeSeq(since))
                    {
                        return false;
                    }
                    self.memo.set_slots(|| ChangeSlots::of(&[NAME]));
                    // Read before the lookup, which sees every entry that it counts.
                    let as_of = self.changes.latest();
                    let revoked = self.revoked.load(Ordering::Acquire);
                    if !revoked {
                        self.memo.record_clear_lookup(as_of.0);
                    }
                    revoked
                }
            }
        }
    }
}

use revocation::replica::model::{OneName, TwoWords};

/// Tries every order with at most three switches in the middle of a thread, which takes seconds. Without the
/// limit it takes minutes, because a waiting reader multiplies the orders.
fn explore(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

#[test]
fn a_reader_never_sees_half_a_write() {
    explore(|| {
        let record = Arc::new(TwoWords::new());
        let writer = {
            let record = Arc::clone(&record);
            thread::spawn(move || {
                record.write(1);
            })
        };
        let [first, second] = record.read();
        assert_eq!(first, second, "half of a write");
        writer.join().unwrap();
        assert_eq!(record.read(), [1, 1]);
    });
}

#[test]
fn after_an_acknowledged_revocation_no_memo_says_that_there_is_none() {
    explore(|| {
        let name = Arc::new(OneName::new());
        let acknowledged = Arc::new(AtomicBool::new(false));
        let revoker = {
            let (name, acknowledged) = (Arc::clone(&name), Arc::clone(&acknowledged));
            thread::spawn(move || {
                name.revoke();
                acknowledged.store(true, Ordering::Release);
            })
        };
        // Fills the memo, before, while or after the entry is recorded.
        name.is_revoked();
        if acknowledged.load(Ordering::Acquire) {
            assert!(name.is_revoked(), "acknowledged, and not seen");
        }
        revoker.join().unwrap();
        assert!(name.is_revoked(), "recorded, and not seen");
    });
}

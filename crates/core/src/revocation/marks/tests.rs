//! Marks that were found clear stay so exactly until something is recorded of them.

use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::thread;

use super::*;
use crate::revocation::{JournalEntry, Reason, Revocation, Spare, TokenKey};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn token(name: &str) -> RevocationKey {
    RevocationKey::Token(TokenKey::from_jti(name))
}

fn revoked(key: RevocationKey, expires_at: i64) -> JournalEntry {
    JournalEntry::Revoked(Revocation {
        cutoff: key.is_cutoff().then(|| at(1)),
        key,
        reason: Reason::Logout,
        revoked_at: at(1),
        expires_at: at(expires_at),
        token_expires_at: None,
        user_id: None,
    })
}

/// The marks of a token of this name, with its session, user, client and issuer, and the keys behind them.
fn marks(replica: &Replica, name: &str) -> (Marks, [RevocationKey; 5]) {
    let names = [token(name), RevocationKey::Session(name.into())];
    let parties = [
        Party::User(name.to_owned()),
        Party::Client(name.to_owned()),
        Party::Issuer(name.to_owned()),
    ];
    let marks = Marks::of(replica, names.to_vec(), parties.to_vec());
    let ([one, two], [three, four, five]) = (names, parties.map(RevocationKey::Before));
    (marks, [one, two, three, four, five])
}

#[test]
fn whatever_is_recorded_of_them_is_noticed() {
    for which in 0..5 {
        let replica = Replica::new([7; 16]);
        let (marks, keys) = marks(&replica, "a");
        for _ in 0..3 {
            assert!(marks.are_clear(&replica, at(10)));
        }
        replica.apply(&revoked(keys[which].clone(), 100));
        for _ in 0..3 {
            assert!(!marks.are_clear(&replica, at(10)), "{}", keys[which]);
        }
        assert!(marks.are_clear(&replica, at(100)), "it has expired");
        replica.apply(&revoked(keys[which].clone(), 200));
        assert!(!marks.are_clear(&replica, at(100)), "it was recorded again");
    }
}

#[test]
fn what_is_recorded_of_others_is_no_revocation_of_theirs() {
    let replica = Replica::new([7; 16]);
    let (marks, _) = marks(&replica, "a");
    for other in 0..20_000 {
        replica.apply(&revoked(token(&format!("other-{other}")), 100));
        assert!(marks.are_clear(&replica, at(10)));
    }
}

#[test]
fn a_later_look_up_is_made_only_where_something_may_have_been_recorded() {
    let replica = Replica::new([7; 16]);
    let (marks, _) = marks(&replica, "a");
    assert!(marks.are_clear(&replica, at(10)));
    let changed = |names: i64| {
        let edition = replica.edition();
        for name in 0..names {
            replica.apply(&revoked(token(&format!("{names}-{name}")), 100));
        }
        replica.changed_since(&marks.asked, edition)
    };
    // Five of 4,096 places are theirs.
    assert!((0..100).filter(|_| changed(1)).count() < 10);
    assert!(changed(20_000));
}

#[test]
fn a_spare_that_runs_out_is_no_reason_to_let_through() {
    let replica = Replica::new([7; 16]);
    let (marks, keys) = marks(&replica, "a");
    replica.apply(&revoked(keys[2].clone(), 100));
    replica.apply(&JournalEntry::Spared(Spare {
        key: keys[0].clone(),
        began_at: at(5),
        user_id: "u".into(),
        expires_at: at(20),
    }));
    // A cut-off that spares it today may cover it tomorrow: it is looked up each time.
    for now in [10, 20, 30] {
        assert!(!marks.are_clear(&replica, at(now)));
    }
}

#[test]
fn what_was_recorded_is_seen_by_every_thread_that_is_told_so() {
    const MANY: usize = 50_000;
    let replica = Replica::new([7; 16]);
    let verdicts: Vec<_> = (0..MANY)
        .map(|i| marks(&replica, &format!("user-{i}")).0)
        .collect();
    let (recorded, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    let are_clear = |i: usize| verdicts[i].are_clear(&replica, at(10));
    thread::scope(|scope| {
        // They ask again and again about the one that is being recorded, so that a look-up and a recording meet.
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let told = recorded.load(Ordering::Acquire);
                    are_clear(told.min(MANY - 1));
                    assert!(told == 0 || !are_clear(told - 1), "{told}");
                }
            });
        }
        for i in 0..MANY {
            replica.apply(&revoked(RevocationKey::Session(format!("user-{i}")), 100));
            recorded.store(i + 1, Ordering::Release);
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!((0..MANY).find(|i| are_clear(*i)), None);
}

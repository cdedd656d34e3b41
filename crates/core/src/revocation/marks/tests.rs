//! Marks that were found clear stay so exactly until something is recorded of them.

use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::thread;

use super::*;
use crate::identity::{ClaimPaths, VerificationSource};
use crate::revocation::{JournalEntry, Party, Reason, Revocation, RevocationKey, Spare, TokenKey};

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

/// What the gate keeps and does for a remembered verdict.
struct Verdict {
    marks: Marks,
    watch: Watch,
}

impl Verdict {
    fn standing(&self, replica: &Replica, now: Timestamp) -> Standing {
        if self.watch.is_clear(replica) {
            return Standing::Clear;
        }
        self.watch.look_up(&self.marks, replica, Duration::ZERO, now)
    }

    fn is_clear(&self, replica: &Replica, now: Timestamp) -> bool {
        self.standing(replica, now) == Standing::Clear
    }
}

/// A token of this name, issued in the second 1, with its session, user, client and issuer, and the keys of all that.
fn verdict(replica: &Replica, name: &str) -> (Verdict, [RevocationKey; 5]) {
    issued_in(1, replica, name)
}

fn issued_in(second: i64, replica: &Replica, name: &str) -> (Verdict, [RevocationKey; 5]) {
    let names = [token(name), RevocationKey::Session(name.into())];
    let parties = [
        Party::User(name.to_owned()),
        Party::Client(name.to_owned()),
        Party::Issuer(name.to_owned()),
    ];
    let mut claims = serde_json::Map::new();
    claims.insert("sub".to_owned(), name.into());
    let identity = ClaimPaths::default().identity(&claims, VerificationSource::LocalJwt, at(1));
    let facts = Facts {
        identity: identity.unwrap(),
        names: names.to_vec(),
        own_names: 1,
        parties: parties.to_vec(),
        issued: Issued::InSecond(at(second)),
        expires_at: None,
        session: None,
        key_id: None,
    };
    let verdict = Verdict {
        marks: Marks::of(replica, &facts),
        watch: Watch::default(),
    };
    let ([one, two], [three, four, five]) = (names, parties.map(RevocationKey::Before));
    (verdict, [one, two, three, four, five])
}

#[test]
fn whatever_is_recorded_of_them_is_noticed() {
    for which in 0..5 {
        let replica = Replica::new([7; 16]);
        let (verdict, keys) = verdict(&replica, "a");
        for _ in 0..3 {
            assert!(verdict.is_clear(&replica, at(10)));
        }
        replica.apply(&revoked(keys[which].clone(), 100));
        for _ in 0..3 {
            assert!(!verdict.is_clear(&replica, at(10)), "{}", keys[which]);
        }
        assert!(verdict.is_clear(&replica, at(100)), "it has expired");
        replica.apply(&revoked(keys[which].clone(), 200));
        assert!(!verdict.is_clear(&replica, at(100)), "it was recorded again");
    }
}

#[test]
fn what_is_recorded_of_others_is_no_revocation_of_theirs() {
    let replica = Replica::new([7; 16]);
    let (verdict, _) = verdict(&replica, "a");
    for other in 0..20_000 {
        replica.apply(&revoked(token(&format!("other-{other}")), 100));
        assert!(verdict.is_clear(&replica, at(10)));
    }
}

#[test]
fn a_later_look_up_is_made_only_where_something_may_have_been_recorded() {
    let replica = Replica::new([7; 16]);
    let (verdict, _) = verdict(&replica, "a");
    assert!(verdict.is_clear(&replica, at(10)));
    let changed = |names: i64| {
        let edition = replica.edition();
        for name in 0..names {
            replica.apply(&revoked(token(&format!("{names}-{name}")), 100));
        }
        replica.changed_since(&Places::of(&verdict.marks.asked).unwrap(), edition)
    };
    // Five of 4,096 places are theirs.
    assert!((0..100).filter(|_| changed(1)).count() < 10);
    assert!(changed(20_000));
}

#[test]
fn a_spare_that_runs_out_is_no_reason_to_let_through() {
    let replica = Replica::new([7; 16]);
    let (verdict, keys) = verdict(&replica, "a");
    replica.apply(&revoked(keys[2].clone(), 100));
    replica.apply(&JournalEntry::Spared(Spare {
        key: keys[0].clone(),
        began_at: at(5),
        user_id: "u".into(),
        expires_at: at(20),
    }));
    // A cut-off that spares it today covers it tomorrow: it is looked up each time.
    for (now, standing) in [
        (10, Standing::Spared),
        (19, Standing::Spared),
        (20, Standing::Revoked),
    ] {
        for _ in 0..2 {
            assert_eq!(verdict.standing(&replica, at(now)), standing, "{now}");
        }
    }
}

#[test]
fn a_cutoff_before_it_was_issued_is_nothing_until_there_is_a_later_one() {
    let replica = Replica::new([7; 16]);
    let (verdict, keys) = issued_in(2, &replica, "a");
    let cutoff = |second| {
        let mut entry = revoked(keys[2].clone(), 100);
        if let JournalEntry::Revoked(revocation) = &mut entry {
            revocation.cutoff = Some(at(second));
        }
        replica.apply(&entry);
    };
    cutoff(1);
    assert!(verdict.is_clear(&replica, at(10)));
    assert!(verdict.watch.is_clear(&replica), "that is noted");
    cutoff(2);
    assert!(!verdict.watch.is_clear(&replica));
    assert_eq!(verdict.standing(&replica, at(10)), Standing::Revoked);
}

#[test]
fn with_more_names_than_are_watched_each_is_looked_up_each_time() {
    let replica = Replica::new([7; 16]);
    let facts = |count: usize| {
        let (verdict, _) = verdict(&replica, "a");
        let mut asked = verdict.marks.asked.to_vec();
        asked.resize(count, asked[0]);
        let marks = Marks {
            asked: asked.into(),
            ..verdict.marks
        };
        Verdict {
            marks,
            watch: Watch::default(),
        }
    };
    for (count, watched) in [(5, true), (8, true), (9, false)] {
        let verdict = facts(count);
        assert!(verdict.is_clear(&replica, at(10)));
        assert_eq!(verdict.watch.is_clear(&replica), watched, "{count}");
    }
}

#[test]
fn what_was_recorded_is_seen_by_every_thread_that_is_told_so() {
    const MANY: usize = 50_000;
    let replica = Replica::new([7; 16]);
    let verdicts: Vec<_> = (0..MANY)
        .map(|i| verdict(&replica, &format!("user-{i}")).0)
        .collect();
    let (recorded, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    let are_clear = |i: usize| verdicts[i].is_clear(&replica, at(10));
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

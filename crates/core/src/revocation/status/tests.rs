//! The memo of a lookup that found nothing is current exactly until an entry is recorded under one of its
//! names.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::*;
use crate::identity::{ClaimPaths, Subject, VerificationSource};
use crate::revocation::{CutoffExemption, JournalEntry, Revocation, RevocationReason};
use crate::verdict::{CutoffScope, RevocationKey, TokenKey};

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
        reason: RevocationReason::Logout,
        revoked_at: at(1),
        expires_at: at(expires_at),
        token_expires_at: None,
        subject: None,
    })
}

/// Fingerprints and memo of a cached verdict, checked as the gate checks them.
struct Verdict {
    fingerprints: NameFingerprints,
    memo: NotRevokedMemo,
}

impl Verdict {
    fn status(&self, replica: &Replica, now: Timestamp) -> RevocationStatus {
        if self.memo.is_current(replica) {
            return RevocationStatus::NotRevoked;
        }
        self.memo
            .lookup_and_remember(&self.fingerprints, replica, Duration::ZERO, now)
    }

    fn is_not_revoked(&self, replica: &Replica, now: Timestamp) -> bool {
        self.status(replica, now) == RevocationStatus::NotRevoked
    }
}

/// A token of this name, issued in second 1, with a session, a user, a client and an issuer, and the keys of
/// all five.
fn verdict(replica: &Replica, name: &str) -> (Verdict, [RevocationKey; 5]) {
    issued_in(1, replica, name)
}

fn issued_in(second: i64, replica: &Replica, name: &str) -> (Verdict, [RevocationKey; 5]) {
    let keys = [token(name), RevocationKey::Session(name.into())];
    let scopes = [
        CutoffScope::User(Subject::of_default(name)),
        CutoffScope::Client(name.to_owned()),
        CutoffScope::Issuer(name.to_owned()),
    ];
    let mut claims = serde_json::Map::new();
    claims.insert("sub".to_owned(), name.into());
    let identity = ClaimPaths::default().read_identity(&claims, VerificationSource::LocalJwt, at(1));
    let info = CredentialInfo {
        identity: identity.unwrap(),
        revocation_keys: keys.to_vec(),
        own_key_count: 1,
        cutoff_scopes: scopes.to_vec(),
        issue_time: IssueTime::WithinSecond(at(second)),
        expires_at: None,
        session: None,
        key_id: None,
    };
    let verdict = Verdict {
        fingerprints: NameFingerprints::of(replica, &info),
        memo: NotRevokedMemo::default(),
    };
    let ([one, two], [three, four, five]) = (keys, scopes.map(RevocationKey::Cutoff));
    (verdict, [one, two, three, four, five])
}

#[test]
fn an_entry_under_any_name_is_noticed() {
    for which in 0..5 {
        let replica = Replica::new([7; 16]);
        let (verdict, keys) = verdict(&replica, "a");
        for _ in 0..3 {
            assert!(verdict.is_not_revoked(&replica, at(10)));
        }
        replica.apply(&revoked(keys[which].clone(), 100));
        for _ in 0..3 {
            assert!(!verdict.is_not_revoked(&replica, at(10)), "{}", keys[which]);
        }
        assert!(verdict.is_not_revoked(&replica, at(100)), "it has expired");
        replica.apply(&revoked(keys[which].clone(), 200));
        assert!(
            !verdict.is_not_revoked(&replica, at(100)),
            "it was recorded again"
        );
    }
}

#[test]
fn an_entry_under_another_name_does_not_revoke() {
    let replica = Replica::new([7; 16]);
    let (verdict, _) = verdict(&replica, "a");
    for other in 0..20_000 {
        replica.apply(&revoked(token(&format!("other-{other}")), 100));
        assert!(verdict.is_not_revoked(&replica, at(10)));
    }
}

#[test]
fn a_lookup_is_repeated_only_if_an_entry_may_have_been_recorded() {
    let replica = Replica::new([7; 16]);
    let (verdict, _) = verdict(&replica, "a");
    assert!(verdict.is_not_revoked(&replica, at(10)));
    let changed = |names: i64| {
        let seq = replica.change_seq();
        for name in 0..names {
            replica.apply(&revoked(token(&format!("{names}-{name}")), 100));
        }
        let slots = ChangeSlots::of(&verdict.fingerprints.fingerprints).unwrap();
        replica.changed_since(&slots, seq)
    };
    // The verdict has five of 4,096 slots.
    assert!((0..100).filter(|_| changed(1)).count() < 10);
    assert!(changed(20_000));
}

#[test]
fn an_expired_exemption_does_not_count() {
    let replica = Replica::new([7; 16]);
    let (verdict, keys) = verdict(&replica, "a");
    replica.apply(&revoked(keys[2].clone(), 100));
    replica.apply(&JournalEntry::Exempted(CutoffExemption {
        key: keys[0].clone(),
        began_at: at(5),
        subject: Some(Subject::of_default("u")),
        expires_at: at(20),
    }));
    // An exemption can expire without a new entry, so it is looked up each time.
    for (now, status) in [
        (10, RevocationStatus::Exempt),
        (19, RevocationStatus::Exempt),
        (20, RevocationStatus::Revoked),
    ] {
        for _ in 0..2 {
            assert_eq!(verdict.status(&replica, at(now)), status, "{now}");
        }
    }
}

#[test]
fn a_cutoff_before_the_issue_time_is_ignored_until_there_is_a_later_one() {
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
    assert!(verdict.is_not_revoked(&replica, at(10)));
    assert!(verdict.memo.is_current(&replica), "the result is remembered");
    cutoff(2);
    assert!(!verdict.memo.is_current(&replica));
    assert_eq!(verdict.status(&replica, at(10)), RevocationStatus::Revoked);
}

#[test]
fn a_verdict_with_too_many_names_is_looked_up_each_time() {
    let replica = Replica::new([7; 16]);
    let verdict_with_names = |count: usize| {
        let (verdict, _) = verdict(&replica, "a");
        let mut names = verdict.fingerprints.fingerprints.to_vec();
        names.resize(count, names[0]);
        let fingerprints = NameFingerprints {
            fingerprints: names.into(),
            ..verdict.fingerprints
        };
        Verdict {
            fingerprints,
            memo: NotRevokedMemo::default(),
        }
    };
    for (count, is_remembered) in [(5, true), (8, true), (9, false)] {
        let verdict = verdict_with_names(count);
        assert!(verdict.is_not_revoked(&replica, at(10)));
        assert_eq!(verdict.memo.is_current(&replica), is_remembered, "{count}");
    }
}

#[test]
fn a_recorded_entry_is_seen_by_every_thread_that_knows_of_it() {
    const MANY: usize = 50_000;
    let replica = Replica::new([7; 16]);
    let verdicts: Vec<_> = (0..MANY)
        .map(|i| verdict(&replica, &format!("user-{i}")).0)
        .collect();
    let (recorded, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    let is_not_revoked = |i: usize| verdicts[i].is_not_revoked(&replica, at(10));
    thread::scope(|scope| {
        // Both threads check the verdict that is being revoked, so that lookups and changes overlap.
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let count = recorded.load(Ordering::Acquire);
                    is_not_revoked(count.min(MANY - 1));
                    assert!(count == 0 || !is_not_revoked(count - 1), "{count}");
                }
            });
        }
        for i in 0..MANY {
            replica.apply(&revoked(RevocationKey::Session(format!("user-{i}")), 100));
            recorded.store(i + 1, Ordering::Release);
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!((0..MANY).find(|i| is_not_revoked(*i)), None);
}

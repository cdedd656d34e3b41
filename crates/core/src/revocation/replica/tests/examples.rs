//! What the replica promises, one promise at a time.

use super::*;
use crate::revocation::replica::ReplicaStats;
use crate::revocation::{Found, Party};

fn keys_named(text: &str) -> [RevocationKey; 5] {
    [
        token(text),
        RevocationKey::Session(text.into()),
        RevocationKey::user(text),
        RevocationKey::Before(Party::Client(text.into())),
        RevocationKey::Before(Party::Issuer(text.into())),
    ]
}

#[test]
fn what_is_recorded_is_found_until_it_expires() {
    let replica = replica();
    replica.apply(&revoked(token("a"), None, Reason::Logout, 100));
    let name = replica.fingerprint(&token("a"));
    let found = Found {
        reason: Reason::Logout,
        cutoff: None,
    };
    assert_eq!(replica.revoked(name, at(99)), Some(found));
    assert_eq!(replica.revoked(name, at(100)), None);
    assert_eq!(replica.revoked(replica.fingerprint(&token("b")), at(99)), None);
}

#[test]
fn the_same_text_of_another_kind_is_another_name() {
    for (i, key) in keys_named("same").into_iter().enumerate() {
        let replica = replica();
        let cutoff = key.is_cutoff().then_some(7);
        replica.apply(&revoked(key, cutoff, Reason::Admin, 100));
        for (j, other) in keys_named("same").iter().enumerate() {
            let name = replica.fingerprint(other);
            assert_eq!(replica.revoked(name, at(1)).is_some(), i == j, "{i} {other}");
            assert_eq!(replica.spared(name, at(1)), None);
        }
    }
}

#[test]
fn a_spare_is_no_revocation() {
    let replica = replica();
    replica.apply(&spared(token("a"), 50, 100));
    let name = replica.fingerprint(&token("a"));
    assert_eq!(replica.spared(name, at(99)), Some(at(50)));
    assert_eq!(replica.spared(name, at(100)), None);
    assert_eq!(replica.revoked(name, at(99)), None);
}

#[test]
fn nothing_is_ever_narrowed() {
    let replica = replica();
    let user = replica.fingerprint(&RevocationKey::user("u"));
    let one = revoked(RevocationKey::user("u"), Some(50), Reason::LogoutAll, 100);
    let other = revoked(RevocationKey::user("u"), Some(40), Reason::Admin, 200);
    for entry in [&one, &other, &one, &other] {
        replica.apply(entry);
    }
    let found = Found {
        reason: Reason::LogoutAll,
        cutoff: Some(at(50)),
    };
    assert_eq!(replica.revoked(user, at(199)), Some(found));

    replica.apply(&revoked(token("t"), None, Reason::Logout, 200));
    replica.apply(&revoked(token("t"), None, Reason::Admin, 100));
    let found = replica.revoked(replica.fingerprint(&token("t")), at(199));
    assert_eq!(found.map(|found| found.reason), Some(Reason::Logout));

    replica.apply(&spared(token("t"), 60, 90));
    replica.apply(&spared(token("t"), 30, 300));
    assert_eq!(
        replica.spared(replica.fingerprint(&token("t")), at(299)),
        Some(at(60))
    );
    assert_eq!(replica.stats().tokens, 1);
}

#[test]
fn a_cutoff_without_a_moment_is_of_the_moment_it_was_recorded() {
    let replica = replica();
    replica.apply(&revoked(RevocationKey::user("u"), None, Reason::Admin, 100));
    let found = replica.revoked(replica.fingerprint(&RevocationKey::user("u")), at(1));
    assert_eq!(found.unwrap().cutoff, Some(at(0)));
}

#[test]
fn several_names_are_answered_in_their_order() {
    let replica = replica();
    replica.apply(&revoked(token("a"), None, Reason::Logout, 100));
    replica.apply(&revoked(RevocationKey::user("u"), Some(5), Reason::Admin, 100));
    let keys = [
        token("b"),
        RevocationKey::user("u"),
        token("a"),
        RevocationKey::user("v"),
    ];
    let names = keys.map(|key| replica.fingerprint(&key));
    let alone: Vec<_> = names.iter().map(|name| replica.revoked(*name, at(1))).collect();
    let together: Vec<_> = replica.revoked_all(&names, at(1)).collect();
    assert_eq!(together, alone);
    assert_eq!(
        together.iter().map(Option::is_some).collect::<Vec<_>>(),
        [false, true, true, false]
    );
}

#[test]
fn a_sweep_forgets_what_has_expired_and_nothing_else() {
    let replica = replica();
    for i in 0..3_000 {
        let life = if i % 3 == 0 { 10 } else { 20 };
        replica.apply(&revoked(token(&format!("t{i}")), None, Reason::Logout, life));
        replica.apply(&revoked(
            RevocationKey::Session(format!("s{i}")),
            None,
            Reason::Logout,
            life,
        ));
        replica.apply(&revoked(
            RevocationKey::user(format!("u{i}")),
            Some(1),
            Reason::Logout,
            life,
        ));
        replica.apply(&spared(token(&format!("t{i}")), 1, life));
    }
    assert_eq!(sweep_all(&replica, 9), 0);
    assert_eq!(sweep_all(&replica, 10), 4_000);
    let stats = replica.stats();
    assert_eq!(
        stats,
        ReplicaStats {
            tokens: 2_000,
            sessions: 2_000,
            cutoffs: 2_000,
            spares: 2_000,
            bytes: stats.bytes
        }
    );
    assert!(
        replica
            .revoked(replica.fingerprint(&token("t1")), at(19))
            .is_some()
    );
    assert_eq!(sweep_all(&replica, 20), 8_000);
    assert_eq!(replica.stats().tokens + replica.stats().sessions, 0);
}

#[test]
fn a_sweep_keeps_to_its_budget_and_goes_on_where_it_ended() {
    let replica = replica();
    for i in 0..10_000 {
        replica.apply(&revoked(token(&format!("t{i}")), None, Reason::Logout, 10));
    }
    let first = replica.sweep(at(10), 1_000);
    assert!((1..=1_100).contains(&first), "{first}");
    let mut forgotten = first;
    for _ in 0..1_000 {
        forgotten += replica.sweep(at(10), 1_000);
    }
    assert_eq!(forgotten, 10_000);
}

#[test]
fn names_that_look_alike_fall_evenly_and_differently_in_each_process() {
    let (one, other) = (Replica::new([1; 16]), Replica::new([2; 16]));
    let shards = 1 << 6;
    let mut load = vec![0_u32; shards];
    let mut same = 0;
    for i in 0..64_000 {
        let key = token(&format!("{i:064b}"));
        let shard = one.fingerprint(&key).shard(6);
        load[shard] += 1;
        same += usize::from(other.fingerprint(&key).shard(6) == shard);
    }
    // A thousand are expected in each; six standard deviations are 190.
    assert!(load.iter().all(|n| (810..1_190).contains(n)), "{load:?}");
    assert!((810..1_190).contains(&same), "{same}");
}

#[test]
fn what_is_printed_of_a_replica_tells_nothing_of_its_secret() {
    assert_eq!(format!("{:?}", replica()), "Replica { .. }");
}

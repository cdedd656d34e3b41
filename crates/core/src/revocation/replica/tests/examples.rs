//! Promises of the replica, one in each test.

use super::*;
use crate::identity::{Issuer, UpstreamSession};
use crate::revocation::FoundRevocation;
use crate::revocation::replica::ReplicaStats;
use crate::verdict::CutoffScope;

fn keys_named(text: &str) -> [RevocationKey; 9] {
    let at = |issuer| Issuer::of(None, issuer);
    let upstream = |issuer| {
        let session = UpstreamSession::new(at(issuer), text);
        RevocationKey::Cutoff(CutoffScope::UpstreamSession(session))
    };
    [
        token(text),
        RevocationKey::Session(text.into()),
        RevocationKey::user(&Subject::of_default(text)),
        RevocationKey::Cutoff(CutoffScope::Client(text.into())),
        RevocationKey::Cutoff(CutoffScope::Issuer(text.into())),
        RevocationKey::user(&Subject::new(at("https://other.example"), text)),
        RevocationKey::user(&Subject::new(at(&format!("https://other.example{text}")), "")),
        upstream(""),
        upstream("https://other.example"),
    ]
}

#[test]
fn a_recorded_revocation_is_found_until_it_expires() {
    let replica = replica();
    replica.apply(&revoked(token("a"), None, RevocationReason::Logout, 100));
    let name = replica.fingerprint(&token("a"));
    let found = FoundRevocation {
        reason: RevocationReason::Logout,
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
        replica.apply(&revoked(key, cutoff, RevocationReason::Admin, 100));
        for (j, other) in keys_named("same").iter().enumerate() {
            let name = replica.fingerprint(other);
            assert_eq!(replica.revoked(name, at(1)).is_some(), i == j, "{i} {other}");
            assert_eq!(replica.exempt_since(name, at(1)), None);
        }
    }
}

#[test]
fn an_exemption_is_no_revocation() {
    let replica = replica();
    replica.apply(&exempted(token("a"), 50, 100));
    let name = replica.fingerprint(&token("a"));
    assert_eq!(replica.exempt_since(name, at(99)), Some(at(50)));
    assert_eq!(replica.exempt_since(name, at(100)), None);
    assert_eq!(replica.revoked(name, at(99)), None);
}

#[test]
fn nothing_is_ever_narrowed() {
    let replica = replica();
    let user = replica.fingerprint(&RevocationKey::user(&Subject::of_default("u")));
    let one = revoked(
        RevocationKey::user(&Subject::of_default("u")),
        Some(50),
        RevocationReason::LogoutAll,
        100,
    );
    let other = revoked(
        RevocationKey::user(&Subject::of_default("u")),
        Some(40),
        RevocationReason::Admin,
        200,
    );
    for entry in [&one, &other, &one, &other] {
        replica.apply(entry);
    }
    let found = FoundRevocation {
        reason: RevocationReason::LogoutAll,
        cutoff: Some(at(50)),
    };
    assert_eq!(replica.revoked(user, at(199)), Some(found));

    replica.apply(&revoked(token("t"), None, RevocationReason::Logout, 200));
    replica.apply(&revoked(token("t"), None, RevocationReason::Admin, 100));
    let found = replica.revoked(replica.fingerprint(&token("t")), at(199));
    assert_eq!(found.map(|found| found.reason), Some(RevocationReason::Logout));

    replica.apply(&exempted(token("t"), 60, 90));
    replica.apply(&exempted(token("t"), 30, 300));
    assert_eq!(
        replica.exempt_since(replica.fingerprint(&token("t")), at(299)),
        Some(at(60))
    );
    assert_eq!(replica.stats().tokens, 1);
}

#[test]
fn a_cutoff_without_a_time_has_the_time_at_which_it_was_recorded() {
    let replica = replica();
    replica.apply(&revoked(
        RevocationKey::user(&Subject::of_default("u")),
        None,
        RevocationReason::Admin,
        100,
    ));
    let found = replica.revoked(
        replica.fingerprint(&RevocationKey::user(&Subject::of_default("u"))),
        at(1),
    );
    assert_eq!(found.unwrap().cutoff, Some(at(0)));
}

#[test]
fn several_names_are_answered_in_their_order() {
    let replica = replica();
    replica.apply(&revoked(token("a"), None, RevocationReason::Logout, 100));
    replica.apply(&revoked(
        RevocationKey::user(&Subject::of_default("u")),
        Some(5),
        RevocationReason::Admin,
        100,
    ));
    let keys = [
        token("b"),
        RevocationKey::user(&Subject::of_default("u")),
        token("a"),
        RevocationKey::user(&Subject::of_default("v")),
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
fn a_sweep_removes_expired_entries_and_no_others() {
    let replica = replica();
    for i in 0..3_000 {
        let life = if i % 3 == 0 { 10 } else { 20 };
        replica.apply(&revoked(
            token(&format!("t{i}")),
            None,
            RevocationReason::Logout,
            life,
        ));
        replica.apply(&revoked(
            RevocationKey::Session(format!("s{i}")),
            None,
            RevocationReason::Logout,
            life,
        ));
        replica.apply(&revoked(
            RevocationKey::user(&Subject::of_default(format!("u{i}"))),
            Some(1),
            RevocationReason::Logout,
            life,
        ));
        replica.apply(&exempted(token(&format!("t{i}")), 1, life));
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
            exemptions: 2_000,
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
fn a_sweep_keeps_to_its_budget_and_continues_where_it_ended() {
    let replica = replica();
    for i in 0..10_000 {
        replica.apply(&revoked(
            token(&format!("t{i}")),
            None,
            RevocationReason::Logout,
            10,
        ));
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
fn similar_names_are_spread_evenly_and_differently_in_each_process() {
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
fn debug_output_does_not_contain_the_secret() {
    assert_eq!(format!("{:?}", replica()), "Replica { .. }");
}

//! The contract of `RevocationStore`.

use std::collections::BTreeSet;
use std::sync::Arc;

use maxlab_auth_core::identity::UpstreamSession;
use maxlab_auth_core::revocation::{
    CutoffExemption, FoundRevocation, Revocation, RevocationLog, RevocationReason, RevocationStore,
};
use maxlab_auth_core::verdict::{CutoffScope, RevocationKey, TokenKey};

use super::fixtures::{
    HOSTILE_USER_IDS, exempt, later, now, revocation, revoke, revoked_token, subject, user_cutoff,
};
use super::{revocation_races, run_cases};

/// Checks that a revocation store keeps its contract. `make` creates an empty one.
pub async fn revocations<S: RevocationStore + RevocationLog + 'static>(make: impl AsyncFn() -> S) {
    run_cases!(make:
        an_empty_store_knows_nothing_and_says_so,
        what_is_found_stands_in_the_order_that_was_asked,
        an_expiry_is_never_shortened,
        a_cut_off_is_never_narrowed,
        a_spare_is_never_narrowed,
        names_and_kinds_keep_apart,
        a_large_batch_is_found_whole,
        the_shared_clock_runs_forward,
        a_listing_goes_on_where_it_stopped,
        a_listing_is_of_one_user_where_asked,
        a_purge_takes_nothing_that_lives,
        the_tokens_of_a_user_are_noted,
        revocation_races::the_latest_cut_off_of_many_stands,
    );
}

pub(super) fn token_key(jti: &str) -> RevocationKey {
    RevocationKey::Token(TokenKey::from_jti(jti))
}

fn finding(reason: RevocationReason) -> Option<FoundRevocation> {
    Some(FoundRevocation { reason, cutoff: None })
}

async fn an_empty_store_knows_nothing_and_says_so(store: Arc<impl RevocationStore + RevocationLog>) {
    let keys = [token_key("a"), RevocationKey::user(&subject("u"))];
    let findings = store.find(&keys, &keys[..1], now()).await.unwrap();
    assert_eq!(findings.revoked, [None, None]);
    assert_eq!(findings.exempt_since, [None]);
    assert_eq!(findings.epoch, None);
    assert_eq!(store.list(None, None, 10, now()).await.unwrap(), (vec![], None));
    assert_eq!(store.user_tokens(&subject("u")).await.unwrap(), []);
}

async fn what_is_found_stands_in_the_order_that_was_asked(store: Arc<impl RevocationStore + RevocationLog>) {
    let session = RevocationKey::Session("s".into());
    let client = RevocationKey::Cutoff(CutoffScope::Client("c".into()));
    let issuer = RevocationKey::Cutoff(CutoffScope::Issuer("https://as.example/".into()));
    let entries = [
        Revocation {
            reason: RevocationReason::Admin,
            ..revoked_token("a", 60)
        },
        Revocation {
            reason: RevocationReason::SessionTerminated,
            ..revocation(session.clone(), 60)
        },
        Revocation {
            cutoff: Some(later(1)),
            subject: None,
            ..revocation(client.clone(), 60)
        },
        Revocation {
            cutoff: Some(later(2)),
            reason: RevocationReason::Admin,
            ..revocation(issuer.clone(), 60)
        },
        user_cutoff("u", 3, 60),
    ];
    revoke(store.as_ref(), &entries, now()).await.unwrap();
    let exemptions = [
        exemption(session.clone(), 7, 60),
        exemption(token_key("b"), 8, 60),
    ];
    exempt(store.as_ref(), &exemptions, now()).await.unwrap();

    let keys = [
        issuer,
        token_key("b"),
        session.clone(),
        token_key("a"),
        client,
        RevocationKey::user(&subject("u")),
        token_key("a"),
    ];
    let findings = store
        .find(&keys, &[token_key("b"), token_key("a"), session], now())
        .await
        .unwrap();
    let cutoff = |reason, at| {
        Some(FoundRevocation {
            reason,
            cutoff: Some(later(at)),
        })
    };
    assert_eq!(
        findings.revoked,
        [
            cutoff(RevocationReason::Admin, 2),
            None,
            finding(RevocationReason::SessionTerminated),
            finding(RevocationReason::Admin),
            cutoff(RevocationReason::Logout, 1),
            cutoff(RevocationReason::LogoutAll, 3),
            finding(RevocationReason::Admin),
        ]
    );
    assert_eq!(findings.exempt_since, [Some(later(8)), None, Some(later(7))]);
}

async fn an_expiry_is_never_shortened(store: Arc<impl RevocationStore + RevocationLog>) {
    let named = RevocationKey::Session("s".into());
    for seconds in [100, 10, 1_000, 1] {
        let entries = [
            revoked_token("a", seconds),
            revocation(named.clone(), seconds),
            user_cutoff("u", 0, seconds),
        ];
        revoke(store.as_ref(), &entries, now()).await.unwrap();
    }
    let findings = store
        .find(
            &[token_key("a"), named, RevocationKey::user(&subject("u"))],
            &[],
            later(999),
        )
        .await
        .unwrap();
    assert!(findings.revoked.iter().all(Option::is_some), "{findings:?}");
    let (listed, _) = store.list(None, None, 10, now()).await.unwrap();
    assert!(listed[0].expires_at >= later(1_000), "{listed:?}");
    assert!(listed[0].expires_at < later(1_002), "{listed:?}");
}

async fn a_cut_off_is_never_narrowed(store: Arc<impl RevocationStore + RevocationLog>) {
    for (at, expected) in [(50, 50), (20, 50), (51, 51), (0, 51)] {
        revoke(store.as_ref(), &[user_cutoff("u", at, 100 - at)], now())
            .await
            .unwrap();
        let findings = store
            .find(&[RevocationKey::user(&subject("u"))], &[], now())
            .await
            .unwrap();
        assert_eq!(
            findings.revoked[0].as_ref().unwrap().cutoff,
            Some(later(expected)),
            "after {at}"
        );
    }
}

async fn a_spare_is_never_narrowed(store: Arc<impl RevocationStore + RevocationLog>) {
    for (began, expected) in [(5, 5), (2, 5), (9, 9)] {
        exempt(
            store.as_ref(),
            &[exemption(token_key("a"), began, 100 - began)],
            now(),
        )
        .await
        .unwrap();
        let findings = store.find(&[], &[token_key("a")], now()).await.unwrap();
        assert_eq!(findings.exempt_since, [Some(later(expected))], "after {began}");
    }
}

async fn names_and_kinds_keep_apart(store: Arc<impl RevocationStore + RevocationLog>) {
    let long = "김".repeat(340);
    let names: Vec<&str> = HOSTILE_USER_IDS.into_iter().chain([long.as_str()]).collect();
    let of_kind: [fn(&str) -> RevocationKey; 6] = [
        token_key,
        |name| RevocationKey::Session(name.into()),
        |name| RevocationKey::user(&subject(name)),
        |name| RevocationKey::Cutoff(CutoffScope::Client(name.into())),
        |name| RevocationKey::Cutoff(CutoffScope::Issuer(name.into())),
        |name| {
            let session = UpstreamSession::from_storage_name(name);
            RevocationKey::Cutoff(CutoffScope::UpstreamSession(session))
        },
    ];
    let keys: Vec<_> = names.iter().flat_map(|name| of_kind.map(|of| of(name))).collect();
    for (index, key) in keys.iter().enumerate() {
        let before = store.find(std::slice::from_ref(key), &[], now()).await.unwrap();
        assert_eq!(before.revoked, [None], "{key} of {index} others");
        let cutoff = key.is_cutoff().then(now);
        let entry = Revocation {
            cutoff,
            subject: Some(subject(&long)),
            ..revocation(key.clone(), 60)
        };
        revoke(store.as_ref(), &[entry], now()).await.unwrap();
    }
    let findings = store.find(&keys, &[], now()).await.unwrap();
    assert!(findings.revoked.iter().all(Option::is_some));
}

async fn a_large_batch_is_found_whole(store: Arc<impl RevocationStore + RevocationLog>) {
    let entries: Vec<_> = (0..450).map(|n| revoked_token(&format!("j{n}"), 60)).collect();
    revoke(store.as_ref(), &entries, now()).await.unwrap();
    let keys: Vec<_> = entries.iter().map(|entry| entry.key.clone()).collect();
    let findings = store.find(&keys, &[], now()).await.unwrap();
    assert_eq!(findings.revoked.iter().flatten().count(), 450);
}

async fn the_shared_clock_runs_forward(store: Arc<impl RevocationStore + RevocationLog>) {
    // The store may have its own clock, so its time is not compared with that of the tests.
    let first = store.shared_time(now()).await.unwrap();
    let second = store.shared_time(later(1)).await.unwrap();
    assert!(second >= first, "{second} comes before {first}");
    assert!(first > jiff::Timestamp::UNIX_EPOCH);
}

async fn a_listing_goes_on_where_it_stopped(store: Arc<impl RevocationStore + RevocationLog>) {
    let entries: Vec<_> = (0..25).map(|n| revoked_token(&format!("j{n}"), 60)).collect();
    revoke(store.as_ref(), &entries, now()).await.unwrap();
    revoke(
        store.as_ref(),
        &[
            user_cutoff("u", 0, 60),
            revocation(RevocationKey::Session("s".into()), 60),
        ],
        now(),
    )
    .await
    .unwrap();
    let expected: BTreeSet<_> = entries.iter().map(|entry| entry.key.clone()).collect();
    for limit in [1, 7, 25, 100] {
        let mut listed = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let (page, next) = store.list(None, after.as_deref(), limit, now()).await.unwrap();
            assert!(
                page.len() <= usize::try_from(limit).unwrap(),
                "{} of {limit}",
                page.len()
            );
            listed.extend(page);
            after = next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(listed.len(), 25, "limit {limit}");
        assert_eq!(
            listed.into_iter().map(|entry| entry.key).collect::<BTreeSet<_>>(),
            expected
        );
    }
}

async fn a_listing_is_of_one_user_where_asked(store: Arc<impl RevocationStore + RevocationLog>) {
    for (n, user) in HOSTILE_USER_IDS.iter().enumerate() {
        let entry = Revocation {
            subject: Some(subject(user)),
            ..revoked_token(&format!("j{n}"), 60)
        };
        revoke(store.as_ref(), &[entry], now()).await.unwrap();
    }
    for (n, user) in HOSTILE_USER_IDS.iter().enumerate() {
        let (listed, _) = store.list(Some(&subject(user)), None, 100, now()).await.unwrap();
        assert_eq!(listed.len(), 1, "{user:?}");
        assert_eq!(listed[0].key, token_key(&format!("j{n}")));
        assert_eq!(listed[0].subject, Some(subject(user)));
        assert_eq!(
            (listed[0].reason, listed[0].revoked_at),
            (RevocationReason::Logout, now())
        );
    }
    let (listed, _) = store.list(None, None, 100, later(61)).await.unwrap();
    assert_eq!(listed, [], "what has expired is not listed");
}

async fn a_purge_takes_nothing_that_lives(store: Arc<impl RevocationStore + RevocationLog>) {
    let entries = [
        revoked_token("a", 100),
        user_cutoff("u", 0, 100),
        revocation(RevocationKey::Session("s".into()), 100),
    ];
    revoke(store.as_ref(), &entries, now()).await.unwrap();
    assert_eq!(store.purge(later(99)).await.unwrap(), 0);
    let keys: Vec<_> = entries.iter().map(|entry| entry.key.clone()).collect();
    let findings = store.find(&keys, &[], later(99)).await.unwrap();
    assert_eq!(findings.revoked.iter().flatten().count(), 3);
}

async fn the_tokens_of_a_user_are_noted(store: Arc<impl RevocationStore + RevocationLog>) {
    for (n, user) in HOSTILE_USER_IDS.iter().enumerate() {
        for jti in [format!("a{n}"), format!("b{n}"), format!("a{n}")] {
            store
                .record_user_token(&subject(user), &TokenKey::from_jti(&jti), later(60), now())
                .await
                .unwrap();
        }
    }
    for (n, user) in HOSTILE_USER_IDS.iter().enumerate() {
        let mut recorded = store.user_tokens(&subject(user)).await.unwrap();
        recorded.sort();
        assert_eq!(
            recorded,
            [
                TokenKey::from_jti(&format!("a{n}")),
                TokenKey::from_jti(&format!("b{n}"))
            ],
            "{user:?}"
        );
    }
    for n in 0..1_100_u64 {
        let key = TokenKey::from_jti(&format!("t{n}"));
        store
            .record_user_token(&subject("many"), &key, later(60 + n), now())
            .await
            .unwrap();
    }
    let recorded = store.user_tokens(&subject("many")).await.unwrap();
    assert_eq!(recorded.len(), 1_000);
    assert!(
        recorded.contains(&TokenKey::from_jti("t1099")) && !recorded.contains(&TokenKey::from_jti("t99"))
    );
}

fn exemption(key: RevocationKey, began: u64, seconds: u64) -> CutoffExemption {
    CutoffExemption {
        key,
        began_at: later(began),
        expires_at: later(seconds),
        subject: Some(subject("u1")),
    }
}

//! The contract of `RevocationStore`.

use std::collections::BTreeSet;
use std::sync::Arc;

use maxlab_auth_core::revocation::{
    Found, Party, Reason, Revocation, RevocationKey, RevocationLog, RevocationStore, Spare, TokenKey,
};

use super::given::{HOSTILE, cut_off, later, now, revoke, revoked, revoked_token, spare};
use super::{cases, revocation_races};

/// Holds a revocation store to its contract; `make` makes an empty one.
pub async fn revocations<S: RevocationStore + RevocationLog + 'static>(make: impl AsyncFn() -> S) {
    cases!(make:
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

pub(super) fn token(jti: &str) -> RevocationKey {
    RevocationKey::Token(TokenKey::from_jti(jti))
}

fn found(reason: Reason) -> Option<Found> {
    Some(Found { reason, cutoff: None })
}

async fn an_empty_store_knows_nothing_and_says_so(store: Arc<impl RevocationStore + RevocationLog>) {
    let keys = [token("a"), RevocationKey::user("u")];
    let findings = store.find(&keys, &keys[..1], now()).await.unwrap();
    assert_eq!(findings.revoked, [None, None]);
    assert_eq!(findings.spared, [None]);
    assert_eq!(findings.epoch, None);
    assert_eq!(store.list(None, None, 10, now()).await.unwrap(), (vec![], None));
    assert_eq!(store.user_tokens("u").await.unwrap(), []);
}

async fn what_is_found_stands_in_the_order_that_was_asked(store: Arc<impl RevocationStore + RevocationLog>) {
    let session = RevocationKey::Session("s".into());
    let client = RevocationKey::Before(Party::Client("c".into()));
    let issuer = RevocationKey::Before(Party::Issuer("https://as.example/".into()));
    let orders = [
        Revocation {
            reason: Reason::Admin,
            ..revoked_token("a", 60)
        },
        Revocation {
            reason: Reason::SessionTerminated,
            ..revoked(session.clone(), 60)
        },
        Revocation {
            cutoff: Some(later(1)),
            user_id: None,
            ..revoked(client.clone(), 60)
        },
        Revocation {
            cutoff: Some(later(2)),
            reason: Reason::Admin,
            ..revoked(issuer.clone(), 60)
        },
        cut_off("u", 3, 60),
    ];
    revoke(store.as_ref(), &orders, now()).await.unwrap();
    let spares = [spared(session.clone(), 7, 60), spared(token("b"), 8, 60)];
    spare(store.as_ref(), &spares, now()).await.unwrap();

    let asked = [
        issuer,
        token("b"),
        session.clone(),
        token("a"),
        client,
        RevocationKey::user("u"),
        token("a"),
    ];
    let findings = store
        .find(&asked, &[token("b"), token("a"), session], now())
        .await
        .unwrap();
    let cutoff = |reason, at| {
        Some(Found {
            reason,
            cutoff: Some(later(at)),
        })
    };
    assert_eq!(
        findings.revoked,
        [
            cutoff(Reason::Admin, 2),
            None,
            found(Reason::SessionTerminated),
            found(Reason::Admin),
            cutoff(Reason::Logout, 1),
            cutoff(Reason::LogoutAll, 3),
            found(Reason::Admin),
        ]
    );
    assert_eq!(findings.spared, [Some(later(8)), None, Some(later(7))]);
}

async fn an_expiry_is_never_shortened(store: Arc<impl RevocationStore + RevocationLog>) {
    let named = RevocationKey::Session("s".into());
    for seconds in [100, 10, 1_000, 1] {
        let orders = [
            revoked_token("a", seconds),
            revoked(named.clone(), seconds),
            cut_off("u", 0, seconds),
        ];
        revoke(store.as_ref(), &orders, now()).await.unwrap();
    }
    let findings = store
        .find(&[token("a"), named, RevocationKey::user("u")], &[], later(999))
        .await
        .unwrap();
    assert!(findings.revoked.iter().all(Option::is_some), "{findings:?}");
    let (listed, _) = store.list(None, None, 10, now()).await.unwrap();
    assert!(listed[0].expires_at >= later(1_000), "{listed:?}");
    assert!(listed[0].expires_at < later(1_002), "{listed:?}");
}

async fn a_cut_off_is_never_narrowed(store: Arc<impl RevocationStore + RevocationLog>) {
    for (at, stands) in [(50, 50), (20, 50), (51, 51), (0, 51)] {
        revoke(store.as_ref(), &[cut_off("u", at, 100 - at)], now())
            .await
            .unwrap();
        let findings = store.find(&[RevocationKey::user("u")], &[], now()).await.unwrap();
        assert_eq!(
            findings.revoked[0].as_ref().unwrap().cutoff,
            Some(later(stands)),
            "after {at}"
        );
    }
}

async fn a_spare_is_never_narrowed(store: Arc<impl RevocationStore + RevocationLog>) {
    for (began, stands) in [(5, 5), (2, 5), (9, 9)] {
        spare(store.as_ref(), &[spared(token("a"), began, 100 - began)], now())
            .await
            .unwrap();
        let findings = store.find(&[], &[token("a")], now()).await.unwrap();
        assert_eq!(findings.spared, [Some(later(stands))], "after {began}");
    }
}

async fn names_and_kinds_keep_apart(store: Arc<impl RevocationStore + RevocationLog>) {
    let long = "김".repeat(340);
    let names: Vec<&str> = HOSTILE.into_iter().chain([long.as_str()]).collect();
    let of_kind: [fn(&str) -> RevocationKey; 5] = [
        token,
        |name| RevocationKey::Session(name.into()),
        |name| RevocationKey::user(name),
        |name| RevocationKey::Before(Party::Client(name.into())),
        |name| RevocationKey::Before(Party::Issuer(name.into())),
    ];
    let keys: Vec<_> = names.iter().flat_map(|name| of_kind.map(|of| of(name))).collect();
    for (index, key) in keys.iter().enumerate() {
        let before = store.find(std::slice::from_ref(key), &[], now()).await.unwrap();
        assert_eq!(before.revoked, [None], "{key} of {index} others");
        let cutoff = key.is_cutoff().then(now);
        let order = Revocation {
            cutoff,
            user_id: Some(long.clone()),
            ..revoked(key.clone(), 60)
        };
        revoke(store.as_ref(), &[order], now()).await.unwrap();
    }
    let findings = store.find(&keys, &[], now()).await.unwrap();
    assert!(findings.revoked.iter().all(Option::is_some));
}

async fn a_large_batch_is_found_whole(store: Arc<impl RevocationStore + RevocationLog>) {
    let orders: Vec<_> = (0..450).map(|n| revoked_token(&format!("j{n}"), 60)).collect();
    revoke(store.as_ref(), &orders, now()).await.unwrap();
    let keys: Vec<_> = orders.iter().map(|order| order.key.clone()).collect();
    let findings = store.find(&keys, &[], now()).await.unwrap();
    assert_eq!(findings.revoked.iter().flatten().count(), 450);
}

async fn the_shared_clock_runs_forward(store: Arc<impl RevocationStore + RevocationLog>) {
    // The store may have a clock of its own, whose time is not that of these tests.
    let first = store.shared_time(now()).await.unwrap();
    let second = store.shared_time(later(1)).await.unwrap();
    assert!(second >= first, "{second} comes before {first}");
    assert!(first > jiff::Timestamp::UNIX_EPOCH);
}

async fn a_listing_goes_on_where_it_stopped(store: Arc<impl RevocationStore + RevocationLog>) {
    let orders: Vec<_> = (0..25).map(|n| revoked_token(&format!("j{n}"), 60)).collect();
    revoke(store.as_ref(), &orders, now()).await.unwrap();
    revoke(
        store.as_ref(),
        &[
            cut_off("u", 0, 60),
            revoked(RevocationKey::Session("s".into()), 60),
        ],
        now(),
    )
    .await
    .unwrap();
    let expected: BTreeSet<_> = orders.iter().map(|order| order.key.clone()).collect();
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
            listed.into_iter().map(|order| order.key).collect::<BTreeSet<_>>(),
            expected
        );
    }
}

async fn a_listing_is_of_one_user_where_asked(store: Arc<impl RevocationStore + RevocationLog>) {
    for (n, user) in HOSTILE.iter().enumerate() {
        let order = Revocation {
            user_id: Some((*user).into()),
            ..revoked_token(&format!("j{n}"), 60)
        };
        revoke(store.as_ref(), &[order], now()).await.unwrap();
    }
    for (n, user) in HOSTILE.iter().enumerate() {
        let (listed, _) = store.list(Some(user), None, 100, now()).await.unwrap();
        assert_eq!(listed.len(), 1, "{user:?}");
        assert_eq!(listed[0].key, token(&format!("j{n}")));
        assert_eq!(listed[0].user_id.as_deref(), Some(*user));
        assert_eq!((listed[0].reason, listed[0].revoked_at), (Reason::Logout, now()));
    }
    let (listed, _) = store.list(None, None, 100, later(61)).await.unwrap();
    assert_eq!(listed, [], "what has expired is not listed");
}

async fn a_purge_takes_nothing_that_lives(store: Arc<impl RevocationStore + RevocationLog>) {
    let orders = [
        revoked_token("a", 100),
        cut_off("u", 0, 100),
        revoked(RevocationKey::Session("s".into()), 100),
    ];
    revoke(store.as_ref(), &orders, now()).await.unwrap();
    assert_eq!(store.purge(later(99)).await.unwrap(), 0);
    let keys: Vec<_> = orders.iter().map(|order| order.key.clone()).collect();
    let findings = store.find(&keys, &[], later(99)).await.unwrap();
    assert_eq!(findings.revoked.iter().flatten().count(), 3);
}

async fn the_tokens_of_a_user_are_noted(store: Arc<impl RevocationStore + RevocationLog>) {
    for (n, user) in HOSTILE.iter().enumerate() {
        for jti in [format!("a{n}"), format!("b{n}"), format!("a{n}")] {
            store
                .note_user_token(user, &TokenKey::from_jti(&jti), later(60), now())
                .await
                .unwrap();
        }
    }
    for (n, user) in HOSTILE.iter().enumerate() {
        let mut noted = store.user_tokens(user).await.unwrap();
        noted.sort();
        assert_eq!(
            noted,
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
            .note_user_token("many", &key, later(60 + n), now())
            .await
            .unwrap();
    }
    let noted = store.user_tokens("many").await.unwrap();
    assert_eq!(noted.len(), 1_000);
    assert!(noted.contains(&TokenKey::from_jti("t1099")) && !noted.contains(&TokenKey::from_jti("t99")));
}

fn spared(key: RevocationKey, began: u64, seconds: u64) -> Spare {
    Spare {
        key,
        began_at: later(began),
        expires_at: later(seconds),
        user_id: "u1".into(),
    }
}

//! The replica against plain maps, through any sequence of what can happen to it.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::revocation::{Found, Party};

#[derive(Clone, Debug)]
enum Event {
    Revoke {
        key: RevocationKey,
        cutoff: i64,
        reason: Reason,
        expiry: i64,
    },
    Spare {
        key: RevocationKey,
        began: i64,
        expiry: i64,
    },
    Sweep {
        budget: usize,
    },
    Pass {
        seconds: i64,
    },
}

/// What stands recorded: moment, reason, expiry.
#[derive(Debug, Default)]
struct Model {
    revoked: HashMap<RevocationKey, (Option<i64>, Reason, i64)>,
    spared: HashMap<RevocationKey, (i64, i64)>,
}

fn key() -> impl Strategy<Value = RevocationKey> {
    (0..5, 0..25).prop_map(|(kind, number)| {
        let text = format!("n{number}");
        match kind {
            0 => token(&text),
            1 => RevocationKey::Session(text),
            2 => RevocationKey::user(text),
            3 => RevocationKey::Before(Party::Client(text)),
            _ => RevocationKey::Before(Party::Issuer(text)),
        }
    })
}

fn reason() -> impl Strategy<Value = Reason> {
    prop::sample::select(vec![
        Reason::Revoked,
        Reason::Logout,
        Reason::LogoutAll,
        Reason::Admin,
        Reason::Other,
    ])
}

fn event() -> impl Strategy<Value = Event> {
    let expiry = 1..100_i64;
    prop_oneof![
        6 => (key(), 0..50_i64, reason(), expiry.clone())
            .prop_map(|(key, cutoff, reason, expiry)| Event::Revoke { key, cutoff, reason, expiry }),
        2 => (key(), 0..50_i64, expiry).prop_map(|(key, began, expiry)| Event::Spare { key, began, expiry }),
        1 => (0..100_000_usize).prop_map(|budget| Event::Sweep { budget }),
        2 => (1..20_i64).prop_map(|seconds| Event::Pass { seconds }),
    ]
}

impl Model {
    fn revoke(&mut self, key: RevocationKey, cutoff: i64, reason: Reason, expiry: i64) {
        let cutoff = key.is_cutoff().then_some(cutoff);
        let standing = self.revoked.entry(key).or_insert((cutoff, reason, expiry));
        let later = if cutoff.is_some() {
            cutoff > standing.0
        } else {
            expiry > standing.2
        };
        if later {
            (standing.0, standing.1) = (cutoff, reason);
        }
        standing.2 = standing.2.max(expiry);
    }

    fn spare(&mut self, key: RevocationKey, began: i64, expiry: i64) {
        let standing = self.spared.entry(key).or_insert((began, expiry));
        *standing = (standing.0.max(began), standing.1.max(expiry));
    }
}

fn check(replica: &Replica, model: &Model, key: &RevocationKey, now: i64) -> Result<(), TestCaseError> {
    let name = replica.fingerprint(key);
    let found = model.revoked.get(key).filter(|(.., expiry)| *expiry > now);
    let found = found.map(|(cutoff, reason, _)| Found {
        reason: *reason,
        cutoff: cutoff.map(at),
    });
    prop_assert_eq!(replica.revoked(name, at(now)), found, "{} at {}", key, now);
    let spared = model.spared.get(key).filter(|(_, expiry)| *expiry > now);
    prop_assert_eq!(replica.spared(name, at(now)), spared.map(|(began, _)| at(*began)));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_replica_answers_as_plain_maps_would(
        events in prop::collection::vec(event(), 1..200),
        asked in prop::collection::vec(key(), 30),
    ) {
        let (replica, mut model, mut now) = (replica(), Model::default(), 0);
        for event in events {
            match event {
                Event::Revoke { key, cutoff, reason, expiry } => {
                    let moment = key.is_cutoff().then_some(cutoff);
                    replica.apply(&revoked(key.clone(), moment, reason, now + expiry));
                    model.revoke(key, cutoff, reason, now + expiry);
                }
                Event::Spare { key, began, expiry } => {
                    replica.apply(&spared(key.clone(), began, now + expiry));
                    model.spare(key, began, now + expiry);
                }
                Event::Sweep { budget } => {
                    replica.sweep(at(now), budget);
                }
                Event::Pass { seconds } => {
                    now += seconds;
                    // What has expired may be gone or may not; it is swept here, so that both know the same.
                    sweep_all(&replica, now);
                    model.revoked.retain(|_, (.., expiry)| *expiry > now);
                    model.spared.retain(|_, (_, expiry)| *expiry > now);
                }
            }
            for key in &asked {
                check(&replica, &model, key, now)?;
            }
        }
        let stats = replica.stats();
        let named = model.revoked.keys().filter(|key| !key.is_cutoff()).count();
        prop_assert_eq!(stats.tokens + stats.sessions, named);
        prop_assert_eq!(stats.cutoffs, model.revoked.len() - named);
        prop_assert_eq!(stats.spares, model.spared.len());
    }
}

//! Comparison of the replica with plain maps, for any sequence of events.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::revocation::FoundRevocation;
use crate::verdict::CutoffScope;

#[derive(Clone, Debug)]
enum Event {
    Revoke {
        key: RevocationKey,
        cutoff: i64,
        reason: RevocationReason,
        expiry: i64,
    },
    Exempt {
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

/// Recorded entries: time of the cut-off or of the login, reason, expiry.
#[derive(Debug, Default)]
struct Model {
    revoked: HashMap<RevocationKey, (Option<i64>, RevocationReason, i64)>,
    exempted: HashMap<RevocationKey, (i64, i64)>,
}

fn key() -> impl Strategy<Value = RevocationKey> {
    (0..5, 0..25).prop_map(|(kind, number)| {
        let text = format!("n{number}");
        match kind {
            0 => token(&text),
            1 => RevocationKey::Session(text),
            2 => RevocationKey::user(&Subject::of_default(text)),
            3 => RevocationKey::Cutoff(CutoffScope::Client(text)),
            _ => RevocationKey::Cutoff(CutoffScope::Issuer(text)),
        }
    })
}

fn reason() -> impl Strategy<Value = RevocationReason> {
    prop::sample::select(vec![
        RevocationReason::Revoked,
        RevocationReason::Logout,
        RevocationReason::LogoutAll,
        RevocationReason::Admin,
        RevocationReason::Other,
    ])
}

fn event() -> impl Strategy<Value = Event> {
    let expiry = 1..100_i64;
    prop_oneof![
        6 => (key(), 0..50_i64, reason(), expiry.clone())
            .prop_map(|(key, cutoff, reason, expiry)| Event::Revoke { key, cutoff, reason, expiry }),
        2 => (key(), 0..50_i64, expiry).prop_map(|(key, began, expiry)| Event::Exempt { key, began, expiry }),
        1 => (0..100_000_usize).prop_map(|budget| Event::Sweep { budget }),
        2 => (1..20_i64).prop_map(|seconds| Event::Pass { seconds }),
    ]
}

impl Model {
    fn revoke(&mut self, key: RevocationKey, cutoff: i64, reason: RevocationReason, expiry: i64) {
        let cutoff = key.is_cutoff().then_some(cutoff);
        let entry = self.revoked.entry(key).or_insert((cutoff, reason, expiry));
        let is_later = if cutoff.is_some() {
            cutoff > entry.0
        } else {
            expiry > entry.2
        };
        if is_later {
            (entry.0, entry.1) = (cutoff, reason);
        }
        entry.2 = entry.2.max(expiry);
    }

    fn exempt(&mut self, key: RevocationKey, began: i64, expiry: i64) {
        let entry = self.exempted.entry(key).or_insert((began, expiry));
        *entry = (entry.0.max(began), entry.1.max(expiry));
    }
}

fn check(replica: &Replica, model: &Model, key: &RevocationKey, now: i64) -> Result<(), TestCaseError> {
    let name = replica.fingerprint(key);
    let found = model.revoked.get(key).filter(|(.., expiry)| *expiry > now);
    let found = found.map(|(cutoff, reason, _)| FoundRevocation {
        reason: *reason,
        cutoff: cutoff.map(at),
    });
    prop_assert_eq!(replica.revoked(name, at(now)), found, "{} at {}", key, now);
    let exempted = model.exempted.get(key).filter(|(_, expiry)| *expiry > now);
    prop_assert_eq!(
        replica.exempt_since(name, at(now)),
        exempted.map(|(began, _)| at(*began))
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_replica_answers_as_plain_maps_would(
        events in prop::collection::vec(event(), 1..200),
        looked_up in prop::collection::vec(key(), 30),
    ) {
        let (replica, mut model, mut now) = (replica(), Model::default(), 0);
        for event in events {
            match event {
                Event::Revoke { key, cutoff, reason, expiry } => {
                    let time = key.is_cutoff().then_some(cutoff);
                    replica.apply(&revoked(key.clone(), time, reason, now + expiry));
                    model.revoke(key, cutoff, reason, now + expiry);
                }
                Event::Exempt { key, began, expiry } => {
                    replica.apply(&exempted(key.clone(), began, now + expiry));
                    model.exempt(key, began, now + expiry);
                }
                Event::Sweep { budget } => {
                    replica.sweep(at(now), budget);
                }
                Event::Pass { seconds } => {
                    now += seconds;
                    // An expired entry may be removed at any time. Swept here, so that both have the same
                    // entries.
                    sweep_all(&replica, now);
                    model.revoked.retain(|_, (.., expiry)| *expiry > now);
                    model.exempted.retain(|_, (_, expiry)| *expiry > now);
                }
            }
            for key in &looked_up {
                check(&replica, &model, key, now)?;
            }
        }
        let stats = replica.stats();
        let named = model.revoked.keys().filter(|key| !key.is_cutoff()).count();
        prop_assert_eq!(stats.tokens + stats.sessions, named);
        prop_assert_eq!(stats.cutoffs, model.revoked.len() - named);
        prop_assert_eq!(stats.exemptions, model.exempted.len());
    }
}

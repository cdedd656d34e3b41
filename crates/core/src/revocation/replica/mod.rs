//! Placeholder until the exact index is merged.
use super::key::RevocationKey;
use super::record::{JournalEntry, Reason};
use super::store::Found;
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::RwLock;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(u128);

#[derive(Debug, Default)]
pub struct Replica {
    named: RwLock<HashMap<u128, (Found, Timestamp)>>,
    spared: RwLock<HashMap<u128, (Timestamp, Timestamp)>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplicaStats {
    pub tokens: u64,
    pub sessions: u64,
    pub cutoffs: u64,
    pub spares: u64,
    pub bytes: u64,
}

impl Replica {
    pub fn new(_secret: [u8; 16]) -> Self {
        Self::default()
    }
    pub fn fingerprint(&self, key: &RevocationKey) -> Fingerprint {
        let digest = crate::credential::sha256(key.to_string().as_bytes());
        let mut out = [0; 16];
        out.copy_from_slice(&digest[..16]);
        Fingerprint(u128::from_le_bytes(out))
    }
    pub fn revoked(&self, name: Fingerprint, now: Timestamp) -> Option<Found> {
        self.named
            .read()
            .ok()?
            .get(&name.0)
            .filter(|(_, until)| *until > now)
            .map(|(f, _)| f.clone())
    }
    pub fn spared(&self, name: Fingerprint, now: Timestamp) -> Option<Timestamp> {
        self.spared
            .read()
            .ok()?
            .get(&name.0)
            .filter(|(_, until)| *until > now)
            .map(|(b, _)| *b)
    }
    pub fn apply(&self, entry: &JournalEntry) {
        match entry {
            JournalEntry::Revoked(order) => {
                let name = self.fingerprint(&order.key).0;
                let cutoff = order
                    .key
                    .is_cutoff()
                    .then(|| order.cutoff.unwrap_or(order.revoked_at));
                if let Ok(mut map) = self.named.write() {
                    let slot = map.entry(name).or_insert((
                        Found {
                            reason: order.reason,
                            cutoff,
                        },
                        order.expires_at,
                    ));
                    slot.1 = slot.1.max(order.expires_at);
                    if cutoff > slot.0.cutoff {
                        slot.0 = Found {
                            reason: order.reason,
                            cutoff,
                        };
                    }
                }
            }
            JournalEntry::Spared(spare) => {
                let name = self.fingerprint(&spare.key).0;
                if let Ok(mut map) = self.spared.write() {
                    let slot = map.entry(name).or_insert((spare.began_at, spare.expires_at));
                    slot.0 = slot.0.max(spare.began_at);
                    slot.1 = slot.1.max(spare.expires_at);
                }
            }
        }
    }
    pub fn sweep(&self, _now: Timestamp, _budget: usize) -> usize {
        let _ = Reason::Other;
        0
    }
    pub fn stats(&self) -> ReplicaStats {
        ReplicaStats::default()
    }
}

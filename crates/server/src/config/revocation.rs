//! Revocation: how it is asked for on each request, and how long what was revoked is remembered.

use std::time::Duration;

use super::parse::{choice, number, seconds};
use super::reader::Reader;
use super::reference::DefaultValue::Value;
use super::reference::SettingDoc;

pub(super) const DOCS: &[SettingDoc] = &[
    SettingDoc::new(
        "REVOCATION_READS",
        "replica or direct",
        Value("replica"),
        "Whether a request asks this instance's exact replica, or the store each time (beside a Python deployment).",
    ),
    SettingDoc::new(
        "REVOCATION_LEASE_SECONDS",
        "seconds",
        Value("5"),
        "How long an instance cut off from the store goes on answering, and the longest a revoke waits for a lost one.",
    ),
    SettingDoc::new(
        "REVOCATION_RETENTION_DAYS",
        "days",
        Value("400"),
        "How long cut-offs are kept. Longer than any token lives.",
    ),
];

/// What a request asks whether its credential is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevocationReads {
    /// The exact index in memory, while its lease is live.
    Replica,
    /// The store.
    Direct,
}

/// The settings of revocation.
#[derive(Debug, Clone, Copy)]
pub struct RevocationSettings {
    /// `REVOCATION_READS`.
    pub reads: RevocationReads,
    /// `REVOCATION_LEASE_SECONDS`.
    pub lease: Duration,
    /// `REVOCATION_RETENTION_DAYS`.
    pub retention: Duration,
}

pub(super) fn read(reader: &mut Reader<'_>) -> Option<RevocationSettings> {
    let ways = [
        ("replica", RevocationReads::Replica),
        ("direct", RevocationReads::Direct),
    ];
    let reads = reader.required("REVOCATION_READS", choice(&ways));
    let lease = reader.required("REVOCATION_LEASE_SECONDS", seconds(1..=300));
    let days = reader.required("REVOCATION_RETENTION_DAYS", number(1..=3650_u64));
    Some(RevocationSettings {
        reads: reads?,
        lease: lease?,
        retention: Duration::from_secs(days? * 86_400),
    })
}

//! Settings of revocation: where a request is checked, and how long revocations are kept.

use std::time::Duration;

use super::reader::SettingsReader;
use super::reference::DefaultValue::Value;
use super::reference::SettingDoc;
use super::value_parsers::{choice, number, seconds};

pub(super) const DOCS: &[SettingDoc] = &[
    SettingDoc::new(
        "REVOCATION_READS",
        "replica or direct",
        Value("replica"),
        "Whether a request is checked against this instance's exact replica, or against the store each time (with a Python deployment on the same Redis).",
    ),
    SettingDoc::new(
        "REVOCATION_LEASE_SECONDS",
        "seconds",
        Value("5"),
        "How long an instance that has lost the store continues to answer, and the longest time that a revoke waits for a lost instance.",
    ),
    SettingDoc::new(
        "REVOCATION_RETENTION_DAYS",
        "days",
        Value("400"),
        "How long cut-offs are kept. Must be longer than the life of any token.",
    ),
    SettingDoc::new(
        "REVOKE_UNPROVEN_SECONDS",
        "seconds",
        Value("600"),
        "How long POST /oauth/revoke refuses a token that nothing proves and that the authorization server does not know.",
    ),
    SettingDoc::new(
        "REVOKE_UNPROVEN_MAX",
        "number",
        Value("10000"),
        "Maximum of such tokens that are refused at the same time, on all instances together. Beyond it a revoke is 503.",
    ),
];

/// Place where a request checks whether its credential is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevocationReads {
    /// The exact replica in memory, while its lease is valid.
    Replica,
    /// The store, for each request.
    Direct,
}

/// Settings of revocation.
#[derive(Debug, Clone, Copy)]
pub struct RevocationSettings {
    /// `REVOCATION_READS`.
    pub reads: RevocationReads,
    /// `REVOCATION_LEASE_SECONDS`.
    pub lease: Duration,
    /// `REVOCATION_RETENTION_DAYS`.
    pub retention: Duration,
    /// `REVOKE_UNPROVEN_SECONDS`.
    pub unproven_ttl: Duration,
    /// `REVOKE_UNPROVEN_MAX`.
    pub unproven_max: u32,
}

/// Reads the section.
pub(super) fn read(reader: &mut SettingsReader<'_>) -> Option<RevocationSettings> {
    let ways = [
        ("replica", RevocationReads::Replica),
        ("direct", RevocationReads::Direct),
    ];
    let reads = reader.required("REVOCATION_READS", choice(&ways));
    // At most five minutes: a revoke may have to wait for that long.
    let lease = reader.required("REVOCATION_LEASE_SECONDS", seconds(1..=300));
    // 0 is refused: a cut-off that is not kept would have no effect.
    let days = reader.required("REVOCATION_RETENTION_DAYS", number(1..=3650_u64));
    let unproven = reader.required("REVOKE_UNPROVEN_SECONDS", seconds(1..=2_592_000));
    // 0 is allowed: then every revoke of an unproven token is answered 503.
    let unproven_max = reader.required("REVOKE_UNPROVEN_MAX", number(0..=10_000_000_u32));
    Some(RevocationSettings {
        reads: reads?,
        lease: lease?,
        retention: Duration::from_secs(days? * 86_400),
        unproven_ttl: unproven?,
        unproven_max: unproven_max?,
    })
}

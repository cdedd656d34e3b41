//! Memory that the cache counts, compared with the memory that the process takes.

use std::fs;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use quick_cache::sync::Cache;

use super::*;
use crate::identity::{Identity, Issuer, VerificationSource};
use crate::verdict::{ClaimsInterner, CredentialInfo, CutoffScope, IssueTime, RevocationKey, TokenKey};
use crate::verify::VerifyFault;
use crate::verify::cached_verdict::{CachedVerdict, VerdictWeighter};
use crate::verify::layer::TokenRejection;

const MANY: usize = 5_000;

fn info(number: usize) -> CredentialInfo {
    let identity = Identity {
        user_id: format!("user-{number}"),
        issuer: Issuer::DEFAULT,
        email: Some(format!("user-{number}@example.test")),
        name: Some(format!("User {number}")),
        avatar: None,
        roles: vec!["member".into(), "editor".into()],
        permissions: vec![],
        groups: vec!["research".into(), "platform".into()],
        workspaces: vec![],
        scope: vec!["openid".into(), "profile".into()],
        client_id: Some("portal".into()),
        session_id: None,
        sid: None,
        verification_source: VerificationSource::LocalJwt,
        verified_at: Timestamp::UNIX_EPOCH,
    };
    let digest = std::array::from_fn(|_| u8::try_from(number % 251).unwrap());
    CredentialInfo {
        revocation_keys: vec![
            RevocationKey::Token(TokenKey::from_jti(&format!(
                "8c0f1a52-6f0e-4b1e-9d52-{number:012}"
            ))),
            RevocationKey::Token(TokenKey::from_signing_input_digest(&digest)),
            RevocationKey::Token(TokenKey::from_stored(format!("@opaque-{number:064x}"))),
        ],
        own_key_count: 1,
        cutoff_scopes: vec![
            CutoffScope::User(identity.subject()),
            CutoffScope::Client("portal".into()),
            CutoffScope::Issuer("https://issuer.example".into()),
        ],
        identity,
        issue_time: IssueTime::WithinSecond(Timestamp::UNIX_EPOCH),
        expires_at: Some(Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1)),
        session: None,
        key_id: Some("key-1".into()),
    }
}

fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim()
        .strip_suffix("kB")
        .unwrap()
        .trim()
        .parse::<u64>()
        .unwrap()
        * 1_024
}

#[test]
#[cfg(target_os = "linux")]
fn what_is_counted_is_about_what_is_taken() {
    if std::env::var_os("NEXTEST").is_none() {
        eprintln!("skipped: other tests use memory of this process");
        return;
    }
    let interner = ClaimsInterner::default();
    let cache = Cache::with_weighter(MANY, u64::MAX / 2, VerdictWeighter);
    let insert = |number| {
        let token = format!("{number:0900}");
        let verdict = Arc::new(CompactVerdict::new(&token, &info(number), &interner));
        let ttl = Duration::from_secs(9);
        let now = Timestamp::UNIX_EPOCH;
        let cached = CachedVerdict::accepted(Arc::clone(&verdict), now, ttl, Duration::ZERO, None);
        cache.insert(CacheKey::InVerdict(verdict), cached);
    };
    // The tables of the cache and the allocator are set up before the measurement.
    (0..100).for_each(insert);
    let (before, counted) = (resident(), cache.weight());
    (100..MANY).for_each(insert);
    let (taken, counted) = (resident() - before, cache.weight() - counted);
    assert_eq!(cache.len(), MANY);
    // The count is that of the service's allocator. The tests' allocator rounds differently and takes about
    // 6% more, and freed memory is not returned at once.
    assert!(taken * 5 <= counted * 6, "{taken} bytes taken, {counted} counted");
    assert!(counted * 4 <= taken * 5, "{counted} bytes counted, {taken} taken");
}

#[test]
fn a_token_is_found_however_it_is_kept() {
    let token = "a".repeat(900);
    let text_key = CacheKey::Text(token.as_str().into());
    let verdict_key = CacheKey::InVerdict(Arc::new(CompactVerdict::new(
        &token,
        &info(1),
        &ClaimsInterner::default(),
    )));
    assert_eq!(text_key, verdict_key);
    let cache = Cache::with_weighter(16, 1 << 20, VerdictWeighter);
    let fault = VerifyFault::Rejected(TokenRejection::Refused);
    let rejected = CachedVerdict::rejected(fault, Timestamp::UNIX_EPOCH, Duration::from_secs(9));
    for key in [text_key, verdict_key] {
        cache.insert(key, rejected.clone());
        assert_eq!(cache.len(), 1);
        assert!(cache.get(&CacheKeyRef(&token)).is_some());
        for other in [
            "a".repeat(899),
            "a".repeat(901),
            format!("{}b", "a".repeat(899)),
            format!("b{}", "a".repeat(899)),
        ] {
            assert!(cache.get(&CacheKeyRef(&other)).is_none(), "{other}");
        }
    }
}

//! A cached session ends with every limit of the session, and takes little memory.

use super::*;
use crate::credential::{PresentedToken, SessionHandle, SessionId};
use crate::identity::{Identity, Issuer, UpstreamSession, VerificationSource};
use crate::issued_tokens::TokenUse;
use crate::seal::SealedValue;
use crate::session::record::SessionRecord;
use crate::session::{NewSession, SessionToken};
use crate::verdict::{CutoffScope, IssueTime, TokenKey};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(1_790_000_000_000 + millis).unwrap()
}

fn policy(idle_seconds: u64, max_seconds: u64) -> SessionPolicy {
    SessionPolicy {
        idle_timeout: Duration::from_secs(idle_seconds),
        max_lifetime: Duration::from_secs(max_seconds),
        max_per_user: 5,
    }
}

/// A session like those of a large company, which began at 0.
fn session() -> (SessionId, LoadedSession) {
    let id = SessionId::generate().unwrap();
    let key = id.store_key();
    let words = |word: &str, count: usize| (0..count).map(|n| format!("{word}-{n}")).collect::<Vec<_>>();
    let identity = Identity {
        issuer: Issuer::DEFAULT,
        user_id: "8f14e45f-ceea-467f-9c8e-0d2d1b6ca1f0".into(),
        email: Some("ann.example@subsidiary.example.com".into()),
        name: Some("Ann Example of the Example Department".into()),
        avatar: Some("https://pictures.example.com/people/8f14e45f-ceea-467f/large.png".into()),
        roles: words("role", 12),
        permissions: words("permission", 20),
        groups: words("/company/department/group", 20),
        workspaces: words("workspace", 10),
        scope: words("scope", 5),
        client_id: Some("web-application".into()),
        sid: None,
        session_id: None,
        verification_source: VerificationSource::OauthUserinfo,
        verified_at: at(0),
    };
    let access = PresentedToken::parse(&"a".repeat(1_200)).unwrap();
    let new = NewSession {
        identity,
        ip_address: Some("192.0.2.7".into()),
        user_agent: Some("Mozilla/5.0".repeat(10)),
        handle: SessionHandle::generate().unwrap(),
        login_at: at(0),
        tokens: vec![SessionToken::new(
            TokenKey::from_jti("a"),
            TokenUse::Access,
            Issuer::DEFAULT,
            &access,
            None,
        )],
        login: None,
        cutoff_scopes: vec![
            CutoffScope::Client("web-application".into()),
            CutoffScope::Issuer("https://login.example.com/realms/main".into()),
            CutoffScope::UpstreamSession(UpstreamSession::new(Issuer::DEFAULT, "5c1f3c5e-3f6d-4d0b-9d0c")),
        ],
    };
    let loaded = LoadedSession {
        record: SessionRecord::new(new, &key, at(0)),
        presented_key: key.clone(),
        key,
        sealed: SealedValue::from_stored("sealed".into()),
        issued: IssueTime::At(at(0)),
    };
    (id, loaded)
}

/// Caches a session that was loaded at `now`, and returns the first millisecond from then on at which it is
/// not cached.
fn cached_until(ttl: Duration, policy: SessionPolicy, last_used: i64, now: i64) -> i64 {
    let limits = SessionCacheLimits {
        verdict_ttl: ttl,
        cache_bytes: 1 << 20,
    };
    let Some(verdicts) = SessionVerdicts::new(limits) else {
        return now;
    };
    let (id, loaded) = session();
    let info = loaded.to_verified(&policy).into_info();
    verdicts.insert(&loaded, &info, &policy, at(last_used), at(now));
    (now..)
        .find(|time| verdicts.lookup(&id.digest(), at(*time)).is_none())
        .unwrap()
}

#[test]
fn a_cached_session_ends_with_the_first_of_all_its_limits() {
    let long = Duration::from_secs(60);
    for (ttl, policy, last_used, now, until) in [
        (Duration::ZERO, policy(3_600, 86_400), 0, 0, 0),
        (Duration::from_secs(1), policy(3_600, 86_400), 0, 0, 1_000),
        // When its use must be recorded again: a tenth of the idle time.
        (long, policy(2, 86_400), 0, 0, 200),
        (long, policy(2, 86_400), 5_000, 5_050, 5_200),
        // With its idle time, if the use could not be recorded.
        (long, policy(2, 86_400), 0, 1_500, 2_000),
        (Duration::from_secs(1), policy(10, 86_400), 0, 9_100, 10_000),
        // With its age, however often it is used.
        (long, policy(3_600, 10), 9_700, 9_700, 10_000),
        (long, policy(3_600, 10), 10_000, 10_000, 10_000),
    ] {
        assert_eq!(
            cached_until(ttl, policy, last_used, now),
            until,
            "{ttl:?} {policy:?} {now}"
        );
    }
}

#[test]
fn a_cached_session_of_a_clock_that_was_set_back_is_loaded_again() {
    let limits = SessionCacheLimits {
        verdict_ttl: Duration::from_secs(5),
        cache_bytes: 1 << 20,
    };
    let (verdicts, policy) = (SessionVerdicts::new(limits).unwrap(), policy(3_600, 86_400));
    let (id, loaded) = session();
    let info = loaded.to_verified(&policy).into_info();
    verdicts.insert(&loaded, &info, &policy, at(60_000), at(60_000));
    assert!(verdicts.lookup(&id.digest(), at(60_000)).is_some());
    assert!(verdicts.lookup(&id.digest(), at(59_000)).is_none());
}

#[test]
fn a_cached_session_is_what_was_loaded_and_takes_less_than_a_kibibyte_and_a_half() {
    let policy = policy(3_600, 86_400);
    let (id, loaded) = session();
    let info = loaded.to_verified(&policy).into_info();
    let verdict = CompactVerdict::new("", &info, &ClaimsInterner::default());
    assert_eq!(verdict.to_info(), *info);
    let limits = SessionCacheLimits {
        verdict_ttl: Duration::from_secs(5),
        cache_bytes: 1 << 20,
    };
    let verdicts = SessionVerdicts::new(limits).unwrap();
    verdicts.insert(&loaded, &info, &policy, at(0), at(0));
    let weight = verdicts.cache.weight();
    assert!((1..1_536).contains(&weight), "{weight}");
    verdicts.remove(&loaded.key.digest().unwrap());
    assert!(verdicts.lookup(&id.digest(), at(0)).is_none());
}

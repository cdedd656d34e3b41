//! A compact verdict loses nothing, shares what tokens have in common, and counts the memory that it takes.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::identity::{Subject, UpstreamSession};
use crate::verdict::{CutoffScope, RevocationKey, TokenKey};

fn time() -> impl Strategy<Value = Timestamp> {
    let seconds = Timestamp::MIN.as_second()..=Timestamp::MAX.as_second();
    (seconds, 0..1_000_000_000_i32)
        .prop_map(|(second, nanosecond)| Timestamp::new(second, nanosecond).unwrap_or_default())
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    vec(any::<String>(), 0..4)
}

prop_compose! {
    fn identity()(
        (user_id, email, name, avatar) in any::<(String, Option<String>, Option<String>, Option<String>)>(),
        (client_id, session_id, sid) in any::<(Option<String>, Option<String>, Option<String>)>(),
        (roles, permissions, groups) in (texts(), texts(), texts()),
        (workspaces, scope) in (texts(), texts()),
        source in prop::sample::select(vec![
            VerificationSource::OauthUserinfo,
            VerificationSource::TraditionalAuth,
            VerificationSource::Introspection,
            VerificationSource::LocalJwt,
        ]),
        issuer in prop::sample::select(vec!["", "https://one.example", "https://two.example"]),
        verified_at in time(),
    ) -> Identity {
        Identity {
            user_id, issuer: Issuer::of(None, issuer), email, name, avatar, roles, permissions, groups, workspaces, scope, client_id, session_id, sid,
            verification_source: source, verified_at,
        }
    }
}

/// Keys of every kind, of this identity and of others.
fn keys(identity: &Identity) -> impl Strategy<Value = Vec<RevocationKey>> + use<> {
    let token = prop_oneof![
        any::<[u8; 32]>().prop_map(|digest| TokenKey::from_signing_input_digest(&digest)),
        any::<[u8; 32]>().prop_map(|digest| TokenKey::from_token_digest(&digest)),
        any::<String>().prop_map(|jti| TokenKey::from_jti(&jti)),
        "@(jws|opaque)-[0-9a-fA-F]{0,66}".prop_map(TokenKey::from_stored),
    ];
    let own = [
        Some(identity.user_id.clone()),
        identity.client_id.clone(),
        identity.session_id.clone(),
        identity.sid.clone(),
    ];
    let id = prop_oneof![
        prop::sample::select(own.into_iter().flatten().collect::<Vec<_>>()),
        any::<String>(),
    ];
    let issuer = prop_oneof![
        Just(identity.issuer.clone()),
        Just(Issuer::DEFAULT),
        any::<String>().prop_map(|url| Issuer::of(None, &url)),
    ];
    let qualified = (issuer, id.clone());
    let key = prop_oneof![
        token.prop_map(RevocationKey::Token),
        id.clone().prop_map(RevocationKey::Session),
        qualified
            .clone()
            .prop_map(|(issuer, id)| RevocationKey::user(&Subject::new(issuer, id))),
        qualified.prop_map(|(issuer, sid)| {
            let session = UpstreamSession::new(issuer, sid);
            RevocationKey::Cutoff(CutoffScope::UpstreamSession(session))
        }),
        id.clone()
            .prop_map(|id| RevocationKey::Cutoff(CutoffScope::Client(id))),
        id.prop_map(|id| RevocationKey::Cutoff(CutoffScope::Issuer(id))),
        Just(RevocationKey::Cutoff(CutoffScope::Everything)),
    ];
    vec(key, 0..8)
}

fn issue_time() -> impl Strategy<Value = IssueTime> {
    prop_oneof![
        Just(IssueTime::Unknown),
        time().prop_map(IssueTime::At),
        time().prop_map(IssueTime::WithinSecond)
    ]
}

prop_compose! {
    fn info()(identity in identity())(
        revocation_keys in keys(&identity),
        scopes in keys(&identity),
        own_key_count in 0..9_usize,
        (issue_time, expires_at) in (issue_time(), option::of(time())),
        session in option::of("[0-9a-f]{32}"),
        key_id in any::<Option<String>>(),
        identity in Just(identity),
    ) -> CredentialInfo {
        let scopes = scopes.into_iter().filter_map(|key| match key {
            RevocationKey::Cutoff(scope) => Some(scope),
            RevocationKey::Token(_) | RevocationKey::Session(_) => None,
        });
        CredentialInfo {
            identity, revocation_keys, own_key_count, issue_time, expires_at, key_id,
            cutoff_scopes: scopes.collect(),
            session: session.as_deref().and_then(SessionHandle::parse),
        }
    }
}

proptest! {
    #[test]
    fn nothing_is_lost(token in "[a-zA-Z0-9._-]{1,2000}", info in info()) {
        let interner = ClaimsInterner::default();
        let verdict = CompactVerdict::new(&token, &info, &interner);
        prop_assert_eq!(&verdict.to_info(), &info);
        prop_assert_eq!(&verdict.to_identity(), &info.identity);
        prop_assert_eq!(verdict.expires_at(), info.expires_at);
        prop_assert_eq!(verdict.source(), info.identity.verification_source);
        prop_assert_eq!(verdict.token_parts(), split_token(&token));
        prop_assert_eq!([verdict.token_parts().0, verdict.token_parts().1].concat(), token.as_bytes());
        let subject = verdict.subject();
        let identity = &info.identity;
        prop_assert_eq!(
            (subject.user_id, subject.name, subject.email),
            (&*identity.user_id, identity.name.as_deref(), identity.email.as_deref())
        );
        let owner = identity.subject();
        prop_assert_eq!(subject.storage_name(), owner.storage_name());
        prop_assert_eq!(verdict.entitlements().groups, &identity.groups);
        // The reported size counts every byte.
        prop_assert!(verdict.memory_bytes() > verdict.front.len() + verdict.back.len() + size_of::<CompactVerdict>());
    }

    #[test]
    fn two_tokens_have_equal_parts_only_if_they_are_equal(one in "[ab]{60,70}", other in "[ab]{60,70}") {
        prop_assert_eq!(split_token(&one) == split_token(&other), one == other);
    }
}

fn of_user(number: usize, role: &str) -> CredentialInfo {
    CredentialInfo {
        identity: Identity {
            user_id: format!("user-{number}"),
            issuer: Issuer::DEFAULT,
            email: Some(format!("user-{number}@example.test")),
            name: Some(format!("User {number}")),
            avatar: None,
            roles: vec![role.into(), "editor".into()],
            permissions: vec![],
            groups: vec!["research".into(), "platform".into()],
            workspaces: vec![],
            scope: vec!["openid".into()],
            client_id: Some("portal".into()),
            session_id: None,
            sid: None,
            verification_source: VerificationSource::LocalJwt,
            verified_at: Timestamp::UNIX_EPOCH,
        },
        revocation_keys: vec![
            RevocationKey::Token(TokenKey::from_jti(&format!(
                "8c0f1a52-6f0e-4b1e-9d52-{number:012}"
            ))),
            RevocationKey::Token(TokenKey::from_signing_input_digest(&[1; 32])),
            RevocationKey::Token(TokenKey::from_token_digest(&[2; 32])),
        ],
        own_key_count: 1,
        cutoff_scopes: vec![
            CutoffScope::User(Subject::of_default(format!("user-{number}"))),
            CutoffScope::Client("portal".into()),
            CutoffScope::Issuer("https://issuer.example".into()),
        ],
        issue_time: IssueTime::WithinSecond(Timestamp::UNIX_EPOCH),
        expires_at: Some(Timestamp::UNIX_EPOCH),
        session: None,
        key_id: Some("key-1".into()),
    }
}

#[test]
fn claims_that_tokens_have_in_common_are_stored_once() {
    let interner = ClaimsInterner::default();
    let compact = |number, role| CompactVerdict::new(&"t".repeat(900), &of_user(number, role), &interner);
    let (one, other, admin) = (compact(1, "member"), compact(2, "member"), compact(1, "admin"));
    assert!(Arc::ptr_eq(&one.claims, &other.claims));
    assert!(!Arc::ptr_eq(&one.claims, &admin.claims));
    assert_eq!(admin.to_info(), of_user(1, "admin"));
    // The target for a token of 900 bytes with its description, without the cache's own entry (decision 15).
    assert!(one.memory_bytes() <= 1_300, "{}", one.memory_bytes());
}

#[test]
fn claims_of_its_own_are_counted_and_unused_claims_make_room() {
    let interner = ClaimsInterner::default();
    let compact =
        |number: usize| CompactVerdict::new("token", &of_user(number, &format!("{number:01000}")), &interner);
    let first = compact(0);
    let verdicts: Vec<_> = (1..2_000).map(compact).collect();
    let last = verdicts.last().unwrap();
    assert!(
        last.memory_bytes() > first.memory_bytes() + 2_000,
        "there was no room for it"
    );
    drop(verdicts);
    // Unused claims are not removed at each request, but at the latest after `CLEANUP_INTERVAL` of them.
    let mut later = (2_000..2_000 + 1_024).map(compact);
    assert!(later.any(|verdict| verdict.memory_bytes() == first.memory_bytes()));
    assert!(
        Arc::ptr_eq(&first.claims, &compact(0).claims),
        "claims in use stay"
    );
}

#[test]
fn debug_output_does_not_contain_the_token() {
    let verdict = CompactVerdict::new("secret", &of_user(1, "member"), &ClaimsInterner::default());
    assert!(!format!("{verdict:?}").contains("secret"));
}

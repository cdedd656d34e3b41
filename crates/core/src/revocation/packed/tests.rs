use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::revocation::{Party, RevocationKey, TokenKey};

fn moment() -> impl Strategy<Value = Timestamp> {
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
        (client_id, session_id) in any::<(Option<String>, Option<String>)>(),
        (roles, permissions, groups) in (texts(), texts(), texts()),
        (workspaces, scope) in (texts(), texts()),
        source in prop::sample::select(vec![
            VerificationSource::OauthUserinfo,
            VerificationSource::TraditionalAuth,
            VerificationSource::Introspection,
            VerificationSource::LocalJwt,
        ]),
        verified_at in moment(),
    ) -> Identity {
        Identity {
            user_id, email, name, avatar, roles, permissions, groups, workspaces, scope, client_id, session_id,
            verification_source: source, verified_at,
        }
    }
}

/// Names of every kind, of this identity and of others.
fn names(identity: &Identity) -> impl Strategy<Value = Vec<RevocationKey>> + use<> {
    let token = prop_oneof![
        any::<[u8; 32]>().prop_map(|digest| TokenKey::from_signing_input(&digest)),
        any::<[u8; 32]>().prop_map(|digest| TokenKey::from_token_bytes(&digest)),
        any::<String>().prop_map(|jti| TokenKey::from_jti(&jti)),
        "@(jws|opaque)-[0-9a-fA-F]{0,66}".prop_map(TokenKey::from_stored),
    ];
    let own = [
        Some(identity.user_id.clone()),
        identity.client_id.clone(),
        identity.session_id.clone(),
    ];
    let id = prop_oneof![
        prop::sample::select(own.into_iter().flatten().collect::<Vec<_>>()),
        any::<String>(),
    ];
    let name = prop_oneof![
        token.prop_map(RevocationKey::Token),
        id.clone().prop_map(RevocationKey::Session),
        id.clone().prop_map(|id| RevocationKey::Before(Party::User(id))),
        id.clone().prop_map(|id| RevocationKey::Before(Party::Client(id))),
        id.prop_map(|id| RevocationKey::Before(Party::Issuer(id))),
    ];
    vec(name, 0..8)
}

fn issued() -> impl Strategy<Value = Issued> {
    prop_oneof![
        Just(Issued::Unknown),
        moment().prop_map(Issued::At),
        moment().prop_map(Issued::InSecond)
    ]
}

prop_compose! {
    fn facts()(identity in identity())(
        names in names(&identity),
        parties in names(&identity),
        own_names in 0..9_usize,
        (issued, expires_at) in (issued(), option::of(moment())),
        session in option::of("[0-9a-f]{32}"),
        key_id in any::<Option<String>>(),
        identity in Just(identity),
    ) -> Facts {
        let parties = parties.into_iter().filter_map(|name| match name {
            RevocationKey::Before(party) => Some(party),
            RevocationKey::Token(_) | RevocationKey::Session(_) => None,
        });
        Facts {
            identity, names, own_names, issued, expires_at, key_id,
            parties: parties.collect(),
            session: session.as_deref().and_then(SessionHandle::parse),
        }
    }
}

proptest! {
    #[test]
    fn nothing_is_lost(token in "[a-zA-Z0-9._-]{1,2000}", facts in facts()) {
        let commons = Commons::default();
        let packed = Packed::new(&token, &facts, &commons);
        prop_assert_eq!(&packed.facts(), &facts);
        prop_assert_eq!(&packed.identity(), &facts.identity);
        prop_assert_eq!(packed.expires_at(), facts.expires_at);
        prop_assert_eq!(packed.source(), facts.identity.verification_source);
        prop_assert_eq!(packed.token(), parts(&token));
        prop_assert_eq!([packed.token().0, packed.token().1].concat(), token.as_bytes());
        let who = packed.who();
        let identity = &facts.identity;
        prop_assert_eq!(
            (who.user_id, who.name, who.email),
            (&*identity.user_id, identity.name.as_deref(), identity.email.as_deref())
        );
        prop_assert_eq!(packed.rights().groups, &identity.groups);
        // What it says of its own size counts every byte of it.
        prop_assert!(packed.bytes() > packed.front.len() + packed.back.len() + size_of::<Packed>());
    }

    #[test]
    fn one_tokens_parts_are_no_other_tokens(one in "[ab]{60,70}", other in "[ab]{60,70}") {
        prop_assert_eq!(parts(&one) == parts(&other), one == other);
    }
}

fn of_user(number: usize, role: &str) -> Facts {
    Facts {
        identity: Identity {
            user_id: format!("user-{number}"),
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
            verification_source: VerificationSource::LocalJwt,
            verified_at: Timestamp::UNIX_EPOCH,
        },
        names: vec![
            RevocationKey::Token(TokenKey::from_jti(&format!(
                "8c0f1a52-6f0e-4b1e-9d52-{number:012}"
            ))),
            RevocationKey::Token(TokenKey::from_signing_input(&[1; 32])),
            RevocationKey::Token(TokenKey::from_token_bytes(&[2; 32])),
        ],
        own_names: 1,
        parties: vec![
            Party::User(format!("user-{number}")),
            Party::Client("portal".into()),
            Party::Issuer("https://issuer.example".into()),
        ],
        issued: Issued::InSecond(Timestamp::UNIX_EPOCH),
        expires_at: Some(Timestamp::UNIX_EPOCH),
        session: None,
        key_id: Some("key-1".into()),
    }
}

#[test]
fn what_tokens_have_in_common_is_kept_once() {
    let commons = Commons::default();
    let pack = |number, role| Packed::new(&"t".repeat(900), &of_user(number, role), &commons);
    let (one, other, admin) = (pack(1, "member"), pack(2, "member"), pack(1, "admin"));
    assert!(Arc::ptr_eq(&one.common, &other.common));
    assert!(!Arc::ptr_eq(&one.common, &admin.common));
    assert_eq!(admin.facts(), of_user(1, "admin"));
    // A token of 900 bytes, with all that is known of it, but for its place in the cache.
    assert!(one.bytes() <= 1_300, "{}", one.bytes());
}

#[test]
fn what_is_not_shared_is_counted_and_what_nobody_holds_makes_room() {
    let commons = Commons::default();
    let pack = |number: usize| Packed::new("token", &of_user(number, &format!("{number:01000}")), &commons);
    let first = pack(0);
    let held: Vec<_> = (1..2_000).map(pack).collect();
    let last = held.last().unwrap();
    assert!(last.bytes() > first.bytes() + 2_000, "there was no room for it");
    drop(held);
    // Room is not made each time, but soon.
    let mut later = (2_000..2_000 + 1_024).map(pack);
    assert!(later.any(|packed| packed.bytes() == first.bytes()));
    assert!(Arc::ptr_eq(&first.common, &pack(0).common), "it is held still");
}

#[test]
fn no_token_is_shown() {
    let packed = Packed::new("secret", &of_user(1, "member"), &Commons::default());
    assert!(!format!("{packed:?}").contains("secret"));
}

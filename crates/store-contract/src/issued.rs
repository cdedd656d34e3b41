//! The contract of `IssuedTokens`.

use std::sync::Arc;

use maxlab_auth_core::credential::SessionHandle;
use maxlab_auth_core::identity::UpstreamSession;
use maxlab_auth_core::issued_tokens::{CredentialCounts, IssuedToken, IssuedTokens, TokenUse};
use maxlab_auth_core::verdict::{CutoffScope, TokenKey};
use tokio::task::JoinSet;

use super::fixtures::{HOSTILE_USER_IDS, later, now, subject};
use super::run_cases;

/// Checks that a register of issued tokens keeps its contract. `make` creates an empty one.
pub async fn issued_tokens<S: IssuedTokens + 'static>(make: impl AsyncFn() -> S) {
    run_cases!(make:
        a_known_token_keeps_what_is_known,
        tokens_of_a_user_come_newest_first,
        tokens_of_a_session_are_found,
        n2_what_is_of_a_party_is_counted_and_named,
        n1_tokens_that_do_not_name_their_client_are_found_by_it,
        a_token_is_superseded_exactly_once,
        one_exchange_of_a_token_is_under_way,
        what_has_expired_goes_with_a_purge,
    );
}

fn refresh_token(jti: &str, user: &str, login: u64) -> IssuedToken {
    IssuedToken {
        key: TokenKey::from_jti(jti),
        token_use: TokenUse::Refresh,
        subject: Some(subject(user)),
        session: None,
        upstream_session: None,
        client_id: None,
        has_client_claim: false,
        issuer: None,
        login_at: later(login),
        expires_at: later(100),
        superseded_at: None,
    }
}

async fn a_known_token_keeps_what_is_known(register: Arc<impl IssuedTokens>) {
    let session = SessionHandle::generate().ok();
    let first = IssuedToken {
        session,
        token_use: TokenUse::Access,
        ..refresh_token("a", "u", 1)
    };
    register.record(std::slice::from_ref(&first)).await.unwrap();
    register
        .record(&[refresh_token("a", "someone else", 9), refresh_token("b", "u", 2)])
        .await
        .unwrap();
    assert_eq!(register.find(&first.key).await.unwrap(), Some(first));
    assert_eq!(register.find(&TokenKey::from_jti("c")).await.unwrap(), None);
}

async fn tokens_of_a_user_come_newest_first(register: Arc<impl IssuedTokens>) {
    let long = "김".repeat(340);
    for (n, user) in HOSTILE_USER_IDS.into_iter().chain([long.as_str()]).enumerate() {
        let mine: Vec<_> = (0..3)
            .map(|login| refresh_token(&format!("{n}-{login}"), user, login))
            .collect();
        register.record(&mine).await.unwrap();
        let newest = [mine[2].clone(), mine[1].clone(), mine[0].clone()];
        assert_eq!(
            register.of_user(&subject(user), now(), 9).await.unwrap(),
            newest,
            "{user:?}"
        );
        assert_eq!(
            register.of_user(&subject(user), now(), 2).await.unwrap(),
            newest[..2]
        );
        assert_eq!(register.of_user(&subject(user), later(100), 9).await.unwrap(), []);
    }
}

async fn tokens_of_a_session_are_found(register: Arc<impl IssuedTokens>) {
    let (one, two) = (
        SessionHandle::generate().unwrap(),
        SessionHandle::generate().unwrap(),
    );
    let with = |session: &SessionHandle, jti| IssuedToken {
        session: Some(session.clone()),
        ..refresh_token(jti, "u", 0)
    };
    register
        .record(&[with(&one, "a"), with(&two, "b"), refresh_token("c", "u", 0)])
        .await
        .unwrap();
    assert_eq!(register.of_session(&one, now()).await.unwrap(), [with(&one, "a")]);
    assert_eq!(register.of_session(&one, later(100)).await.unwrap(), []);
}

async fn one_exchange_of_a_token_is_under_way(register: Arc<impl IssuedTokens + 'static>) {
    register.record(&[refresh_token("a", "u", 0)]).await.unwrap();
    let key = TokenKey::from_jti("a");
    let mut callers = JoinSet::new();
    for _ in 0..16 {
        let (register, key) = (Arc::clone(&register), key.clone());
        callers.spawn(async move { register.begin_exchange(&key, later(10), now()).await.unwrap() });
    }
    let begins = callers
        .join_all()
        .await
        .into_iter()
        .filter(|begins| *begins)
        .count();
    assert_eq!(begins, 1, "one of them begins");
    assert!(
        !register.begin_exchange(&key, later(20), later(9)).await.unwrap(),
        "the claim is in force"
    );
    assert!(
        register.begin_exchange(&key, later(20), later(10)).await.unwrap(),
        "the claim has expired"
    );
    register.end_exchange(&key).await.unwrap();
    assert!(
        register.begin_exchange(&key, later(30), later(11)).await.unwrap(),
        "the claim was released"
    );
    register.end_exchange(&key).await.unwrap();
    assert!(register.supersede(&key, later(12), None).await.unwrap());
    assert!(
        !register.begin_exchange(&key, later(90), later(50)).await.unwrap(),
        "the token was exchanged"
    );
    let unknown = TokenKey::from_jti("unknown");
    assert!(!register.begin_exchange(&unknown, later(10), now()).await.unwrap());
}

async fn n2_what_is_of_a_party_is_counted_and_named(register: Arc<impl IssuedTokens>) {
    let session = SessionHandle::generate().ok();
    for (index, client) in HOSTILE_USER_IDS.into_iter().enumerate() {
        let of = |jti: &str, token_use| IssuedToken {
            key: TokenKey::from_jti(&format!("{index} {jti}")),
            token_use,
            session: session.clone(),
            client_id: Some(client.into()),
            issuer: Some(format!("https://{client}/")),
            upstream_session: Some(UpstreamSession::from_storage_name(client)),
            ..refresh_token("", client, 0)
        };
        let spent = IssuedToken {
            superseded_at: Some(now()),
            ..of("spent", TokenUse::Refresh)
        };
        let expired = IssuedToken {
            expires_at: now(),
            ..of("expired", TokenUse::Access)
        };
        let living = [of("access", TokenUse::Access), of("refresh", TokenUse::Refresh)];
        register.record(&living).await.unwrap();
        register.record(&[spent, expired]).await.unwrap();
        let both = CredentialCounts {
            tokens: 2,
            sessions: 1,
        };
        let scopes = [
            CutoffScope::User(subject(client)),
            CutoffScope::Client(client.into()),
            CutoffScope::Issuer(format!("https://{client}/")),
            CutoffScope::UpstreamSession(UpstreamSession::from_storage_name(client)),
        ];
        let upstream = UpstreamSession::from_storage_name(client);
        let found = register.of_upstream_session(&upstream, now(), 100).await.unwrap();
        let mut keys: Vec<_> = found.iter().map(|token| token.key.clone()).collect();
        keys.sort();
        // A spent refresh token belongs to the session too, and names its handle.
        let expected = ["access", "refresh", "spent"].map(|jti| of(jti, TokenUse::Access).key);
        assert_eq!(keys, expected);
        for scope in scopes {
            assert_eq!(
                register.count_in_scope(&scope, now()).await.unwrap(),
                both,
                "{scope:?}"
            );
            let names = register.ids_of_same_kind(&scope, 100).await.unwrap();
            assert_eq!(names.len(), index + 1, "{scope:?}: {names:?}");
        }
        let all = register
            .count_in_scope(&CutoffScope::Everything, now())
            .await
            .unwrap();
        assert_eq!((all.tokens, all.sessions), (2 * (index as u64 + 1), 1));
    }
    let nothing = register
        .count_in_scope(&CutoffScope::Client("nobody".into()), now())
        .await
        .unwrap();
    assert_eq!(nothing, CredentialCounts::default());
    let names = register
        .ids_of_same_kind(&CutoffScope::Everything, 100)
        .await
        .unwrap();
    assert!(names.is_empty());
}

async fn n1_tokens_that_do_not_name_their_client_are_found_by_it(register: Arc<impl IssuedTokens>) {
    for client in HOSTILE_USER_IDS {
        let of_client = |jti: &str, names_client: bool, token_use| IssuedToken {
            key: TokenKey::from_jti(&format!("{client} {jti}")),
            token_use,
            client_id: Some(client.into()),
            issuer: Some(format!("https://{client}/")),
            has_client_claim: names_client,
            ..refresh_token("", "u", 0)
        };
        let mut unnamed: Vec<_> = ["1", "2", "3"]
            .map(|jti| of_client(jti, false, TokenUse::Access))
            .to_vec();
        unnamed.sort_by(|a, b| a.key.cmp(&b.key));
        register.record(&unnamed).await.unwrap();
        let others = [
            of_client("named", true, TokenUse::Access),
            of_client("refresh", false, TokenUse::Refresh),
            IssuedToken {
                expires_at: now(),
                ..of_client("expired", false, TokenUse::Access)
            },
        ];
        register.record(&others).await.unwrap();
        let mut found = Vec::new();
        loop {
            let after = found.last().map(|token: &IssuedToken| token.key.clone());
            let page = register
                .of_client_without_claim(client, after.as_ref(), now(), 2)
                .await
                .unwrap();
            if page.is_empty() {
                break;
            }
            found.extend(page);
        }
        assert_eq!(found, unnamed, "{client:?}");
    }
}

async fn a_token_is_superseded_exactly_once(register: Arc<impl IssuedTokens + 'static>) {
    register
        .record(&[refresh_token("a", "u", 0), refresh_token("b", "u", 0)])
        .await
        .unwrap();
    let mut callers = JoinSet::new();
    for n in 0..16 {
        let register = Arc::clone(&register);
        callers.spawn(async move {
            register
                .supersede(&TokenKey::from_jti("a"), later(n), None)
                .await
                .unwrap()
                .then_some(later(n))
        });
    }
    let winners: Vec<_> = callers.join_all().await.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1);
    let stored = register.find(&TokenKey::from_jti("a")).await.unwrap().unwrap();
    assert_eq!(stored.superseded_at, Some(winners[0]), "the first time stays");
    assert_eq!(
        register
            .find(&TokenKey::from_jti("b"))
            .await
            .unwrap()
            .unwrap()
            .superseded_at,
        None
    );
    assert!(
        !register
            .supersede(&TokenKey::from_jti("unknown"), now(), None)
            .await
            .unwrap()
    );
}

async fn what_has_expired_goes_with_a_purge(register: Arc<impl IssuedTokens>) {
    let longer = IssuedToken {
        expires_at: later(101),
        ..refresh_token("b", "u", 0)
    };
    register
        .record(&[refresh_token("a", "u", 0), longer])
        .await
        .unwrap();
    assert_eq!(register.purge(later(99)).await.unwrap(), 0);
    assert_eq!(register.purge(later(100)).await.unwrap(), 1);
    assert_eq!(register.find(&TokenKey::from_jti("a")).await.unwrap(), None);
    assert!(register.find(&TokenKey::from_jti("b")).await.unwrap().is_some());
}

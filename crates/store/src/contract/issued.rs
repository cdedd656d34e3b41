//! The contract of `IssuedTokens`.

use std::sync::Arc;

use maxlab_auth_core::credential::SessionHandle;
use maxlab_auth_core::revocation::{IssuedToken, IssuedTokens, TokenKey, TokenUse};
use tokio::task::JoinSet;

use super::cases;
use super::given::{HOSTILE, later, now};

/// Holds a register of issued tokens to its contract; `make` makes an empty one.
pub async fn issued_tokens<S: IssuedTokens + 'static>(make: impl AsyncFn() -> S) {
    cases!(make:
        a_known_token_keeps_what_is_known,
        tokens_of_a_user_come_newest_first,
        tokens_of_a_session_are_found,
        a_token_is_superseded_exactly_once,
        one_exchange_of_a_token_is_under_way,
        what_has_expired_goes_with_a_purge,
    );
}

fn token(jti: &str, user: &str, login: u64) -> IssuedToken {
    IssuedToken {
        key: TokenKey::from_jti(jti),
        token_use: TokenUse::Refresh,
        user_id: user.into(),
        session: None,
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
        ..token("a", "u", 1)
    };
    register.record(std::slice::from_ref(&first)).await.unwrap();
    register
        .record(&[token("a", "someone else", 9), token("b", "u", 2)])
        .await
        .unwrap();
    assert_eq!(register.find(&first.key).await.unwrap(), Some(first));
    assert_eq!(register.find(&TokenKey::from_jti("c")).await.unwrap(), None);
}

async fn tokens_of_a_user_come_newest_first(register: Arc<impl IssuedTokens>) {
    let long = "김".repeat(340);
    for (n, user) in HOSTILE.into_iter().chain([long.as_str()]).enumerate() {
        let mine: Vec<_> = (0..3)
            .map(|login| token(&format!("{n}-{login}"), user, login))
            .collect();
        register.record(&mine).await.unwrap();
        let newest = [mine[2].clone(), mine[1].clone(), mine[0].clone()];
        assert_eq!(
            register.of_user(user, now(), 9).await.unwrap(),
            newest,
            "{user:?}"
        );
        assert_eq!(register.of_user(user, now(), 2).await.unwrap(), newest[..2]);
        assert_eq!(register.of_user(user, later(100), 9).await.unwrap(), []);
    }
}

async fn tokens_of_a_session_are_found(register: Arc<impl IssuedTokens>) {
    let (one, two) = (
        SessionHandle::generate().unwrap(),
        SessionHandle::generate().unwrap(),
    );
    let with = |session: &SessionHandle, jti| IssuedToken {
        session: Some(session.clone()),
        ..token(jti, "u", 0)
    };
    register
        .record(&[with(&one, "a"), with(&two, "b"), token("c", "u", 0)])
        .await
        .unwrap();
    assert_eq!(register.of_session(&one, now()).await.unwrap(), [with(&one, "a")]);
    assert_eq!(register.of_session(&one, later(100)).await.unwrap(), []);
}

async fn one_exchange_of_a_token_is_under_way(register: Arc<impl IssuedTokens + 'static>) {
    register.record(&[token("a", "u", 0)]).await.unwrap();
    let key = TokenKey::from_jti("a");
    let mut callers = JoinSet::new();
    for _ in 0..16 {
        let (register, key) = (Arc::clone(&register), key.clone());
        callers.spawn(async move { register.begin_exchange(&key, later(10), now()).await.unwrap() });
    }
    let begun = callers
        .join_all()
        .await
        .into_iter()
        .filter(|begun| *begun)
        .count();
    assert_eq!(begun, 1, "one of them begins");
    assert!(
        !register.begin_exchange(&key, later(20), later(9)).await.unwrap(),
        "the claim stands"
    );
    assert!(
        register.begin_exchange(&key, later(20), later(10)).await.unwrap(),
        "it runs out"
    );
    register.end_exchange(&key).await.unwrap();
    assert!(
        register.begin_exchange(&key, later(30), later(11)).await.unwrap(),
        "it was given back"
    );
    register.end_exchange(&key).await.unwrap();
    assert!(register.supersede(&key, later(12)).await.unwrap());
    assert!(
        !register.begin_exchange(&key, later(90), later(50)).await.unwrap(),
        "it has been exchanged"
    );
    let unknown = TokenKey::from_jti("unknown");
    assert!(!register.begin_exchange(&unknown, later(10), now()).await.unwrap());
}

async fn a_token_is_superseded_exactly_once(register: Arc<impl IssuedTokens + 'static>) {
    register
        .record(&[token("a", "u", 0), token("b", "u", 0)])
        .await
        .unwrap();
    let mut callers = JoinSet::new();
    for n in 0..16 {
        let register = Arc::clone(&register);
        callers.spawn(async move {
            register
                .supersede(&TokenKey::from_jti("a"), later(n))
                .await
                .unwrap()
                .then_some(later(n))
        });
    }
    let winners: Vec<_> = callers.join_all().await.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1);
    let kept = register.find(&TokenKey::from_jti("a")).await.unwrap().unwrap();
    assert_eq!(kept.superseded_at, Some(winners[0]), "the first time stays");
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
            .supersede(&TokenKey::from_jti("unknown"), now())
            .await
            .unwrap()
    );
}

async fn what_has_expired_goes_with_a_purge(register: Arc<impl IssuedTokens>) {
    let longer = IssuedToken {
        expires_at: later(101),
        ..token("b", "u", 0)
    };
    register.record(&[token("a", "u", 0), longer]).await.unwrap();
    assert_eq!(register.purge(later(99)).await.unwrap(), 0);
    assert_eq!(register.purge(later(100)).await.unwrap(), 1);
    assert_eq!(register.find(&TokenKey::from_jti("a")).await.unwrap(), None);
    assert!(register.find(&TokenKey::from_jti("b")).await.unwrap().is_some());
}

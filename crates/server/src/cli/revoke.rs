//! `revoke`: ends what an operator names, beside a running gateway and with the same promise as its endpoint.

use std::io::Read as _;

use anyhow::{Context as _, anyhow, bail};
use maxlab_auth_core::credential::{PresentedToken, SessionHandle};
use maxlab_auth_core::engine::{AuthFault, Engine};
use maxlab_auth_core::outbox::ClientCredentials;
use maxlab_auth_core::revocation::{Party, Reason, RevocationKey, TokenKey, TokenUse};
use maxlab_auth_core::token::{TokenShape, shape_of};
use maxlab_auth_core::verify::Rejection;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::args::{RevokeArgs, RevokeTarget, TokenArgument};
use super::output::{self, harmless};
use super::{Stop, act, open, unacknowledged};

/// No token is longer, and neither is a line around it.
const LONGEST_INPUT: u64 = 64 * 1024;

/// What came of it.
enum Outcome {
    Done(Done),
    /// It was refused before, for this reason.
    Already(String),
}

/// What was done.
struct Done {
    /// What is refused from now on, for a person.
    words: String,
    key: RevocationKey,
    user_id: Option<String>,
    /// Whether the authorization server will be told too.
    upstream: bool,
    /// How many sessions were ended, where that is known.
    sessions: Option<usize>,
}

/// Revokes what the arguments name.
pub(super) async fn revoke(args: &RevokeArgs) -> Result<(), Stop> {
    let target = args
        .target()
        .ok_or_else(|| anyhow!("name what to revoke; see `maxlab-auth revoke --help`"))?;
    let app = open().await?;
    let engine = &app.gateway.engine;
    let outcome = match target {
        RevokeTarget::Token(argument) => token(engine, &read(&argument)?, args.reason).await?,
        RevokeTarget::Key(RevocationKey::Session(id)) => {
            Outcome::Done(session(engine, &id, args.reason).await?)
        }
        RevokeTarget::Key(RevocationKey::Before(Party::User(user))) => {
            Outcome::Done(everything_of(engine, &user, args.reason).await?)
        }
        RevokeTarget::Key(key) => Outcome::Done(by_name(engine, key, args.reason).await?),
    };
    let done = match outcome {
        Outcome::Done(done) => done,
        Outcome::Already(_) if args.output.json => {
            return Ok(output::print_json(&json!({ "revoked": true, "already": true }))?);
        }
        Outcome::Already(why) => return Ok(output::print(&format!("Revoked already: {why}.\n"))?),
    };
    if args.output.json {
        return Ok(output::print_json(&done.json(args.reason))?);
    }
    let upstream = if done.upstream {
        "The authorization server is told by the running gateway."
    } else {
        "The authorization server is not told: nothing here holds the token itself."
    };
    Ok(output::print(&format!("Revoked: {}.\n{upstream}\n", done.words))?)
}

impl Done {
    fn json(&self, reason: Reason) -> Value {
        json!({
            "revoked": true,
            "already": false,
            "kind": self.key.kind(),
            "key": self.key.name(),
            "user_id": self.user_id,
            "reason": reason,
            "sessions": self.sessions,
            "authorization_server_told": self.upstream,
        })
    }
}

fn read(argument: &TokenArgument) -> anyhow::Result<PresentedToken> {
    let text = match argument {
        TokenArgument::Given(text) => text.expose_secret().to_owned(),
        TokenArgument::StandardInput => {
            let mut text = String::new();
            std::io::stdin()
                .take(LONGEST_INPUT)
                .read_to_string(&mut text)
                .context("standard input cannot be read as text")?;
            text
        }
    };
    PresentedToken::parse(text.trim()).map_err(|fault| anyhow!("nothing was revoked: {fault}"))
}

/// A token as it was issued. A refresh token ends its session; an access token ends alone. What is not proven to be a
/// token of ours revokes nothing else than its own bytes (I5).
async fn token(engine: &Engine, token: &PresentedToken, reason: Reason) -> anyhow::Result<Outcome> {
    let known = engine.parts().issued.find(&engine.refresh_key(token)).await;
    let known = known
        .context("nothing was revoked")?
        .filter(|known| known.token_use == TokenUse::Refresh);
    if let Some(handle) = known.as_ref().and_then(|known| known.session.clone()) {
        return Ok(Outcome::Done(session(engine, handle.as_str(), reason).await?));
    }
    if let Some(known) = known {
        let key = RevocationKey::Token(known.key);
        let event = act(engine, Some(&known.user_id), &key.to_string());
        engine
            .revoke_key(key.clone(), reason, vec![event])
            .await
            .map_err(unacknowledged)?;
        tell(engine, token, TokenUse::Refresh, None).await?;
        let words = format!("the refresh token of {}", harmless(&known.user_id));
        let user_id = Some(known.user_id);
        return Ok(Outcome::Done(Done {
            words,
            key,
            user_id,
            upstream: true,
            sessions: None,
        }));
    }
    access_token(engine, token, reason).await
}

async fn access_token(engine: &Engine, token: &PresentedToken, reason: Reason) -> anyhow::Result<Outcome> {
    let signed = !matches!(shape_of(token.expose()), TokenShape::Opaque);
    let live = match engine.authenticate_token(token).await {
        Ok(live) => live,
        Err(fault @ (AuthFault::TokenRevoked(_) | AuthFault::SessionRevoked(_))) => {
            return Ok(Outcome::Already(fault.to_string()));
        }
        Err(AuthFault::Rejected(rejection)) if signed && rejection != Rejection::Refused => bail!(
            "nothing was revoked: {rejection}, so the gateway with these settings refuses it as it is. To refuse it \
             whatever it is, revoke it by its --jti."
        ),
        Err(AuthFault::Unavailable(fault)) if signed => bail!(
            "nothing was revoked, since {fault}, and nothing else proves whose token it is. Run the command again when \
             it answers, or revoke the token by its --jti or everything of its --user."
        ),
        Err(_) => return Ok(Outcome::Done(by_bytes(engine, token, reason).await?)),
    };
    let (identity, now) = (live.identity(), engine.now());
    let revocations = engine.revocations_of(live.facts(), reason, now);
    let key = revocations
        .first()
        .map(|own| own.key.clone())
        .context("the token has no name to revoke it by")?;
    let event = act(engine, Some(&identity.user_id), &key.to_string());
    let revoked = engine
        .parts()
        .revocations
        .revoke(revocations, &[event], now)
        .await;
    revoked.map_err(|fault| unacknowledged(fault.into()))?;
    let client = identity.client_id.clone().map(ClientCredentials::public);
    tell(engine, token, TokenUse::Access, client).await?;
    let words = format!(
        "the access token {} of {}",
        harmless(&key.name()),
        harmless(&identity.user_id)
    );
    let user_id = Some(identity.user_id.clone());
    Ok(Outcome::Done(Done {
        words,
        key,
        user_id,
        upstream: true,
        sessions: None,
    }))
}

/// A token that nobody vouches for now, such as a refresh token that did not pass here: its own bytes are refused.
async fn by_bytes(engine: &Engine, token: &PresentedToken, reason: Reason) -> anyhow::Result<Done> {
    let key = RevocationKey::Token(TokenKey::from_bytes_of(token));
    let event = act(engine, None, &key.to_string());
    engine
        .revoke_key(key.clone(), reason, vec![event])
        .await
        .map_err(unacknowledged)?;
    tell(engine, token, TokenUse::Access, None).await?;
    let words =
        "a token that the authorization server does not vouch for now; it is refused by its bytes".to_owned();
    Ok(Done {
        words,
        key,
        user_id: None,
        upstream: true,
        sessions: None,
    })
}

async fn tell(
    engine: &Engine,
    token: &PresentedToken,
    token_use: TokenUse,
    client: Option<ClientCredentials>,
) -> anyhow::Result<()> {
    let told = engine
        .tell_upstream_of(token, token_use, None, client, engine.now())
        .await;
    told.context(
        "the token is revoked here, but it could not be recorded that the authorization server must be told; run the \
         command again",
    )
}

/// A session by its handle, or an authorization server's `sid`.
async fn session(engine: &Engine, id: &str, reason: Reason) -> anyhow::Result<Done> {
    let key = RevocationKey::Session(id.to_owned());
    let words = format!("session {} and its tokens", harmless(id));
    let owner = match SessionHandle::parse(id) {
        Some(handle) => {
            let tokens = engine
                .parts()
                .issued
                .of_session(&handle, engine.now())
                .await
                .context("nothing was revoked")?;
            tokens.into_iter().next().map(|token| (handle, token.user_id))
        }
        None => None,
    };
    let Some((handle, user_id)) = owner else {
        let event = act(engine, None, &key.to_string());
        engine
            .revoke_key(key.clone(), reason, vec![event])
            .await
            .map_err(unacknowledged)?;
        return Ok(Done {
            words,
            key,
            user_id: None,
            upstream: false,
            sessions: None,
        });
    };
    let event = act(engine, Some(&user_id), handle.as_str());
    let lived = engine
        .end_session(&user_id, &handle, reason, vec![event])
        .await
        .map_err(unacknowledged)?;
    let words = format!("{words}, of {}", harmless(&user_id));
    Ok(Done {
        words,
        key,
        user_id: Some(user_id),
        upstream: lived,
        sessions: Some(usize::from(lived)),
    })
}

async fn everything_of(engine: &Engine, user: &str, reason: Reason) -> anyhow::Result<Done> {
    let key = RevocationKey::user(user);
    let event = act(engine, Some(user), &key.to_string());
    let ended = engine
        .end_all(user, reason, vec![event])
        .await
        .map_err(unacknowledged)?;
    let words = format!(
        "everything that {} was given until now ({} sessions, {} known tokens)",
        harmless(user),
        ended.sessions,
        ended.tokens
    );
    let upstream = ended.sessions > 0;
    Ok(Done {
        words,
        key,
        user_id: Some(user.to_owned()),
        upstream,
        sessions: Some(ended.sessions),
    })
}

/// A token by its `jti`, or everything of a client or an issuer.
async fn by_name(engine: &Engine, key: RevocationKey, reason: Reason) -> anyhow::Result<Done> {
    let owner = match &key {
        RevocationKey::Token(token) => engine
            .parts()
            .issued
            .find(token)
            .await
            .context("nothing was revoked")?,
        RevocationKey::Session(_) | RevocationKey::Before(_) => None,
    };
    let user_id = owner.map(|token| token.user_id);
    let event = act(engine, user_id.as_deref(), &key.to_string());
    engine
        .revoke_key(key.clone(), reason, vec![event])
        .await
        .map_err(unacknowledged)?;
    let name = harmless(&key.name());
    let words = match &key {
        RevocationKey::Before(Party::Client(id)) => {
            format!("everything that was issued to client {} until now", harmless(id))
        }
        RevocationKey::Before(Party::Issuer(id)) => {
            format!("everything that {} issued until now", harmless(id))
        }
        _ => format!(
            "the token {name}{}",
            user_id
                .as_ref()
                .map_or_else(String::new, |id| format!(" of {}", harmless(id)))
        ),
    };
    Ok(Done {
        words,
        key,
        user_id,
        upstream: false,
        sessions: None,
    })
}

//! `sessions`: a user's sessions, listed by handle and ended.

use anyhow::{Context as _, anyhow};
use maxlab_auth_core::credential::SessionHandle;
use maxlab_auth_core::engine::Engine;
use maxlab_auth_core::revocation::Reason;
use serde_json::json;

use super::args::SessionsCommand;
use super::output::{self, Fit, Table, harmless};
use super::{Stop, act, open, unacknowledged};

/// Runs one of the commands.
pub(super) async fn sessions(command: SessionsCommand) -> Result<(), Stop> {
    let app = open().await?;
    let engine = &app.gateway.engine;
    match command {
        SessionsCommand::List { user, output } => list(engine, &user, output.json).await,
        SessionsCommand::End {
            user,
            session,
            output,
        } => end(engine, &user, &session, output.json).await,
        SessionsCommand::EndAll { user, output } => end_all(engine, &user, output.json).await,
    }
}

async fn list(engine: &Engine, user: &str, json: bool) -> Result<(), Stop> {
    let found = engine.live_sessions(user).await;
    let sessions =
        found.context("the sessions cannot be read; `maxlab-auth check` says what does not answer")?;
    if json {
        let sessions: Vec<_> = sessions
            .iter()
            .map(|session| {
                json!({
                    "session_id": session.handle,
                    "ip_address": session.ip_address,
                    "user_agent": session.user_agent,
                    "created_at": session.created_at,
                    "last_accessed": session.last_accessed,
                    "access_count": session.access_count,
                })
            })
            .collect();
        return Ok(output::print_json(
            &json!({ "user_id": user, "sessions": sessions }),
        )?);
    }
    if sessions.is_empty() {
        return Ok(output::print(&format!("{} has no session.\n", harmless(user)))?);
    }
    let mut table = Table::new(&[
        ("SESSION", Fit::Whole),
        ("BEGAN", Fit::Whole),
        ("LAST USED", Fit::Whole),
        ("FROM", Fit::Cut),
        ("WITH", Fit::Cut),
    ]);
    for session in &sessions {
        table.row([
            session.handle.as_str().to_owned(),
            output::moment(session.created_at),
            output::moment(session.last_accessed),
            session.ip_address.clone().unwrap_or_else(|| "-".to_owned()),
            session.user_agent.clone().unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    Ok(output::print_table(&table)?)
}

async fn end(engine: &Engine, user: &str, session: &str, json: bool) -> Result<(), Stop> {
    let missing = || {
        anyhow!(
            "{} has no session {}: nothing was ended. `maxlab-auth sessions list --user …` shows the handles; \
             `maxlab-auth revoke --session …` refuses one whether or not it is there.",
            harmless(user),
            harmless(session)
        )
    };
    let handle = SessionHandle::parse(session).ok_or_else(missing)?;
    let owned = engine.owns_session(user, &handle).await;
    if !owned.context("nothing was ended, since the sessions cannot be read")? {
        return Err(missing().into());
    }
    let event = act(engine, Some(user), handle.as_str());
    engine
        .end_session(user, &handle, Reason::Admin, vec![event])
        .await
        .map_err(unacknowledged)?;
    if json {
        return Ok(output::print_json(
            &json!({ "ended": true, "user_id": user, "session_id": handle }),
        )?);
    }
    Ok(output::print(&format!(
        "Ended session {handle} of {}, and its tokens.\n",
        harmless(user)
    ))?)
}

async fn end_all(engine: &Engine, user: &str, json: bool) -> Result<(), Stop> {
    let event = act(engine, Some(user), &format!("user:{user}"));
    let ended = engine
        .end_all(user, Reason::Admin, vec![event])
        .await
        .map_err(unacknowledged)?;
    if json {
        let counts = json!({ "user_id": user, "sessions": ended.sessions, "known_tokens": ended.tokens });
        return Ok(output::print_json(&counts)?);
    }
    Ok(output::print(&format!(
        "Logged {} out everywhere: {} sessions and {} known tokens ended, and every other token issued until now.\n",
        harmless(user),
        ended.sessions,
        ended.tokens
    ))?)
}

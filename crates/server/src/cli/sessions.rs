//! `sessions`: lists and ends the sessions of a user, by handle.

use anyhow::{Context as _, anyhow};
use maxlab_auth_core::credential::SessionHandle;
use maxlab_auth_core::engine::{Engine, SessionOwnership};
use maxlab_auth_core::identity::Subject;
use maxlab_auth_core::revocation::RevocationReason;
use serde_json::json;

use super::args::SessionsCommand;
use super::output::{self, ColumnFit, TextTable, escape_for_terminal};
use super::{CommandError, admin_audit_event, explain_unacknowledged, open_app};

/// Runs one of the subcommands.
#[tracing::instrument(level = "debug", skip_all)]
pub(super) async fn sessions(command: SessionsCommand) -> Result<(), CommandError> {
    let app = open_app().await?;
    let engine = &app.state.engine;
    let subject = |user: String| Subject::from_storage_name(&user);
    match command {
        SessionsCommand::List { user, output } => list_sessions(engine, &subject(user), output.json).await,
        SessionsCommand::End {
            user,
            session,
            output,
        } => end_session(engine, &subject(user), &session, output.json).await,
        SessionsCommand::EndAll { user, output } => {
            end_all_sessions(engine, &subject(user), output.json).await
        }
    }
}

async fn list_sessions(engine: &Engine, user: &Subject, json: bool) -> Result<(), CommandError> {
    let sessions = engine.active_sessions(user).await;
    let sessions = sessions
        .context("the sessions cannot be read; run `maxlab-auth check` to see what does not answer")?;
    if json {
        let sessions: Vec<_> = sessions
            .iter()
            .map(|session| {
                // The names of `GET /api/v1/auth/sessions`. The handle is public, the cookie never appears.
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
        return Ok(output::print(&format!(
            "User \"{}\" has no sessions.\n",
            escape_for_terminal(&user.storage_name())
        ))?);
    }
    let mut table = TextTable::new(&[
        ("SESSION", ColumnFit::Whole),
        ("BEGAN", ColumnFit::Whole),
        ("LAST USED", ColumnFit::Whole),
        ("FROM", ColumnFit::Truncatable),
        ("WITH", ColumnFit::Truncatable),
    ]);
    for session in &sessions {
        table.push_row([
            session.handle.as_str().to_owned(),
            output::format_timestamp(session.created_at),
            output::format_timestamp(session.last_accessed),
            session.ip_address.clone().unwrap_or_else(|| "-".to_owned()),
            session.user_agent.clone().unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    Ok(output::print_table(&table)?)
}

async fn end_session(engine: &Engine, user: &Subject, session: &str, json: bool) -> Result<(), CommandError> {
    let missing = || {
        anyhow!(
            "User \"{}\" has no session {}: nothing was ended. `maxlab-auth sessions list --user …` shows the handles. \
             `maxlab-auth revoke --session …` revokes a handle even if its session is unknown.",
            escape_for_terminal(&user.storage_name()),
            escape_for_terminal(session)
        )
    };
    let handle = SessionHandle::parse(session).ok_or_else(missing)?;
    match engine
        .session_ownership(user, &handle)
        .await
        .context("nothing was ended: the sessions cannot be read")?
    {
        SessionOwnership::Owned => {}
        SessionOwnership::Ended => {
            // Its end may not be acknowledged yet: the answer "no such session" must not come before that.
            engine
                .reacknowledge_session_end(&handle)
                .await
                .map_err(explain_unacknowledged)?;
            return Err(missing().into());
        }
        // The same text for another user's session: a typing error must not end it.
        SessionOwnership::NotOwned => return Err(missing().into()),
    }
    let event = admin_audit_event(engine, Some(user), handle.as_str());
    engine
        .end_session(user, &handle, RevocationReason::Admin, vec![event])
        .await
        .map_err(explain_unacknowledged)?;
    if json {
        return Ok(output::print_json(
            &json!({ "ended": true, "user_id": user, "session_id": handle }),
        )?);
    }
    Ok(output::print(&format!(
        "Ended session {handle} of {}, and its tokens.\n",
        escape_for_terminal(&user.storage_name())
    ))?)
}

async fn end_all_sessions(engine: &Engine, user: &Subject, json: bool) -> Result<(), CommandError> {
    // The target in the form of a revocation key, as for `revoke --user`.
    let event = admin_audit_event(engine, Some(user), &format!("user:{user}"));
    let ended = engine
        .end_all_of_user(user, RevocationReason::Admin, vec![event])
        .await
        .map_err(explain_unacknowledged)?;
    if json {
        let counts = json!({ "user_id": user, "sessions": ended.sessions, "known_tokens": ended.tokens });
        return Ok(output::print_json(&counts)?);
    }
    Ok(output::print(&format!(
        "User {} is logged out everywhere: {} sessions and {} known tokens were ended, and so was every other token issued \
         until now.\n",
        escape_for_terminal(&user.storage_name()),
        ended.sessions,
        ended.tokens
    ))?)
}

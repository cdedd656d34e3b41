//! `revoke`: revokes what an operator names, next to a running gateway and with the same guarantee as its
//! endpoint.

mod cutoff;
mod session;
mod summary;
mod token;

use anyhow::{Context as _, anyhow};
use maxlab_auth_core::credential::SessionHandle;
use maxlab_auth_core::engine::Engine;
use maxlab_auth_core::identity::UpstreamSession;
use maxlab_auth_core::revocation::RevocationReason;
use maxlab_auth_core::verdict::{CutoffScope, RevocationKey};
use serde_json::json;

use self::cutoff::{revoke_cutoff_scope, warn_if_name_unknown};
use self::session::revoke_session;
use self::summary::{RevokeOutcome, RevokeSummary};
use self::token::{read_token, revoke_token};
use super::args::{RevokeArgs, RevokeTarget};
use super::output::{self, escape_for_terminal};
use super::{CommandError, admin_audit_event, explain_unacknowledged, open_app, open_app_replacing_journal};

/// Revokes what the arguments name.
#[tracing::instrument(level = "debug", skip_all, fields(reason = args.reason.as_str()))]
pub(super) async fn revoke(args: &RevokeArgs) -> Result<(), CommandError> {
    let target = args
        .target()
        .ok_or_else(|| anyhow!("nothing to revoke is named; see `maxlab-auth revoke --help`"))?;
    let app = if args.new_journal {
        open_app_replacing_journal().await?
    } else {
        open_app().await?
    };
    let engine = &app.state.engine;
    let outcome = match target {
        RevokeTarget::Token(argument) => revoke_token(engine, &read_token(&argument)?, args.reason).await?,
        RevokeTarget::Key(RevocationKey::Session(id)) => {
            let key = match SessionHandle::parse(&id) {
                Some(_) => None,
                // The gateway's handles have one form, so this is a session of an authorization server.
                None => Some(CutoffScope::UpstreamSession(UpstreamSession::from_storage_name(
                    &id,
                ))),
            };
            RevokeOutcome::Revoked(match key {
                Some(scope) => revoke_cutoff_scope(&app, scope, args.reason).await?,
                None => revoke_session(engine, &id, args.reason).await?,
            })
        }
        RevokeTarget::Key(RevocationKey::Cutoff(scope)) => {
            RevokeOutcome::Revoked(revoke_cutoff_scope(&app, scope, args.reason).await?)
        }
        RevokeTarget::Key(key) => RevokeOutcome::Revoked(revoke_by_key(engine, key, args.reason).await?),
    };
    let summary = match outcome {
        RevokeOutcome::Revoked(summary) => summary,
        // Success, not a failure: a script that repeats a command must get the same exit status.
        RevokeOutcome::AlreadyRevoked(_) if args.output.json => {
            return Ok(output::print_json(&json!({ "revoked": true, "already": true }))?);
        }
        RevokeOutcome::AlreadyRevoked(why) => {
            return Ok(output::print(&format!("Already revoked: {why}.\n"))?);
        }
    };
    warn_if_name_unknown(&summary);
    if args.output.json {
        return Ok(output::print_json(&summary.json(args.reason))?);
    }
    let upstream = if summary.notifies_upstream {
        "The running gateway notifies the authorization server."
    } else {
        "The authorization server is not notified: that needs the token itself, which is not known here."
    };
    Ok(output::print(&format!(
        "Revoked: {}.\n{upstream}\n",
        summary.description
    ))?)
}

/// Revokes a token by its `jti`.
async fn revoke_by_key(
    engine: &Engine,
    key: RevocationKey,
    reason: RevocationReason,
) -> anyhow::Result<RevokeSummary> {
    let owner = match &key {
        RevocationKey::Token(token) => engine.token_owner(token).await.context("nothing was revoked")?,
        // Handled by functions of their own; the match has to be complete.
        RevocationKey::Session(_) | RevocationKey::Cutoff(_) => None,
    };
    let subject = owner.and_then(|token| token.subject);
    let event = admin_audit_event(engine, subject.as_ref(), &key.to_string());
    engine
        .revoke_key(key.clone(), reason, vec![event])
        .await
        .map_err(explain_unacknowledged)?;
    let name = escape_for_terminal(&key.name());
    let of_user = subject.as_ref().map_or_else(String::new, |subject| {
        format!(" of {}", escape_for_terminal(&subject.storage_name()))
    });
    Ok(RevokeSummary {
        description: format!("the token {name}{of_user}"),
        key,
        subject,
        notifies_upstream: false,
        sessions: None,
        cutoff: None,
    })
}

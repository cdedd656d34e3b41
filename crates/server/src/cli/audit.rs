//! `audit`: shows audit events, the newest first, and deletes old ones.

use anyhow::Context as _;
use maxlab_auth_core::audit::{AuditEvent, AuditFilter, AuditKind, AuditOrigin};
use maxlab_auth_core::clock;
use maxlab_auth_core::identity::Subject;
use serde_json::json;

use super::args::{AuditArgs, AuditCommand, PurgeArgs};
use super::output::{self, ColumnFit, TextTable};
use super::{ACTOR, CommandError, open_app};
use crate::app::App;

/// Prints the selected events, or deletes old ones.
#[tracing::instrument(level = "debug", skip_all)]
pub(super) async fn audit(args: &AuditArgs) -> Result<(), CommandError> {
    let app = open_app().await?;
    if let Some(AuditCommand::Purge(args)) = &args.command {
        return purge_events(&app, args).await;
    }
    let engine = &app.state.engine;
    let filter = AuditFilter {
        subject: args.user.as_deref().map(Subject::from_storage_name),
        kind: args.kind,
        since: args.since.map(|since| since.resolve(engine.now())),
    };
    let events = engine.find_audit_events(&filter, args.limit).await;
    let events = events
        .context("the audit log cannot be read; run `maxlab-auth check` to see what does not answer")?;
    if args.output.json {
        return Ok(output::print_json(&json!({ "events": events }))?);
    }
    if events.is_empty() {
        return Ok(output::print("No such event was recorded.\n")?);
    }
    Ok(output::print_table(&events_table(&events))?)
}

/// Deletes old events, and records the deletion as an event.
#[tracing::instrument(level = "debug", skip_all)]
async fn purge_events(app: &App, args: &PurgeArgs) -> Result<(), CommandError> {
    let (engine, retention) = (&app.state.engine, app.settings.stores.audit_retention);
    let now = engine.now();
    let before = match (args.before, retention) {
        // Never later than now: the record of this purge must not be deleted by it.
        (Some(before), _) => before.resolve(now).min(now),
        (None, Some(retention)) => clock::before(now, retention),
        (None, None) => {
            return Err(anyhow::anyhow!(
                "AUDIT_RETENTION_DAYS is 0, which keeps events for ever; name a time, for example --before 400d"
            )
            .into());
        }
    };
    let mut event = AuditEvent::new(AuditKind::AuditPurged, now, &AuditOrigin::default())
        .with_detail(format!("every event before {before}"));
    event.actor = Some(ACTOR.to_owned());
    // Recorded first: there is no deletion without a record of it.
    let recorded = engine.audit(event).await;
    recorded.context("nothing was deleted: the deletion could not be recorded")?;
    let deleted = engine.purge_audit(before).await;
    let deleted = deleted.context("not every old event was deleted; run the command again")?;
    if args.output.json {
        return Ok(output::print_json(
            &json!({ "deleted": deleted, "before": before }),
        )?);
    }
    Ok(output::print(&format!(
        "Deleted {deleted} events from before {before}.\n"
    ))?)
}

fn events_table(events: &[AuditEvent]) -> TextTable {
    let mut table = TextTable::new(&[
        ("WHEN", ColumnFit::Whole),
        ("WHAT", ColumnFit::Whole),
        ("RESULT", ColumnFit::Whole),
        ("BY", ColumnFit::Truncatable),
        ("USER", ColumnFit::Truncatable),
        ("TARGET", ColumnFit::Truncatable),
        ("FROM", ColumnFit::Truncatable),
        ("REQUEST", ColumnFit::Truncatable),
        ("DETAIL", ColumnFit::Truncatable),
    ]);
    // The table escapes each cell: user agents and ids come from clients.
    for event in events {
        let text = |part: &Option<String>| part.clone().unwrap_or_else(|| "-".to_owned());
        table.push_row([
            output::format_timestamp(event.at),
            event.kind.as_str().to_owned(),
            event.result.as_str().to_owned(),
            text(&event.actor),
            text(&event.subject.as_ref().map(Subject::to_string)),
            text(&event.target),
            text(&event.ip_address),
            text(&event.request_id),
            detail(event),
        ]);
    }
    table
}

fn detail(event: &AuditEvent) -> String {
    let detail = event.detail.clone().unwrap_or_default();
    // Similar refusals are merged into one event with a count.
    match event.count {
        0 | 1 => detail,
        count if detail.is_empty() => format!("{count} times"),
        count => format!("{count} times; {detail}"),
    }
}

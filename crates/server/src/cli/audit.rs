//! `audit`: what happened, the newest first.

use anyhow::Context as _;
use maxlab_auth_core::audit::{AuditEvent, AuditFilter};
use serde_json::json;

use super::args::AuditArgs;
use super::output::{self, Fit, Table};
use super::{Stop, open};

/// Prints the events that are asked for.
pub(super) async fn audit(args: &AuditArgs) -> Result<(), Stop> {
    let app = open().await?;
    let engine = &app.gateway.engine;
    let filter = AuditFilter {
        user_id: args.user.clone(),
        kind: args.kind,
        since: args.since.map(|since| since.moment(engine.now())),
    };
    let found = engine.parts().audit.find(&filter, args.limit).await;
    let events =
        found.context("the audit log cannot be read; `maxlab-auth check` says what does not answer")?;
    if args.output.json {
        return Ok(output::print_json(&json!({ "events": events }))?);
    }
    if events.is_empty() {
        return Ok(output::print("Nothing of that kind happened.\n")?);
    }
    Ok(output::print_table(&table(&events))?)
}

fn table(events: &[AuditEvent]) -> Table {
    let mut table = Table::new(&[
        ("WHEN", Fit::Whole),
        ("WHAT", Fit::Whole),
        ("RESULT", Fit::Whole),
        ("BY", Fit::Cut),
        ("USER", Fit::Cut),
        ("TARGET", Fit::Cut),
        ("FROM", Fit::Cut),
        ("REQUEST", Fit::Cut),
        ("DETAIL", Fit::Cut),
    ]);
    for event in events {
        let text = |part: &Option<String>| part.clone().unwrap_or_else(|| "-".to_owned());
        table.row([
            output::moment(event.at),
            event.kind.as_str().to_owned(),
            event.result.as_str().to_owned(),
            text(&event.actor),
            text(&event.user_id),
            text(&event.target),
            text(&event.ip_address),
            text(&event.request_id),
            event.detail.clone().unwrap_or_default(),
        ]);
    }
    table
}

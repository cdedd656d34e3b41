//! `denylist`: lists and counts the names under which tokens are denied, and removes expired ones.
//!
//! One token may have two names: its `jti`, and the hash of its signing input.

use std::collections::BTreeMap;

use anyhow::Context as _;
use maxlab_auth_core::engine::Engine;
use maxlab_auth_core::identity::Subject;
use maxlab_auth_core::revocation::Revocation;
use serde_json::{Value, json};

use super::args::DenylistCommand;
use super::output::{self, ColumnFit, TextTable};
use super::{CommandError, open_app};

/// Number of entries that are read at a time.
const PAGE_SIZE: u32 = 1_000;

/// Error text if the store does not answer.
const UNREADABLE: &str = "the denylist cannot be read; run `maxlab-auth check` to see what does not answer";

/// Runs one of the subcommands.
#[tracing::instrument(level = "debug", skip_all)]
pub(super) async fn denylist(command: DenylistCommand) -> Result<(), CommandError> {
    let app = open_app().await?;
    let engine = &app.state.engine;
    match command {
        DenylistCommand::List { user, limit, output } => {
            let subject = user.as_deref().map(Subject::from_storage_name);
            list(engine, subject.as_ref(), limit, output.json).await
        }
        DenylistCommand::Stats(output) => stats(engine, output.json).await,
        DenylistCommand::Clean(output) => clean(engine, output.json).await,
    }
}

async fn list(engine: &Engine, user: Option<&Subject>, limit: u32, json: bool) -> Result<(), CommandError> {
    let (entries, more) = list_up_to(engine, user, limit).await?;
    if json {
        let entries: Vec<_> = entries.iter().map(as_json).collect();
        return Ok(output::print_json(&json!({ "entries": entries, "more": more }))?);
    }
    if entries.is_empty() {
        return Ok(output::print(
            "No token is denied by name. (Cut-offs, such as a logout-all, are not listed here.)\n",
        )?);
    }
    let mut table = TextTable::new(&[
        ("TOKEN", ColumnFit::Whole),
        ("REASON", ColumnFit::Whole),
        ("USER", ColumnFit::Truncatable),
        ("REVOKED", ColumnFit::Whole),
        ("UNTIL", ColumnFit::Whole),
    ]);
    for entry in &entries {
        table.push_row([
            entry.key.name(),
            entry.reason.as_str().to_owned(),
            entry
                .subject
                .as_ref()
                .map_or_else(|| "-".to_owned(), Subject::to_string),
            output::format_timestamp(entry.revoked_at),
            output::format_timestamp(entry.expires_at),
        ]);
    }
    output::print_table(&table)?;
    if more {
        output::print("There are more entries; use a higher --limit to see them.\n")?;
    }
    Ok(())
}

/// Returns at most `limit` entries, and `true` if there are more.
async fn list_up_to(
    engine: &Engine,
    user: Option<&Subject>,
    limit: u32,
) -> Result<(Vec<Revocation>, bool), CommandError> {
    let (mut entries, mut after) = (Vec::new(), None::<String>);
    // A store may return a page that is not full although there are more: Redis' SCAN does. Only `None` ends
    // the list.
    loop {
        let missing = limit.saturating_sub(u32::try_from(entries.len()).unwrap_or(u32::MAX));
        if missing == 0 {
            break;
        }
        let (page, next) = engine
            .denylist_page(user, after.as_deref(), missing)
            .await
            .context(UNREADABLE)?;
        entries.extend(page);
        after = next;
        if after.is_none() {
            break;
        }
    }
    // A page may also have more entries than were asked for.
    let more = after.is_some() || entries.len() > limit as usize;
    entries.truncate(limit as usize);
    Ok((entries, more))
}

async fn stats(engine: &Engine, json: bool) -> Result<(), CommandError> {
    let (mut by_reason, mut total, mut after) = (BTreeMap::<&str, u64>::new(), 0_u64, None::<String>);
    // Counted page by page, so that a large denylist is never whole in memory.
    loop {
        let (page, next) = engine
            .denylist_page(None, after.as_deref(), PAGE_SIZE)
            .await
            .context(UNREADABLE)?;
        for entry in page {
            *by_reason.entry(entry.reason.as_str()).or_default() += 1;
            total += 1;
        }
        after = next;
        if after.is_none() {
            break;
        }
    }
    // Here too, because an operator asks both at once: is everything revoked, and has the authorization
    // server heard of it?
    let (waiting, oldest) = engine
        .outbox_backlog()
        .await
        .context("the outbox cannot be read")?;
    if json {
        let outbox = json!({ "waiting": waiting, "oldest": oldest });
        return Ok(output::print_json(
            &json!({ "entries": total, "by_reason": by_reason, "outbox": outbox }),
        )?);
    }
    let mut table = TextTable::new(&[("REASON", ColumnFit::Whole), ("ENTRIES", ColumnFit::Whole)]);
    for (reason, count) in by_reason {
        table.push_row([reason.to_owned(), count.to_string()]);
    }
    table.push_row(["(all)".to_owned(), total.to_string()]);
    output::print_table(&table)?;
    let since = oldest.map_or_else(String::new, |at| {
        format!(", the oldest since {}", output::format_timestamp(at))
    });
    Ok(output::print(&format!(
        "\nMessages waiting for the authorization server: {waiting}{since}.\n"
    ))?)
}

async fn clean(engine: &Engine, json: bool) -> Result<(), CommandError> {
    let purged = engine.purge_revocations(engine.now()).await;
    let (lines, entries) = purged.context("not every expired entry was removed; run the command again")?;
    if json {
        return Ok(output::print_json(
            &json!({ "journal_lines": lines, "store_entries": entries }),
        )?);
    }
    Ok(output::print(&format!(
        "Removed {lines} expired journal lines and {entries} expired store entries.\n"
    ))?)
}

fn as_json(entry: &Revocation) -> Value {
    // The name and never the token: the denylist does not contain tokens.
    json!({
        "token": entry.key.name(),
        "reason": entry.reason,
        "user_id": entry.subject,
        "revoked_at": entry.revoked_at,
        "expires_at": entry.expires_at,
    })
}

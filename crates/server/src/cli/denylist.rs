//! `denylist`: the names under which tokens are denied, listed, counted, and cleaned of what has expired.
//!
//! One token may have two names: its `jti`, and the hash of what its signature covers.

use std::collections::BTreeMap;

use anyhow::Context as _;
use maxlab_auth_core::engine::Engine;
use maxlab_auth_core::revocation::Revocation;
use serde_json::{Value, json};

use super::args::DenylistCommand;
use super::output::{self, Fit, Table};
use super::{Stop, open};

/// So many entries are read at a time.
const PAGE: u32 = 1_000;

const UNREADABLE: &str = "the denylist cannot be read; `maxlab-auth check` says what does not answer";

/// Runs one of the commands.
pub(super) async fn denylist(command: DenylistCommand) -> Result<(), Stop> {
    let app = open().await?;
    let engine = &app.gateway.engine;
    match command {
        DenylistCommand::List { user, limit, output } => {
            list(engine, user.as_deref(), limit, output.json).await
        }
        DenylistCommand::Stats(output) => stats(engine, output.json).await,
        DenylistCommand::Clean(output) => clean(engine, output.json).await,
    }
}

async fn list(engine: &Engine, user: Option<&str>, limit: u32, json: bool) -> Result<(), Stop> {
    let (entries, more) = first(engine, user, limit).await?;
    if json {
        let entries: Vec<_> = entries.iter().map(as_json).collect();
        return Ok(output::print_json(&json!({ "entries": entries, "more": more }))?);
    }
    if entries.is_empty() {
        return Ok(output::print(
            "No token is denied by name. (A cut-off such as logout-all is not listed here.)\n",
        )?);
    }
    let mut table = Table::new(&[
        ("TOKEN", Fit::Whole),
        ("REASON", Fit::Whole),
        ("USER", Fit::Cut),
        ("REVOKED", Fit::Whole),
        ("UNTIL", Fit::Whole),
    ]);
    for entry in &entries {
        table.row([
            entry.key.name(),
            entry.reason.as_str().to_owned(),
            entry.user_id.clone().unwrap_or_else(|| "-".to_owned()),
            output::moment(entry.revoked_at),
            output::moment(entry.expires_at),
        ]);
    }
    output::print_table(&table)?;
    if more {
        output::print("There are more; raise --limit to see them.\n")?;
    }
    Ok(())
}

/// At most `limit` entries, and whether there are more.
async fn first(engine: &Engine, user: Option<&str>, limit: u32) -> Result<(Vec<Revocation>, bool), Stop> {
    let (store, now) = (engine.parts().revocations.store(), engine.now());
    let (mut entries, mut after) = (Vec::new(), None::<String>);
    // A store may answer a page that is not full, and still go on.
    loop {
        let missing = limit.saturating_sub(u32::try_from(entries.len()).unwrap_or(u32::MAX));
        if missing == 0 {
            break;
        }
        let (page, next) = store
            .list(user, after.as_deref(), missing, now)
            .await
            .context(UNREADABLE)?;
        entries.extend(page);
        after = next;
        if after.is_none() {
            break;
        }
    }
    let more = after.is_some() || entries.len() > limit as usize;
    entries.truncate(limit as usize);
    Ok((entries, more))
}

async fn stats(engine: &Engine, json: bool) -> Result<(), Stop> {
    let (store, now) = (engine.parts().revocations.store(), engine.now());
    let (mut by_reason, mut total, mut after) = (BTreeMap::<&str, u64>::new(), 0_u64, None::<String>);
    loop {
        let (page, next) = store
            .list(None, after.as_deref(), PAGE, now)
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
    let (waiting, oldest) = engine
        .parts()
        .outbox
        .backlog()
        .await
        .context("the outbox cannot be read")?;
    if json {
        let outbox = json!({ "waiting": waiting, "oldest": oldest });
        return Ok(output::print_json(
            &json!({ "entries": total, "by_reason": by_reason, "outbox": outbox }),
        )?);
    }
    let mut table = Table::new(&[("REASON", Fit::Whole), ("ENTRIES", Fit::Whole)]);
    for (reason, count) in by_reason {
        table.row([reason.to_owned(), count.to_string()]);
    }
    table.row(["(all)".to_owned(), total.to_string()]);
    output::print_table(&table)?;
    let since = oldest.map_or_else(String::new, |at| {
        format!(", the oldest since {}", output::moment(at))
    });
    Ok(output::print(&format!(
        "\nThe authorization server has still to be told of {waiting}{since}.\n"
    ))?)
}

async fn clean(engine: &Engine, json: bool) -> Result<(), Stop> {
    let cleaned = engine.parts().revocations.purge(engine.now()).await;
    let (lines, entries) = cleaned.context("nothing more could be cleaned")?;
    if json {
        return Ok(output::print_json(
            &json!({ "journal_lines": lines, "store_entries": entries }),
        )?);
    }
    Ok(output::print(&format!(
        "Removed {lines} journal lines and {entries} store entries that had outlived what they deny.\n"
    ))?)
}

fn as_json(entry: &Revocation) -> Value {
    json!({
        "token": entry.key.name(),
        "reason": entry.reason,
        "user_id": entry.user_id,
        "revoked_at": entry.revoked_at,
        "expires_at": entry.expires_at,
    })
}

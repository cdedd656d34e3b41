//! Arguments of `audit`.

use clap::{Args, Subcommand};
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use maxlab_auth_core::audit::AuditKind;

use super::OutputArgs;

/// Arguments of `audit`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct AuditArgs {
    /// An action other than showing events
    #[command(subcommand)]
    pub command: Option<AuditCommand>,
    /// Only events about this user, or by this user
    #[arg(long, value_name = "USER_ID")]
    pub user: Option<String>,
    /// Only events of this kind
    #[arg(long, value_parser = parse_audit_kind)]
    pub kind: Option<AuditKind>,
    /// Only events since this time, or within this duration: 2026-01-31T00:00:00Z, 90m, 24h, 7d
    #[arg(long, value_parser = parse_past_time, value_name = "TIME")]
    pub since: Option<PastTime>,
    /// Maximum number of events; the newest are shown
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    #[command(flatten)]
    #[expect(
        missing_docs,
        reason = "a doc comment here would replace the help of the flag"
    )]
    pub output: OutputArgs,
}

/// Actions on the audit log other than showing it.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Delete old events for good, and free their disk space
    #[command(after_help = "Example:\n  maxlab-auth audit purge --before 90d")]
    Purge(PurgeArgs),
}

/// Arguments of `audit purge`.
#[derive(Debug, Args)]
pub struct PurgeArgs {
    /// Delete events before this time, or older than this duration: 2026-01-31T00:00:00Z, 90d [default:
    /// AUDIT_RETENTION_DAYS]
    #[arg(long, value_parser = parse_past_time, value_name = "TIME")]
    pub before: Option<PastTime>,
    #[command(flatten)]
    #[expect(
        missing_docs,
        reason = "a doc comment here would replace the help of the flag"
    )]
    pub output: OutputArgs,
}

/// A point in time, given directly or as a duration before now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PastTime {
    /// A point in time.
    At(Timestamp),
    /// This duration before now.
    Ago(SignedDuration),
}

impl PastTime {
    /// Returns the time that is meant at `now`, or the first representable time if it would be earlier.
    #[must_use]
    pub fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::Ago(duration) => now.checked_sub(duration).unwrap_or(Timestamp::MIN),
        }
    }
}

/// Parses an RFC 3339 timestamp or a duration such as `24h` or `7d`.
pub(super) fn parse_past_time(text: &str) -> Result<PastTime, String> {
    if let Ok(time) = text.parse() {
        return Ok(PastTime::At(time));
    }
    // Days of 24 hours: without a time zone, a day has no other length.
    text.parse::<Span>()
        .and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()))
        .ok()
        .filter(|duration| duration.is_positive())
        .map(PastTime::Ago)
        .ok_or_else(|| {
            "neither a time like 2026-01-31T00:00:00Z nor a positive duration like 24h or 7d".to_owned()
        })
}

fn parse_audit_kind(word: &str) -> Result<AuditKind, String> {
    AuditKind::parse(word).ok_or_else(|| {
        // The words of the audit table, so that a value from there can be pasted.
        let words: Vec<&str> = AuditKind::ALL.iter().map(|kind| kind.as_str()).collect();
        format!("unknown kind of event; choose from {}", words.join(", "))
    })
}

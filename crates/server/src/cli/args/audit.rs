//! The flags of `audit`.

use clap::Args;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use maxlab_auth_core::audit::AuditKind;

use super::Json;

/// `audit`.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// About this user, or done by them
    #[arg(long, value_name = "USER_ID")]
    pub user: Option<String>,
    /// Of this kind
    #[arg(long, value_parser = audit_kind)]
    pub kind: Option<AuditKind>,
    /// Since this moment, or so long ago: 2026-01-31T00:00:00Z, 90m, 24h, 7d
    #[arg(long, value_parser = since, value_name = "TIME")]
    pub since: Option<Since>,
    /// At most so many, the newest
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    #[command(flatten)]
    #[expect(
        missing_docs,
        reason = "a doc comment here would replace the help of the flag"
    )]
    pub output: Json,
}

/// A moment, or a distance back from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// This moment.
    At(Timestamp),
    /// So long ago.
    Ago(SignedDuration),
}

impl Since {
    /// The moment it means at `now`; the beginning of time where it lies before it.
    #[must_use]
    pub fn moment(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(moment) => moment,
            Self::Ago(distance) => now.checked_sub(distance).unwrap_or(Timestamp::MIN),
        }
    }
}

pub(super) fn since(text: &str) -> Result<Since, String> {
    if let Ok(moment) = text.parse() {
        return Ok(Since::At(moment));
    }
    text.parse::<Span>()
        .and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()))
        .ok()
        .filter(|distance| distance.is_positive())
        .map(Since::Ago)
        .ok_or_else(|| "neither a moment like 2026-01-31T00:00:00Z nor a distance like 24h or 7d".to_owned())
}

fn audit_kind(word: &str) -> Result<AuditKind, String> {
    AuditKind::parse(word).ok_or_else(|| {
        let words: Vec<&str> = AuditKind::ALL.iter().map(|kind| kind.as_str()).collect();
        format!("no kind of event; choose from {}", words.join(", "))
    })
}

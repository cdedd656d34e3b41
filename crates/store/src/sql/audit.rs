//! The audit log.

use async_trait::async_trait;
use maxlab_auth_core::audit::{AuditEvent, AuditFilter, AuditKind, AuditLog, AuditResult};
use maxlab_auth_core::unavailable::Unavailable;
use serde::Serialize;
use uuid::Uuid;

use super::value::{escaped, json};
use super::{Held, Row, SqlDatabase, values};
use crate::moment::{floor_ms, moment};

/// The events come as JSON, any number of them: PostgreSQL's statement, and SQLite's.
const APPEND: (&str, &str) = (
    "INSERT INTO audit_events
         (id, at_ms, kind, actor, user_id, target, ip_address, request_id, result, detail)
     SELECT id, at_ms, kind, actor, user_id, target, ip_address, request_id, result, detail
     FROM json_to_recordset($1::json) AS event(
         id text, at_ms bigint, kind text, actor text, user_id text, target text, ip_address text, request_id text,
         result text, detail text)
     ON CONFLICT (id) DO NOTHING",
    "INSERT INTO audit_events
         (id, at_ms, kind, actor, user_id, target, ip_address, request_id, result, detail)
     SELECT value ->> 'id', value ->> 'at_ms', value ->> 'kind', value ->> 'actor', value ->> 'user_id',
         value ->> 'target', value ->> 'ip_address', value ->> 'request_id', value ->> 'result', value ->> 'detail'
     FROM json_each($1) WHERE true
     ON CONFLICT (id) DO NOTHING",
);

/// The columns of an event, in the order in which [`event`] reads them.
macro_rules! select {
    ($condition:literal) => {
        concat!(
            "SELECT id, at_ms, kind, actor, user_id, target, ip_address, request_id, result, detail
             FROM audit_events WHERE at_ms >= $1 AND ($2 = '' OR kind = $2)",
            $condition,
            " ORDER BY at_ms DESC, id DESC LIMIT $3"
        )
    };
}

#[async_trait]
impl AuditLog for SqlDatabase {
    async fn append(&self, events: &[AuditEvent]) -> Result<(), Unavailable> {
        let mut held = self.database.begin().await?;
        append_events(&mut held, events).await?;
        held.commit().await
    }

    async fn find(&self, filter: &AuditFilter, limit: u32) -> Result<Vec<AuditEvent>, Unavailable> {
        let since = filter.since.map_or(i64::MIN, floor_ms);
        let kind = filter.kind.map_or("", AuditKind::as_str);
        let mut held = self.database.reader().await?;
        let rows = match filter.user_id.as_deref() {
            None => held.rows(select!(""), &values![since, kind, limit]).await?,
            Some(user) => {
                let of_user = select!(" AND (user_id = $4 OR actor = $4)");
                held.rows(of_user, &values![since, kind, limit, user]).await?
            }
        };
        rows.iter().map(event).collect()
    }
}

/// Appends within the caller's transaction.
pub(super) async fn append_events(held: &mut Held, events: &[AuditEvent]) -> Result<(), Unavailable> {
    if events.is_empty() {
        return Ok(());
    }
    let kept: Vec<_> = events.iter().map(Kept::from).collect();
    let append = held.dialect().of(APPEND);
    held.execute(append, &values![json(&kept)?.as_str()])
        .await
        .map(drop)
}

/// An event's words, as they are kept.
#[derive(Serialize)]
struct Kept {
    id: Uuid,
    at_ms: i64,
    kind: &'static str,
    actor: Option<String>,
    user_id: Option<String>,
    target: Option<String>,
    ip_address: Option<String>,
    request_id: Option<String>,
    result: &'static str,
    detail: Option<String>,
}

impl From<&AuditEvent> for Kept {
    fn from(event: &AuditEvent) -> Self {
        let text = |text: &Option<String>| text.as_deref().map(escaped);
        Self {
            id: event.id,
            at_ms: floor_ms(event.at),
            kind: event.kind.as_str(),
            actor: text(&event.actor),
            user_id: text(&event.user_id),
            target: text(&event.target),
            ip_address: text(&event.ip_address),
            request_id: text(&event.request_id),
            result: event.result.as_str(),
            detail: text(&event.detail),
        }
    }
}

fn event(row: &Row) -> Result<AuditEvent, Unavailable> {
    Ok(AuditEvent {
        id: Uuid::parse_str(&row.text(0)?).map_err(|_| row.unreadable("event id"))?,
        at: moment(row.int(1)?),
        kind: AuditKind::parse(&row.text(2)?).ok_or_else(|| row.unreadable("kind of event"))?,
        actor: row.opt_text(3)?,
        user_id: row.opt_text(4)?,
        target: row.opt_text(5)?,
        ip_address: row.opt_text(6)?,
        request_id: row.opt_text(7)?,
        result: AuditResult::parse(&row.text(8)?).ok_or_else(|| row.unreadable("result"))?,
        detail: row.opt_text(9)?,
    })
}

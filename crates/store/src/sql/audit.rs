//! The audit log. Refused requests that repeat within a minute are counted in one event.

use async_trait::async_trait;
use jiff::Timestamp;
use maxlab_auth_core::audit::{AuditEvent, AuditFilter, AuditKind, AuditLog, AuditResult};
use maxlab_auth_core::identity::Subject;
use maxlab_auth_core::unavailable::Unavailable;
use serde::Serialize;
use uuid::Uuid;

use super::value::{escape_text, to_json_rows};
use super::{PooledConnection, SqlDatabase, SqlRow, sql_values};
use crate::millis::{floor_ms, ms_to_timestamp};

/// Adds any number of events, given as JSON. PostgreSQL's statement, and SQLite's.
// The caller draws the id of an event, so DO NOTHING makes a repeated call harmless.
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

/// Adds one event, or counts it on the stored event with the same merge key.
// Only the count changes. The stored event keeps the time and the target of the first refusal.
const INSERT_OR_COUNT: &str = "
    INSERT INTO audit_events
        (id, at_ms, kind, actor, user_id, target, ip_address, request_id, result, detail, merge_key)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (merge_key) WHERE merge_key IS NOT NULL DO UPDATE SET count = audit_events.count + 1";

// The parameters are those of `delete_in_batches`: time and batch size.
const PURGE: &str = "
    DELETE FROM audit_events WHERE id IN (SELECT id FROM audit_events WHERE at_ms < $1 LIMIT $2)";

/// Selects the columns of an event, in the order that [`event_from_row`] expects.
macro_rules! select {
    ($condition:literal) => {
        concat!(
            "SELECT id, at_ms, kind, actor, user_id, target, ip_address, request_id, result, detail, count
             FROM audit_events WHERE at_ms >= $1 AND ($2 = '' OR kind = $2)",
            $condition,
            " ORDER BY at_ms DESC, id DESC LIMIT $3"
        )
    };
}

#[async_trait]
impl AuditLog for SqlDatabase {
    #[tracing::instrument(name = "audit.append", level = "debug", skip_all, fields(events = events.len()))]
    async fn append(&self, events: &[AuditEvent]) -> Result<(), Unavailable> {
        let mut conn = self.database.begin_write().await?;
        append_events(&mut conn, events).await?;
        conn.commit().await
    }

    #[tracing::instrument(name = "audit.find", level = "debug", skip_all)]
    async fn find(&self, filter: &AuditFilter, limit: u32) -> Result<Vec<AuditEvent>, Unavailable> {
        // The empty text selects every kind: no kind is named so.
        let since = filter.since.map_or(i64::MIN, floor_ms);
        let kind = filter.kind.map_or("", AuditKind::as_str);
        let mut conn = self.database.acquire_reader().await?;
        let rows = match &filter.subject {
            None => {
                conn.fetch_all(select!(""), &sql_values![since, kind, limit])
                    .await?
            }
            Some(user) => {
                // Events of a user are those that concern the user, and those that the user caused.
                let of_user = select!(" AND (user_id = $4 OR actor = $4)");
                let values = sql_values![since, kind, limit, &*user.storage_name()];
                conn.fetch_all(of_user, &values).await?
            }
        };
        rows.iter().map(event_from_row).collect()
    }

    #[tracing::instrument(name = "audit.delete_before", level = "debug", skip_all)]
    async fn delete_before(&self, before: Timestamp) -> Result<u64, Unavailable> {
        self.database.delete_in_batches(PURGE, floor_ms(before)).await
    }
}

/// Adds events within the caller's transaction.
pub(super) async fn append_events(
    conn: &mut PooledConnection,
    events: &[AuditEvent],
) -> Result<(), Unavailable> {
    let mut rows = Vec::new();
    for event in events {
        match event.merge_key() {
            // One by one: two events may share a merge key, and one statement may not update a row twice.
            Some(merge_key) => count_event(conn, event, &merge_key).await?,
            None => rows.push(AuditEventRow::from(event)),
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    let append = conn.dialect().pick(APPEND);
    conn.execute(append, &sql_values![to_json_rows(&rows)?.as_str()])
        .await
        .map(drop)
}

async fn count_event(
    conn: &mut PooledConnection,
    event: &AuditEvent,
    merge_key: &str,
) -> Result<(), Unavailable> {
    let id = event.id.to_string();
    let user_id = event.subject.as_ref().map(Subject::storage_name);
    let event = sql_values![
        id.as_str(),
        floor_ms(event.at),
        event.kind.as_str(),
        event.actor.as_deref(),
        user_id.as_deref(),
        event.target.as_deref(),
        event.ip_address.as_deref(),
        event.request_id.as_deref(),
        event.result.as_str(),
        event.detail.as_deref(),
        merge_key,
    ];
    conn.execute(INSERT_OR_COUNT, &event).await.map(drop)
}

/// An event in the form of the columns.
#[derive(Serialize)]
struct AuditEventRow {
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

impl From<&AuditEvent> for AuditEventRow {
    fn from(event: &AuditEvent) -> Self {
        let text = |text: &Option<String>| text.as_deref().map(escape_text);
        Self {
            id: event.id,
            at_ms: floor_ms(event.at),
            kind: event.kind.as_str(),
            actor: text(&event.actor),
            user_id: event
                .subject
                .as_ref()
                .map(|subject| escape_text(&subject.storage_name())),
            target: text(&event.target),
            ip_address: text(&event.ip_address),
            request_id: text(&event.request_id),
            result: event.result.as_str(),
            detail: text(&event.detail),
        }
    }
}

fn event_from_row(row: &SqlRow) -> Result<AuditEvent, Unavailable> {
    Ok(AuditEvent {
        id: Uuid::parse_str(&row.text(0)?).map_err(|_| row.decode_error("event id"))?,
        at: ms_to_timestamp(row.int(1)?),
        kind: AuditKind::parse(&row.text(2)?).ok_or_else(|| row.decode_error("kind of event"))?,
        actor: row.opt_text(3)?,
        subject: row.opt_text(4)?.map(|text| Subject::from_storage_name(&text)),
        target: row.opt_text(5)?,
        ip_address: row.opt_text(6)?,
        request_id: row.opt_text(7)?,
        result: AuditResult::parse(&row.text(8)?).ok_or_else(|| row.decode_error("result"))?,
        detail: row.opt_text(9)?,
        count: u64::try_from(row.int(10)?).map_err(|_| row.decode_error("count"))?,
    })
}

//! The audit log.

use async_trait::async_trait;
use maxlab_auth_core::audit::{AuditEvent, AuditFilter, AuditKind, AuditLog, AuditResult};
use maxlab_auth_core::unavailable::Unavailable;
use uuid::Uuid;

use super::{Held, Row, SqlDatabase, values};
use crate::moment::{floor_ms, moment};

const APPEND: &str = "INSERT INTO audit_events
     (id, at_ms, kind, actor, user_id, target, ip_address, request_id, result, detail)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (id) DO NOTHING";

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
    for event in events {
        let values = values![
            event.id.to_string().as_str(),
            floor_ms(event.at),
            event.kind.as_str(),
            event.actor.as_deref(),
            event.user_id.as_deref(),
            event.target.as_deref(),
            event.ip_address.as_deref(),
            event.request_id.as_deref(),
            event.result.as_str(),
            event.detail.as_deref(),
        ];
        held.execute(APPEND, &values).await?;
    }
    Ok(())
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

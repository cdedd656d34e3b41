//! The contract of `AuditLog`.

use std::sync::Arc;

use maxlab_auth_core::audit::{AuditFilter, AuditKind, AuditLog, AuditResult};

use super::cases;
use super::given::{HOSTILE, event, later};

/// Holds an audit log to its contract; `make` makes an empty one.
pub async fn audit_log<S: AuditLog>(make: impl AsyncFn() -> S) {
    cases!(make:
        events_come_back_as_written_the_newest_first,
        every_part_of_a_filter_must_hold,
        an_event_is_written_once,
    );
}

async fn events_come_back_as_written_the_newest_first(log: Arc<impl AuditLog>) {
    let mut events = Vec::new();
    for (n, kind) in AuditKind::ALL.into_iter().enumerate() {
        events.push(event(kind, "u", u64::try_from(n).unwrap()).with_result(AuditResult::Denied));
    }
    let mut bare = event(AuditKind::Login, "u", 100);
    (
        bare.actor,
        bare.user_id,
        bare.target,
        bare.ip_address,
        bare.request_id,
        bare.detail,
    ) = (None, None, None, None, None, None);
    events.push(bare);
    log.append(&events).await.unwrap();
    events.reverse();
    assert_eq!(log.find(&AuditFilter::default(), 100).await.unwrap(), events);
    assert_eq!(log.find(&AuditFilter::default(), 3).await.unwrap(), events[..3]);
}

async fn every_part_of_a_filter_must_hold(log: Arc<impl AuditLog>) {
    for user in HOSTILE {
        let done_to = event(AuditKind::Logout, user, 1);
        let mut done_by = event(AuditKind::AdminRevoke, user, 2);
        done_by.user_id = Some("someone else".into());
        log.append(&[done_to.clone(), done_by.clone()]).await.unwrap();
        let of_user = AuditFilter {
            user_id: Some(user.into()),
            ..AuditFilter::default()
        };
        assert_eq!(
            log.find(&of_user, 9).await.unwrap(),
            [done_by.clone(), done_to.clone()],
            "{user:?}"
        );
        let of_kind = AuditFilter {
            kind: Some(AuditKind::Logout),
            ..of_user.clone()
        };
        assert_eq!(log.find(&of_kind, 9).await.unwrap(), [done_to]);
        let since = AuditFilter {
            since: Some(later(2)),
            ..of_user.clone()
        };
        assert_eq!(log.find(&since, 9).await.unwrap(), [done_by]);
        let none = AuditFilter {
            since: Some(later(2)),
            kind: Some(AuditKind::Logout),
            ..of_user
        };
        assert_eq!(log.find(&none, 9).await.unwrap(), []);
    }
}

async fn an_event_is_written_once(log: Arc<impl AuditLog>) {
    let once = event(AuditKind::Login, "u", 0);
    log.append(&[once.clone(), once.clone()]).await.unwrap();
    log.append(std::slice::from_ref(&once)).await.unwrap();
    assert_eq!(log.find(&AuditFilter::default(), 9).await.unwrap(), [once]);
}

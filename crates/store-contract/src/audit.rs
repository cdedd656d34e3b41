//! The contract of `AuditLog`.

use std::sync::Arc;

use maxlab_auth_core::audit::{AuditFilter, AuditKind, AuditLog, AuditResult};

use super::fixtures::{HOSTILE_USER_IDS, event, later, subject};
use super::run_cases;

/// Checks that an audit log keeps its contract. `make` creates an empty one.
pub async fn audit_log<S: AuditLog>(make: impl AsyncFn() -> S) {
    run_cases!(make:
        events_come_back_as_written_the_newest_first,
        every_part_of_a_filter_must_hold,
        an_event_is_written_once,
        refusals_of_one_person_kind_and_minute_are_one_event_with_a_count,
        what_is_older_is_purged_and_nothing_else,
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
        bare.subject,
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
    for user in HOSTILE_USER_IDS {
        let done_to = event(AuditKind::Logout, user, 1);
        let mut done_by = event(AuditKind::AdminRevoke, user, 2);
        done_by.subject = Some(subject("someone else"));
        log.append(&[done_to.clone(), done_by.clone()]).await.unwrap();
        let of_user = AuditFilter {
            subject: Some(subject(user)),
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

async fn refusals_of_one_person_kind_and_minute_are_one_event_with_a_count(log: Arc<impl AuditLog>) {
    let denied = |kind, user: &str, at| event(kind, user, at).with_result(AuditResult::Denied);
    let minute = later(0).as_second().rem_euclid(60).unsigned_abs();
    let next_minute = 60 - minute;
    let first = denied(AuditKind::AccessDenied, HOSTILE_USER_IDS[0], 0);
    log.append(std::slice::from_ref(&first)).await.unwrap();
    // Repeats in a call of their own and in one call with others. Successes are never counted together.
    let again = denied(AuditKind::AccessDenied, HOSTILE_USER_IDS[0], 0).with_target("another target");
    log.append(std::slice::from_ref(&again)).await.unwrap();
    let done = event(AuditKind::Logout, HOSTILE_USER_IDS[0], 0);
    let once_more = denied(AuditKind::AccessDenied, HOSTILE_USER_IDS[0], 0);
    log.append(&[once_more, done.clone(), done.clone()])
        .await
        .unwrap();
    let others = [
        denied(AuditKind::RefreshReuse, HOSTILE_USER_IDS[0], 0),
        denied(AuditKind::AccessDenied, "somebody else", 0),
        denied(AuditKind::AccessDenied, HOSTILE_USER_IDS[0], next_minute),
    ];
    log.append(&others).await.unwrap();
    let found = log.find(&AuditFilter::default(), 100).await.unwrap();
    assert_eq!(found.len(), 5, "{found:?}");
    let counted = found.iter().find(|event| event.id == first.id).unwrap();
    assert_eq!((counted.count, &counted.target), (3, &first.target));
    assert!(
        found
            .iter()
            .filter(|event| event.id != first.id)
            .all(|event| event.count == 1)
    );
}

async fn what_is_older_is_purged_and_nothing_else(log: Arc<impl AuditLog>) {
    let events: Vec<_> = (0..2_500)
        .map(|second| event(AuditKind::Login, "u", second))
        .collect();
    log.append(&events).await.unwrap();
    assert_eq!(log.delete_before(later(0)).await.unwrap(), 0);
    assert_eq!(log.delete_before(later(2_400)).await.unwrap(), 2_400);
    assert_eq!(log.delete_before(later(2_400)).await.unwrap(), 0);
    let left = log.find(&AuditFilter::default(), 1_000).await.unwrap();
    assert_eq!(left.len(), 100);
    assert!(left.iter().all(|event| event.at >= later(2_400)));
}

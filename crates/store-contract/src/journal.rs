//! The contract of `Journal`.

use std::sync::Arc;
use std::time::Duration;

use maxlab_auth_core::audit::{AuditFilter, AuditKind, AuditLog};
use maxlab_auth_core::outbox::{Outbox, UpstreamRevocation};
use maxlab_auth_core::revocation::{
    CutoffExemption, Journal, JournalEntry, JournalLine, JournalLineStatus, JournalTransaction, Revocation,
};
use maxlab_auth_core::unavailable::GatewayComponent;
use maxlab_auth_core::verdict::{CutoffScope, Epoch, RevocationKey};
use uuid::Uuid;

use super::fixtures::{
    HOSTILE_USER_IDS, event, later, now, revocation, revoked_token, sealed, subject, user_cutoff,
};
use super::{journal_races, journal_repeats, run_cases};

/// Checks that a journal keeps its contract, together with the audit log and the outbox in its transactions.
/// `make` creates empty ones.
pub async fn journal<S: Journal + AuditLog + Outbox + 'static>(make: impl AsyncFn() -> S) {
    run_cases!(make:
        lines_come_back_as_written_in_order,
        journal_repeats::a_name_is_written_again_only_to_last_longer,
        journal_repeats::a_cut_off_is_written_again_only_when_applied,
        journal_repeats::a_spare_is_written_again_only_to_widen,
        what_is_not_applied_is_remembered,
        s16_what_stands_against_a_key_is_found_with_its_acknowledgement,
        what_has_expired_is_no_longer_live_and_goes_with_a_purge,
        the_audit_events_are_written_along,
        what_is_told_upstream_is_written_along,
        journal_repeats::each_entry_of_a_call_meets_those_before_it,
        data_sets_are_registered_one_after_the_other,
        journal_races::one_of_many_registers_the_next_data_set,
        a_journal_has_one_name,
        journal_races::callers_at_once_with_one_order_get_one_line,
        many_lines_fit_into_one_call,
    );
}

pub(super) fn revoked_entry(revocation: Revocation) -> JournalEntry {
    JournalEntry::Revoked(revocation)
}

pub(super) async fn append_entries(journal: &impl Journal, entries: &[JournalEntry]) -> Vec<JournalLine> {
    journal
        .append(JournalTransaction::from_entries(entries), now())
        .await
        .unwrap()
}

pub(super) async fn unexpired_lines(journal: &impl Journal) -> Vec<JournalLine> {
    journal.unexpired_after(i64::MIN, 10_000, now()).await.unwrap()
}

async fn lines_come_back_as_written_in_order(journal: Arc<impl Journal>) {
    let long = "김".repeat(340);
    let mut entries = vec![
        revoked_entry(revoked_token("a", 60)),
        revoked_entry(Revocation {
            subject: None,
            ..revocation(RevocationKey::Session("s".into()), 60)
        }),
        revoked_entry(user_cutoff(&long, 1, 60)),
        revoked_entry(Revocation {
            cutoff: Some(later(2)),
            ..revocation(RevocationKey::Cutoff(CutoffScope::Client("c".into())), 60)
        }),
    ];
    for user in HOSTILE_USER_IDS.into_iter().chain([long.as_str()]) {
        entries.push(revoked_entry(user_cutoff(user, 5, 70)));
        let key = RevocationKey::Session(user.into());
        let exemption = CutoffExemption {
            key,
            began_at: later(3),
            expires_at: later(60),
            subject: Some(subject(user)),
        };
        entries.push(JournalEntry::Exempted(exemption));
    }
    // The long user has a cut-off already, so this one is not written.
    let expected: Vec<_> = entries
        .iter()
        .filter(|entry| **entry != revoked_entry(user_cutoff(&long, 5, 70)))
        .cloned()
        .collect();
    let written = append_entries(journal.as_ref(), &entries).await;
    assert_eq!(written.len(), entries.len());
    let read = unexpired_lines(journal.as_ref()).await;
    assert!(read.is_sorted_by_key(|line| line.position));
    assert_eq!(
        read.iter().map(|line| line.entry.clone()).collect::<Vec<_>>(),
        expected
    );
    assert!(
        read.iter().all(|line| written.contains(line)),
        "append returns the lines that are read later"
    );
    let rest = journal.unexpired_after(read[2].position, 2, now()).await.unwrap();
    assert_eq!(rest, read[3..5]);
}

async fn what_is_not_applied_is_remembered(journal: Arc<impl Journal>) {
    let entries: Vec<_> = (0..5)
        .map(|n| revoked_entry(revoked_token(&format!("j{n}"), 60)))
        .collect();
    let lines = append_entries(journal.as_ref(), &entries).await;
    assert_eq!(journal.unacknowledged(3).await.unwrap(), lines[..3]);
    journal
        .mark_acknowledged(&[lines[0].position, lines[2].position, 999_999])
        .await
        .unwrap();
    journal.mark_acknowledged(&[]).await.unwrap();
    let rest = [lines[1].clone(), lines[3].clone(), lines[4].clone()];
    assert_eq!(journal.unacknowledged(10).await.unwrap(), rest);
    assert_eq!(
        unexpired_lines(journal.as_ref()).await,
        lines,
        "an acknowledged line stays in force"
    );
}

async fn s16_what_stands_against_a_key_is_found_with_its_acknowledgement(journal: Arc<impl Journal>) {
    let key = |name: &str| revoked_token(name, 60).key;
    let hostile: Vec<_> = HOSTILE_USER_IDS
        .iter()
        .map(|user| revoked_entry(user_cutoff(user, 1, 60)))
        .collect();
    append_entries(journal.as_ref(), &hostile).await;
    let exemption = CutoffExemption {
        key: key("a"),
        began_at: now(),
        expires_at: later(60),
        subject: Some(subject("u")),
    };
    let lines = append_entries(
        journal.as_ref(),
        &[
            revoked_entry(revoked_token("a", 60)),
            revoked_entry(revoked_token("b", 60)),
            revoked_entry(revoked_token("gone", 5)),
            JournalEntry::Exempted(exemption),
            revoked_entry(user_cutoff("user-9", 3, 60)),
        ],
    )
    .await;
    journal.mark_acknowledged(&[lines[0].position]).await.unwrap();
    let again = append_entries(journal.as_ref(), &[revoked_entry(revoked_token("a", 90))]).await;
    let keys = [
        key("a"),
        key("a"),
        key("gone"),
        key("nobody"),
        RevocationKey::user(&subject("user-9")),
    ];
    let found = journal.lines_for_keys(&keys, later(5)).await.unwrap();
    let expected = [(&lines[0], true), (&lines[4], false), (&again[0], false)];
    let expected = expected.map(|(line, is_acknowledged)| JournalLineStatus {
        line: line.clone(),
        is_acknowledged,
    });
    assert_eq!(found, expected);
    assert_eq!(journal.lines_for_keys(&[], now()).await.unwrap(), []);
    for user in HOSTILE_USER_IDS {
        let found = journal
            .lines_for_keys(&[RevocationKey::user(&subject(user))], now())
            .await
            .unwrap();
        assert_eq!(found.len(), 1, "{user:?}");
        assert_eq!(found[0].line.entry, revoked_entry(user_cutoff(user, 1, 60)));
    }
}

async fn what_has_expired_is_no_longer_live_and_goes_with_a_purge(journal: Arc<impl Journal>) {
    let lines = append_entries(
        journal.as_ref(),
        &[
            revoked_entry(revoked_token("a", 10)),
            revoked_entry(revoked_token("b", 20)),
        ],
    )
    .await;
    let live = |at| journal.unexpired_after(i64::MIN, 10, later(at));
    assert_eq!(live(9).await.unwrap(), lines);
    assert_eq!(live(10).await.unwrap(), lines[1..]);
    assert_eq!(journal.purge(later(9)).await.unwrap(), 0);
    assert_eq!(journal.purge(later(10)).await.unwrap(), 1);
    assert_eq!(live(0).await.unwrap(), lines[1..]);
    let new = append_entries(journal.as_ref(), &[revoked_entry(revoked_token("c", 20))]).await;
    assert!(new[0].position > lines[1].position, "no position is given twice");
}

async fn the_audit_events_are_written_along(store: Arc<impl Journal + AuditLog>) {
    let events = [
        event(AuditKind::Revoke, "u", 0),
        event(AuditKind::LogoutAll, "u", 1),
    ];
    Journal::append(
        store.as_ref(),
        JournalTransaction::from_entries(&[revoked_entry(revoked_token("a", 60))]).with_audit(&events),
        now(),
    )
    .await
    .unwrap();
    let found = AuditLog::find(store.as_ref(), &AuditFilter::default(), 10)
        .await
        .unwrap();
    assert_eq!(found, [events[1].clone(), events[0].clone()]);
    assert_eq!(unexpired_lines(store.as_ref()).await.len(), 1);
}

async fn what_is_told_upstream_is_written_along(store: Arc<impl Journal + Outbox>) {
    let items = ["a", "b"].map(|contents| UpstreamRevocation {
        id: Uuid::now_v7(),
        sealed: sealed(contents),
        created_at: now(),
        due_at: now(),
        attempts: 0,
        fairness_key: String::new(),
    });
    let entries = [revoked_entry(revoked_token("a", 60))];
    let record = JournalTransaction {
        upstream: &items,
        ..JournalTransaction::from_entries(&entries)
    };
    store.append(record, now()).await.unwrap();
    let due = store.take_due(now(), Duration::from_secs(9), 9).await.unwrap();
    let ids: Vec<_> = due.iter().map(|item| item.id).collect();
    assert_eq!(ids, items.map(|item| item.id));
    assert_eq!(unexpired_lines(store.as_ref()).await.len(), 1);
}

async fn data_sets_are_registered_one_after_the_other(journal: Arc<impl Journal>) {
    assert_eq!(journal.current_term().await.unwrap(), None);
    let epoch = Epoch::new("g1@run:history");
    let first = journal.register_term(None, &epoch).await.unwrap().unwrap();
    assert_eq!((first.number, &first.epoch), (1, &epoch));
    assert_eq!(journal.current_term().await.unwrap(), Some(first.clone()));
    // The same data set may be registered again and gets a new number.
    let second = journal
        .register_term(Some(&first), &epoch)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(second.number, 2);
    for late in [None, Some(&first)] {
        assert_eq!(
            journal.register_term(late, &Epoch::new("g2")).await.unwrap(),
            None
        );
    }
    assert_eq!(journal.current_term().await.unwrap(), Some(second));
}

async fn a_journal_has_one_name(journal: Arc<impl Journal>) {
    let name = journal.id().await.unwrap();
    assert!(!name.is_empty());
    assert_eq!(journal.id().await.unwrap(), name);
}

async fn many_lines_fit_into_one_call(journal: Arc<impl Journal>) {
    let entries: Vec<_> = (0..1_000)
        .map(|n| revoked_entry(revoked_token(&format!("j{n}"), 60)))
        .collect();
    let lines = append_entries(journal.as_ref(), &entries).await;
    let positions: Vec<_> = lines.iter().map(|line| line.position).collect();
    journal.mark_acknowledged(&positions).await.unwrap();
    assert_eq!(journal.unacknowledged(1).await.unwrap(), []);
    assert_eq!(unexpired_lines(journal.as_ref()).await.len(), 1_000);
}

/// Checks that the journal is not written if the audit log cannot be written. `spoil` breaks the audit log.
pub async fn journal_and_audit_stand_or_fall_together<S: Journal + AuditLog>(
    store: &S,
    spoil: impl AsyncFnOnce(),
) {
    let events = [event(AuditKind::Revoke, "u", 0)];
    Journal::append(
        store,
        JournalTransaction::from_entries(&[revoked_entry(revoked_token("a", 60))]).with_audit(&events),
        now(),
    )
    .await
    .unwrap();
    spoil().await;
    let fault = Journal::append(
        store,
        JournalTransaction::from_entries(&[revoked_entry(revoked_token("b", 60))]).with_audit(&events),
        now(),
    )
    .await
    .unwrap_err();
    assert_eq!(fault.component(), GatewayComponent::Database);
    let lines = unexpired_lines(store).await;
    assert_eq!(lines.len(), 1, "{lines:?}");
}

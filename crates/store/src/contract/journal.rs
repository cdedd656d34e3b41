//! The contract of `Journal`.

use std::sync::Arc;
use std::time::Duration;

use maxlab_auth_core::audit::{AuditFilter, AuditKind, AuditLog};
use maxlab_auth_core::outbox::{Outbox, UpstreamRevocation};
use maxlab_auth_core::revocation::{
    Epoch, Journal, JournalEntry, Journalled, Party, Record, Revocation, RevocationKey, Spare, TokenKey,
};
use maxlab_auth_core::unavailable::Component;
use uuid::Uuid;

use super::given::{HOSTILE, cut_off, event, later, now, revoked, revoked_token, sealed};
use super::{cases, journal_races};

/// Holds a journal, and the audit log and the outbox that it writes with, to their contract; `make` makes empty ones.
pub async fn journal<S: Journal + AuditLog + Outbox + 'static>(make: impl AsyncFn() -> S) {
    cases!(make:
        lines_come_back_as_written_in_order,
        a_name_is_written_again_only_to_last_longer,
        a_cut_off_is_written_again_only_when_applied,
        a_spare_is_written_again_only_to_widen,
        what_is_not_applied_is_remembered,
        what_has_expired_is_no_longer_live_and_goes_with_a_purge,
        the_audit_events_are_written_along,
        what_is_told_upstream_is_written_along,
        each_entry_of_a_call_meets_those_before_it,
        data_sets_are_registered_one_after_the_other,
        journal_races::one_of_many_registers_the_next_data_set,
        a_journal_has_one_name,
        journal_races::callers_at_once_with_one_order_get_one_line,
        many_lines_fit_into_one_call,
    );
}

pub(super) fn order(revocation: Revocation) -> JournalEntry {
    JournalEntry::Revoked(revocation)
}

async fn append(journal: &impl Journal, entries: &[JournalEntry]) -> Vec<Journalled> {
    journal.append(Record::of(entries), now()).await.unwrap()
}

pub(super) async fn live(journal: &impl Journal) -> Vec<Journalled> {
    journal.live_after(i64::MIN, 10_000, now()).await.unwrap()
}

async fn lines_come_back_as_written_in_order(journal: Arc<impl Journal>) {
    let long = "김".repeat(340);
    let mut entries = vec![
        order(revoked_token("a", 60)),
        order(Revocation {
            user_id: None,
            ..revoked(RevocationKey::Session("s".into()), 60)
        }),
        order(cut_off(&long, 1, 60)),
        order(Revocation {
            cutoff: Some(later(2)),
            ..revoked(RevocationKey::Before(Party::Client("c".into())), 60)
        }),
    ];
    for user in HOSTILE.into_iter().chain([long.as_str()]) {
        entries.push(order(cut_off(user, 5, 70)));
        let key = RevocationKey::Session(user.into());
        let spare = Spare {
            key,
            began_at: later(3),
            expires_at: later(60),
            user_id: user.into(),
        };
        entries.push(JournalEntry::Spared(spare));
    }
    // The long user's cut-off stands already.
    let expected: Vec<_> = entries
        .iter()
        .filter(|entry| **entry != order(cut_off(&long, 5, 70)))
        .cloned()
        .collect();
    let written = append(journal.as_ref(), &entries).await;
    assert_eq!(written.len(), entries.len());
    let read = live(journal.as_ref()).await;
    assert!(read.is_sorted_by_key(|line| line.position));
    assert_eq!(
        read.iter().map(|line| line.entry.clone()).collect::<Vec<_>>(),
        expected
    );
    assert!(
        read.iter().all(|line| written.contains(line)),
        "what append answers is what is read"
    );
    let rest = journal.live_after(read[2].position, 2, now()).await.unwrap();
    assert_eq!(rest, read[3..5]);
}

async fn a_name_is_written_again_only_to_last_longer(journal: Arc<impl Journal>) {
    let first = append(journal.as_ref(), &[order(revoked_token("a", 60))]).await;
    let again = Revocation {
        revoked_at: later(5),
        ..revoked_token("a", 60)
    };
    for repeated in [
        again.clone(),
        Revocation {
            expires_at: later(30),
            ..again.clone()
        },
    ] {
        assert_eq!(
            append(journal.as_ref(), &[order(repeated)]).await,
            first,
            "the first line, with its time"
        );
    }
    journal.applied(&[first[0].position]).await.unwrap();
    assert_eq!(
        append(journal.as_ref(), &[order(again.clone())]).await,
        first,
        "also when it is applied"
    );
    let longer = Revocation {
        expires_at: later(61),
        ..again
    };
    let second = append(journal.as_ref(), &[order(longer.clone())]).await;
    assert!(second[0].position > first[0].position);
    assert_eq!(second[0].entry, order(longer));
    assert_eq!(live(journal.as_ref()).await.len(), 2);
    let twice = append(
        journal.as_ref(),
        &[order(revoked_token("b", 60)), order(revoked_token("b", 60))],
    )
    .await;
    assert_eq!(twice[0], twice[1], "and within one call");
}

async fn a_cut_off_is_written_again_only_when_applied(journal: Arc<impl Journal>) {
    let first = append(journal.as_ref(), &[order(cut_off("u", 1, 600))]).await;
    let repeated = append(journal.as_ref(), &[order(cut_off("u", 9, 600))]).await;
    assert_eq!(repeated, first, "a repeated order keeps the time first written");
    let other = append(journal.as_ref(), &[order(cut_off("v", 9, 600))]).await;
    assert_ne!(other[0].position, first[0].position);
    journal.applied(&[first[0].position]).await.unwrap();
    let second = append(journal.as_ref(), &[order(cut_off("u", 9, 600))]).await;
    assert!(second[0].position > first[0].position);
    assert_eq!(second[0].entry, order(cut_off("u", 9, 600)));
    // One that nobody needs any more stands in nobody's way.
    append(journal.as_ref(), &[order(cut_off("w", 1, 10))]).await;
    let late = journal
        .append(Record::of(&[order(cut_off("w", 20, 600))]), later(20))
        .await
        .unwrap();
    assert_eq!(late[0].entry, order(cut_off("w", 20, 600)));
}

async fn a_spare_is_written_again_only_to_widen(journal: Arc<impl Journal>) {
    let spare = |began, seconds| {
        let key = RevocationKey::Token(TokenKey::from_jti("a"));
        JournalEntry::Spared(Spare {
            key,
            began_at: later(began),
            expires_at: later(seconds),
            user_id: "u".into(),
        })
    };
    let first = append(journal.as_ref(), &[spare(5, 60)]).await;
    assert_eq!(append(journal.as_ref(), &[spare(4, 60)]).await, first);
    assert_ne!(append(journal.as_ref(), &[spare(6, 60)]).await, first);
    assert_ne!(append(journal.as_ref(), &[spare(5, 61)]).await, first);
    let revoked = append(journal.as_ref(), &[order(revoked_token("a", 60))]).await;
    assert!(
        matches!(revoked[0].entry, JournalEntry::Revoked(_)),
        "a spare is no revocation"
    );
}

async fn what_is_not_applied_is_remembered(journal: Arc<impl Journal>) {
    let entries: Vec<_> = (0..5)
        .map(|n| order(revoked_token(&format!("j{n}"), 60)))
        .collect();
    let lines = append(journal.as_ref(), &entries).await;
    assert_eq!(journal.unapplied(3).await.unwrap(), lines[..3]);
    journal
        .applied(&[lines[0].position, lines[2].position, 999_999])
        .await
        .unwrap();
    journal.applied(&[]).await.unwrap();
    let left = [lines[1].clone(), lines[3].clone(), lines[4].clone()];
    assert_eq!(journal.unapplied(10).await.unwrap(), left);
    assert_eq!(live(journal.as_ref()).await, lines, "what is applied stays live");
}

async fn what_has_expired_is_no_longer_live_and_goes_with_a_purge(journal: Arc<impl Journal>) {
    let lines = append(
        journal.as_ref(),
        &[order(revoked_token("a", 10)), order(revoked_token("b", 20))],
    )
    .await;
    let live = |at| journal.live_after(i64::MIN, 10, later(at));
    assert_eq!(live(9).await.unwrap(), lines);
    assert_eq!(live(10).await.unwrap(), lines[1..]);
    assert_eq!(journal.purge(later(9)).await.unwrap(), 0);
    assert_eq!(journal.purge(later(10)).await.unwrap(), 1);
    assert_eq!(live(0).await.unwrap(), lines[1..]);
    let new = append(journal.as_ref(), &[order(revoked_token("c", 20))]).await;
    assert!(new[0].position > lines[1].position, "no position is given twice");
}

async fn the_audit_events_are_written_along(store: Arc<impl Journal + AuditLog>) {
    let events = [
        event(AuditKind::Revoke, "u", 0),
        event(AuditKind::LogoutAll, "u", 1),
    ];
    Journal::append(
        store.as_ref(),
        Record::of(&[order(revoked_token("a", 60))]).audited(&events),
        now(),
    )
    .await
    .unwrap();
    let found = AuditLog::find(store.as_ref(), &AuditFilter::default(), 10)
        .await
        .unwrap();
    assert_eq!(found, [events[1].clone(), events[0].clone()]);
    assert_eq!(live(store.as_ref()).await.len(), 1);
}

async fn what_is_told_upstream_is_written_along(store: Arc<impl Journal + Outbox>) {
    let items = ["a", "b"].map(|contents| UpstreamRevocation {
        id: Uuid::now_v7(),
        sealed: sealed(contents),
        created_at: now(),
        attempts: 0,
    });
    let entries = [order(revoked_token("a", 60))];
    let record = Record {
        upstream: &items,
        ..Record::of(&entries)
    };
    store.append(record, now()).await.unwrap();
    let due = store.take_due(now(), Duration::from_secs(9), 9).await.unwrap();
    let ids: Vec<_> = due.iter().map(|item| item.id).collect();
    assert_eq!(ids, items.map(|item| item.id));
    assert_eq!(live(store.as_ref()).await.len(), 1);
}

/// As if they had come one after the other: what stands from before, what stands from this call, and what is new.
async fn each_entry_of_a_call_meets_those_before_it(journal: Arc<impl Journal>) {
    let before = append(
        journal.as_ref(),
        &[order(revoked_token("a", 60)), order(cut_off("u", 1, 600))],
    )
    .await;
    let lines = append(
        journal.as_ref(),
        &[
            order(revoked_token("b", 60)),
            order(cut_off("u", 5, 600)),
            order(revoked_token("b", 61)),
            order(revoked_token("a", 30)),
            order(revoked_token("b", 50)),
            order(cut_off("v", 5, 600)),
            order(revoked_token("a", 90)),
            order(cut_off("v", 7, 600)),
        ],
    )
    .await;
    assert_eq!(lines[1], before[1]);
    assert_eq!(lines[3], before[0]);
    assert_eq!(lines[4], lines[0], "the first that lasts as long");
    assert_eq!(lines[7], lines[5], "with the time first written");
    let new = [0, 2, 5, 6].map(|n: usize| lines[n].clone());
    assert!(new.is_sorted_by_key(|line| line.position));
    assert_eq!(new[1].entry, order(revoked_token("b", 61)));
    assert_eq!(new[3].entry, order(revoked_token("a", 90)));
    let all: Vec<_> = before.iter().chain(&new).cloned().collect();
    assert_eq!(live(journal.as_ref()).await, all);
}

async fn data_sets_are_registered_one_after_the_other(journal: Arc<impl Journal>) {
    assert_eq!(journal.term().await.unwrap(), None);
    let epoch = Epoch::new("g1@run:history");
    let first = journal.announce(None, &epoch).await.unwrap().unwrap();
    assert_eq!((first.number, &first.epoch), (1, &epoch));
    assert_eq!(journal.term().await.unwrap(), Some(first.clone()));
    // The same data set may come again, under a number of its own.
    let second = journal.announce(Some(&first), &epoch).await.unwrap().unwrap();
    assert_eq!(second.number, 2);
    for late in [None, Some(&first)] {
        assert_eq!(journal.announce(late, &Epoch::new("g2")).await.unwrap(), None);
    }
    assert_eq!(journal.term().await.unwrap(), Some(second));
}

async fn a_journal_has_one_name(journal: Arc<impl Journal>) {
    let name = journal.id().await.unwrap();
    assert!(!name.is_empty());
    assert_eq!(journal.id().await.unwrap(), name);
}

async fn many_lines_fit_into_one_call(journal: Arc<impl Journal>) {
    let entries: Vec<_> = (0..1_000)
        .map(|n| order(revoked_token(&format!("j{n}"), 60)))
        .collect();
    let lines = append(journal.as_ref(), &entries).await;
    let positions: Vec<_> = lines.iter().map(|line| line.position).collect();
    journal.applied(&positions).await.unwrap();
    assert_eq!(journal.unapplied(1).await.unwrap(), []);
    assert_eq!(live(journal.as_ref()).await.len(), 1_000);
}

/// When the audit log cannot be written, after `spoil`, the journal is not either.
pub async fn journal_and_audit_stand_or_fall_together<S: Journal + AuditLog>(
    store: &S,
    spoil: impl AsyncFnOnce(),
) {
    let events = [event(AuditKind::Revoke, "u", 0)];
    Journal::append(
        store,
        Record::of(&[order(revoked_token("a", 60))]).audited(&events),
        now(),
    )
    .await
    .unwrap();
    spoil().await;
    let fault = Journal::append(
        store,
        Record::of(&[order(revoked_token("b", 60))]).audited(&events),
        now(),
    )
    .await
    .unwrap_err();
    assert_eq!(fault.component(), Component::Database);
    let lines = live(store).await;
    assert_eq!(lines.len(), 1, "{lines:?}");
}

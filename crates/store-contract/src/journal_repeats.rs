//! The contract of `Journal` for entries that repeat an earlier one.

use std::sync::Arc;

use maxlab_auth_core::revocation::{CutoffExemption, Journal, JournalEntry, JournalTransaction, Revocation};
use maxlab_auth_core::verdict::{RevocationKey, TokenKey};

use super::fixtures::{later, revoked_token, subject, user_cutoff};
use super::journal::{append_entries, revoked_entry, unexpired_lines};

pub(super) async fn a_name_is_written_again_only_to_last_longer(journal: Arc<impl Journal>) {
    let first = append_entries(journal.as_ref(), &[revoked_entry(revoked_token("a", 60))]).await;
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
            append_entries(journal.as_ref(), &[revoked_entry(repeated)]).await,
            first,
            "the first line, with its time"
        );
    }
    journal.mark_acknowledged(&[first[0].position]).await.unwrap();
    assert_eq!(
        append_entries(journal.as_ref(), &[revoked_entry(again.clone())]).await,
        first,
        "also when it is applied"
    );
    let longer = Revocation {
        expires_at: later(61),
        ..again
    };
    let second = append_entries(journal.as_ref(), &[revoked_entry(longer.clone())]).await;
    assert!(second[0].position > first[0].position);
    assert_eq!(second[0].entry, revoked_entry(longer));
    assert_eq!(unexpired_lines(journal.as_ref()).await.len(), 2);
    let twice = append_entries(
        journal.as_ref(),
        &[
            revoked_entry(revoked_token("b", 60)),
            revoked_entry(revoked_token("b", 60)),
        ],
    )
    .await;
    assert_eq!(twice[0], twice[1], "and within one call");
}

pub(super) async fn a_cut_off_is_written_again_only_when_applied(journal: Arc<impl Journal>) {
    let first = append_entries(journal.as_ref(), &[revoked_entry(user_cutoff("u", 1, 600))]).await;
    let repeated = append_entries(journal.as_ref(), &[revoked_entry(user_cutoff("u", 9, 600))]).await;
    assert_eq!(repeated, first, "a repeated cut-off keeps the time first written");
    let other = append_entries(journal.as_ref(), &[revoked_entry(user_cutoff("v", 9, 600))]).await;
    assert_ne!(other[0].position, first[0].position);
    journal.mark_acknowledged(&[first[0].position]).await.unwrap();
    let second = append_entries(journal.as_ref(), &[revoked_entry(user_cutoff("u", 9, 600))]).await;
    assert!(second[0].position > first[0].position);
    assert_eq!(second[0].entry, revoked_entry(user_cutoff("u", 9, 600)));
    // An expired cut-off does not cover a new one.
    append_entries(journal.as_ref(), &[revoked_entry(user_cutoff("w", 1, 10))]).await;
    let late = journal
        .append(
            JournalTransaction::from_entries(&[revoked_entry(user_cutoff("w", 20, 600))]),
            later(20),
        )
        .await
        .unwrap();
    assert_eq!(late[0].entry, revoked_entry(user_cutoff("w", 20, 600)));
}

pub(super) async fn a_spare_is_written_again_only_to_widen(journal: Arc<impl Journal>) {
    let exemption = |began, seconds| {
        let key = RevocationKey::Token(TokenKey::from_jti("a"));
        JournalEntry::Exempted(CutoffExemption {
            key,
            began_at: later(began),
            expires_at: later(seconds),
            subject: Some(subject("u")),
        })
    };
    let first = append_entries(journal.as_ref(), &[exemption(5, 60)]).await;
    assert_eq!(append_entries(journal.as_ref(), &[exemption(4, 60)]).await, first);
    assert_ne!(append_entries(journal.as_ref(), &[exemption(6, 60)]).await, first);
    assert_ne!(append_entries(journal.as_ref(), &[exemption(5, 61)]).await, first);
    let revoked = append_entries(journal.as_ref(), &[revoked_entry(revoked_token("a", 60))]).await;
    assert!(
        matches!(revoked[0].entry, JournalEntry::Revoked(_)),
        "an exemption is no revocation"
    );
}

/// Checks that the entries of one call are treated as if they had come one after the other.
pub(super) async fn each_entry_of_a_call_meets_those_before_it(journal: Arc<impl Journal>) {
    let before = append_entries(
        journal.as_ref(),
        &[
            revoked_entry(revoked_token("a", 60)),
            revoked_entry(user_cutoff("u", 1, 600)),
        ],
    )
    .await;
    let lines = append_entries(
        journal.as_ref(),
        &[
            revoked_entry(revoked_token("b", 60)),
            revoked_entry(user_cutoff("u", 5, 600)),
            revoked_entry(revoked_token("b", 61)),
            revoked_entry(revoked_token("a", 30)),
            revoked_entry(revoked_token("b", 50)),
            revoked_entry(user_cutoff("v", 5, 600)),
            revoked_entry(revoked_token("a", 90)),
            revoked_entry(user_cutoff("v", 7, 600)),
        ],
    )
    .await;
    assert_eq!(lines[1], before[1]);
    assert_eq!(lines[3], before[0]);
    assert_eq!(lines[4], lines[0], "the first that lasts as long");
    assert_eq!(lines[7], lines[5], "with the time first written");
    let new = [0, 2, 5, 6].map(|n: usize| lines[n].clone());
    assert!(new.is_sorted_by_key(|line| line.position));
    assert_eq!(new[1].entry, revoked_entry(revoked_token("b", 61)));
    assert_eq!(new[3].entry, revoked_entry(revoked_token("a", 90)));
    let all: Vec<_> = before.iter().chain(&new).cloned().collect();
    assert_eq!(unexpired_lines(journal.as_ref()).await, all);
}

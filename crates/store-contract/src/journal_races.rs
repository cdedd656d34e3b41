//! The contract of `Journal` under concurrency.

use std::collections::BTreeSet;
use std::sync::Arc;

use maxlab_auth_core::revocation::{Journal, JournalTransaction};
use maxlab_auth_core::verdict::Epoch;
use tokio::task::JoinSet;

use super::fixtures::{now, revoked_token, user_cutoff};
use super::journal::{revoked_entry, unexpired_lines};

pub(super) async fn one_of_many_registers_the_next_data_set(journal: Arc<impl Journal + 'static>) {
    let mut current = None;
    for round in 1..=4 {
        let mut callers = JoinSet::new();
        for n in 0..8 {
            let (journal, current) = (Arc::clone(&journal), current.clone());
            callers.spawn(async move {
                let epoch = Epoch::new(format!("g{round}-{n}"));
                journal.register_term(current.as_ref(), &epoch).await.unwrap()
            });
        }
        let winners: Vec<_> = callers.join_all().await.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1, "{winners:?}");
        assert_eq!(winners[0].number, round);
        current = winners.into_iter().next();
    }
}

pub(super) async fn callers_at_once_with_one_order_get_one_line(journal: Arc<impl Journal + 'static>) {
    for round in 0..12 {
        let mut callers = JoinSet::new();
        for n in 0..8 {
            let journal = Arc::clone(&journal);
            callers.spawn(async move {
                let token = revoked_entry(revoked_token(&format!("j{round}"), 60));
                let cut_off = revoked_entry(user_cutoff(&format!("u{round}"), n, 60));
                // Half of them in the opposite order, which must not lead to a deadlock.
                let entries = if n % 2 == 0 {
                    [token, cut_off]
                } else {
                    [cut_off, token]
                };
                let lines = journal
                    .append(JournalTransaction::from_entries(&entries), now())
                    .await
                    .unwrap();
                lines
                    .into_iter()
                    .map(|line| line.position)
                    .collect::<BTreeSet<_>>()
            });
        }
        let positions: BTreeSet<_> = callers.join_all().await.into_iter().collect();
        assert_eq!(positions.len(), 1, "round {round}: {positions:?}");
    }
    assert_eq!(unexpired_lines(journal.as_ref()).await.len(), 24);
}

//! The contract of `Journal` under concurrency.

use std::collections::BTreeSet;
use std::sync::Arc;

use maxlab_auth_core::revocation::{Epoch, Journal, Record};
use tokio::task::JoinSet;

use super::given::{cut_off, now, revoked_token};
use super::journal::{live, order};

pub(super) async fn one_of_many_registers_the_next_data_set(journal: Arc<impl Journal + 'static>) {
    let mut standing = None;
    for round in 1..=4 {
        let mut callers = JoinSet::new();
        for n in 0..8 {
            let (journal, standing) = (Arc::clone(&journal), standing.clone());
            callers.spawn(async move {
                let epoch = Epoch::new(format!("g{round}-{n}"));
                journal.announce(standing.as_ref(), &epoch).await.unwrap()
            });
        }
        let won: Vec<_> = callers.join_all().await.into_iter().flatten().collect();
        assert_eq!(won.len(), 1, "{won:?}");
        assert_eq!(won[0].number, round);
        standing = won.into_iter().next();
    }
}

pub(super) async fn callers_at_once_with_one_order_get_one_line(journal: Arc<impl Journal + 'static>) {
    for round in 0..12 {
        let mut callers = JoinSet::new();
        for n in 0..8 {
            let journal = Arc::clone(&journal);
            callers.spawn(async move {
                let token = order(revoked_token(&format!("j{round}"), 60));
                let cut_off = order(cut_off(&format!("u{round}"), n, 60));
                // Half of them the other way round: that must not lock anybody out.
                let entries = if n % 2 == 0 {
                    [token, cut_off]
                } else {
                    [cut_off, token]
                };
                let lines = journal.append(Record::of(&entries), now()).await.unwrap();
                lines
                    .into_iter()
                    .map(|line| line.position)
                    .collect::<BTreeSet<_>>()
            });
        }
        let positions: BTreeSet<_> = callers.join_all().await.into_iter().collect();
        assert_eq!(positions.len(), 1, "round {round}: {positions:?}");
    }
    assert_eq!(live(journal.as_ref()).await.len(), 24);
}

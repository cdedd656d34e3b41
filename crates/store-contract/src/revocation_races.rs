//! The contract of `RevocationStore` under concurrency.

use std::sync::Arc;

use maxlab_auth_core::revocation::{RevocationLog, RevocationStore};
use maxlab_auth_core::verdict::RevocationKey;
use tokio::task::JoinSet;

use super::fixtures::{later, now, revoke, subject, user_cutoff};

pub(super) async fn the_latest_cut_off_of_many_stands(
    store: Arc<impl RevocationStore + RevocationLog + 'static>,
) {
    let mut writers = JoinSet::new();
    // The order of the times is neither rising nor falling.
    for n in (0..32).map(|n| n * 7 % 32) {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            revoke(store.as_ref(), &[user_cutoff("u", n, 600)], now())
                .await
                .unwrap();
        });
    }
    writers.join_all().await;
    let findings = store
        .find(&[RevocationKey::user(&subject("u"))], &[], now())
        .await
        .unwrap();
    assert_eq!(findings.revoked[0].as_ref().unwrap().cutoff, Some(later(31)));
}

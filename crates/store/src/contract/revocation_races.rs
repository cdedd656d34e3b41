//! The contract of `RevocationStore` under concurrency.

use std::sync::Arc;

use maxlab_auth_core::revocation::{RevocationKey, RevocationLog, RevocationStore};
use tokio::task::JoinSet;

use super::given::{cut_off, later, now, revoke};

pub(super) async fn the_latest_cut_off_of_many_stands(
    store: Arc<impl RevocationStore + RevocationLog + 'static>,
) {
    let mut writers = JoinSet::new();
    // In an order that is neither rising nor falling.
    for n in (0..32).map(|n| n * 7 % 32) {
        let store = Arc::clone(&store);
        writers.spawn(async move {
            revoke(store.as_ref(), &[cut_off("u", n, 600)], now())
                .await
                .unwrap();
        });
    }
    writers.join_all().await;
    let findings = store.find(&[RevocationKey::user("u")], &[], now()).await.unwrap();
    assert_eq!(findings.revoked[0].as_ref().unwrap().cutoff, Some(later(31)));
}

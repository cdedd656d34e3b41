//! The contract of `RevocationLog` for leases.

use std::sync::Arc;

use maxlab_auth_core::revocation::{InstanceId, LeaseHolder, LeaseRenewal, RevocationLog, RevocationStore};

use super::fixtures::now;
use super::log::{LEASE, current_epoch, renew, revoked_entry};

pub(super) async fn a_position_and_the_leases_are_read_in_one_step(
    log: Arc<impl RevocationLog + RevocationStore>,
) {
    let epoch = current_epoch(log.as_ref()).await;
    let (a, b) = (InstanceId::new("a.1"), InstanceId::new("b.1"));
    assert_eq!(renew(log.as_ref(), &epoch, &a, 0, 1).await, 0);
    let entries = [revoked_entry("x", 60), revoked_entry("y", 60)];
    let published = log.publish(&epoch, &entries, now()).await.unwrap();
    assert_eq!((published.before, published.position), (0, 2));
    let holder = |instance: &InstanceId, applied, renewal| LeaseHolder {
        instance: instance.clone(),
        applied,
        lease: LEASE,
        renewal_number: renewal,
    };
    assert_eq!(published.holders, [holder(&a, 0, 1)]);
    assert_eq!(renew(log.as_ref(), &epoch, &b, 2, 1).await, 2);
    assert_eq!(renew(log.as_ref(), &epoch, &a, 1, 2).await, 2);
    let mut holders = log.holders().await.unwrap();
    holders.sort_by(|one, other| one.instance.cmp(&other.instance));
    assert_eq!(holders, [holder(&a, 1, 2), holder(&b, 2, 1)]);
    let without_lease = LeaseRenewal {
        epoch: &epoch,
        holder: None,
        lease: 0,
        number: 0,
    };
    assert_eq!(log.renew_lease(without_lease).await.unwrap(), 2);
    log.release_lease(&a).await.unwrap();
    assert_eq!(log.holders().await.unwrap(), [holder(&b, 2, 1)]);
}

pub(super) async fn a_lease_that_was_not_renewed_since_is_evicted(
    log: Arc<impl RevocationLog + RevocationStore>,
) {
    let epoch = current_epoch(log.as_ref()).await;
    let a = InstanceId::new("a.1");
    renew(log.as_ref(), &epoch, &a, 0, 1).await;
    let holders = log.holders().await.unwrap();
    renew(log.as_ref(), &epoch, &a, 0, 2).await;
    log.evict_holder(&holders[0]).await.unwrap();
    let holders = log.holders().await.unwrap();
    assert_eq!(holders.len(), 1, "it renewed meanwhile");
    log.evict_holder(&holders[0]).await.unwrap();
    assert_eq!(log.holders().await.unwrap(), []);
}

pub(super) async fn notices_of_what_was_applied_arrive(log: Arc<impl RevocationLog + RevocationStore>) {
    let epoch = current_epoch(log.as_ref()).await;
    let (a, unknown) = (InstanceId::new("a.1"), InstanceId::new("nobody.1"));
    renew(log.as_ref(), &epoch, &a, 0, 1).await;
    log.report_applied(&a, 3).await.unwrap();
    log.report_applied(&a, 2).await.unwrap();
    log.report_applied(&unknown, 9).await.unwrap();
    let holders = log.holders().await.unwrap();
    assert_eq!(holders.len(), 1, "a report creates no lease");
    assert_eq!(holders[0].applied, 3);
}

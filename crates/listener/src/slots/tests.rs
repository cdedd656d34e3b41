//! Admission and eviction of connections.

use std::net::SocketAddr;

use super::*;
use crate::activity::ConnectionTimeouts;
use crate::events::IgnoredEvents;

fn places(most: usize, of_one_address: usize, exempt: &str) -> Arc<ConnectionSlots> {
    let limits = SlotLimits {
        max_connections: most,
        max_per_address: of_one_address,
        exempt_networks: exempt.parse().into_iter().collect(),
    };
    ConnectionSlots::new(limits, &IgnoredEvents)
}

fn activity() -> Arc<ConnectionActivity> {
    let minute = Duration::from_secs(60);
    ConnectionActivity::new(ConnectionTimeouts {
        header: minute,
        idle: minute,
        exchange: minute,
    })
}

fn peer(address: &str) -> PeerAddr {
    PeerAddr::Tcp(SocketAddr::new(address.parse().unwrap(), 1))
}

fn admit(places: &Arc<ConnectionSlots>, address: &str) -> (SlotAdmission, Arc<ConnectionActivity>) {
    let activity = activity();
    (places.admit(peer(address), Arc::clone(&activity)), activity)
}

#[test]
fn w7_the_connection_idle_longest_gives_way_and_never_one_with_a_request_under_way() {
    let places = places(3, 100, "");
    let opened: Vec<_> = (1..=3).map(|n| admit(&places, &format!("192.0.2.{n}"))).collect();
    let busy = opened[0].1.begin_request(false);
    let (fourth, _) = admit(&places, "192.0.2.4");
    assert!(matches!(fourth, SlotAdmission::Regular(_)));
    let evicted = || {
        opened
            .iter()
            .map(|(_, activity)| activity.is_evicted())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        evicted(),
        [false, true, false],
        "the first is busy, the second idle longest"
    );
    drop(busy);
    let (_fifth, _) = admit(&places, "192.0.2.5");
    assert_eq!(evicted(), [false, true, true], "the first was busy until now");
}

#[test]
fn w7_while_all_are_busy_newcomers_get_the_reserve_until_that_is_full() {
    let places = places(1, 1_000, "");
    let (first, activity) = admit(&places, "192.0.2.1");
    let _busy = activity.begin_request(false);
    let mut kept = Vec::new();
    for _ in 0..RESERVED_SLOTS {
        assert!(places.try_make_room());
        let (admission, activity) = admit(&places, "192.0.2.2");
        assert!(matches!(admission, SlotAdmission::Reserve(_)), "{admission:?}");
        kept.push((admission, activity.begin_request(false)));
    }
    assert!(!places.try_make_room());
    kept.pop();
    assert!(places.try_make_room());
    drop(first);
    let (admission, _) = admit(&places, "192.0.2.2");
    assert!(
        matches!(admission, SlotAdmission::Reserve(_)),
        "those in the reserve count"
    );
    kept.clear();
    let (admission, _) = admit(&places, "192.0.2.2");
    assert!(matches!(admission, SlotAdmission::Regular(_)));
}

#[test]
fn w7_one_address_has_its_share_and_trusted_proxies_have_all() {
    let places = places(100, 2, "10.0.0.0/8");
    let busy = |address: &str| {
        let (admission, activity) = admit(&places, address);
        (
            matches!(admission, SlotAdmission::Refused),
            admission,
            activity.begin_request(false),
        )
    };
    let held: Vec<_> = (0..2).map(|_| busy("192.0.2.1")).collect();
    assert!(busy("192.0.2.1").0, "both of its connections are busy");
    assert!(!busy("192.0.2.2").0);
    let proxied: Vec<_> = (0..9).map(|_| busy("10.1.2.3")).collect();
    assert!(!proxied.iter().any(|(refused, ..)| *refused));
    let of_one_host: Vec<_> = (1..=3).map(|n| busy(&format!("2001:db8::{n}"))).collect();
    assert!(of_one_host[2].0, "a host has all addresses of its network");
    assert!(!busy("2001:db8:0:1::1").0);
    drop(held);
    let (_first, idle) = admit(&places, "192.0.2.1");
    let (_second, _) = admit(&places, "192.0.2.1");
    let (third, _) = admit(&places, "192.0.2.1");
    assert!(
        matches!(third, SlotAdmission::Regular(_)) && idle.is_evicted(),
        "its own idle one gives way"
    );
}

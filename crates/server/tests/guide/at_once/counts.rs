//! The metrics do not show which door answered.

use std::collections::BTreeMap;

use maxlab_auth_testkit::Actor as _;

use super::{answer, request, someone, with_shortcut, without_shortcut};
use crate::gateway::{World, is_alone};

/// What the metrics say of this route and of verifications, but for the times.
async fn counts(world: &World) -> BTreeMap<String, f64> {
    let metrics = world.anonymous().get("/metrics").await.text();
    let told = metrics.lines().filter(|line| {
        line.starts_with("verifications_total{")
            || (line.contains("route=\"/auth/verify\"")
                && !line.contains("_bucket{")
                && !line.contains("_sum{"))
    });
    told.map(|line| {
        let (name, count) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), count.parse().unwrap())
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_doors_count_the_same() {
    // Other tests of the same process would count too.
    if !is_alone("at_once::counts::both_doors_count_the_same") {
        return;
    }
    let world = World::embedded(&[]).await;
    let (plain, short) = (without_shortcut(&world).await, with_shortcut(&world));
    let token = someone(&world).await;
    let three = request(&token, "", "").repeat(3);
    let refused = request(&token, "?group=z", "");
    let mut grown = Vec::new();
    for door in [plain, short] {
        let before = counts(&world).await;
        answer(door, &three, 3).await;
        answer(door, &refused, 1).await;
        let mut after = counts(&world).await;
        for (name, count) in &mut after {
            *count -= before.get(name).unwrap_or(&0.0);
        }
        grown.push(after);
    }
    let [routers, ours] = grown.try_into().unwrap();
    assert_eq!(ours, routers);
    let of = |name: &str| ours.iter().find(|(told, _)| told.starts_with(name)).unwrap().1;
    assert_eq!(*of("http_request_duration_seconds_count{"), 4.0, "{ours:?}");
    assert_eq!(
        *of("verifications_total{layer=\"oauth_userinfo\""),
        4.0,
        "{ours:?}"
    );
}

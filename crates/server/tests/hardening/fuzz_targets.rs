//! The fuzz targets of the service over their seeds: `cargo xtask fuzz` runs them for longer.

#[expect(
    clippy::expect_used,
    unreachable_pub,
    reason = "a target panics where a promise breaks"
)]
#[path = "../../../../fuzz/src/cookie.rs"]
mod cookie;
#[expect(
    clippy::expect_used,
    unreachable_pub,
    reason = "a target panics where a promise breaks"
)]
#[path = "../../../../fuzz/src/forwarded_headers.rs"]
mod forwarded_headers;

/// Runs a target over its seeds, each whole and cut short.
fn over_the_seeds(name: &str, run: fn(&[u8])) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds");
    let mut seeds = 0;
    for seed in std::fs::read_dir(format!("{folder}/{name}")).unwrap() {
        let bytes = std::fs::read(seed.unwrap().path()).unwrap();
        (0..=bytes.len()).for_each(|end| run(&bytes[..end]));
        seeds += 1;
    }
    assert!(seeds > 2, "{seeds} seeds of {name}");
}

#[test]
fn cookies() {
    over_the_seeds("cookie", cookie::run);
}

#[test]
fn forwarded_headers_of_proxies() {
    over_the_seeds("forwarded_headers", forwarded_headers::run);
}

//! Instructions of the hot path, counted by valgrind's callgrind. The counts do not depend on the load of the
//! machine.
//!
//! `cargo xtask bench instructions` runs this and compares the counts with `bench/instructions.txt`. Each
//! benchmark repeats its operation [`TIMES`] times, with different tokens or paths. Keys, tokens and the
//! replica's hash are new in every run, so counts differ by a fraction of a percent.
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot be prepared has no result"
)]

use std::hint::black_box;
use std::time::Duration;

use gungraun::{library_benchmark, library_benchmark_group, main};
use maxlab_auth_bench::hot_path::{HotPath, HotPathScale};
use maxlab_auth_core::policy::CanonicalPath;
use maxlab_auth_core::random;
use maxlab_auth_core::revocation::{Fingerprint, JournalEntry, Replica, Revocation, RevocationReason};
use maxlab_auth_core::verdict::{RevocationKey, TokenKey};
use maxlab_auth_testkit::forge::ForgeAlgorithm;

/// Number of repetitions of each operation.
const TIMES: usize = 64;
/// Number of revocations of other tokens. callgrind takes minutes to fill a replica of a million, whose
/// lookup is the same.
const ENTRIES: u64 = 20_000;

/// Prepares a path whose verdicts are all cached.
fn remembering() -> HotPath {
    let hot = hot(ForgeAlgorithm::Hs256, Duration::from_secs(3_600));
    hot.fill_cache().unwrap();
    hot
}

/// Prepares a path that caches no verdict.
fn forgetful(algorithm: ForgeAlgorithm) -> HotPath {
    let hot = hot(algorithm, Duration::ZERO);
    // Once before it is counted, so that one-time setup (of the crypto library) is over.
    assert!(hot.admits_uncached(&hot.tokens()[0]), "the token is not valid");
    hot
}

fn hot(algorithm: ForgeAlgorithm, keep: Duration) -> HotPath {
    let scale = HotPathScale {
        algorithm,
        tokens: TIMES,
        entries: ENTRIES,
        keep,
    };
    HotPath::prepare(scale).unwrap()
}

// Cached verdict, revocation check, requirement.
#[library_benchmark]
#[bench::hit(setup = remembering)]
fn cached(hot: HotPath) -> HotPath {
    for token in hot.tokens() {
        assert!(black_box(hot.admits(black_box(token))));
    }
    // The path is returned, so that dropping it is not counted.
    hot
}

// Cached session of a cookie, revocation check, requirement.
#[library_benchmark]
#[bench::hit(setup = remembering)]
fn cookie(hot: HotPath) -> HotPath {
    for cookie in hot.cookies() {
        assert!(black_box(hot.admits_cookie(black_box(cookie))));
    }
    hot
}

// Signature, claims, revocation check.
#[library_benchmark]
#[bench::es256(args = (ForgeAlgorithm::Es256), setup = forgetful)]
#[bench::rs256(args = (ForgeAlgorithm::Rs256), setup = forgetful)]
#[bench::hs256(args = (ForgeAlgorithm::Hs256), setup = forgetful)]
fn uncached(hot: HotPath) -> HotPath {
    for token in hot.tokens() {
        assert!(black_box(hot.admits_uncached(black_box(token))));
    }
    hot
}

fn paths() -> Vec<String> {
    (0..TIMES)
        .map(|number| format!("/api/v1/workspaces/{number}/reports/%EB%B3%B4%EA%B3%A0-{number}"))
        .collect()
}

// Canonical form of a path, as policies compare it.
#[library_benchmark]
#[bench::canonical(setup = paths)]
fn path(paths: Vec<String>) -> Vec<String> {
    for path in &paths {
        assert!(black_box(CanonicalPath::parse(black_box(path.as_bytes()))).is_ok());
    }
    paths
}

fn replica() -> (Replica, Vec<Fingerprint>) {
    let replica = Replica::new(random::bytes().unwrap());
    let name = |number| RevocationKey::Token(TokenKey::from_jti(&format!("5f0d1f64-{number:08}")));
    for number in 0..ENTRIES {
        replica.apply(&JournalEntry::Revoked(Revocation {
            key: name(number),
            cutoff: None,
            reason: RevocationReason::Logout,
            revoked_at: jiff::Timestamp::UNIX_EPOCH,
            expires_at: jiff::Timestamp::MAX,
            token_expires_at: None,
            subject: None,
        }));
    }
    // The first half is revoked. Numbers from ENTRIES on are not in the replica.
    let names = (0..TIMES as u64).map(|number| replica.fingerprint(&name(number * ENTRIES / 32)));
    let names = names.collect();
    (replica, names)
}

// Lookup in the index of revocations.
#[library_benchmark]
#[bench::found_or_not(setup = replica)]
fn looked_up((replica, names): (Replica, Vec<Fingerprint>)) -> (Replica, Vec<Fingerprint>) {
    for name in &names {
        black_box(replica.revoked(black_box(*name), jiff::Timestamp::UNIX_EPOCH));
    }
    (replica, names)
}

library_benchmark_group!(
    name = hot_path,
    benchmarks = [cached, cookie, uncached, path, looked_up]
);
main!(library_benchmark_groups = hot_path);

//! Instructions of the hot path, counted by valgrind's callgrind: they are the same on a busy machine as on a quiet one.
//!
//! `cargo xtask bench instructions` runs this and compares the counts with `bench/instructions.txt`. Each benchmark does the
//! same [`TIMES`] over, with different tokens or paths. Keys, tokens and the replica's hash are new in every run, so that counts
//! differ by a fraction of a percent.
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that can't be prepared has nothing to tell"
)]

use std::hint::black_box;
use std::time::Duration;

use gungraun::{library_benchmark, library_benchmark_group, main};
use maxlab_auth_bench::hot::{Crowd, Hot};
use maxlab_auth_core::policy::CanonicalPath;
use maxlab_auth_core::random;
use maxlab_auth_core::revocation::{
    Fingerprint, JournalEntry, Reason, Replica, Revocation, RevocationKey, TokenKey,
};
use maxlab_auth_testkit::forge::Algorithm;

/// So often each is done.
const TIMES: usize = 64;
/// Other people's revocations: a replica of a million takes callgrind minutes to fill, and looks up the same.
const ENTRIES: u64 = 20_000;

fn remembering() -> Hot {
    let hot = hot(Algorithm::Hs256, Duration::from_secs(3_600));
    hot.remember().unwrap();
    hot
}

fn forgetful(algorithm: Algorithm) -> Hot {
    let hot = hot(algorithm, Duration::ZERO);
    // What is made once is made.
    assert!(hot.admits_unseen(&hot.tokens()[0]), "the token is not good");
    hot
}

fn hot(algorithm: Algorithm, keep: Duration) -> Hot {
    let crowd = Crowd {
        algorithm,
        tokens: TIMES,
        entries: ENTRIES,
        keep,
    };
    Hot::prepare(crowd).unwrap()
}

// A remembered verdict, the revocation check and a requirement.
#[library_benchmark]
#[bench::hit(setup = remembering)]
fn cached(hot: Hot) -> Hot {
    for token in hot.tokens() {
        assert!(black_box(hot.admits(black_box(token))));
    }
    hot
}

// A signature, everything that is read of the token, and the revocation check.
#[library_benchmark]
#[bench::es256(args = (Algorithm::Es256), setup = forgetful)]
#[bench::rs256(args = (Algorithm::Rs256), setup = forgetful)]
#[bench::hs256(args = (Algorithm::Hs256), setup = forgetful)]
fn uncached(hot: Hot) -> Hot {
    for token in hot.tokens() {
        assert!(black_box(hot.admits_unseen(black_box(token))));
    }
    hot
}

fn paths() -> Vec<String> {
    (0..TIMES)
        .map(|number| format!("/api/v1/workspaces/{number}/reports/%EB%B3%B4%EA%B3%A0-{number}"))
        .collect()
}

// The one form of a path, of which policies speak.
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
            reason: Reason::Logout,
            revoked_at: jiff::Timestamp::UNIX_EPOCH,
            expires_at: jiff::Timestamp::MAX,
            token_expires_at: None,
            user_id: None,
        }));
    }
    // Every other one is revoked.
    let asked = (0..TIMES as u64).map(|number| replica.fingerprint(&name(number * ENTRIES / 32)));
    let asked = asked.collect();
    (replica, asked)
}

// A look-up in the index of revocations.
#[library_benchmark]
#[bench::found_or_not(setup = replica)]
fn looked_up((replica, names): (Replica, Vec<Fingerprint>)) -> (Replica, Vec<Fingerprint>) {
    for name in &names {
        black_box(replica.revoked(black_box(*name), jiff::Timestamp::UNIX_EPOCH));
    }
    (replica, names)
}

library_benchmark_group!(name = hot_path, benchmarks = [cached, uncached, path, looked_up]);
main!(library_benchmark_groups = hot_path);

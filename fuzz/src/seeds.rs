//! Test of every seed with its target, without libFuzzer.

use std::fs;
use std::path::Path;

fn all_of(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    let mut count = 0;
    for file in fs::read_dir(folder).unwrap() {
        run(&fs::read(file.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count >= 3, "{target} has {count} seeds");
}

#[test]
fn token() {
    all_of("token", crate::token::run);
}

#[test]
fn jwks() {
    all_of("jwks", crate::jwks::run);
}

#[test]
fn path() {
    all_of("path", crate::path::run);
}

#[test]
fn policy() {
    all_of("policy", crate::policy::run);
}

#[cfg(feature = "server")]
#[test]
fn forwarded_headers() {
    all_of("forwarded_headers", crate::forwarded_headers::run);
}

#[cfg(feature = "server")]
#[test]
fn cookie() {
    all_of("cookie", crate::cookie::run);
}

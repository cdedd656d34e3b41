//! Paths: one canonical form or none, and the same for every server. Each line of the input is a path.

use maxlab_auth_core::policy::{CanonicalPath, PathPattern, PolicyRequest};
use percent_encoding::percent_decode;

#[path = "../../crates/policy/tests/policy/readings.rs"]
mod readings;

/// Index of the reading that folds slashes.
const FOLDING: usize = 8;

/// Body of the target.
pub fn run(data: &[u8]) {
    let _ = PolicyRequest::parse(None, None, Some(data));
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = PathPattern::parse(text);
    }
    let mut canonical = Vec::new();
    for raw in data.split(|byte| *byte == b'\n').take(4) {
        if let Ok(path) = CanonicalPath::parse(raw) {
            idempotent(&path);
            alike_to_every_server(raw, &path);
            as_target(raw, &path);
            canonical.push((raw, path));
        }
    }
    for (one, a) in &canonical {
        for (other, b) in &canonical {
            assert_eq!(
                a == b,
                percent_decode(one).eq(percent_decode(other)),
                "{one:?} and {other:?}"
            );
        }
    }
}

fn idempotent(path: &CanonicalPath<'_>) {
    let text = path.to_string();
    let again = CanonicalPath::parse(text.as_bytes()).expect("a canonical path is accepted");
    assert_eq!(&again, path);
    assert_eq!(again.to_string(), text);
}

/// Checks that every server derives the segments of the canonical form.
fn alike_to_every_server(raw: &[u8], path: &CanonicalPath<'_>) {
    let raw = std::str::from_utf8(raw).expect("a canonical path is of ASCII");
    let ours: Vec<Vec<u8>> = path
        .as_str()
        .split('/')
        .map(|part| part.as_bytes().to_vec())
        .collect();
    let folded: Vec<_> = ours.iter().filter(|part| !part.is_empty()).cloned().collect();
    for (at, theirs) in readings::readings(raw).into_iter().enumerate() {
        // Folding may drop our first and last empty segment, and nothing else.
        let ours = if at == FOLDING { &folded } else { &ours };
        assert_eq!(&theirs, ours, "server {at} reads {raw} differently");
    }
}

/// Checks that a query or a host in the target does not change the path.
fn as_target(raw: &[u8], path: &CanonicalPath<'_>) {
    for target in [
        [raw, b"?a=/../b;"].concat(),
        [b"HTTPS://a.example:443", raw].concat(),
    ] {
        let request = PolicyRequest::parse(Some("GET"), Some("A.example."), Some(&target))
            .expect("the path is canonical");
        assert_eq!(request.path(), Some(path));
    }
}

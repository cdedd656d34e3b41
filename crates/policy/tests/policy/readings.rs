//! Nine ways in which servers read a path. The fuzz target `path` compiles this file too.

use percent_encoding::percent_decode;

/// Returns the segments that each of nine kinds of server derives from a path. None of them refuses anything.
pub(super) fn readings(raw: &str) -> Vec<Vec<Vec<u8>>> {
    let decode = |text: &[u8]| percent_decode(text).collect::<Vec<u8>>();
    let split = |text: &[u8], at: &[u8]| -> Vec<Vec<u8>> {
        text.split(|byte| at.contains(byte)).map(<[u8]>::to_vec).collect()
    };
    let resolve = |segments: Vec<Vec<u8>>| {
        let mut resolved: Vec<Vec<u8>> = Vec::new();
        for segment in segments {
            match segment.as_slice() {
                b"." => {}
                // A `..` above the root is dropped (RFC 3986 §5.2.4), so an empty pop is fine.
                b".." => _ = resolved.pop(),
                _ => resolved.push(segment),
            }
        }
        resolved
    };
    // Servlet containers cut path parameters off: `/..;x/` becomes `/../`.
    let cut = |segments: Vec<Vec<u8>>| -> Vec<Vec<u8>> {
        let cut = |segment: Vec<u8>| segment.split(|byte| *byte == b';').next().unwrap().to_vec();
        segments.into_iter().map(cut).collect()
    };
    let (raw, once) = (raw.as_bytes(), decode(raw.as_bytes()));
    let twice = decode(&once);
    // A server in C may stop at NUL.
    let to_nul = once.split(|byte| *byte == 0).next().unwrap().to_vec();
    vec![
        split(raw, b"/").iter().map(|segment| decode(segment)).collect(),
        split(&once, b"/"),
        resolve(split(&once, b"/")),
        resolve(split(&once, b"/\\")),
        resolve(cut(split(raw, b"/")))
            .iter()
            .map(|segment| decode(segment))
            .collect(),
        resolve(cut(split(&once, b"/"))),
        split(&twice, b"/"),
        resolve(split(&to_nul, b"/")),
        split(&once, b"/")
            .into_iter()
            .filter(|segment| !segment.is_empty())
            .collect(),
    ]
}

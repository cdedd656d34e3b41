//! Nine servers that read one path; the fuzz target of paths compiles this file too.

use percent_encoding::percent_decode;

/// How servers read paths: each a function from the text to the segments that it goes by, without judging.
pub(super) fn readings(raw: &str) -> Vec<Vec<Vec<u8>>> {
    let decode = |text: &[u8]| percent_decode(text).collect::<Vec<u8>>();
    let split = |text: &[u8], at: &[u8]| -> Vec<Vec<u8>> {
        text.split(|byte| at.contains(byte)).map(<[u8]>::to_vec).collect()
    };
    let resolve = |segments: Vec<Vec<u8>>| {
        let mut kept: Vec<Vec<u8>> = Vec::new();
        for segment in segments {
            match segment.as_slice() {
                b"." => {}
                b".." => _ = kept.pop(),
                _ => kept.push(segment),
            }
        }
        kept
    };
    let cut = |segments: Vec<Vec<u8>>| -> Vec<Vec<u8>> {
        let cut = |segment: Vec<u8>| segment.split(|byte| *byte == b';').next().unwrap().to_vec();
        segments.into_iter().map(cut).collect()
    };
    let (raw, once) = (raw.as_bytes(), decode(raw.as_bytes()));
    let twice = decode(&once);
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

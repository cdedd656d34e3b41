//! Names that are similar to those of settings: typing errors.

use super::reference::SettingDoc;

/// Returns the setting that `name` was probably meant to be: at most two letters off, one for short names.
pub(crate) fn nearest_setting(reference: &[SettingDoc], name: &str) -> Option<&'static str> {
    // A name at distance 0 is a setting, or the file of one, and not misspelt.
    let stem = name.strip_suffix("_FILE").unwrap_or(name);
    reference
        .iter()
        .map(|doc| {
            (
                distance_to_setting(stem, doc.name).min(distance_to_setting(name, doc.name)),
                doc.name,
            )
        })
        .filter(|&(off, known)| off > 0 && off <= if known.len() <= 6 { 1 } else { 2 })
        .min()
        .map(|(_, known)| known)
}

/// Returns the distance of a name from a setting's. A singular for a plural is one error, whatever its
/// spelling.
fn distance_to_setting(name: &str, known: &str) -> usize {
    let letters = levenshtein(name, known);
    letters.min(1 + levenshtein(&singular(name), &singular(known)))
}

/// Returns the singular of a word, by the two common rules.
fn singular(name: &str) -> String {
    match name.strip_suffix("IES") {
        Some(stem) => format!("{stem}Y"),
        None => name.strip_suffix('S').unwrap_or(name).to_owned(),
    }
}

/// Returns how many letters must be added, removed or replaced (Levenshtein distance).
fn levenshtein(a: &str, b: &str) -> usize {
    // Characters and not bytes: a name of the environment may be any UTF-8.
    let b: Vec<char> = b.chars().collect();
    // One row of the matrix is enough: each cell needs its left, upper and diagonal neighbour only.
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::reference;

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        for (name, meant) in [
            ("REDIS_UR", Some("REDIS_URL")),
            ("SECRT_KEY", Some("SECRET_KEY")),
            ("SESSION_IDLE_SECOND", Some("SESSION_IDLE_SECONDS")),
            ("SECRETKEY_FILE", Some("SECRET_KEY")),
            ("CORS_ORIGNS", Some("CORS_ORIGINS")),
            ("HOSTS", Some("HOST")),
            ("EXTERNAL_AUTH_ULR", Some("EXTERNAL_AUTH_URL")),
            ("TRUSTED_PROXY", Some("TRUSTED_PROXIES")),
            ("TRUSTED_PROXYS", Some("TRUSTED_PROXIES")),
            ("CORS_ORIGIN", Some("CORS_ORIGINS")),
            ("HOME", None),
            ("PATH", None),
            ("POSTGRES_DB", None),
            ("REDIS_URL", None),
        ] {
            assert_eq!(nearest_setting(reference(), name), meant, "{name}");
        }
    }

    #[test]
    fn distance_counts_letters() {
        assert_eq!(levenshtein("kitten", "sitting"), 3);
        assert_eq!(levenshtein("", "abc"), 3);
        assert_eq!(levenshtein("abc", "abc"), 0);
    }
}

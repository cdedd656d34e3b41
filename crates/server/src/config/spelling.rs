//! Names that are nearly ours: what a slip of the finger made of a setting.

use super::reference::reference;

/// The setting that `name` was probably meant to be: at most two letters off, one for the short names.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let stem = name.strip_suffix("_FILE").unwrap_or(name);
    reference()
        .iter()
        .map(|doc| (distance(stem, doc.name).min(distance(name, doc.name)), doc.name))
        .filter(|&(off, known)| off > 0 && off <= if known.len() <= 6 { 1 } else { 2 })
        .min()
        .map(|(_, known)| known)
}

/// How many letters must be added, dropped or changed (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
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

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        for (name, meant) in [
            ("REDIS_UR", Some("REDIS_URL")),
            ("SECRT_KEY", Some("SECRET_KEY")),
            ("SESSION_IDLE_SECOND", Some("SESSION_IDLE_SECONDS")),
            ("SECRETKEY_FILE", Some("SECRET_KEY")),
            ("CORS_ORIGNS", Some("CORS_ORIGINS")),
            ("HOSTS", Some("HOST")),
            ("HOME", None),
            ("PATH", None),
            ("POSTGRES_DB", None),
            ("REDIS_URL", None),
        ] {
            assert_eq!(nearest(name), meant, "{name}");
        }
    }

    #[test]
    fn distance_counts_letters() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
    }
}

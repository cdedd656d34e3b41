//! Files of the pages: one style sheet and one icon. The name of the style sheet contains a hash of its contents, so
//! that a browser may keep it for good.

use std::sync::LazyLock;

/// Contents of the style sheet.
pub const STYLESHEET: &str = include_str!("../assets/pages.css");

/// Picture for the browser's tab, if there is no logo.
pub const ICON: &str = include_str!("../assets/icon.svg");

/// Name of the file with the hash of these contents.
static FILE_NAME: LazyLock<String> =
    LazyLock::new(|| format!("pages-{:016x}.css", hash(STYLESHEET.as_bytes())));

/// Returns the name of the file, below `/auth/assets/`.
pub fn stylesheet_file() -> &'static str {
    &FILE_NAME
}

/// Returns whether a name is that of a style sheet: of this version, or of another one. During an update a page
/// and its style sheet may come from instances of two versions.
pub fn is_stylesheet_file(name: &str) -> bool {
    let hash = name
        .strip_prefix("pages-")
        .and_then(|rest| rest.strip_suffix(".css"));
    hash.is_some_and(|hash| hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// FNV-1a, 64 bit. It only has to change when the contents change.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_file_follows_its_contents() {
        assert_eq!(hash(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert!(is_stylesheet_file(stylesheet_file()));
        assert!(is_stylesheet_file("pages-0123456789abcdef.css"));
        for other in [
            "pages.css",
            "pages-.css",
            "pages-0123456789abcdeg.css",
            "../pages-0123456789abcdef.css",
        ] {
            assert!(!is_stylesheet_file(other), "{other}");
        }
    }

    #[test]
    fn x23_the_style_sheet_loads_nothing_else() {
        for word in ["url(", "@import", "http:", "https:"] {
            assert!(!STYLESHEET.contains(word), "{word}");
        }
    }
}

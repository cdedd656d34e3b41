//! In which form a request wants its answer, and whether a browser sends it ahead of its user.

use axum::http::{HeaderMap, header};

/// Returns `true` if the request wants a page: it comes from a link or a form, and not from a script.
pub(super) fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get_all(header::ACCEPT).iter();
    accept
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|range| {
            let media_type = range.split(';').next().unwrap_or_default().trim();
            media_type.eq_ignore_ascii_case("text/html")
        })
}

/// Returns `true` if a browser loads a page before its user opens it (`Sec-Purpose`, Fetch §2.2.5; `Purpose` and
/// `X-Moz` of older browsers).
pub(super) fn is_prefetch(headers: &HeaderMap) -> bool {
    ["sec-purpose", "purpose", "x-moz"].iter().any(|name| {
        let values = headers.get_all(*name).iter();
        values.filter_map(|value| value.to_str().ok()).any(|value| {
            value.to_ascii_lowercase().contains("prefetch") || value.eq_ignore_ascii_case("preview")
        })
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn with(name: &'static str, value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        headers
    }

    #[test]
    fn a_page_is_wanted_where_html_is_accepted() {
        assert!(wants_page(&with(
            "accept",
            "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"
        )));
        assert!(wants_page(&with("accept", "application/json, Text/HTML;q=0.5")));
        for other in ["application/json", "*/*", "text/htmlx", ""] {
            assert!(!wants_page(&with("accept", other)), "{other}");
        }
        assert!(!wants_page(&HeaderMap::new()));
    }

    #[test]
    fn t11_every_spelling_of_a_prefetch_is_known() {
        for (name, value) in [
            ("sec-purpose", "prefetch"),
            ("sec-purpose", "prefetch;prerender"),
            ("purpose", "prefetch"),
            ("x-moz", "prefetch"),
            ("purpose", "preview"),
        ] {
            assert!(is_prefetch(&with(name, value)), "{name}: {value}");
        }
        assert!(!is_prefetch(&with("sec-fetch-mode", "navigate")));
    }
}

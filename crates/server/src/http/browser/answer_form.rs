//! In which form a request wants its answer.

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
}

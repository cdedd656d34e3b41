//! Who asks: a person who opens a page, a browser that loads one ahead, or anything else.

use axum::http::{HeaderMap, Method, header};

use super::error_page::is_page_load;

/// Returns `true` if a person opens a page in a window or tab: the only request that may begin a login.
///
/// A form that is sent by POST would come back as a GET and lose its data. A frame, a script, an image, a
/// websocket and an event stream cannot show a login.
pub(in crate::http) fn is_top_level_navigation(method: &Method, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let is_document = text("sec-fetch-dest").is_none_or(|destination| destination == "document");
    method == Method::GET
        && is_page_load(headers)
        && is_document
        && !is_prefetch(headers)
        && !headers.contains_key(header::UPGRADE)
}

/// Returns `true` if a browser loads a page before its user opens it (`Sec-Purpose`, Fetch §2.2.5; `Purpose` and
/// `X-Moz` of older browsers).
pub(in crate::http) fn is_prefetch(headers: &HeaderMap) -> bool {
    ["sec-purpose", "purpose", "x-moz"].iter().any(|name| {
        let values = headers.get_all(*name).iter();
        values.filter_map(|value| value.to_str().ok()).any(|value| {
            value.to_ascii_lowercase().contains("prefetch") || value.eq_ignore_ascii_case("preview")
        })
    })
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn request(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
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
            assert!(is_prefetch(&request(&[(name, value)])), "{name}: {value}");
        }
        assert!(!is_prefetch(&request(&[("sec-fetch-mode", "navigate")])));
    }

    #[test]
    fn t09_only_a_document_in_a_window_is_a_navigation() {
        let opened = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
        assert!(is_top_level_navigation(&Method::GET, &request(&opened)));
        assert!(is_top_level_navigation(
            &Method::GET,
            &request(&[("accept", "text/html")])
        ));
        for method in [Method::HEAD, Method::POST, Method::OPTIONS] {
            assert!(!is_top_level_navigation(&method, &request(&opened)), "{method}");
        }
        for destination in [
            "iframe", "frame", "embed", "object", "image", "script", "style", "empty", "manifest",
        ] {
            let fields = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", destination)];
            assert!(
                !is_top_level_navigation(&Method::GET, &request(&fields)),
                "{destination}"
            );
        }
        for other in [
            [("sec-fetch-mode", "cors"), ("accept", "text/html")],
            [("upgrade", "websocket"), ("accept", "text/html")],
            [("sec-purpose", "prefetch"), ("accept", "text/html")],
            [("sec-fetch-mode", "no-cors"), ("accept", "*/*")],
        ] {
            assert!(
                !is_top_level_navigation(&Method::GET, &request(&other)),
                "{other:?}"
            );
        }
        assert!(!is_top_level_navigation(
            &Method::GET,
            &request(&[("accept", "text/event-stream")])
        ));
    }
}

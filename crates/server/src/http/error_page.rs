//! Failures as a page, for a browser that opens a URL of the gateway.

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Html;

use super::request_id::RequestId;

/// Returns `true` if a browser is loading a page and will show the body of the answer.
pub(in crate::http) fn is_page_load(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text("sec-fetch-mode") {
        Some(mode) => mode == "navigate",
        // Older browsers, and plain http: `fetch` does not ask for HTML by default.
        None => text("accept").is_some_and(|accept| accept.to_ascii_lowercase().contains("text/html")),
    }
}

/// Returns the page about a failure. It loads nothing and runs nothing.
pub(in crate::http) fn error_page(
    title: &str,
    detail: &str,
    code: &str,
    request_id: Option<&RequestId>,
) -> (HeaderMap, Html<String>) {
    let (title, detail, code) = (escape(title), escape(detail), escape(code));
    let id = request_id.map_or_else(String::new, |RequestId(id)| {
        format!("<p>Request: <code>{}</code></p>\n", escape(id))
    });
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <main>\n<h1>{title}</h1>\n<p>{detail}</p>\n<p>Code: <code>{code}</code></p>\n{id}</main>\n</html>\n"
    );
    // Every answer gets a policy that forbids scripts, styles and frames (`layers::security_headers`).
    let vary = [(header::VARY, HeaderValue::from_static("accept, sec-fetch-mode"))];
    (HeaderMap::from_iter(vary), Html(page))
}

/// Escapes text for HTML: what a request sent must not become markup.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n16_what_was_sent_never_becomes_markup() {
        let (_, Html(page)) = error_page("<b>", "<script>alert('x')</script> & \"y\"", "c", None);
        assert!(!page.contains("<script") && !page.contains("<b>"));
        assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;y&quot;"));
    }
}

//! `/docs`: the description as one page of HTML, made once, that loads nothing.
//!
//! A page of our own and not Swagger UI, whose bundle would add ten megabytes to the binary and asks for a policy that
//! lets any style in. This one has a policy of two hashes, reads well without scripts, and its curl lines are meant to
//! be copied.

mod answers;
mod curl;
mod operation;
mod schemas;
mod text;

use axum::http::HeaderValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maxlab_auth_core::credential::sha256;
use serde_json::Value;

use text::{escaped, prose};

const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// The page, and what it lets a browser do.
pub(super) struct Page {
    pub(super) html: String,
    pub(super) policy: HeaderValue,
}

impl Page {
    /// Renders a document, its operations (path and method) in this order.
    pub(super) fn of(document: &Value, order: &[(&str, &str)]) -> Self {
        let policy = format!(
            "default-src 'none'; style-src '{}'; script-src '{}'; img-src data:; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'",
            hash(STYLE),
            hash(SCRIPT),
        );
        // It is plain ASCII; were it not, nothing at all would be let in.
        let policy = HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
        Self {
            html: html(document, order),
            policy,
        }
    }
}

/// How a policy names an inline text (CSP 3 §2.3.1).
pub(super) fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(sha256(text.as_bytes())))
}

/// One operation in its place.
struct Place<'d> {
    path: &'d str,
    method: &'d str,
    operation: &'d Value,
}

fn html(document: &Value, order: &[(&str, &str)]) -> String {
    let tags = document["tags"].as_array().map(Vec::as_slice).unwrap_or_default();
    let places: Vec<Place<'_>> = order
        .iter()
        .map(|&(path, method)| Place {
            path,
            method,
            operation: &document["paths"][path][method],
        })
        .collect();
    let groups = tags.iter().map(|tag| {
        let name = string(&tag["name"]);
        let of_tag: Vec<_> = places
            .iter()
            .filter(|place| place.operation["tags"][0] == name)
            .collect();
        (name, string(&tag["description"]), of_tag)
    });
    let (mut menu, mut main) = (String::new(), String::new());
    for (name, description, of_tag) in groups {
        let anchor = name.to_ascii_lowercase();
        menu += &format!("<li><a href=\"#{anchor}\">{name}</a><ul>");
        main += &format!(
            "<section class=\"group\" id=\"{anchor}\"><h2>{name}</h2>{}",
            prose(description)
        );
        for place in of_tag {
            menu += &operation::menu_entry(place);
            main += &operation::article(document, place);
        }
        menu += "</ul></li>";
        main += "</section>";
    }
    main += &answers::section(document);
    main += &schemas::section(document);
    frame(document, &menu, &main)
}

fn frame(document: &Value, menu: &str, main: &str) -> String {
    let info = &document["info"];
    let (title, version) = (escaped(string(&info["title"])), escaped(string(&info["version"])));
    let summary = escaped(string(&info["summary"]));
    let introduction = prose(string(&info["description"]));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title} {version}</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#main\">To the routes</a>\n\
         <header><h1>{title} <small>{version}</small></h1><p>{summary}</p>\
         <p><a href=\"openapi.json\">openapi.json</a> says the same to programs.</p></header>\n\
         <nav aria-label=\"Routes\"><div class=\"filter\" hidden><label for=\"filter\">Filter</label>\
         <input id=\"filter\" type=\"search\" autocomplete=\"off\" spellcheck=\"false\" \
         placeholder=\"path, method or word\"><p id=\"found\" role=\"status\"></p>\
         <button type=\"button\" id=\"open\">Open all</button> <button type=\"button\" id=\"close\">Close all</button></div>\
         <ul>{menu}<li><a href=\"#shared-answers\">Shared answers</a></li><li><a href=\"#schemas\">Schemas</a></li></ul>\
         </nav>\n<main id=\"main\" tabindex=\"-1\"><section class=\"intro\">{introduction}</section>\n{main}</main>\n\
         <script>{SCRIPT}</script>\n</body>\n</html>\n",
    )
}

/// The text of a value that is one.
fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The members of an object, in the order of the document.
fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.as_str(), value))
}

/// The last part of a value's `$ref`, if it is one.
fn reference(value: &Value) -> Option<&str> {
    value["$ref"].as_str()?.rsplit('/').next()
}

/// What a JSON or text example looks like.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => escaped(text),
        other => escaped(&format!("{other:#}")),
    }
}

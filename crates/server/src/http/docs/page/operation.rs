//! One operation on the page.

use serde_json::Value;

use super::text::{escaped, inline, prose};
use super::{Place, answers, curl, members, reference, schemas, string};

/// Its line in the menu.
pub(super) fn menu_entry(place: &Place<'_>) -> String {
    format!(
        "<li><a href=\"#{}\"><span class=\"method {method}\">{method}</span> {}</a></li>",
        escaped(string(&place.operation["operationId"])),
        escaped(place.path),
        method = place.method,
    )
}

/// All of it.
pub(super) fn article(document: &Value, place: &Place<'_>) -> String {
    let Place {
        path,
        method,
        operation,
    } = place;
    let (id, summary) = (
        escaped(string(&operation["operationId"])),
        escaped(string(&operation["summary"])),
    );
    let (path, description) = (escaped(path), prose(string(&operation["description"])));
    let sought = format!("{method} {path} {summary} {description}").to_lowercase();
    let mut body = description;
    body += &credential(&operation["security"]);
    body += &parameters(&operation["parameters"]);
    body += &request_body(document, &operation["requestBody"]);
    body += &curl::blocks(place);
    body += &answers::of_operation(&operation["responses"]);
    format!(
        "<article class=\"operation\" id=\"{id}\" data-sought=\"{}\"><details><summary><h3>\
         <span class=\"method {method}\">{method}</span> <code>{path}</code></h3> <span>{summary}</span></summary>\
         <div class=\"inside\">{body}</div></details></article>\n",
        escaped(&sought),
    )
}

fn credential(security: &Value) -> String {
    let ways: Vec<_> = security.as_array().into_iter().flatten().collect();
    let names = ways.iter().map(|way| match members(way).next() {
        Some(("bearer", _)) => "a bearer token",
        Some(("session", _)) => "the session cookie",
        Some(("client", _)) => "the client by HTTP Basic",
        _ => "none beside what is in the body",
    });
    let text = names.collect::<Vec<_>>().join(", or ");
    let text = if text.is_empty() { "none".to_owned() } else { text };
    format!("<p class=\"credential\"><strong>Credential:</strong> {text}.</p>")
}

fn parameters(parameters: &Value) -> String {
    let rows: String = parameters
        .as_array()
        .into_iter()
        .flatten()
        .map(|parameter| {
            format!(
                "<tr><th scope=\"row\"><code>{}</code>{}</th><td>{}</td><td>{}</td><td>{}<br>\
                 <span class=\"example\">e.g. <code>{}</code></span></td></tr>",
                escaped(string(&parameter["name"])),
                schemas::mark(parameter["required"] == true),
                escaped(string(&parameter["in"])),
                schemas::kind(&parameter["schema"]),
                inline(string(&parameter["description"])),
                super::shown(&parameter["example"]),
            )
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "<h4>Parameters</h4><table><thead><tr><th scope=\"col\">Name</th><th scope=\"col\">In</th>\
         <th scope=\"col\">Type</th><th scope=\"col\">Meaning</th></tr></thead><tbody>{rows}</tbody></table>"
    )
}

fn request_body(document: &Value, body: &Value) -> String {
    let kinds: Vec<_> = members(&body["content"]).collect();
    let Some((_, media)) = kinds.first() else {
        return String::new();
    };
    let names: Vec<_> = kinds
        .iter()
        .map(|(kind, _)| format!("<code>{}</code>", escaped(kind)))
        .collect();
    let optional = if body["required"] == true {
        ""
    } else {
        ", may be left out"
    };
    let schema = reference(&media["schema"]).map(|name| &document["components"]["schemas"][name]);
    let fields = schema.map(|schema| prose(string(&schema["description"])) + &schemas::fields(schema));
    format!(
        "<h4>Body</h4><p>{}{optional}</p>{}",
        names.join(" or "),
        fields.unwrap_or_default()
    )
}

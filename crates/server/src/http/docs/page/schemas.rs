//! Schemas on the page: each as a table of its fields.

use serde_json::Value;

use super::text::{escaped, inline, prose};
use super::{members, reference, string};

/// The section with all of them.
pub(super) fn section(document: &Value) -> String {
    let all: String = members(&document["components"]["schemas"])
        .map(|(name, schema)| {
            let name = escaped(name);
            let description = prose(string(&schema["description"]));
            format!(
                "<article id=\"schema-{name}\"><h3><code>{name}</code></h3>{description}{}</article>",
                fields(schema)
            )
        })
        .collect();
    format!("<section id=\"schemas\"><h2>Schemas</h2>{all}</section>")
}

/// The fields of an object, those that are always there first; or the alternatives.
pub(super) fn fields(schema: &Value) -> String {
    if let Some(ways) = schema["oneOf"].as_array() {
        let ways: Vec<_> = ways.iter().map(kind).collect();
        return format!("<p>One of {}.</p>", ways.join(", "));
    }
    let is_required = |name: &str| {
        schema["required"]
            .as_array()
            .is_some_and(|names| names.iter().any(|n| n == name))
    };
    let mut properties: Vec<_> = members(&schema["properties"]).collect();
    properties.sort_by_key(|(name, _)| !is_required(name));
    let rows: String = properties
        .iter()
        .map(|(name, property)| {
            format!(
                "<tr><th scope=\"row\"><code>{}</code>{}</th><td>{}</td><td>{}</td></tr>",
                escaped(name),
                mark(is_required(name)),
                kind(property),
                inline(string(&property["description"])),
            )
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "<table><thead><tr><th scope=\"col\">Field</th><th scope=\"col\">Type</th><th scope=\"col\">Meaning</th></tr>\
         </thead><tbody>{rows}</tbody></table>"
    )
}

/// The mark of what is always there, or must be.
pub(super) fn mark(required: bool) -> &'static str {
    if required {
        " <span class=\"required\">required</span>"
    } else {
        ""
    }
}

/// What kind of value a schema wants, in a few words.
pub(super) fn kind(schema: &Value) -> String {
    if let Some(name) = reference(schema) {
        let name = escaped(name);
        return format!("<a href=\"#schema-{name}\">{name}</a>");
    }
    if schema["const"] != Value::Null {
        return format!("<code>{}</code>", escaped(&schema["const"].to_string()));
    }
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<_> = words
            .iter()
            .map(|word| format!("<code>{}</code>", escaped(string(word))))
            .collect();
        return words.join(" ");
    }
    if schema["type"] == "array" {
        return format!("list of {}", kind(&schema["items"]));
    }
    let named = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().map(string).collect::<Vec<_>>().join(" or "),
        Value::String(kind) => kind.clone(),
        _ => "anything".to_owned(),
    };
    let limits = ["format", "pattern", "minimum", "maximum"];
    let limits = limits.iter().filter_map(|name| match &schema[name] {
        Value::Null => None,
        Value::String(text) => Some(format!(" <code>{}</code>", escaped(text))),
        other => Some(format!(" {name} {other}")),
    });
    named + &limits.collect::<String>()
}

//! Command lines to copy: one for each example of a request.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::text::escaped;
use super::{Place, members, string};

/// Where the command lines go until the page's script knows better.
const ORIGIN: &str = "http://127.0.0.1:8080";

/// The command lines of one operation.
pub(super) fn blocks(place: &Place<'_>) -> String {
    let contents = &place.operation["requestBody"]["content"];
    let mut lines: Vec<(String, String)> = Vec::new();
    for (kind, media) in members(contents) {
        for (_, example) in members(&media["examples"]) {
            let body = Body {
                kind,
                value: &example["value"],
            };
            let form = kind == "application/x-www-form-urlencoded";
            let title = format!(
                "{}, as {}",
                string(&example["summary"]),
                if form { "a form" } else { "JSON" }
            );
            lines.push((title, line(place, Some(&body))));
        }
    }
    if place.operation["requestBody"]["required"] != true {
        lines.insert(0, ("Plain".to_owned(), line(place, None)));
    }
    // Forms first: they are what RFC 6749 speaks of.
    lines.sort_by_key(|(title, _)| title.ends_with("JSON"));
    let only = lines.len() == 1;
    let blocks: String = lines
        .iter()
        .map(|(title, line)| {
            let title = if only {
                String::new()
            } else {
                format!("<p class=\"title\">{}</p>", escaped(title))
            };
            format!(
                "{title}<div class=\"copyable\"><pre tabindex=\"0\"><code>{}</code></pre>\
                 <button type=\"button\" class=\"copy\" hidden>Copy</button></div>",
                escaped(line).replace(ORIGIN, &format!("<span class=\"origin\">{ORIGIN}</span>")),
            )
        })
        .collect();
    format!("<h4>Try it</h4>{blocks}")
}

struct Body<'d> {
    kind: &'d str,
    value: &'d Value,
}

fn line(place: &Place<'_>, body: Option<&Body<'_>>) -> String {
    let mut parts = vec![format!("curl -i {}", quoted(&address(place)))];
    if place.method == "delete" || (place.method == "post" && body.is_none()) {
        parts.push(format!("-X {}", place.method.to_uppercase()));
    }
    parts.extend(credential(place, body));
    if let Some(Body { kind, value }) = body {
        if *kind == "application/json" {
            parts.push("-H 'Content-Type: application/json'".to_owned());
            parts.push(format!("-d {}", quoted(&value.to_string())));
        } else {
            let fields = members(value);
            parts.extend(fields.map(|(name, text)| {
                format!("--data-urlencode {}", quoted(&format!("{name}={}", plain(text))))
            }));
        }
    }
    parts.join(" \\\n  ")
}

fn address(place: &Place<'_>) -> String {
    let (mut path, mut query) = (place.path.to_owned(), Vec::new());
    for parameter in place.operation["parameters"].as_array().into_iter().flatten() {
        let name = string(&parameter["name"]);
        let value = utf8_percent_encode(&plain(&parameter["example"]), NON_ALPHANUMERIC).to_string();
        match string(&parameter["in"]) {
            "path" => path = path.replace(&format!("{{{name}}}"), &value),
            // The bounds of a page are enough of an example where nothing must be given.
            "query" if parameter["required"] == true || name == "limit" => {
                query.push(format!("{name}={value}"));
            }
            _ => {}
        }
    }
    let separator = if query.is_empty() { "" } else { "?" };
    format!("{ORIGIN}{path}{separator}{}", query.join("&"))
}

fn credential(place: &Place<'_>, body: Option<&Body<'_>>) -> Option<String> {
    let ways = place.operation["security"].as_array()?;
    let takes = |name: &str| ways.iter().any(|way| way.get(name).is_some());
    let client_in_body = body.is_some_and(|body| body.value.get("client_id").is_some());
    if takes("bearer") {
        Some("-H \"Authorization: Bearer $ACCESS_TOKEN\"".to_owned())
    } else if takes("session") {
        Some(format!("-b \"maxlab_session=$SESSION\" -H 'Origin: {ORIGIN}'"))
    } else if takes("client") && !client_in_body {
        Some("-u \"$CLIENT_ID:$CLIENT_SECRET\"".to_owned())
    } else {
        None
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A word that a POSIX shell takes as it stands.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

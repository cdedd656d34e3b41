//! Answers on the page.

use serde_json::Value;

use super::text::{escaped, inline};
use super::{members, reference, schemas, shown, string};

/// The answers of one operation: its own in full, shared ones by a link.
pub(super) fn of_operation(responses: &Value) -> String {
    let rows: String = members(responses)
        .map(|(status, response)| {
            let said = match reference(response) {
                Some(name) => {
                    let name = escaped(name);
                    format!("<a href=\"#answer-{name}\">{name}</a>")
                }
                None => in_full(response),
            };
            format!(
                "<tr><th scope=\"row\"><code class=\"s{}\">{status}</code></th><td>{said}</td></tr>",
                class(status)
            )
        })
        .collect();
    format!(
        "<h4>Answers</h4><table class=\"answers\"><thead><tr><th scope=\"col\">Status</th><th scope=\"col\">What it says</th>\
         </tr></thead><tbody>{rows}</tbody></table>"
    )
}

/// The section with all that are shared.
pub(super) fn section(document: &Value) -> String {
    let all: String = members(&document["components"]["responses"])
        .map(|(name, response)| {
            let name = escaped(name);
            format!(
                "<article id=\"answer-{name}\"><h3><code>{name}</code></h3>{}</article>",
                in_full(response)
            )
        })
        .collect();
    format!("<section id=\"shared-answers\"><h2>Shared answers</h2>{all}</section>")
}

fn in_full(response: &Value) -> String {
    let mut out = format!("<p>{}</p>", inline(string(&response["description"])));
    let headers: Vec<_> = members(&response["headers"])
        .map(|(name, header)| {
            let sometimes = reference(header).is_some_and(|shared| shared.ends_with("-Optional"));
            format!(
                "<code>{}</code>{}",
                escaped(name),
                if sometimes { " (sometimes)" } else { "" }
            )
        })
        .collect();
    if !headers.is_empty() {
        out += &format!("<p class=\"headers\">Headers: {}</p>", headers.join(", "));
    }
    for (kind, media) in members(&response["content"]) {
        out += &format!(
            "<p><code>{}</code>: {}</p>",
            escaped(kind),
            schemas::kind(&media["schema"])
        );
        for (_, example) in members(&media["examples"]) {
            out += &format!(
                "<details class=\"shown\"><summary>{}</summary><pre tabindex=\"0\"><code>{}</code></pre></details>",
                escaped(string(&example["summary"])),
                shown(&example["value"]),
            );
        }
    }
    out
}

fn class(status: &str) -> &str {
    status.get(..1).unwrap_or_default()
}

//! Text into HTML. Everything that the page shows passes through here.

/// A text with no markup of its own left in it.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// A description as the document has it: paragraphs, `` `code` `` and `**weight**`, and nothing more of Markdown.
pub(super) fn prose(text: &str) -> String {
    text.split("\n\n")
        .map(|paragraph| format!("<p>{}</p>", inline(paragraph)))
        .collect()
}

/// The same within one line.
pub(super) fn inline(text: &str) -> String {
    let mut out = String::new();
    for (at, part) in text.split('`').enumerate() {
        if at % 2 == 1 {
            out += &format!("<code>{}</code>", escaped(part));
            continue;
        }
        for (at, part) in part.split("**").enumerate() {
            let part = escaped(part);
            out += &if at % 2 == 1 {
                format!("<strong>{part}</strong>")
            } else {
                part
            };
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_passes_as_markup() {
        assert_eq!(
            prose("<b> & `\"<i>'`"),
            "<p>&lt;b&gt; &amp; <code>&quot;&lt;i&gt;&#39;</code></p>"
        );
        assert_eq!(
            prose("**One** two\n\nthree"),
            "<p><strong>One</strong> two</p><p>three</p>"
        );
    }
}

//! Texts that others wrote, before a person sees them.

/// Returns at most `max` characters of a text, without control characters and without the marks that change the
/// direction of writing. The templates escape it for HTML.
pub fn cut_foreign_text(text: &str, max: usize) -> String {
    let mut shown: String = text.chars().filter(|c| is_shown(*c)).take(max + 1).collect();
    if let Some((end, _)) = shown.char_indices().nth(max) {
        shown.truncate(end);
        shown.push('…');
    }
    shown
}

fn is_shown(c: char) -> bool {
    // U+200E, U+200F, U+202A–202E, U+2066–2069, U+061C: they could show other words than are written (UAX #9).
    let directs =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{61c}');
    !c.is_control() && !directs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c11_a_foreign_text_is_cut_and_cannot_turn_the_line() {
        assert_eq!(cut_foreign_text("a\u{202e}b\r\n\u{0}c\u{2066}", 10), "abc");
        assert_eq!(cut_foreign_text("가나다라", 3), "가나다…");
        assert_eq!(cut_foreign_text("가나다", 3), "가나다");
        assert_eq!(cut_foreign_text(&"x".repeat(10_240), 200).chars().count(), 201);
        assert_eq!(cut_foreign_text("", 3), "");
    }
}

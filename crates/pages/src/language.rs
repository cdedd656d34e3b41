//! Languages of the pages, and which one a person gets.

/// Language of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English, also for a browser that asks for none of the languages.
    #[default]
    English,
    /// Korean.
    Korean,
}

impl Language {
    /// Every language, in the order of the links on a page.
    pub const ALL: [Self; 2] = [Self::English, Self::Korean];

    /// Returns the language tag (RFC 5646), as in `?lang=` and in the attribute `lang`.
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Korean => "ko",
        }
    }

    /// Returns the name of the language in itself.
    pub fn own_name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Korean => "한국어",
        }
    }

    /// Returns the other language.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::English => Self::Korean,
            Self::Korean => Self::English,
        }
    }

    /// Reads a language tag by its primary subtag: `ko-KR` is Korean. `None` for other languages.
    pub fn from_tag(tag: &str) -> Option<Self> {
        let primary = tag.trim().split(['-', '_']).next().unwrap_or_default();
        Self::ALL
            .into_iter()
            .find(|language| language.tag().eq_ignore_ascii_case(primary))
    }

    /// Chooses the language: `lang` of the URL if it names one, else the best of `Accept-Language` (RFC 9110
    /// §12.5.4), else English.
    pub fn choose(lang: Option<&str>, accept_language: Option<&str>) -> Self {
        lang.and_then(Self::from_tag)
            .or_else(|| Self::best_accepted(accept_language.unwrap_or_default()))
            .unwrap_or_default()
    }

    fn best_accepted(accept_language: &str) -> Option<Self> {
        let mut best: Option<(f32, Self)> = None;
        // A browser sends a handful. A longer list is not read to its end.
        for range in accept_language.split(',').take(32) {
            let mut parts = range.split(';');
            let Some(language) = parts.next().and_then(Self::from_tag) else {
                continue;
            };
            let weight = parts
                .find_map(|part| part.trim().strip_prefix("q="))
                .map_or(1.0, |weight| weight.trim().parse().unwrap_or(0.0));
            // The first of equal weights counts.
            let is_better = best.is_none_or(|(best_weight, _)| weight > best_weight);
            if weight > 0.0 && is_better {
                best = Some((weight, language));
            }
        }
        best.map(|(_, language)| language)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x24_the_language_is_chosen_by_the_url_then_by_the_browser() {
        let table = [
            (None, None, Language::English),
            (None, Some(""), Language::English),
            (None, Some("ko-KR,ko;q=0.9,en;q=0.8"), Language::Korean),
            (None, Some("en-US,en;q=0.9,ko;q=0.8"), Language::English),
            (None, Some("en;q=0.1, ko;q=0.2"), Language::Korean),
            (None, Some("fr, de;q=0.9, ko;q=0.1"), Language::Korean),
            (None, Some("fr"), Language::English),
            (None, Some("ko;q=0"), Language::English),
            (None, Some("ko;q=x, en"), Language::English),
            (None, Some("kok"), Language::English),
            (Some("ko"), Some("en"), Language::Korean),
            (Some("EN"), Some("ko"), Language::English),
            (Some("fr"), Some("ko"), Language::Korean),
        ];
        for (lang, accepted, expected) in table {
            assert_eq!(
                Language::choose(lang, accepted),
                expected,
                "{lang:?} {accepted:?}"
            );
        }
    }
}

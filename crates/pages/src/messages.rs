//! Texts of the pages. The two tables have the same members, so no page is in two languages.

mod english;
mod korean;

use crate::language::Language;
use crate::logged_out::Receipt;
use crate::page_error::PageError;

/// Texts about one failure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ErrorTexts {
    /// Heading, in the words of a person.
    pub(crate) title: &'static str,
    /// Cause.
    pub(crate) happened: &'static str,
    /// Way out.
    pub(crate) remedy: &'static str,
}

/// All texts in one language. `{}` stands for a name.
#[derive(Debug)]
pub(crate) struct Messages {
    pub(crate) support: &'static str,
    pub(crate) request_id: &'static str,
    pub(crate) error_code: &'static str,
    pub(crate) provider_says: &'static str,
    pub(crate) logged_in_as: &'static str,
    pub(crate) start_again: &'static str,
    pub(crate) try_again: &'static str,
    pub(crate) other_account: &'static str,
    pub(crate) log_out: &'static str,
    pub(crate) start_page: &'static str,
    pub(crate) chooser_title: &'static str,
    /// `{}`: the host that is to be entered.
    pub(crate) chooser_target: &'static str,
    pub(crate) chooser_question: &'static str,
    pub(crate) last_used: &'static str,
    pub(crate) logout_title: &'static str,
    /// `{}`: the provider.
    pub(crate) logout_provider: &'static str,
    pub(crate) logout_here: &'static str,
    pub(crate) logout_everywhere: &'static str,
    pub(crate) logout_everywhere_note: &'static str,
    pub(crate) stay: &'static str,
    pub(crate) logged_out_title: &'static str,
    pub(crate) logged_out_text: &'static str,
    pub(crate) the_provider: &'static str,
    /// `{}`: the provider.
    pub(crate) still_logged_in: &'static str,
    /// `{}`: the provider.
    pub(crate) open_provider: &'static str,
    pub(crate) log_in: &'static str,
    pub(crate) go_on: &'static str,
    errors: &'static [(PageError, ErrorTexts); PageError::ALL.len()],
    receipt: fn(Receipt) -> &'static str,
}

impl Messages {
    pub(crate) fn of(language: Language) -> &'static Self {
        match language {
            Language::English => &english::MESSAGES,
            Language::Korean => &korean::MESSAGES,
        }
    }

    pub(crate) fn error(&self, error: PageError) -> ErrorTexts {
        self.errors[error as usize].1
    }

    /// Returns the text of a receipt. `{}` in it: the provider.
    pub(crate) fn receipt(&self, receipt: Receipt) -> &'static str {
        (self.receipt)(receipt)
    }

    /// Returns every text with a name, for comparisons of the tables.
    #[cfg(test)]
    fn all(&self) -> Vec<(String, &'static str)> {
        use crate::logged_out::{ReceiptResult, ReceiptTarget};

        let named = [
            ("support", self.support),
            ("request_id", self.request_id),
            ("error_code", self.error_code),
            ("provider_says", self.provider_says),
            ("logged_in_as", self.logged_in_as),
            ("start_again", self.start_again),
            ("try_again", self.try_again),
            ("other_account", self.other_account),
            ("log_out", self.log_out),
            ("start_page", self.start_page),
            ("chooser_title", self.chooser_title),
            ("chooser_target", self.chooser_target),
            ("chooser_question", self.chooser_question),
            ("last_used", self.last_used),
            ("logout_title", self.logout_title),
            ("logout_provider", self.logout_provider),
            ("logout_here", self.logout_here),
            ("logout_everywhere", self.logout_everywhere),
            ("logout_everywhere_note", self.logout_everywhere_note),
            ("stay", self.stay),
            ("logged_out_title", self.logged_out_title),
            ("logged_out_text", self.logged_out_text),
            ("the_provider", self.the_provider),
            ("still_logged_in", self.still_logged_in),
            ("open_provider", self.open_provider),
            ("log_in", self.log_in),
            ("go_on", self.go_on),
        ];
        let mut all: Vec<_> = named.map(|(name, text)| (name.to_owned(), text)).into();
        for (n, error) in PageError::ALL.into_iter().enumerate() {
            assert_eq!(
                (error as usize, self.errors[n].0),
                (n, error),
                "the order of the kinds"
            );
            let texts = self.error(error);
            all.push((format!("{error:?}.title"), texts.title));
            all.push((format!("{error:?}.happened"), texts.happened));
            all.push((format!("{error:?}.remedy"), texts.remedy));
        }
        for target in ReceiptTarget::ALL {
            for result in ReceiptResult::ALL {
                let text = self.receipt(Receipt { target, result });
                all.push((format!("{target:?}.{result:?}"), text));
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x24_both_languages_are_complete_and_neither_is_mixed() {
        let (english, korean) = (english::MESSAGES.all(), korean::MESSAGES.all());
        assert_eq!(english.len(), korean.len());
        let is_hangul = |c: char| ('\u{ac00}'..='\u{d7a3}').contains(&c);
        for ((name, en), (same_name, ko)) in english.into_iter().zip(korean) {
            assert_eq!(name, same_name);
            assert!(
                !en.trim().is_empty() && !en.chars().any(is_hangul),
                "{name}: {en}"
            );
            assert!(ko.chars().any(is_hangul), "{name}: {ko}");
            assert_eq!(
                en.contains("{}"),
                ko.contains("{}"),
                "{name} names the same in both"
            );
            let english_word = |word: &str| word.chars().all(|c| c.is_ascii_alphabetic()) && word.len() > 3;
            assert!(!ko.split_whitespace().any(english_word), "{name}: {ko}");
        }
    }
}

//! State of a logout while the browser is at the provider (OpenID Connect RP-Initiated Logout 1.0 §2, `state`).
//! It is sealed and comes back with the browser, so nothing is stored for it.

use std::time::Duration;

use jiff::Timestamp;
use maxlab_auth_core::seal::{SealedValue, SealingKeys};
use maxlab_auth_pages::Language;
use serde::{Deserialize, Serialize};

use super::logout_receipts::LogoutFacts;

/// Time for which a state counts. After it the page is shown without receipts.
const MAX_AGE: Duration = Duration::from_secs(3_600);

/// Word that no other sealed value of the gateway has, so that none can be presented as a state.
const PURPOSE: &str = "logged-out";

/// Seals and opens states.
#[derive(Clone, Debug)]
pub struct LogoutStates {
    keys: SealingKeys,
}

/// State of one logout.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct LogoutState {
    purpose: String,
    /// Facts of the logout.
    pub(super) facts: LogoutFacts,
    /// Source of the delayed messages to the provider; empty if there are none.
    pub(super) outbox_source: String,
    /// Id of the provider.
    pub(super) provider: Option<String>,
    /// Checked address to go on to.
    pub(super) return_to: Option<String>,
    language: Option<String>,
}

impl LogoutState {
    pub(super) fn new(facts: LogoutFacts, language: Language) -> Self {
        Self {
            purpose: PURPOSE.to_owned(),
            facts,
            outbox_source: String::new(),
            provider: None,
            return_to: None,
            language: Some(language.tag().to_owned()),
        }
    }

    /// Returns the language of the page that the logout began on.
    pub(super) fn language(&self) -> Option<Language> {
        Language::from_tag(self.language.as_deref()?)
    }
}

impl LogoutStates {
    /// Creates states that are sealed with these keys.
    pub fn new(keys: SealingKeys) -> Self {
        Self { keys }
    }

    /// Seals a state. Its text needs no escaping in a URL.
    pub(super) fn seal(&self, state: &LogoutState, now: Timestamp) -> String {
        // A state is a few texts; writing it cannot fail. An empty one does not open.
        let plain = serde_json::to_vec(state).unwrap_or_default();
        self.keys.seal(&plain, now).as_str().to_owned()
    }

    /// Opens a state. `None` if it is old, or not one of this gateway.
    pub(super) fn open(&self, text: &str, now: Timestamp) -> Option<LogoutState> {
        let sealed = SealedValue::from_stored(text.to_owned());
        let plain = self.keys.open(&sealed, MAX_AGE, now).ok()?;
        let state: LogoutState = serde_json::from_slice(&plain).ok()?;
        (state.purpose == PURPOSE).then_some(state)
    }
}

#[cfg(test)]
mod tests {
    use maxlab_auth_core::clock;

    use super::*;

    #[test]
    fn l09_only_a_state_of_this_gateway_opens_and_only_for_an_hour() {
        let keys = SealingKeys::parse(&SealingKeys::generate()).unwrap();
        let states = LogoutStates::new(keys.clone());
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let facts = LogoutFacts {
            others: Some(true),
            ..LogoutFacts::default()
        };
        let sealed = states.seal(&LogoutState::new(facts, Language::Korean), now);
        let opened = states.open(&sealed, now).unwrap();
        assert_eq!((opened.facts, opened.language()), (facts, Some(Language::Korean)));
        assert!(sealed.len() < 600, "{} bytes in a URL", sealed.len());
        assert!(states.open(&sealed, clock::after(now, MAX_AGE)).is_some());
        assert!(
            states
                .open(&sealed, clock::after(now, MAX_AGE + Duration::from_secs(1)))
                .is_none()
        );
        let other = keys.seal(br#"{"purpose":"login","facts":{},"outbox_source":""}"#, now);
        for wrong in ["", "x", other.as_str(), &sealed[1..]] {
            assert!(states.open(wrong, now).is_none(), "{wrong}");
        }
    }
}

//! Parameters that the provider sends back with the browser (RFC 6749 §4.1.2, RFC 9207).

use url::form_urlencoded;

/// Longest query that is read, in bytes.
const MAX_QUERY_BYTES: usize = 16 * 1024;
/// Most characters of a description that are kept.
const MAX_DESCRIPTION_CHARS: usize = 200;

/// Answer of the provider to an authorization request.
#[derive(Clone, PartialEq, Eq)]
pub enum CallbackAnswer {
    /// Authorization code.
    Code(String),
    /// Refusal (RFC 6749 §4.1.2.1).
    Refused {
        /// `error`.
        error: String,
        /// `error_description`, printable and at most 200 characters.
        description: Option<String>,
    },
}

// Not derived: a code is a secret.
impl std::fmt::Debug for CallbackAnswer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(_) => formatter.write_str("Code(..)"),
            Self::Refused { error, .. } => formatter.debug_tuple("Refused").field(error).finish(),
        }
    }
}

/// Parameters of a callback. None of them occurred twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackParameters {
    /// `state`: the sealed attempt.
    pub state: String,
    /// `iss`: issuer of the answer (RFC 9207 §2).
    pub issuer: Option<String>,
    /// Code or error.
    pub answer: CallbackAnswer,
}

/// Reason for which a callback is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallbackFault {
    /// Parameter that occurs twice.
    #[error("the parameter {0} occurs twice")]
    Repeated(&'static str),
    /// No `state`.
    #[error("the state is missing")]
    NoState,
    /// Neither a code nor an error, or both, or an answer of another kind.
    #[error("there is not exactly one of code and error")]
    NoAnswer,
    /// Query longer than 16 KiB.
    #[error("the query is too long")]
    TooLong,
}

impl CallbackParameters {
    /// Reads the query of a callback.
    ///
    /// # Errors
    /// See [`CallbackFault`].
    pub fn parse(query: &str) -> Result<Self, CallbackFault> {
        const NAMES: [&str; 6] = ["state", "code", "iss", "error", "error_description", "response"];
        if query.len() > MAX_QUERY_BYTES {
            return Err(CallbackFault::TooLong);
        }
        let mut found: [Option<String>; NAMES.len()] = Default::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let Some(at) = NAMES.iter().position(|known| *known == name) else {
                continue;
            };
            if let (Some(slot), Some(known)) = (found.get_mut(at), NAMES.get(at))
                && slot.replace(value.into_owned()).is_some()
            {
                return Err(CallbackFault::Repeated(known));
            }
        }
        let [state, code, issuer, error, description, response] = found;
        let is_given = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
        let state = state
            .filter(|state| !state.is_empty())
            .ok_or(CallbackFault::NoState)?;
        let answer = match (code, error) {
            _ if response.is_some() => return Err(CallbackFault::NoAnswer),
            (Some(code), error) if !code.is_empty() && !is_given(&error) => CallbackAnswer::Code(code),
            (code, Some(error)) if !error.is_empty() && !is_given(&code) => CallbackAnswer::Refused {
                error,
                description: description.map(|text| printable(&text)),
            },
            _ => return Err(CallbackFault::NoAnswer),
        };
        Ok(Self {
            state,
            issuer,
            answer,
        })
    }
}

/// Returns the text without control and direction characters, cut.
fn printable(text: &str) -> String {
    let is_direction =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .filter(|c| !c.is_control() && !is_direction(*c))
        .take(MAX_DESCRIPTION_CHARS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c14_a_parameter_twice_is_refused() {
        for (query, name) in [
            ("state=a&state=a&code=c", "state"),
            ("state=a&code=c&code=c", "code"),
            ("state=a&code=c&iss=i&iss=i", "iss"),
        ] {
            assert_eq!(
                CallbackParameters::parse(query),
                Err(CallbackFault::Repeated(name))
            );
        }
    }

    #[test]
    fn c15_there_is_one_answer_and_of_the_asked_kind() {
        for query in [
            "state=a",
            "state=a&code=c&error=e",
            "state=a&code=",
            "state=a&response=jarm",
            "state=a&code=c&response=jarm",
        ] {
            assert_eq!(
                CallbackParameters::parse(query),
                Err(CallbackFault::NoAnswer),
                "{query}"
            );
        }
        assert_eq!(CallbackParameters::parse("code=c"), Err(CallbackFault::NoState));
        let long = format!("state=a&code={}", "c".repeat(MAX_QUERY_BYTES));
        assert_eq!(CallbackParameters::parse(&long), Err(CallbackFault::TooLong));
        let good =
            CallbackParameters::parse("code=c%2B1&state=a&iss=https%3A%2F%2Fi&session_state=x").unwrap();
        assert_eq!(good.answer, CallbackAnswer::Code("c+1".to_owned()));
        assert_eq!(good.issuer.as_deref(), Some("https://i"));
    }

    #[test]
    fn c11_a_description_is_cut_and_cannot_turn_the_page_around() {
        let query = format!(
            "state=a&error=access_denied&error_description={}%0D%0A%E2%80%AE<b>{}",
            "no",
            "x".repeat(500)
        );
        let CallbackAnswer::Refused { error, description } =
            CallbackParameters::parse(&query).unwrap().answer
        else {
            panic!("an error is a refusal");
        };
        let description = description.unwrap();
        assert_eq!(error, "access_denied");
        assert!(description.starts_with("no<b>xxx"), "{description}");
        assert_eq!(description.chars().count(), 200);
    }
}

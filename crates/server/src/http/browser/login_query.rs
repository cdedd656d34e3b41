//! Query of `GET /auth/login`. Only its own parameters count: no scope, no redirect URI and no client comes from
//! the browser.

use maxlab_auth_core::login::LoginWishes;

use super::super::body::RequestParameters;
use super::super::error::ApiError;

/// Values of `prompt` that a link may ask for (OpenID Connect Core §3.1.2.1).
const PROMPTS: [&str; 4] = ["none", "login", "consent", "select_account"];
/// Longest hint that is passed on, in bytes.
const MAX_HINT_BYTES: usize = 512;

/// Parameters of a login.
#[derive(Clone, Debug, Default)]
pub(super) struct LoginQuery {
    /// `return_to`, or `target_link_uri` of a third party.
    pub(super) return_to: Option<String>,
    /// `provider`.
    pub(super) provider: Option<String>,
    /// `iss` of a login that a third party begins (OpenID Connect Core §4).
    pub(super) issuer: Option<String>,
    /// `prompt`, `max_age`, `acr`.
    pub(super) wishes: LoginWishes,
    /// `login_hint` and `ui_locales`, which are passed on.
    pub(super) hints: Vec<(&'static str, String)>,
}

impl LoginQuery {
    /// Reads the query.
    ///
    /// # Errors
    /// A parameter occurs twice, or has a value that is not allowed.
    pub(super) fn parse(query: &str) -> Result<Self, ApiError> {
        let parameters = RequestParameters::from_form(query.as_bytes())?;
        let text = |name: &str| {
            parameters
                .find(name)
                .filter(|value| !value.is_empty())
                .map(str::to_owned)
        };
        let prompt = text("prompt");
        if let Some(prompt) = prompt.as_deref().filter(|prompt| !PROMPTS.contains(prompt)) {
            let why = format!("`prompt` is {prompt:?}, and may be none, login, consent or select_account");
            return Err(ApiError::InvalidRequest(why));
        }
        let max_age = text("max_age").map(|text| text.parse::<u32>()).transpose();
        let max_age =
            max_age.map_err(|_| ApiError::InvalidRequest("`max_age` is not a number of seconds".into()))?;
        let mut hints = Vec::new();
        for name in ["login_hint", "ui_locales"] {
            // A hint decides nothing: one that is too long is left out.
            if let Some(value) = text(name).filter(|value| value.len() <= MAX_HINT_BYTES) {
                hints.push((name, value));
            }
        }
        Ok(Self {
            return_to: text("return_to").or_else(|| text("target_link_uri")),
            provider: text("provider"),
            issuer: text("iss"),
            wishes: LoginWishes {
                prompt,
                max_age,
                acr: text("acr").filter(|acr| acr.len() <= MAX_HINT_BYTES),
            },
            hints,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t16_only_the_own_parameters_count_and_only_with_known_values() {
        let query = LoginQuery::parse(
            "return_to=%2Fa&scope=admin&redirect_uri=https%3A%2F%2Fevil&client_id=x&response_mode=form_post&prompt=login&max_age=60",
        )
        .unwrap();
        assert_eq!(query.return_to.as_deref(), Some("/a"));
        assert_eq!(query.wishes.prompt.as_deref(), Some("login"));
        assert_eq!(query.wishes.max_age, Some(60));
        assert!(query.hints.is_empty());
        for bad in [
            "prompt=create",
            "prompt=none%20login",
            "max_age=-1",
            "max_age=soon",
            "return_to=a&return_to=b",
        ] {
            assert!(LoginQuery::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn t18_a_third_party_names_issuer_target_and_person() {
        let query = LoginQuery::parse("iss=https%3A%2F%2Fi&login_hint=a%40b&target_link_uri=%2Fx").unwrap();
        assert_eq!(query.issuer.as_deref(), Some("https://i"));
        assert_eq!(query.return_to.as_deref(), Some("/x"));
        assert_eq!(query.hints, [("login_hint", "a@b".to_owned())]);
    }
}

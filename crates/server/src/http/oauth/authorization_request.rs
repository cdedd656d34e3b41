//! Checks of an authorization request, and where its faults go (RFC 6749 §4.1.2.1).

use super::super::app_state::LoginRules;
use super::super::body::RequestParameters;
use super::super::error::ApiError;
use crate::redirect_uri::check_redirect_uri;

/// Reason why an authorization request is not passed on.
#[derive(Debug)]
pub(super) enum AuthorizationFault {
    /// Goes to the client: address of its redirect URI, with the error.
    ToClient(String),
    /// Goes to the user, because nothing shows that the redirect URI belongs to the client.
    ToUser(String),
    /// Client or redirect URI that is not on its list. Goes to the user.
    Unlisted {
        /// Parameter.
        name: &'static str,
        /// Value of the parameter.
        value: String,
        /// Setting with the list.
        setting: &'static str,
    },
}

/// Fault of a parameter other than client and redirect URI: an error code of RFC 6749 §4.1.2.1, and a text.
struct ParameterFault {
    error: &'static str,
    description: String,
}

impl From<ApiError> for ParameterFault {
    fn from(error: ApiError) -> Self {
        Self {
            error: "invalid_request",
            description: error.detail().into_owned(),
        }
    }
}

/// Parses an authorization request and checks that it asks for a code (RFC 6749 §4.1.1), for an allowed client
/// and redirect URI, compared exactly (RFC 9700 §2.1), with PKCE and S256 (RFC 7636 §4.3).
pub(super) fn parse(query: &str, rules: &LoginRules) -> Result<RequestParameters, AuthorizationFault> {
    let to_user = |error: ApiError| AuthorizationFault::ToUser(error.detail().into_owned());
    let pairs = RequestParameters::parse_pairs(query.as_bytes()).map_err(to_user)?;
    let redirect_uri = check_origin(&pairs, rules)?;
    let checked = RequestParameters::from_form(query.as_bytes())
        .map_err(ParameterFault::from)
        .and_then(|parameters| check_parameters(&parameters).map(|()| parameters));
    checked.map_err(|fault| match &rules.redirect_uris {
        // `check_origin` found it in this list.
        Some(_) => AuthorizationFault::ToClient(error_address(redirect_uri, single(&pairs, "state"), &fault)),
        // Without a list only the authorization server knows whose address it is.
        None => AuthorizationFault::ToUser(fault.description),
    })
}

/// Returns the value of a parameter that is there once and not empty.
fn single<'p>(pairs: &'p [(String, String)], wanted: &str) -> Option<&'p str> {
    let mut values = pairs
        .iter()
        .filter(|(name, _)| name == wanted)
        .map(|(_, value)| value.as_str());
    match (values.next(), values.next()) {
        (Some(value), None) if !value.is_empty() => Some(value),
        _ => None,
    }
}

/// Checks the client and the redirect URI, and returns the redirect URI. Until both are good, no fault may go to
/// that address.
fn check_origin<'p>(
    pairs: &'p [(String, String)],
    rules: &LoginRules,
) -> Result<&'p str, AuthorizationFault> {
    let required = |name: &str| {
        single(pairs, name).ok_or_else(|| {
            let what = match pairs.iter().filter(|(known, _)| known == name).count() {
                0 | 1 => "missing",
                _ => "repeated; send it once",
            };
            AuthorizationFault::ToUser(format!("The parameter `{name}` is {what}"))
        })
    };
    let listed = |name, value: &str, setting, list: &Option<Vec<String>>| match list {
        Some(list) if !list.iter().any(|known| known == value) => Err(AuthorizationFault::Unlisted {
            name,
            value: value.to_owned(),
            setting,
        }),
        _ => Ok(()),
    };
    let client_id = required("client_id")?;
    listed("client_id", client_id, "ALLOWED_CLIENT_IDS", &rules.client_ids)?;
    let redirect_uri = required("redirect_uri")?;
    listed(
        "redirect_uri",
        redirect_uri,
        "ALLOWED_REDIRECT_URIS",
        &rules.redirect_uris,
    )?;
    check_redirect_uri(redirect_uri).map_err(|fault| {
        AuthorizationFault::ToUser(format!("The redirect_uri {fault}: {}", fault.remedy()))
    })?;
    Ok(redirect_uri)
}

/// Checks the other parameters.
fn check_parameters(parameters: &RequestParameters) -> Result<(), ParameterFault> {
    let response_type = parameters.required("response_type")?;
    if response_type != "code" {
        return Err(ParameterFault {
            error: "unsupported_response_type",
            description: "The response_type must be `code`".to_owned(),
        });
    }
    let challenge = parameters.required("code_challenge")?;
    // base64url of a SHA-256 without padding: 43 characters (RFC 7636 §4.2).
    let is_well_formed = challenge.len() == 43
        && challenge
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    // Without a method it would be `plain` (RFC 7636 §4.3).
    if parameters.find("code_challenge_method") != Some("S256") || !is_well_formed {
        let why =
            "PKCE with code_challenge_method=S256 is required; the challenge has 43 base64url characters";
        return Err(ApiError::InvalidRequest(why.to_owned()).into());
    }
    Ok(())
}

/// Returns the redirect URI with the error (RFC 6749 §4.1.2.1). The URI itself stays as it was written.
fn error_address(redirect_uri: &str, state: Option<&str>, fault: &ParameterFault) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("error", fault.error);
    query.append_pair(
        "error_description",
        &super::super::error::sanitize_description(&fault.description),
    );
    if let Some(state) = state {
        query.append_pair("state", state);
    }
    // A query of the redirect URI is kept (RFC 6749 §3.1.2).
    let separator = match redirect_uri.split_once('?') {
        None => "?",
        Some((_, rest)) if rest.is_empty() || rest.ends_with('&') => "",
        Some(_) => "&",
    };
    format!("{redirect_uri}{separator}{}", query.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "response_type=code&client_id=c&redirect_uri=https%3A%2F%2Fapp.example%2Fcb\
        &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256&state=s";

    fn checked(query: &str, rules: &LoginRules) -> Result<RequestParameters, AuthorizationFault> {
        parse(query, rules)
    }

    #[test]
    fn each_fault_alone_refuses() {
        let open = LoginRules::default();
        assert!(checked(GOOD, &open).is_ok());
        for (from, to) in [
            ("response_type=code", "response_type=token"),
            ("client_id=c&", ""),
            ("S256", "plain"),
            ("&code_challenge_method=S256", ""),
            ("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "short"),
            ("https%3A%2F%2Fapp.example%2Fcb", "%2Fcb"),
            ("https%3A%2F%2Fapp.example%2Fcb", "javascript%3Aalert(1)"),
            (
                "https%3A%2F%2Fapp.example%2Fcb",
                "https%3A%2F%2Fapp.example%2Fcb%23f",
            ),
        ] {
            assert!(checked(&GOOD.replace(from, to), &open).is_err(), "{from} -> {to}");
        }
    }

    #[test]
    fn clients_and_redirect_uris_are_compared_exactly() {
        let rules = LoginRules {
            client_ids: Some(vec!["c".into()]),
            redirect_uris: Some(vec!["https://app.example/cb".into()]),
            ..LoginRules::default()
        };
        assert!(checked(GOOD, &rules).is_ok());
        assert!(checked(&GOOD.replace("client_id=c", "client_id=C"), &rules).is_err());
        for other in [
            "https%3A%2F%2Fapp.example%2Fcb%2F",
            "https%3A%2F%2FApp.example%2Fcb",
            "https%3A%2F%2Fapp.example%2Fcb%3Fx",
        ] {
            assert!(
                checked(&GOOD.replace("https%3A%2F%2Fapp.example%2Fcb", other), &rules).is_err(),
                "{other}"
            );
        }
    }

    #[test]
    fn n16_only_a_listed_redirect_uri_is_told_of_a_fault() {
        let wrong = GOOD.replace("S256", "plain");
        let listed = |uris: &[&str]| LoginRules {
            redirect_uris: Some(uris.iter().map(|uri| (*uri).to_owned()).collect()),
            ..LoginRules::default()
        };
        let address = |query: &str, rules: &LoginRules| match checked(query, rules) {
            Err(AuthorizationFault::ToClient(address)) => Some(address),
            _ => None,
        };
        assert_eq!(address(&wrong, &LoginRules::default()), None);
        assert_eq!(address(&wrong, &listed(&["https://other.example/cb"])), None);
        let known = listed(&["https://app.example/cb"]);
        let told = address(&wrong, &known).unwrap();
        assert!(
            told.starts_with("https://app.example/cb?error=invalid_request&error_description=PKCE"),
            "{told}"
        );
        assert!(told.ends_with("&state=s"), "{told}");
        // A repeated parameter is a fault of the client; a repeated redirect URI shows nobody's address.
        assert!(address(&format!("{GOOD}&scope=a&scope=b"), &known).is_some());
        assert!(address(&format!("{GOOD}&state=t"), &known).is_some_and(|told| !told.contains("state=")));
        for repeated in ["&redirect_uri=https%3A%2F%2Fapp.example%2Fcb", "&client_id=c"] {
            assert_eq!(address(&format!("{wrong}{repeated}"), &known), None, "{repeated}");
        }
        let query = address(
            &wrong.replace("app.example%2Fcb", "app.example%2Fcb%3Fx%3D1"),
            &listed(&["https://app.example/cb?x=1"]),
        );
        assert!(query.is_some_and(|told| told.starts_with("https://app.example/cb?x=1&error=")));
    }
}

//! Strict reading of parameters and bodies, as form or JSON: no name twice, no value of the wrong type.

use std::collections::HashSet;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::header;
use maxlab_auth_jose::parse_object;
use serde_json::{Map, Value};

use super::error::{ApiError, OAuthApiError};

/// Longest body that is read, in bytes.
pub const MAX_BODY_LEN: usize = 64 * 1024;

/// Parameters that may be repeated: a token may be for several resources (RFC 8707 §2, RFC 8693 §2.1).
const REPEATABLE: [&str; 2] = ["resource", "audience"];

/// Parameters of a request in their order, each name once except those that may be repeated.
#[derive(Clone, Default)]
pub struct RequestParameters(Vec<(String, String)>);

// By hand, without the values: they hold codes, tokens and client secrets.
impl std::fmt::Debug for RequestParameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

impl RequestParameters {
    /// Parses a query or a form (RFC 6749 §3.1: a parameter must not be repeated). Only `resource` and
    /// `audience` may be.
    ///
    /// # Errors
    /// Another parameter is repeated, or the text is not UTF-8 after decoding.
    pub fn from_form(text: &[u8]) -> Result<Self, ApiError> {
        let pairs = Self::parse_pairs(text)?;
        // After decoding: `a` and `%61` are one name.
        let mut seen = HashSet::new();
        let mut single = pairs
            .iter()
            .filter(|(name, _)| !REPEATABLE.contains(&name.as_str()));
        if let Some((name, _)) = single.find(|(name, _)| !seen.insert(name.as_str())) {
            return Err(duplicate_parameter(name));
        }
        Ok(Self(pairs))
    }

    /// Parses a query or a form in which a name may be repeated.
    ///
    /// # Errors
    /// The text is not UTF-8 after decoding.
    pub fn parse_pairs(text: &[u8]) -> Result<Vec<(String, String)>, ApiError> {
        let mut pairs = Vec::new();
        for pair in text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            // Split before decoding, so that an encoded `=` or `&` stays part of its name or value.
            let (name, value) = match pair.iter().position(|byte| *byte == b'=') {
                Some(at) => (
                    pair.get(..at).unwrap_or_default(),
                    pair.get(at + 1..).unwrap_or_default(),
                ),
                // A name without `=` has an empty value (WHATWG URL §5.1).
                None => (pair, [].as_slice()),
            };
            pairs.push((decode_component(name)?, decode_component(value)?));
        }
        Ok(pairs)
    }

    /// Parses the JSON form of the parameters that `docs/GUIDE.md` ("Token") describes: an object of strings.
    /// `null` counts as absent. `resource` and `audience` may be lists of strings.
    ///
    /// # Errors
    /// The text is no JSON object, or a member is neither a string nor `null`.
    pub fn from_json(text: &[u8]) -> Result<Self, ApiError> {
        let object = parse_json_object(text)?;
        let mut pairs = Vec::new();
        for (name, value) in object {
            match value {
                Value::String(text) => pairs.push((name, text)),
                Value::Null => {}
                Value::Array(values) if REPEATABLE.contains(&name.as_str()) => {
                    for value in values {
                        let Value::String(text) = value else {
                            return Err(ApiError::InvalidRequest(format!(
                                "`{name}` must be a string or a list of strings"
                            )));
                        };
                        pairs.push((name.clone(), text));
                    }
                }
                // Numbers and booleans too: as text they could be a token that does not exist, and a revoke of it
                // would be answered as a success.
                Value::Number(_) | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                    return Err(ApiError::InvalidRequest(format!(
                        "`{}` must be a string: write its value in quotation marks",
                        printable_name(&name)
                    )));
                }
            }
        }
        Ok(Self(pairs))
    }

    /// Returns the value of a parameter. An empty value counts as absent (RFC 6749 §3.1).
    pub fn find(&self, name: &str) -> Option<&str> {
        let value = self
            .0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str());
        value.filter(|value| !value.is_empty())
    }

    /// Returns the value of a required parameter.
    ///
    /// # Errors
    /// The parameter is missing or empty.
    pub fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.find(name)
            .ok_or_else(|| ApiError::InvalidRequest(format!("The parameter `{name}` is missing")))
    }

    /// Returns all names and values.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }
}

/// Decodes a name or value of a form. A `%` without two hexadecimal digits after it is refused, because
/// decoders differ on it.
fn decode_component(text: &[u8]) -> Result<String, ApiError> {
    let is_escape = |rest: &[u8]| matches!(rest, [_, high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit());
    let percents = text.iter().enumerate().filter(|(_, byte)| **byte == b'%');
    if !percents
        .map(|(at, _)| text.get(at..).unwrap_or_default())
        .all(is_escape)
    {
        return Err(ApiError::InvalidRequest(
            "A `%` in a parameter is not followed by two hexadecimal digits".into(),
        ));
    }
    // In a form `+` is a space; a plus sign is `%2B` (WHATWG URL §5.1).
    let spaced: Vec<u8> = text
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    let bytes: Vec<u8> = percent_encoding::percent_decode(&spaced).collect();
    let text = String::from_utf8(bytes);
    text.map_err(|_| ApiError::InvalidRequest("A parameter is not UTF-8 after decoding".into()))
}

fn duplicate_parameter(name: &str) -> ApiError {
    ApiError::InvalidRequest(format!(
        "The parameter `{}` is repeated; send it once",
        printable_name(name)
    ))
}

/// Returns a name from the request in a form that is safe in an error text.
fn printable_name(name: &str) -> String {
    // No control characters, which could forge log lines, and no long echo of what the client sent.
    name.chars().filter(|c| !c.is_control()).take(40).collect()
}

/// Parses a JSON object strictly: no duplicate names, no trailing bytes.
///
/// # Errors
/// The text is not such an object.
pub fn parse_json_object(text: &[u8]) -> Result<Map<String, Value>, ApiError> {
    parse_object(text)
        .map_err(|fault| ApiError::InvalidRequest(format!("The body is not a JSON object: {fault}")))
}

/// Kind of body that the headers of a request name.
enum BodyKind {
    Form,
    Json,
    /// The request has no `Content-Type`.
    None,
}

fn body_kind(request: &Request) -> Result<BodyKind, ApiError> {
    // Compressed bodies are refused (RFC 9110 §8.4): their bytes would be read as if they were the text.
    let mut codings = request.headers().get_all(header::CONTENT_ENCODING).iter();
    if !codings.all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(ApiError::UnsupportedMediaType);
    }
    let mut values = request.headers().get_all(header::CONTENT_TYPE).iter();
    let Some(value) = values.next() else {
        return Ok(BodyKind::None);
    };
    if values.next().is_some() {
        return Err(ApiError::InvalidRequest(
            "There is more than one Content-Type header".into(),
        ));
    }
    let text = value.to_str().map_err(|_| ApiError::UnsupportedMediaType)?;
    // Without parameters such as `charset`: both kinds are UTF-8 here, and anything else fails to parse.
    let essence = text
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match essence.as_str() {
        "application/x-www-form-urlencoded" => Ok(BodyKind::Form),
        "application/json" => Ok(BodyKind::Json),
        _ => Err(ApiError::UnsupportedMediaType),
    }
}

/// Reads a complete body of at most [`MAX_BODY_LEN`] bytes.
async fn read_body(body: Body) -> Result<axum::body::Bytes, ApiError> {
    // `layers::buffered_body` limits bodies first. This limit holds for a router without layers.
    to_bytes(body, MAX_BODY_LEN).await.map_err(|fault| {
        // axum wraps the error of the limit, so it is searched for along the chain of causes.
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&fault);
        while let Some(error) = cause {
            if error.is::<http_body_util::LengthLimitError>() {
                return ApiError::PayloadTooLarge;
            }
            cause = error.source();
        }
        ApiError::InvalidRequest("The body could not be read completely".into())
    })
}

/// Body of an OAuth endpoint: a form (RFC 6749 §4.1.3) or the JSON of `docs/GUIDE.md` ("Token").
#[derive(Debug)]
pub struct OAuthBody(pub RequestParameters);

impl<S: Send + Sync> FromRequest<S> for OAuthBody {
    type Rejection = OAuthApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, OAuthApiError> {
        let kind = body_kind(&request)?;
        let body = read_body(request.into_body()).await?;
        let parameters = match kind {
            BodyKind::Form => RequestParameters::from_form(&body)?,
            BodyKind::Json => RequestParameters::from_json(&body)?,
            // No body at all: the handler then names the parameter that is missing.
            BodyKind::None if body.is_empty() => RequestParameters::default(),
            BodyKind::None => return Err(ApiError::UnsupportedMediaType.into()),
        };
        Ok(Self(parameters))
    }
}

/// Form of a back-channel logout (OpenID Connect Back-Channel Logout 1.0 §2.5). JSON is not accepted.
#[derive(Debug)]
pub struct LogoutTokenBody(pub RequestParameters);

impl LogoutTokenBody {
    /// Longest body, in bytes. A token that is longer is none of a provider's.
    const MAX_LEN: usize = 16 * 1024;
}

impl<S: Send + Sync> FromRequest<S> for LogoutTokenBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let kind = body_kind(&request)?;
        let body = read_body(request.into_body()).await?;
        if body.len() > Self::MAX_LEN {
            return Err(ApiError::PayloadTooLarge);
        }
        match kind {
            BodyKind::Form => Ok(Self(RequestParameters::from_form(&body)?)),
            BodyKind::None if body.is_empty() => Ok(Self(RequestParameters::default())),
            BodyKind::Json | BodyKind::None => Err(ApiError::UnsupportedMediaType),
        }
    }
}

/// A JSON object, or no body, which counts as an empty object.
#[derive(Debug)]
pub struct OptionalJson(pub Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for OptionalJson {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        // Not `?` yet: without a body, the Content-Type does not matter.
        let kind = body_kind(&request);
        let body = read_body(request.into_body()).await?;
        if body.is_empty() {
            return Ok(Self(Map::new()));
        }
        match kind? {
            BodyKind::Json => Ok(Self(parse_json_object(&body)?)),
            BodyKind::Form | BodyKind::None => Err(ApiError::UnsupportedMediaType),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_comes_once() {
        let read = RequestParameters::from_form(b"a=1&b=x+y%20z&c").unwrap();
        assert_eq!(
            (read.find("a"), read.find("b"), read.find("c")),
            (Some("1"), Some("x y z"), None)
        );
        assert!(RequestParameters::from_form(b"a=1&a=1").is_err());
        assert!(RequestParameters::from_form(b"a=1&%61=2").is_err());
        assert!(RequestParameters::from_form(b"a=%ff").is_err());
        for bad in [&b"a=%"[..], b"a=%4", b"a=%zz", b"a=%u0061", b"%=a", b"a=%%41"] {
            assert!(RequestParameters::from_form(bad).is_err());
        }
    }

    #[test]
    fn f7_resource_and_audience_may_be_repeated() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = [
            pair("resource", "https://a"),
            pair("resource", "https://b"),
            pair("audience", "x"),
            pair("audience", "x"),
        ];
        let form = b"resource=https://a&resource=https://b&audience=x&%61udience=x";
        assert_eq!(RequestParameters::from_form(form).unwrap().pairs(), expected);
        let json = br#"{"audience":["x","x"],"resource":["https://a","https://b"]}"#;
        let mut read = RequestParameters::from_json(json).unwrap().pairs().to_vec();
        read.sort_by(|one, other| other.0.cmp(&one.0));
        assert_eq!(read, expected);
        for bad in [
            &b"{\"resource\":[1]}"[..],
            b"{\"resource\":{}}",
            b"{\"scope\":[\"a\"]}",
        ] {
            assert!(RequestParameters::from_json(bad).is_err());
        }
        assert!(RequestParameters::from_form(b"resource=a&resource=b&scope=a&scope=b").is_err());
    }

    #[test]
    fn f24_json_is_an_object_of_strings() {
        let read = RequestParameters::from_json(br#"{"a":"1","n":null,"b":"true"}"#).unwrap();
        assert_eq!(
            (read.find("a"), read.find("n"), read.find("b")),
            (Some("1"), None, Some("true"))
        );
        for junk in [
            &br#"{"a":["x"]}"#[..],
            br#"{"a":5}"#,
            br#"{"a":true}"#,
            br#"{"a":{}}"#,
            br#"{"a":"1","a":"2"}"#,
            b"[]",
            b"{} x",
            b"",
            b"\"a\"",
        ] {
            assert!(RequestParameters::from_json(junk).is_err());
        }
    }
}

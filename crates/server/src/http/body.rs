//! Bodies and parameters, as form or JSON, read strictly: nothing twice, nothing mistyped.

use std::collections::HashSet;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::header;
use maxlab_auth_core::token::parse_object;
use serde_json::{Map, Value};

use super::error::{Failure, OAuthFailure};

/// The longest body that is read, in bytes.
pub const LONGEST_BODY: usize = 64 * 1024;

/// The parameters of a request, in the order in which they came, each name once.
#[derive(Clone, Default)]
pub struct Parameters(Vec<(String, String)>);

impl std::fmt::Debug for Parameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

impl Parameters {
    /// Reads a query or a form (RFC 6749 §3.1: a parameter must not come twice).
    ///
    /// # Errors
    /// One does, or the text is not UTF-8 once it is decoded.
    pub fn from_form(text: &[u8]) -> Result<Self, Failure> {
        let pairs = Self::pairs_of_form(text)?;
        let mut seen = HashSet::new();
        if let Some((name, _)) = pairs.iter().find(|(name, _)| !seen.insert(name.as_str())) {
            return Err(twice(name));
        }
        Ok(Self(pairs))
    }

    /// Reads a query or a form in which a name may come again.
    ///
    /// # Errors
    /// The text is not UTF-8 once it is decoded.
    pub fn pairs_of_form(text: &[u8]) -> Result<Vec<(String, String)>, Failure> {
        let mut pairs = Vec::new();
        for pair in text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let (name, value) = match pair.iter().position(|byte| *byte == b'=') {
                Some(at) => (
                    pair.get(..at).unwrap_or_default(),
                    pair.get(at + 1..).unwrap_or_default(),
                ),
                None => (pair, [].as_slice()),
            };
            pairs.push((decoded(name)?, decoded(value)?));
        }
        Ok(pairs)
    }

    /// Reads the guide's JSON form of the same parameters: an object of strings. `null` is as good as absent.
    ///
    /// # Errors
    /// It is something else.
    pub fn from_json(text: &[u8]) -> Result<Self, Failure> {
        let object = json_object(text)?;
        let mut pairs = Vec::new();
        for (name, value) in object {
            match value {
                Value::String(text) => pairs.push((name, text)),
                Value::Null => {}
                Value::Number(number) => pairs.push((name, number.to_string())),
                Value::Bool(truth) => pairs.push((name, truth.to_string())),
                Value::Array(_) | Value::Object(_) => {
                    return Err(Failure::InvalidRequest(format!(
                        "`{}` must be a string",
                        shown(&name)
                    )));
                }
            }
        }
        Ok(Self(pairs))
    }

    /// The value of a parameter; an empty one is as good as absent (RFC 6749 §3.1).
    pub fn find(&self, name: &str) -> Option<&str> {
        let value = self
            .0
            .iter()
            .find(|(seen, _)| seen == name)
            .map(|(_, value)| value.as_str());
        value.filter(|value| !value.is_empty())
    }

    /// The value of a parameter that must be there.
    ///
    /// # Errors
    /// It isn't.
    pub fn required(&self, name: &str) -> Result<&str, Failure> {
        self.find(name)
            .ok_or_else(|| Failure::InvalidRequest(format!("The parameter `{name}` is missing")))
    }

    /// All of them.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }
}

/// One name or value of a form. A `%` that two hexadecimal digits do not follow is refused: readers differ on it.
fn decoded(text: &[u8]) -> Result<String, Failure> {
    let escape = |rest: &[u8]| matches!(rest, [_, high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit());
    let percents = text.iter().enumerate().filter(|(_, byte)| **byte == b'%');
    if !percents
        .map(|(at, _)| text.get(at..).unwrap_or_default())
        .all(escape)
    {
        return Err(Failure::InvalidRequest(
            "A `%` in a parameter is not followed by two hexadecimal digits".into(),
        ));
    }
    let spaced: Vec<u8> = text
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    let bytes: Vec<u8> = percent_encoding::percent_decode(&spaced).collect();
    let text = String::from_utf8(bytes);
    text.map_err(|_| Failure::InvalidRequest("A parameter is not UTF-8 once it is decoded".into()))
}

fn twice(name: &str) -> Failure {
    Failure::InvalidRequest(format!("The parameter `{}` comes more than once", shown(name)))
}

/// A name from outside, fit to be shown.
fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(40).collect()
}

/// Reads a JSON object by the one strict reading (no duplicate names, no trailing bytes).
///
/// # Errors
/// It is something else.
pub fn json_object(text: &[u8]) -> Result<Map<String, Value>, Failure> {
    parse_object(text)
        .map_err(|fault| Failure::InvalidRequest(format!("The body is not a JSON object: {fault}")))
}

/// What kind of body a request says it has.
enum Kind {
    Form,
    Json,
    None,
}

fn kind(request: &Request) -> Result<Kind, Failure> {
    // Nothing is unpacked here (RFC 9110 §8.4): what is packed would be read as something that it is not.
    let mut codings = request.headers().get_all(header::CONTENT_ENCODING).iter();
    if !codings.all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Failure::UnsupportedMediaType);
    }
    let mut values = request.headers().get_all(header::CONTENT_TYPE).iter();
    let Some(value) = values.next() else {
        return Ok(Kind::None);
    };
    if values.next().is_some() {
        return Err(Failure::InvalidRequest(
            "There is more than one Content-Type header".into(),
        ));
    }
    let text = value.to_str().map_err(|_| Failure::UnsupportedMediaType)?;
    let essence = text
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match essence.as_str() {
        "application/x-www-form-urlencoded" => Ok(Kind::Form),
        "application/json" => Ok(Kind::Json),
        _ => Err(Failure::UnsupportedMediaType),
    }
}

/// A whole body, at most 64 KiB long.
async fn whole(body: Body) -> Result<axum::body::Bytes, Failure> {
    to_bytes(body, LONGEST_BODY).await.map_err(|fault| {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&fault);
        while let Some(error) = cause {
            if error.is::<http_body_util::LengthLimitError>() {
                return Failure::PayloadTooLarge;
            }
            cause = error.source();
        }
        Failure::InvalidRequest("The body could not be read to its end".into())
    })
}

/// The body of an OAuth endpoint: a form (RFC 6749 §4.1.3) or the guide's JSON.
#[derive(Debug)]
pub struct OAuthBody(pub Parameters);

impl<S: Send + Sync> FromRequest<S> for OAuthBody {
    type Rejection = OAuthFailure;

    async fn from_request(request: Request, _: &S) -> Result<Self, OAuthFailure> {
        let kind = kind(&request)?;
        let body = whole(request.into_body()).await?;
        let parameters = match kind {
            Kind::Form => Parameters::from_form(&body)?,
            Kind::Json => Parameters::from_json(&body)?,
            Kind::None if body.is_empty() => Parameters::default(),
            Kind::None => return Err(Failure::UnsupportedMediaType.into()),
        };
        Ok(Self(parameters))
    }
}

/// A JSON object, or nothing at all, which reads as an empty object.
#[derive(Debug)]
pub struct OptionalJson(pub Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for OptionalJson {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        let kind = kind(&request);
        let body = whole(request.into_body()).await?;
        if body.is_empty() {
            return Ok(Self(Map::new()));
        }
        match kind? {
            Kind::Json => Ok(Self(json_object(&body)?)),
            Kind::Form | Kind::None => Err(Failure::UnsupportedMediaType),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_comes_once() {
        let read = Parameters::from_form(b"a=1&b=x+y%20z&c").unwrap();
        assert_eq!(
            (read.find("a"), read.find("b"), read.find("c")),
            (Some("1"), Some("x y z"), None)
        );
        assert!(Parameters::from_form(b"a=1&a=1").is_err());
        assert!(Parameters::from_form(b"a=1&%61=2").is_err());
        assert!(Parameters::from_form(b"a=%ff").is_err());
        for bad in [&b"a=%"[..], b"a=%4", b"a=%zz", b"a=%u0061", b"%=a", b"a=%%41"] {
            assert!(Parameters::from_form(bad).is_err());
        }
    }

    #[test]
    fn json_is_an_object_of_plain_values() {
        let read = Parameters::from_json(br#"{"a":"1","n":null,"b":true}"#).unwrap();
        assert_eq!(
            (read.find("a"), read.find("n"), read.find("b")),
            (Some("1"), None, Some("true"))
        );
        for junk in [
            &br#"{"a":["x"]}"#[..],
            br#"{"a":"1","a":"2"}"#,
            b"[]",
            b"{} x",
            b"",
            b"\"a\"",
        ] {
            assert!(Parameters::from_json(junk).is_err());
        }
    }
}

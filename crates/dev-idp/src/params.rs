//! The parameters of an OAuth request, from a query, a form or a JSON object, each at most once (RFC 6749 §3.1, §3.2).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use axum::http::{HeaderMap, header};
use serde::Deserializer;
use serde::de::{Deserialize, MapAccess, Visitor};

use crate::oauth_error::OAuthError;

/// RFC 8707 lets this one be repeated.
const REPEATABLE: &str = "resource";

/// Request parameters; a value that was sent twice is known to be so and is never used.
#[derive(Default)]
pub(crate) struct RequestParams {
    values: BTreeMap<String, String>,
    repeated: BTreeSet<String>,
}

impl RequestParams {
    /// The parameters of a query or a form body. Bytes that are not UTF-8 become replacement characters.
    pub(crate) fn from_urlencoded(text: &[u8]) -> Self {
        let mut params = Self::default();
        for (name, value) in form_urlencoded::parse(text) {
            params.insert(name.into_owned(), value.into_owned());
        }
        params
    }

    /// The body of a request to the token, revocation or introspection endpoint: a form, or a JSON object of strings.
    ///
    /// # Errors
    /// `invalid_request` for another content type, malformed JSON, or a parameter that is sent twice.
    pub(crate) fn from_body(headers: &HeaderMap, body: &[u8]) -> Result<Self, OAuthError> {
        let params = match content_type(headers).as_deref() {
            Some("application/x-www-form-urlencoded") => Self::from_urlencoded(body),
            Some("application/json") => serde_json::from_slice(body)
                .map_err(|_| OAuthError::invalid_request("the body is not a JSON object of strings"))?,
            _ => {
                return Err(OAuthError::invalid_request(
                    "send application/x-www-form-urlencoded",
                ));
            }
        };
        match params.any_repeated() {
            true => Err(OAuthError::invalid_request("a parameter is sent more than once")),
            false => Ok(params),
        }
    }

    /// Adds the parameters of `other`; one that both have counts as repeated.
    pub(crate) fn merge(&mut self, other: Self) {
        for (name, value) in other.values {
            self.insert(name, value);
        }
        self.repeated.extend(other.repeated);
    }

    /// The value, unless it is absent, empty (RFC 6749 §3.1) or repeated.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        if self.repeated.contains(name) {
            return None;
        }
        self.values
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// The value, or the error that names what is missing.
    pub(crate) fn required(&self, name: &'static str) -> Result<&str, OAuthError> {
        self.value(name)
            .ok_or_else(|| OAuthError::invalid_request(format!("{name} is missing")))
    }

    pub(crate) fn any_repeated(&self) -> bool {
        !self.repeated.is_empty()
    }

    /// Takes a parameter out, so that it is not passed on.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        self.values.remove(name)
    }

    /// The parameters as a query again, for a link to the same request.
    pub(crate) fn to_query(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.values)
            .finish()
    }

    fn insert(&mut self, name: String, value: String) {
        if self.values.contains_key(&name) && name != REPEATABLE {
            self.repeated.insert(name.clone());
        }
        self.values.insert(name, value);
    }
}

/// The media type, in lower case and without its parameters.
pub(crate) fn content_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(
        value
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase(),
    )
}

impl<'de> Deserialize<'de> for RequestParams {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RequestParamsVisitor)
    }
}

/// Reads a JSON object key by key, since a map type would silently keep the last of two equal keys.
struct RequestParamsVisitor;

impl<'de> Visitor<'de> for RequestParamsVisitor {
    type Value = RequestParams;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RequestParams, A::Error> {
        let mut params = RequestParams::default();
        while let Some((name, value)) = map.next_entry::<String, Option<String>>()? {
            params.insert(name, value.unwrap_or_default());
        }
        Ok(params)
    }
}

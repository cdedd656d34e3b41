//! Parameters of `POST /auth/logout`, from a form or from JSON.

use axum::http::{HeaderMap, header};
use serde_json::{Map, Value};

use super::super::body::{RequestParameters, parse_json_object};
use super::super::error::ApiError;

/// Parameters of a logout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LogoutForm {
    /// Ends all sessions of the person.
    pub(super) everywhere: bool,
    /// Where to go on to, not checked yet.
    pub(super) return_to: Option<String>,
}

impl LogoutForm {
    /// Reads a body. An empty one has no parameters.
    ///
    /// # Errors
    /// The body is neither a form nor JSON, or a parameter is of the wrong type.
    pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, ApiError> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        let content_type = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        let media_type = content_type
            .unwrap_or_default()
            .split(';')
            .next()
            .unwrap_or_default();
        match media_type.trim().to_ascii_lowercase().as_str() {
            "application/json" => Self::from_json(&parse_json_object(body)?),
            "application/x-www-form-urlencoded" => {
                let parameters = RequestParameters::from_form(body)?;
                Ok(Self {
                    everywhere: boolean(parameters.find("everywhere"))?,
                    return_to: parameters.find("return_to").map(str::to_owned),
                })
            }
            _ => Err(ApiError::UnsupportedMediaType),
        }
    }

    fn from_json(members: &Map<String, Value>) -> Result<Self, ApiError> {
        let everywhere = match members.get("everywhere") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(value)) => *value,
            Some(_) => return Err(wrong_type("everywhere", "true or false")),
        };
        let return_to = match members.get("return_to") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(_) => return Err(wrong_type("return_to", "a string")),
        };
        Ok(Self {
            everywhere,
            return_to,
        })
    }
}

fn boolean(text: Option<&str>) -> Result<bool, ApiError> {
    match text {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(wrong_type("everywhere", "true or false")),
    }
}

fn wrong_type(name: &str, wanted: &str) -> ApiError {
    ApiError::InvalidRequest(format!("`{name}` must be {wanted}"))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn read(media_type: &'static str, body: &str) -> Result<LogoutForm, u16> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        LogoutForm::read(&headers, body.as_bytes()).map_err(|fault| fault.code().status())
    }

    #[test]
    fn a_logout_is_read_from_a_form_and_from_json() {
        let (form, json) = (
            "application/x-www-form-urlencoded",
            "application/json; charset=utf-8",
        );
        let wanted = LogoutForm {
            everywhere: true,
            return_to: Some("/a?b".into()),
        };
        assert_eq!(read(form, "everywhere=true&return_to=%2Fa%3Fb").unwrap(), wanted);
        assert_eq!(
            read(json, r#"{"everywhere":true,"return_to":"/a?b"}"#).unwrap(),
            wanted
        );
        assert_eq!(read(form, "").unwrap(), LogoutForm::default());
        assert_eq!(read(json, "{}").unwrap(), LogoutForm::default());
        assert_eq!(read(form, "everywhere=yes").unwrap_err(), 400);
        assert_eq!(read(form, "everywhere=true&everywhere=false").unwrap_err(), 400);
        assert_eq!(read(json, r#"{"everywhere":"true"}"#).unwrap_err(), 400);
        assert_eq!(read(json, r#"{"return_to":1}"#).unwrap_err(), 400);
        assert_eq!(read("text/plain", "everywhere=true").unwrap_err(), 415);
    }
}

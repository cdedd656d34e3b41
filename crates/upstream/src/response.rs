//! An answer of the authorization server, read completely and with a limit.

use reqwest::header::{self, HeaderMap};
use reqwest::{Client, Request, StatusCode};
use serde_json::{Map, Value};

use maxlab_auth_core::token_endpoint::UpstreamError;
use maxlab_auth_jose::parse_object;

/// Maximum length of an answer's body, in bytes.
const MAX_RESPONSE_BYTES: usize = 1024 * 1024;

/// An answer of the authorization server.
#[derive(Clone)]
pub struct AuthServerResponse {
    /// Status of the answer.
    pub status: StatusCode,
    /// Header fields.
    pub headers: HeaderMap,
    /// Body, at most 1 MiB.
    pub body: Vec<u8>,
}

// Not derived: header fields and body may contain tokens.
impl std::fmt::Debug for AuthServerResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthServerResponse")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl AuthServerResponse {
    /// Parses the body as a JSON object. Duplicate keys and trailing bytes are errors.
    ///
    /// # Errors
    /// The body is not a well-formed JSON object.
    pub fn json_object(&self) -> Result<Map<String, Value>, UpstreamError> {
        parse_object(self.text_bytes())
            .map_err(|_| UpstreamError::Unreadable("the body is not a well-formed JSON object"))
    }

    /// Returns the body without a byte-order mark, which a reader of JSON may ignore (RFC 8259 §8.1).
    pub fn text_bytes(&self) -> &[u8] {
        self.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.body)
    }

    /// Returns the target of a redirect.
    pub fn location(&self) -> Option<&str> {
        self.headers.get(header::LOCATION)?.to_str().ok()
    }

    /// Returns whether the answer declares its body as HTML.
    pub fn is_html(&self) -> bool {
        self.media_type()
            .is_some_and(|kind| kind.starts_with("text/html"))
    }

    /// Returns the media type that the answer declares, in lower case and without parameters.
    pub(crate) fn media_type(&self) -> Option<String> {
        let declared = self.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        let essence = declared.split(';').next().unwrap_or_default();
        Some(essence.trim().to_ascii_lowercase())
    }

    /// Returns the error code of the challenge or of the body (RFC 6750 §3.1).
    pub(crate) fn bearer_error(&self) -> Option<String> {
        let challenges = self.headers.get_all(header::WWW_AUTHENTICATE).iter();
        challenges
            .filter_map(|value| value.to_str().ok())
            .find_map(challenge_error)
            .or_else(|| Some(self.json_object().ok()?.get("error")?.as_str()?.to_owned()))
    }
}

/// Returns the parameter `error` of a challenge (RFC 9110 §11.6.1).
fn challenge_error(challenge: &str) -> Option<String> {
    let mut in_quotes = false;
    // Outside of quotation marks only: a description may contain the text of another error.
    let parts = challenge.split(|c| {
        in_quotes ^= c == '"';
        !in_quotes && (c == ',' || c == ' ')
    });
    parts
        .filter_map(|part| part.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("error"))
        .map(|(_, value)| value.trim().trim_matches('"').to_owned())
}

/// Sends a request and reads its answer.
pub(super) async fn send_and_read(
    client: &Client,
    request: Request,
) -> Result<AuthServerResponse, UpstreamError> {
    let mut response = client.execute(request).await.map_err(classify_error)?;
    // A declared length that is too long is refused before a byte of the body is read.
    if response
        .content_length()
        .is_some_and(|length| length > MAX_RESPONSE_BYTES as u64)
    {
        return Err(UpstreamError::TooLarge);
    }
    // The length may be absent (chunked) or wrong, so the bytes are counted too.
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(classify_error)? {
        if body.len() + chunk.len() > MAX_RESPONSE_BYTES {
            return Err(UpstreamError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(AuthServerResponse {
        status: response.status(),
        headers: std::mem::take(response.headers_mut()),
        body,
    })
}

fn classify_error(error: reqwest::Error) -> UpstreamError {
    if error.is_timeout() {
        return UpstreamError::Timeout;
    }
    // A connection that never came about means that no request was sent. An authorization code is unspent
    // then.
    let connected = !error.is_connect();
    // The URL may carry a token in its query.
    let error = error.without_url();
    // reqwest's own text names only the kind of error. The causes below it say what happened.
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    if connected {
        UpstreamError::Unreachable(text)
    } else {
        UpstreamError::NotConnected(text)
    }
}

#[cfg(test)]
mod tests {
    use super::challenge_error;

    #[test]
    fn f10_the_error_of_a_challenge_is_found_in_every_spelling() {
        for challenge in [
            r#"Bearer error="insufficient_scope""#,
            r#"Bearer realm="a b", error="insufficient_scope", scope="openid""#,
            r"bearer Error=insufficient_scope",
            r#"DPoP algs="ES256", Bearer error="insufficient_scope""#,
        ] {
            assert_eq!(
                challenge_error(challenge).as_deref(),
                Some("insufficient_scope"),
                "{challenge}"
            );
        }
        for challenge in [
            "Bearer",
            r#"Bearer realm="x, error=insufficient_scope""#,
            r#"Bearer error_description="insufficient_scope""#,
        ] {
            assert_eq!(challenge_error(challenge), None, "{challenge}");
        }
    }
}

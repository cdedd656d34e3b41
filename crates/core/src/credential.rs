//! Presented credentials, before anything about them is proven: bearer tokens and session ids.

mod bearer_token;
mod hex;
mod session_id;

pub use bearer_token::{BearerFault, MAX_TOKEN_BYTES, MalformedBearerToken, PresentedToken, parse_bearer};
pub(crate) use hex::decode_hex;
pub use hex::{hex, sha256};
pub use session_id::{SessionHandle, SessionId, SessionKey, SessionKeyDigest};

/// Credential of a request.
#[derive(Clone, Debug)]
pub enum PresentedCredential {
    /// Bearer token of `Authorization: Bearer …`.
    Token(PresentedToken),
    /// Session id of the cookie.
    Session(SessionId),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let token = PresentedToken::parse("canary-token").unwrap();
        let id = SessionId::generate().unwrap();
        let debug = format!(
            "{:?} {:?}",
            PresentedCredential::Token(token),
            PresentedCredential::Session(id.clone())
        );
        assert!(!debug.contains("canary") && !debug.contains(id.expose().as_str()));
    }
}

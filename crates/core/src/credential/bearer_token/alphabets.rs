//! Tokens outside of `Authorization`, where they may have more characters (decision 33).

use maxlab_auth_jose::{TokenShape, shape_of};
use zeroize::Zeroizing;

use super::{MalformedBearerToken, PresentedToken};

impl PresentedToken {
    /// Accepts a token from a form or a JSON body: visible ASCII with at most 16 KiB.
    ///
    /// These places allow more characters than `Authorization` (RFC 6749 appendix A.12, A.17). A space is
    /// refused, because a server that trims it would read two spellings as one token. For the same reason,
    /// what a lenient parser could take for a JWS must have the form of [`parse`](Self::parse).
    ///
    /// # Errors
    /// [`MalformedBearerToken`] with the reason. Contains nothing of the text.
    pub fn parse_parameter(text: &str) -> Result<Self, MalformedBearerToken> {
        match Self::parse(text) {
            Err(MalformedBearerToken::Characters)
                if text.bytes().all(|b| b.is_ascii_graphic())
                    && matches!(shape_of(text), TokenShape::Opaque) =>
            {
                Ok(Self(Zeroizing::new(text.to_owned())))
            }
            result => result,
        }
    }

    /// Accepts a token that the authorization server has just issued: every text that RFC 6749 appendix A.12
    /// and A.17 allow (VSCHAR), of any length.
    ///
    /// # Errors
    /// [`MalformedBearerToken`] with the reason. Contains nothing of the text.
    pub fn parse_issued(text: &str) -> Result<Self, MalformedBearerToken> {
        if text.is_empty() {
            return Err(MalformedBearerToken::Empty);
        }
        if !text.bytes().all(|b| matches!(b, b' '..=b'~')) {
            return Err(MalformedBearerToken::Characters);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::MAX_TOKEN_BYTES;

    #[test]
    fn f4_other_places_allow_more_characters_than_authorization() {
        for byte in 0..=127_u8 {
            let text = format!("a{}b", char::from(byte));
            let issued = PresentedToken::parse_issued(&text).is_ok();
            assert_eq!(issued, (0x20..=0x7e).contains(&byte), "{byte}");
            let parameter = PresentedToken::parse_parameter(&text).is_ok();
            assert_eq!(parameter, (0x21..=0x7e).contains(&byte), "{byte}");
        }
        for refused in ["é", ""] {
            assert!(PresentedToken::parse_issued(refused).is_err(), "{refused:?}");
            assert!(PresentedToken::parse_parameter(refused).is_err(), "{refused:?}");
        }
        let long = "!".repeat(MAX_TOKEN_BYTES + 1);
        assert_eq!(
            PresentedToken::parse_parameter(&long),
            Err(MalformedBearerToken::TooLong)
        );
        assert!(PresentedToken::parse_issued(&long).is_ok());
        // `{"alg":"HS256"}`: a decoder that skips `!` would read the same JWS in another spelling.
        assert_eq!(
            PresentedToken::parse_parameter("eyJhbGciOiJIUzI1NiJ9!.e30.c2ln"),
            Err(MalformedBearerToken::Characters)
        );
        assert!(PresentedToken::parse_parameter("eyJhbGciOiJIUzI1NiJ9.e30.c2ln").is_ok());
    }
}

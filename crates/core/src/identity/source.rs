//! Layers that can verify a credential, and the word for each.

use serde::{Deserialize, Serialize};

/// Layer that verified a credential. The words are those of `docs/GUIDE.md` (Order of the layers).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerificationSource {
    /// Userinfo endpoint of the authorization server (OpenID Connect Core §5.3).
    OauthUserinfo,
    /// Account endpoint of the authorization server, `/api/v1/auth/me`.
    TraditionalAuth,
    /// Token introspection (RFC 7662).
    Introspection,
    /// Signature that the gateway itself verified (RFC 7519).
    LocalJwt,
}

impl VerificationSource {
    /// All layers. Settings, metrics and readers of the identity headers go by this list.
    pub const ALL: [Self; 4] = [
        Self::OauthUserinfo,
        Self::TraditionalAuth,
        Self::Introspection,
        Self::LocalJwt,
    ];

    /// Returns the word for the layer, as in `VERIFY_LAYERS` and `verification_source`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OauthUserinfo => "oauth_userinfo",
            Self::TraditionalAuth => "traditional_auth",
            Self::Introspection => "introspection",
            Self::LocalJwt => "local_jwt",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_every_layer_and_each_word_is_the_serialized_one() {
        for (index, source) in VerificationSource::ALL.into_iter().enumerate() {
            // A new variant does not compile here until it is in this match, and then it must be in the list.
            let position = match source {
                VerificationSource::OauthUserinfo => 0,
                VerificationSource::TraditionalAuth => 1,
                VerificationSource::Introspection => 2,
                VerificationSource::LocalJwt => 3,
            };
            assert_eq!(position, index);
            assert_eq!(serde_json::to_value(source).unwrap(), source.as_str());
        }
    }
}

//! Authentication of a client at an endpoint of the authorization server (RFC 6749 §2.3, OpenID Connect Core §9).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{RequestBuilder, header};
use secrecy::{ExposeSecret as _, SecretString};

/// Method of client authentication, as metadata and settings name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuthMethod {
    /// HTTP Basic (RFC 6749 §2.3.1).
    ClientSecretBasic,
    /// HTTP Basic, and `client_id` in the form too. Some servers require it, so it has no registered name and
    /// is never advertised.
    ClientSecretBasicWithId,
    /// `client_id` and `client_secret` in the form (RFC 6749 §2.3.1).
    ClientSecretPost,
    /// `client_id` in the form alone: a public client (RFC 6749 §3.2.1), which proves a code by PKCE.
    None,
}

impl ClientAuthMethod {
    /// All methods.
    pub const ALL: [Self; 4] = [
        Self::ClientSecretBasic,
        Self::ClientSecretBasicWithId,
        Self::ClientSecretPost,
        Self::None,
    ];

    /// Returns the name in settings and, if it is registered, in metadata (RFC 7591 §2).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretBasicWithId => "client_secret_basic_with_id",
            Self::ClientSecretPost => "client_secret_post",
            Self::None => "none",
        }
    }

    /// Returns `true` if the method sends a secret.
    pub fn needs_secret(self) -> bool {
        self != Self::None
    }

    /// Chooses the method for a client with a secret: the configured one, else the first advertised one that
    /// sends a secret, with HTTP Basic preferred (RFC 6749 §2.3.1 requires it of every server).
    fn for_secret(configured: Option<Self>, advertised: &[&str]) -> Self {
        let is_advertised = |method: &Self| advertised.contains(&method.as_str());
        configured
            .filter(|method| method.needs_secret())
            .or_else(|| {
                [Self::ClientSecretBasic, Self::ClientSecretPost]
                    .into_iter()
                    .find(is_advertised)
            })
            // The default of RFC 8414 §2, also where only methods are advertised that are not known here.
            .unwrap_or(Self::ClientSecretBasic)
    }
}

/// Client with the method by which it authenticates. `Debug` does not show the secret.
#[derive(Clone, Debug)]
pub enum ClientAuthentication {
    /// HTTP Basic.
    SecretBasic {
        /// `client_id`.
        id: String,
        /// `client_secret`.
        secret: SecretString,
        /// `true` if `client_id` is in the form too.
        names_id: bool,
    },
    /// `client_id` and `client_secret` in the form.
    SecretPost {
        /// `client_id`.
        id: String,
        /// `client_secret`.
        secret: SecretString,
    },
    /// `client_id` in the form.
    None {
        /// `client_id`.
        id: String,
    },
}

impl ClientAuthentication {
    /// Chooses the method of a client from the setting and from what the endpoint advertises. A client
    /// without a secret is a public one.
    pub fn choose(
        id: String,
        secret: Option<SecretString>,
        configured: Option<ClientAuthMethod>,
        advertised: &[&str],
    ) -> Self {
        let Some(secret) = secret else {
            return Self::None { id };
        };
        match ClientAuthMethod::for_secret(configured, advertised) {
            ClientAuthMethod::ClientSecretPost => Self::SecretPost { id, secret },
            method => Self::SecretBasic {
                id,
                secret,
                names_id: method == ClientAuthMethod::ClientSecretBasicWithId,
            },
        }
    }

    /// Adds the authentication to a request and to its form, which the caller sends.
    pub fn add_to(&self, request: RequestBuilder, form: &mut Vec<(String, String)>) -> RequestBuilder {
        match self.add_to_form(form) {
            Some(authorization) => request.header(header::AUTHORIZATION, authorization),
            None => request,
        }
    }

    /// Adds the authentication to a form. Returns the value of the `Authorization` header that goes with it, if
    /// the method needs one.
    pub fn add_to_form(&self, form: &mut Vec<(String, String)>) -> Option<Vec<u8>> {
        let mut add = |name: &str, value: &str| form.push((name.to_owned(), value.to_owned()));
        match self {
            Self::SecretBasic { id, secret, names_id } => {
                if *names_id {
                    add("client_id", id);
                }
                // RFC 6749 §2.3.1: both parts are form-encoded before HTTP Basic joins them with a colon.
                let quoted =
                    |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let pair = format!("{}:{}", quoted(id), quoted(secret.expose_secret()));
                Some(format!("Basic {}", STANDARD.encode(pair)).into_bytes())
            }
            Self::SecretPost { id, secret } => {
                add("client_id", id);
                add("client_secret", secret.expose_secret());
                None
            }
            Self::None { id } => {
                add("client_id", id);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f8_the_setting_wins_then_what_is_advertised_then_basic() {
        use ClientAuthMethod::{
            ClientSecretBasic, ClientSecretBasicWithId, ClientSecretPost, None as Public,
        };
        for (configured, advertised, expected) in [
            (None, &[][..], ClientSecretBasic),
            (None, &["client_secret_post"][..], ClientSecretPost),
            (
                None,
                &["client_secret_post", "client_secret_basic"][..],
                ClientSecretBasic,
            ),
            (
                None,
                &["private_key_jwt", "client_secret_post"][..],
                ClientSecretPost,
            ),
            (None, &["private_key_jwt", "none"][..], ClientSecretBasic),
            (
                Some(ClientSecretPost),
                &["client_secret_basic"][..],
                ClientSecretPost,
            ),
            (
                Some(ClientSecretBasicWithId),
                &["client_secret_post"][..],
                ClientSecretBasicWithId,
            ),
            (Some(Public), &["client_secret_post"][..], ClientSecretPost),
        ] {
            assert_eq!(
                ClientAuthMethod::for_secret(configured, advertised),
                expected,
                "{advertised:?}"
            );
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let client = ClientAuthentication::choose("id".into(), Some("canary".into()), None, &[]);
        assert!(!format!("{client:?}").contains("canary"));
    }
}

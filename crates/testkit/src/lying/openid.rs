//! OpenID provider of a browser login: a lying authorization server that also issues ID tokens.

use reqwest::Url;
use serde_json::{Value, json};

use super::{Lie, LyingAuthServer, ReceivedRequest};
use crate::forge::TokenBuilder;

/// Path of the token endpoint.
const TOKEN_PATH: &str = "/oauth/token";

/// OpenID provider on loopback. It is honest until a test scripts its token answer, or a lie at its [`server`].
///
/// No person logs in there: a test reads the address to which the gateway sends a browser
/// ([`LoginRequest::parse`]), scripts the token answer, and visits the callback itself.
///
/// [`server`]: LyingOpenIdProvider::server
#[derive(Debug)]
pub struct LyingOpenIdProvider {
    server: LyingAuthServer,
    client_id: String,
}

/// Authorization request that the gateway gave to a browser (OpenID Connect Core §3.1.2.1).
#[derive(Debug, Clone)]
pub struct LoginRequest {
    url: Url,
}

impl LoginRequest {
    /// Reads the address to which a browser is sent.
    ///
    /// # Panics
    /// If the text is not a URL.
    pub fn parse(location: &str) -> Self {
        Self {
            url: location.parse().expect("an authorization URL"),
        }
    }

    /// Returns the address without its query.
    pub fn endpoint(&self) -> String {
        let mut endpoint = self.url.clone();
        endpoint.set_query(None);
        endpoint.into()
    }

    /// Returns every value of a parameter.
    pub fn values(&self, name: &str) -> Vec<String> {
        let pairs = self.url.query_pairs();
        pairs
            .filter(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
            .collect()
    }

    /// Returns a parameter that occurs exactly once.
    ///
    /// # Panics
    /// If it is missing or occurs more than once.
    pub fn value(&self, name: &str) -> String {
        match <[String; 1]>::try_from(self.values(name)) {
            Ok([value]) => value,
            Err(values) => panic!("{name} occurs {} times in {}", values.len(), self.url),
        }
    }

    /// Returns `state`.
    pub fn state(&self) -> String {
        self.value("state")
    }

    /// Returns `nonce`.
    pub fn nonce(&self) -> String {
        self.value("nonce")
    }
}

impl LyingOpenIdProvider {
    /// Starts an honest provider at which the gateway is the client `client_id`.
    ///
    /// # Errors
    /// If no port can be bound.
    pub async fn start(client_id: &str) -> anyhow::Result<Self> {
        Ok(Self {
            server: LyingAuthServer::start().await?,
            client_id: client_id.to_owned(),
        })
    }

    /// Returns the server, for lies at its other endpoints.
    pub fn server(&self) -> &LyingAuthServer {
        &self.server
    }

    /// Returns a valid ID token for the person `subject` that answers `login`, to be changed and then signed.
    pub fn id_token(&self, subject: &str, login: &LoginRequest) -> TokenBuilder {
        let token = self.server.forge().access_token(subject).typ("JWT");
        token
            .without("client_id")
            .without("jti")
            .claim("aud", self.client_id.as_str())
            .claim("nonce", login.nonce())
    }

    /// Returns the body of an honest token answer with this ID token. Its access token is a JWT of `subject`.
    pub fn token_answer(&self, subject: &str, id_token: &str) -> Value {
        let access_token = self.server.forge().access_token(subject);
        let (claims, text) = (access_token.claims(), access_token.sign());
        self.server.accept_token(&text, claims);
        json!({
            "access_token": text, "token_type": "Bearer", "expires_in": 300, "scope": "openid profile",
            "refresh_token": uuid::Uuid::new_v4().to_string(), "id_token": id_token,
        })
    }

    /// Scripts the token endpoint to answer honestly with this ID token.
    pub fn issue(&self, subject: &str, id_token: &str) {
        let answer = self.token_answer(subject, id_token);
        self.answer_tokens(Lie::json(200, answer));
    }

    /// Scripts the token endpoint.
    pub fn answer_tokens(&self, lie: Lie) {
        self.server.on(TOKEN_PATH, lie);
    }

    /// Returns the requests in which a code was redeemed, oldest first.
    pub fn redemptions(&self) -> Vec<ReceivedRequest> {
        let requests = self.server.requests(TOKEN_PATH).into_iter();
        requests
            .filter(|request| request.form("grant_type").as_deref() == Some("authorization_code"))
            .collect()
    }
}

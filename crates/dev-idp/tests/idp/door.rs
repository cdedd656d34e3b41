//! A served instance on a port of its own, and a client at its door.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use maxlab_auth_dev_idp::{Clock, DevIdpConfig, DevIdpError, PUBLIC_CLIENT_ID};
use reqwest::StatusCode;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use url::Url;

/// The issuer of every test server: what tokens say must not depend on the port a test happened to get.
pub(crate) const ISSUER: &str = "http://localhost:8000";
pub(crate) const REDIRECT_URI: &str = "http://localhost:8080/callback";
pub(crate) const VERIFIER: &str = "a-verifier-that-is-long-enough-for-rfc-7636";

/// A running server. Its clock stands still until a test moves it.
pub(crate) struct Door {
    pub(crate) base: String,
    pub(crate) http: reqwest::Client,
    seconds: Arc<AtomicI64>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), DevIdpError>>,
    _own_folder: Option<TempDir>,
}

/// An answer, read whole.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Self {
            status,
            headers,
            text: response.text().await.unwrap(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// A parameter of the address that this answer redirects to.
    pub(crate) fn redirected(&self, name: &str) -> Option<String> {
        let location = Url::parse(self.header("location")).unwrap();
        location
            .query_pairs()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    /// Asserts an OAuth error and its status.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, error: &str) {
        assert_eq!(
            (self.status.as_u16(), self.json()["error"].as_str()),
            (status, Some(error)),
            "{}",
            self.text
        );
    }
}

impl Door {
    /// A server with a folder of its own.
    pub(crate) async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut door = Self::open_in(folder.path()).await;
        door._own_folder = Some(folder);
        door
    }

    /// A server that keeps its files in `folder`, for restarts.
    pub(crate) async fn open_in(folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let seconds = Arc::new(AtomicI64::new(1_700_000_000));
        let hand = Arc::clone(&seconds);
        let mut config = DevIdpConfig::new(ISSUER, folder);
        config.clock = Clock::new(move || Timestamp::from_second(hand.load(Ordering::SeqCst)).unwrap());
        let (stop, stopped) = oneshot::channel();
        let shutdown = async { stopped.await.unwrap_or(()) };
        let served = tokio::spawn(maxlab_auth_dev_idp::serve(listener, config, shutdown));
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        Self {
            base,
            http,
            seconds,
            stop,
            served,
            _own_folder: None,
        }
    }

    /// Stops the server and waits for its end.
    pub(crate) async fn close(self) {
        self.stop.send(()).unwrap();
        drop(self.http);
        self.served.await.unwrap().unwrap();
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.http.get(self.url(path))).await
    }

    pub(crate) async fn get_as(&self, path: &str, token: &str) -> Answer {
        Answer::of(self.http.get(self.url(path)).bearer_auth(token)).await
    }

    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        Answer::of(self.http.post(self.url(path)).form(form)).await
    }

    /// POST as the default confidential client, by `client_secret_basic`.
    pub(crate) async fn post_confidential(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        use maxlab_auth_dev_idp::{CONFIDENTIAL_CLIENT_ID, CONFIDENTIAL_CLIENT_SECRET};
        let request = self
            .http
            .post(self.url(path))
            .basic_auth(CONFIDENTIAL_CLIENT_ID, Some(CONFIDENTIAL_CLIENT_SECRET));
        Answer::of(request.form(form)).await
    }

    /// The authorization request of the public client, with some parameters changed (`""` leaves one out).
    pub(crate) fn authorization(&self, changes: &[(&str, &str)]) -> String {
        let challenge = challenge(VERIFIER);
        let mut pairs = vec![
            ("response_type", "code"),
            ("client_id", PUBLIC_CLIENT_ID),
            ("redirect_uri", REDIRECT_URI),
            ("scope", "openid profile email documents:read"),
            ("state", "a state & more"),
            ("nonce", "a-nonce"),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
        ];
        for (name, value) in changes {
            pairs.retain(|(known, _)| known != name);
            if !value.is_empty() {
                pairs.push((name, value));
            }
        }
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish();
        format!("/oauth/authorize?{query}")
    }

    /// A code for `login`, as the login form gives it.
    pub(crate) async fn code(&self, login: &str, changes: &[(&str, &str)]) -> String {
        let form = [("login", login), ("password", &format!("{login}-password"))];
        let answer = self.post(&self.authorization(changes), &form).await;
        assert_eq!(answer.status, StatusCode::FOUND, "{}", answer.text);
        answer.redirected("code").unwrap()
    }

    pub(crate) async fn redeem(&self, code: &str, verifier: &str) -> Answer {
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", PUBLIC_CLIENT_ID),
            ("code", code),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", verifier),
        ];
        self.post("/oauth/token", &form).await
    }

    pub(crate) async fn refresh(&self, token: &str) -> Answer {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", PUBLIC_CLIENT_ID),
            ("refresh_token", token),
        ];
        self.post("/oauth/token", &form).await
    }

    /// A complete login; returns the token answer.
    pub(crate) async fn log_in(&self, login: &str) -> Value {
        let answer = self.redeem(&self.code(login, &[]).await, VERIFIER).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        answer.json()
    }
}

pub(crate) fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
}

pub(crate) fn text<'a>(tokens: &'a Value, name: &str) -> &'a str {
    tokens[name].as_str().unwrap()
}

/// A segment of a compact JWS, read as JSON without any check: 0 is the header, 1 the claims.
pub(crate) fn segment(token: &str, index: usize) -> Value {
    let segment = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(segment).unwrap()).unwrap()
}

//! A gateway with a browser login, its provider, and browsers.

use http::{Method, header};
use maxlab_auth_testkit::{
    Actor, Browser, GatewayOptions, GatewayProcess, HttpReply, LoginRequest, LyingOpenIdProvider,
};

/// The gateway's client at the provider.
pub(crate) const CLIENT: &str = "gateway";
/// Where browsers reach the gateway. No request goes there: the callback's address comes from this setting alone.
pub(crate) const PUBLIC_URL: &str = "http://127.0.0.1:8999";
/// Session cookie over http.
pub(crate) const SESSION: &str = "maxlab_session";
/// Browser cookie over http.
pub(crate) const BROWSER: &str = "maxlab_browser";

/// A gateway and its provider.
pub(crate) struct World {
    pub(crate) gateway: GatewayProcess,
    pub(crate) provider: LyingOpenIdProvider,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with(|options| options).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(GatewayOptions) -> GatewayOptions) -> Self {
        let provider = LyingOpenIdProvider::start(CLIENT).await.unwrap();
        let options = GatewayProcess::of(env!("CARGO_BIN_EXE_maxlab-auth"))
            .env("EXTERNAL_AUTH_URL", provider.server().url())
            .env("PUBLIC_URL", PUBLIC_URL)
            .env("OAUTH_CLIENT_ID", CLIENT)
            .env("OAUTH_CLIENT_SECRET", "a-secret-of-the-gateway-at-the-provider")
            // Tests send many logins from one address.
            .env("RATE_LIMIT_PER_ADDRESS", "off")
            .env("RATE_LIMIT_PER_PERSON", "off");
        let gateway = change(options).start().await.unwrap();
        Self { gateway, provider }
    }

    pub(crate) fn browser(&self) -> Browser {
        Browser::new(&self.gateway.url())
    }

    /// Begins a login, and returns what the provider is asked.
    pub(crate) async fn begin(&self, browser: &Browser, query: &str) -> LoginRequest {
        let reply = open(browser, &format!("/auth/login?{query}")).await;
        LoginRequest::parse(reply.expect_status(303).header("location").unwrap())
    }

    /// Logs a person in, and returns the answer of the callback.
    pub(crate) async fn log_in(&self, browser: &Browser, person: &str, query: &str) -> HttpReply {
        let login = self.begin(browser, query).await;
        let id_token = self.provider.id_token(person, &login).sign();
        self.provider.issue(person, &id_token);
        self.return_with(browser, &login, &new_code()).await
    }

    /// Brings a code back.
    pub(crate) async fn return_with(&self, browser: &Browser, login: &LoginRequest, code: &str) -> HttpReply {
        let issuer = self.provider.server().url();
        let parameters = [("code", code), ("state", &login.state()), ("iss", &issuer)];
        open(browser, &callback(&parameters)).await
    }
}

/// A code that was not used before.
pub(crate) fn new_code() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// The address of the callback with these parameters.
pub(crate) fn callback(parameters: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters);
    format!("/auth/callback/default?{}", query.finish())
}

/// A person opens a page.
pub(crate) async fn open(browser: &Browser, path: &str) -> HttpReply {
    let fill = |request: reqwest::RequestBuilder| {
        request
            .header(header::ACCEPT, "text/html")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document")
    };
    browser.send(Method::GET, path, fill).await
}

/// The person whose session the browser has.
pub(crate) async fn person_of(browser: &Browser) -> Option<String> {
    let reply = browser.get("/auth/user?anonymous=ok").await.expect_status(200);
    reply.json()["user_id"].as_str().map(str::to_owned)
}

/// Status of an error page and its code.
pub(crate) fn error_of(reply: &HttpReply) -> (u16, String) {
    let text = reply.text();
    let code = text
        .split_once("data-page=\"error\"")
        .and_then(|(_, rest)| rest.split_once("data-code=\""))
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or_else(
            || format!("no error page: {text:.300}"),
            |(code, _)| code.to_owned(),
        );
    (reply.status.as_u16(), code)
}

/// The same, to be compared with.
pub(crate) fn page(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

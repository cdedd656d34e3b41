//! Callers of the gateway: one request trait, and an actor for each kind of caller.

mod cookies;

use std::future::Future;
use std::sync::Mutex;
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode, header};
use reqwest::{Client, RequestBuilder, Url, redirect};
use serde_json::Value;

pub use cookies::{CookieJar, StoredCookie};

/// Reply with its whole body.
#[derive(Debug, Clone)]
pub struct HttpReply {
    /// URL that sent the reply, after any redirects that a [`Browser`] followed.
    pub url: Url,
    /// Status code.
    pub status: StatusCode,
    /// Header fields.
    pub headers: HeaderMap,
    /// Body, whole.
    pub body: Vec<u8>,
}

impl HttpReply {
    /// Returns the body as JSON.
    ///
    /// # Panics
    /// If the body is not JSON; the message shows it.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|fault| panic!("{} {}: {fault}: {}", self.status, self.url, self.text()))
    }

    /// Returns the body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the reply itself if it has this status.
    ///
    /// # Panics
    /// If it has another status; the message shows the body.
    #[track_caller]
    pub fn expect_status(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}: {}", self.url, self.text());
        self
    }
}

/// Sender of requests to one gateway. Paths are relative to the gateway; absolute URLs are used as they are.
/// Redirects are not followed.
pub trait Actor: Sync {
    /// Returns the HTTP client.
    fn client(&self) -> &Client;

    /// Returns the gateway's URL.
    fn base(&self) -> &Url;

    /// Adds the actor's credential to a request.
    fn authenticate(&self, request: RequestBuilder, _url: &Url) -> RequestBuilder {
        request
    }

    /// Receives every reply.
    fn observe_reply(&self, _reply: &HttpReply) {}

    /// Sends a request that `fill` completes.
    ///
    /// # Errors
    /// If there is no complete reply.
    fn try_send(
        &self,
        method: Method,
        path: &str,
        fill: impl FnOnce(RequestBuilder) -> RequestBuilder + Send,
    ) -> impl Future<Output = reqwest::Result<HttpReply>> + Send {
        let url = self.base().join(path).expect("a path or URL");
        // `fill` comes last, so that a test can replace the actor's own headers.
        let request = fill(self.authenticate(self.client().request(method, url.clone()), &url));
        async move {
            let response = request.send().await?;
            let (status, headers) = (response.status(), response.headers().clone());
            let reply = HttpReply {
                url,
                status,
                headers,
                body: response.bytes().await?.to_vec(),
            };
            self.observe_reply(&reply);
            Ok(reply)
        }
    }

    /// Sends a request that `fill` completes.
    ///
    /// # Panics
    /// If there is no complete reply. The methods below panic likewise.
    fn send(
        &self,
        method: Method,
        path: &str,
        fill: impl FnOnce(RequestBuilder) -> RequestBuilder + Send,
    ) -> impl Future<Output = HttpReply> + Send {
        let name = format!("{method} {path}");
        let sent = self.try_send(method, path, fill);
        async move { sent.await.unwrap_or_else(|fault| panic!("{name}: {fault:?}")) }
    }

    /// Sends a GET.
    fn get(&self, path: &str) -> impl Future<Output = HttpReply> + Send {
        self.send(Method::GET, path, |request| request)
    }

    /// Sends a POST without a body.
    fn post(&self, path: &str) -> impl Future<Output = HttpReply> + Send {
        self.send(Method::POST, path, |request| request)
    }

    /// Sends a POST with a form.
    fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> impl Future<Output = HttpReply> + Send {
        self.send(Method::POST, path, |request| request.form(fields))
    }

    /// Sends a POST with JSON.
    fn post_json(&self, path: &str, body: &Value) -> impl Future<Output = HttpReply> + Send {
        self.send(Method::POST, path, |request| request.json(body))
    }

    /// Sends a DELETE.
    fn delete(&self, path: &str) -> impl Future<Output = HttpReply> + Send {
        self.send(Method::DELETE, path, |request| request)
    }
}

/// Actor without a credential.
#[derive(Debug, Clone)]
pub struct AnonymousActor {
    client: Client,
    base: Url,
}

impl AnonymousActor {
    /// Makes an actor for the gateway at `base`.
    pub fn new(base: &str) -> Self {
        let client = Client::builder()
            // Redirects are part of what is tested; `Browser::navigate` follows them one by one.
            .redirect(redirect::Policy::none())
            // A proxy in the developer's environment must not see loopback requests.
            .no_proxy()
            // Loopback only: reading the system's certificates would be the slowest part of a test.
            .tls_certs_only([])
            // Generous: a revoke may wait for a lease, and the machine may be busy with other tests.
            .timeout(Duration::from_secs(60))
            .build()
            .expect("the client can be built");
        Self {
            client,
            base: base.parse().expect("the gateway's address is a URL"),
        }
    }
}

impl Actor for AnonymousActor {
    fn client(&self) -> &Client {
        &self.client
    }

    fn base(&self) -> &Url {
        &self.base
    }
}

/// Actor that presents an access token.
#[derive(Debug, Clone)]
pub struct BearerActor {
    anonymous: AnonymousActor,
    token: String,
}

impl BearerActor {
    /// Makes an actor for the gateway at `base` with this token.
    pub fn new(base: &str, token: &str) -> Self {
        Self {
            anonymous: AnonymousActor::new(base),
            token: token.to_owned(),
        }
    }
}

impl Actor for BearerActor {
    fn client(&self) -> &Client {
        &self.anonymous.client
    }

    fn base(&self) -> &Url {
        &self.anonymous.base
    }

    fn authenticate(&self, request: RequestBuilder, _url: &Url) -> RequestBuilder {
        request.bearer_auth(&self.token)
    }
}

/// Actor that keeps cookies as a browser does, and follows redirects when it navigates.
#[derive(Debug)]
pub struct Browser {
    anonymous: AnonymousActor,
    // A mutex, because requests of one browser may run at the same time. Never held across an await.
    jar: Mutex<CookieJar>,
}

impl Browser {
    /// Makes a browser without cookies for the gateway at `base`.
    pub fn new(base: &str) -> Self {
        Self {
            anonymous: AnonymousActor::new(base),
            jar: Mutex::default(),
        }
    }

    /// Returns the cookie of that name, of any host.
    pub fn cookie(&self, name: &str) -> Option<StoredCookie> {
        self.jar.lock().unwrap().find(name)
    }

    /// Puts a cookie for the gateway's host into the jar, as an attacker would.
    pub fn plant_cookie(&self, name: &str, value: &str) {
        self.jar
            .lock()
            .unwrap()
            .store(self.base(), &format!("{name}={value}; Path=/; Secure; HttpOnly"));
    }

    /// Removes every cookie.
    pub fn forget_cookies(&self) {
        *self.jar.lock().unwrap() = CookieJar::default();
    }

    /// Returns the `Set-Cookie` headers that a browser would reject, each with the reason.
    pub fn rejected_cookies(&self) -> Vec<String> {
        self.jar.lock().unwrap().rejected().to_vec()
    }

    /// Sends a GET, follows redirects (to other hosts too), and returns the last reply. `until` is called
    /// with each address before it is visited; if it returns `true`, the redirect to that address is the last
    /// reply.
    pub async fn navigate(&self, path: &str, until: impl Fn(&Url) -> bool) -> HttpReply {
        let mut reply = self.get(path).await;
        // Ten redirects at most, so that a loop ends in a reply that a test can show.
        for _ in 0..10 {
            let Some(next) = reply.header("location").filter(|_| reply.status.is_redirection()) else {
                break;
            };
            let next = reply.url.join(next).expect("the Location header has a URL");
            if until(&next) {
                break;
            }
            reply = self.get(next.as_str()).await;
        }
        reply
    }
}

impl Actor for Browser {
    fn client(&self) -> &Client {
        &self.anonymous.client
    }

    fn base(&self) -> &Url {
        &self.anonymous.base
    }

    fn authenticate(&self, request: RequestBuilder, url: &Url) -> RequestBuilder {
        match self.jar.lock().unwrap().header_for(url) {
            Some(cookies) => request.header(header::COOKIE, cookies),
            None => request,
        }
    }

    fn observe_reply(&self, reply: &HttpReply) {
        let mut jar = self.jar.lock().unwrap();
        // A session cookie may come with any answer, also with an error: it is cleared there.
        for cookie in reply.headers.get_all(header::SET_COOKIE) {
            jar.store(&reply.url, &String::from_utf8_lossy(cookie.as_bytes()));
        }
    }
}

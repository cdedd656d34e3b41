//! Who calls the gateway: one request trait, and an actor for each kind of caller.

mod cookies;

use std::future::Future;
use std::sync::Mutex;
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode, header};
use reqwest::{Client, RequestBuilder, Url, redirect};
use serde_json::Value;

pub use cookies::{Cookie, Jar};

/// A reply, read whole.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Where it came from, after any redirects that a [`Browser`] followed.
    pub url: Url,
    /// The status.
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none; the message shows it.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|fault| panic!("{} {}: {fault}: {}", self.status, self.url, self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The reply itself, if it has this status.
    ///
    /// # Panics
    /// When it has another; the message shows the body.
    #[track_caller]
    pub fn expect_status(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}: {}", self.url, self.text());
        self
    }
}

/// Someone who sends requests to one gateway. Paths are relative to it; whole URLs go where they say. Redirects are
/// not followed.
pub trait Actor: Sync {
    /// Its connections.
    fn client(&self) -> &Client;

    /// The gateway.
    fn base(&self) -> &Url;

    /// Adds what shows who asks.
    fn sign(&self, request: RequestBuilder, _url: &Url) -> RequestBuilder {
        request
    }

    /// Sees every reply.
    fn notice(&self, _reply: &Reply) {}

    /// Sends a request that `fill` completes.
    ///
    /// # Errors
    /// When there is no whole reply.
    fn try_send(
        &self,
        method: Method,
        path: &str,
        fill: impl FnOnce(RequestBuilder) -> RequestBuilder + Send,
    ) -> impl Future<Output = reqwest::Result<Reply>> + Send {
        let url = self.base().join(path).expect("a path or URL");
        let request = fill(self.sign(self.client().request(method, url.clone()), &url));
        async move {
            let response = request.send().await?;
            let (status, headers) = (response.status(), response.headers().clone());
            let reply = Reply {
                url,
                status,
                headers,
                body: response.bytes().await?.to_vec(),
            };
            self.notice(&reply);
            Ok(reply)
        }
    }

    /// Sends a request that `fill` completes.
    ///
    /// # Panics
    /// When there is no whole reply, as in all the following.
    fn send(
        &self,
        method: Method,
        path: &str,
        fill: impl FnOnce(RequestBuilder) -> RequestBuilder + Send,
    ) -> impl Future<Output = Reply> + Send {
        let what = format!("{method} {path}");
        let sent = self.try_send(method, path, fill);
        async move { sent.await.unwrap_or_else(|fault| panic!("{what}: {fault:?}")) }
    }

    /// GET.
    fn get(&self, path: &str) -> impl Future<Output = Reply> + Send {
        self.send(Method::GET, path, |request| request)
    }

    /// POST without a body.
    fn post(&self, path: &str) -> impl Future<Output = Reply> + Send {
        self.send(Method::POST, path, |request| request)
    }

    /// POST of a form.
    fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> impl Future<Output = Reply> + Send {
        self.send(Method::POST, path, |request| request.form(fields))
    }

    /// POST of JSON.
    fn post_json(&self, path: &str, body: &Value) -> impl Future<Output = Reply> + Send {
        self.send(Method::POST, path, |request| request.json(body))
    }

    /// DELETE.
    fn delete(&self, path: &str) -> impl Future<Output = Reply> + Send {
        self.send(Method::DELETE, path, |request| request)
    }
}

/// Presents nothing.
#[derive(Debug, Clone)]
pub struct Anonymous {
    client: Client,
    base: Url,
}

impl Anonymous {
    /// A caller of the gateway at `base`.
    pub fn new(base: &str) -> Self {
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            // Loopback only: reading the system's certificates would be the slowest part of a test.
            .tls_certs_only([])
            .timeout(Duration::from_secs(60))
            .build()
            .expect("an HTTP client");
        Self {
            client,
            base: base.parse().expect("the gateway's URL"),
        }
    }
}

impl Actor for Anonymous {
    fn client(&self) -> &Client {
        &self.client
    }

    fn base(&self) -> &Url {
        &self.base
    }
}

/// Presents an access token.
#[derive(Debug, Clone)]
pub struct Bearer {
    caller: Anonymous,
    token: String,
}

impl Bearer {
    /// A caller of the gateway at `base` with this token.
    pub fn new(base: &str, token: &str) -> Self {
        Self {
            caller: Anonymous::new(base),
            token: token.to_owned(),
        }
    }
}

impl Actor for Bearer {
    fn client(&self) -> &Client {
        &self.caller.client
    }

    fn base(&self) -> &Url {
        &self.caller.base
    }

    fn sign(&self, request: RequestBuilder, _url: &Url) -> RequestBuilder {
        request.bearer_auth(&self.token)
    }
}

/// Keeps cookies as a browser does, and follows redirects when it navigates.
#[derive(Debug)]
pub struct Browser {
    caller: Anonymous,
    jar: Mutex<Jar>,
}

impl Browser {
    /// A browser without cookies at the gateway at `base`.
    pub fn new(base: &str) -> Self {
        Self {
            caller: Anonymous::new(base),
            jar: Mutex::default(),
        }
    }

    /// The cookie of that name, of any host.
    pub fn cookie(&self, name: &str) -> Option<Cookie> {
        self.jar.lock().unwrap().named(name)
    }

    /// Puts a cookie for the gateway's host into the jar, as a thief would.
    pub fn plant(&self, name: &str, value: &str) {
        self.jar
            .lock()
            .unwrap()
            .keep(self.base(), &format!("{name}={value}; Path=/; Secure; HttpOnly"));
    }

    /// Forgets every cookie.
    pub fn forget_cookies(&self) {
        *self.jar.lock().unwrap() = Jar::default();
    }

    /// `Set-Cookie` headers that a browser would not obey, with the reason.
    pub fn refused_cookies(&self) -> Vec<String> {
        self.jar.lock().unwrap().refused().to_vec()
    }

    /// GET, following at most ten redirects, to other hosts too; the last reply. `until` stops it early: it is asked
    /// about each address before it is visited, and the redirect to it is then the last reply.
    pub async fn navigate(&self, path: &str, until: impl Fn(&Url) -> bool) -> Reply {
        let mut reply = self.get(path).await;
        for _ in 0..10 {
            let Some(next) = reply.header("location").filter(|_| reply.status.is_redirection()) else {
                break;
            };
            let next = reply.url.join(next).expect("a location");
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
        &self.caller.client
    }

    fn base(&self) -> &Url {
        &self.caller.base
    }

    fn sign(&self, request: RequestBuilder, url: &Url) -> RequestBuilder {
        match self.jar.lock().unwrap().header_for(url) {
            Some(cookies) => request.header(header::COOKIE, cookies),
            None => request,
        }
    }

    fn notice(&self, reply: &Reply) {
        let mut jar = self.jar.lock().unwrap();
        for cookie in reply.headers.get_all(header::SET_COOKIE) {
            jar.keep(&reply.url, &String::from_utf8_lossy(cookie.as_bytes()));
        }
    }
}

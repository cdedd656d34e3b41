//! Authorization server on loopback that is honest until a test scripts a lie, endpoint by endpoint.
//!
//! It has its own HTTP/1.1, so that it can also break the protocol, and it records every request.

mod action;
mod gzip;
mod honest;
mod lie;
mod message;
mod openid;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::Result;
use serde_json::Value;
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio::sync::watch;

pub use lie::{Lie, ReplyGate};
pub use message::{ReceivedRequest, ScriptedResponse};
pub use openid::{LoginRequest, LyingOpenIdProvider};

use crate::child::POLL_TIMEOUT;
use crate::forge::TokenForge;
use crate::http1::{read_body, read_head};
use crate::listener::ClosableListener;
use crate::ports::{free_port, loopback};

/// Running authorization server. Its tasks end with the test's runtime.
///
/// Without scripts it answers `/.well-known/openid-configuration`, `/.well-known/jwks.json`,
/// `/oauth/userinfo`, `/api/v1/auth/me`, `/oauth/introspect`, `/oauth/revoke` and `/health`. A token is valid
/// after [`LyingAuthServer::accept_token`]. Every other path is 404 until scripted.
#[derive(Debug)]
pub struct LyingAuthServer {
    addr: SocketAddr,
    state: Arc<AuthServerState>,
    /// `None` while it is stopped.
    // tokio's mutex: it is held across the await that closes or opens the listener.
    listener: tokio::sync::Mutex<Option<ClosableListener>>,
}

/// State that the connections share.
// One lock each, never two at a time, and never across an await.
#[derive(Debug)]
struct AuthServerState {
    forge: TokenForge,
    scripts: Mutex<HashMap<String, Lie>>,
    accepted_tokens: Mutex<HashMap<String, Value>>,
    metadata: Mutex<HashMap<String, Value>>,
    sends_byte_order_mark: AtomicBool,
    requests: Mutex<Vec<ReceivedRequest>>,
    arrivals: watch::Sender<usize>,
    body_bytes: AtomicU64,
}

impl LyingAuthServer {
    /// Starts an honest server that signs its tokens with ES256. Its issuer is its URL.
    ///
    /// # Errors
    /// If no port can be bound.
    pub async fn start() -> Result<Self> {
        let addr = loopback(free_port());
        Self::open(addr, TokenForge::es256(&format!("http://{addr}"))).await
    }

    /// Starts an honest server that publishes the keys of `forge`, under the forge's issuer.
    ///
    /// # Errors
    /// If no port can be bound.
    pub async fn start_with(forge: TokenForge) -> Result<Self> {
        Self::open(loopback(free_port()), forge).await
    }

    async fn open(addr: SocketAddr, forge: TokenForge) -> Result<Self> {
        let state = Arc::new(AuthServerState {
            forge,
            scripts: Mutex::default(),
            accepted_tokens: Mutex::default(),
            metadata: Mutex::default(),
            sends_byte_order_mark: AtomicBool::new(false),
            requests: Mutex::default(),
            arrivals: watch::channel(0).0,
            body_bytes: AtomicU64::new(0),
        });
        let server = Self {
            addr,
            state,
            listener: tokio::sync::Mutex::new(None),
        };
        server.restart().await?;
        Ok(server)
    }

    /// Returns `http://127.0.0.1:port`, which stays the same for its whole life.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Returns its address, for a [`crate::BreakableLink`].
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns the forge that signs its tokens.
    pub fn forge(&self) -> &TokenForge {
        &self.state.forge
    }

    /// Scripts an endpoint: `"/oauth/token"` for every method, `"POST /oauth/token"` for one, `"*"` for all
    /// that have no script of their own. The newest script replaces an older one.
    pub fn on(&self, endpoint: &str, lie: impl Into<Lie>) {
        self.state
            .scripts
            .lock()
            .unwrap()
            .insert(endpoint.to_owned(), lie.into());
    }

    /// Removes every script: the server is honest again.
    pub fn clear_scripts(&self) {
        self.state.scripts.lock().unwrap().clear();
    }

    /// Sets a member of the published metadata.
    pub fn publish(&self, name: &str, value: impl Into<Value>) {
        let mut metadata = self.state.metadata.lock().unwrap();
        metadata.insert(name.to_owned(), value.into());
    }

    /// Puts a byte-order mark before the JSON of every honest answer, as some frameworks do.
    pub fn send_byte_order_marks(&self) {
        self.state.sends_byte_order_mark.store(true, Ordering::SeqCst);
    }

    /// Makes `token` valid, with these claims.
    pub fn accept_token(&self, token: &str, claims: Value) {
        self.state
            .accepted_tokens
            .lock()
            .unwrap()
            .insert(token.to_owned(), claims);
    }

    /// Makes `token` invalid.
    pub fn reject_token(&self, token: &str) {
        self.state.accepted_tokens.lock().unwrap().remove(token);
    }

    /// Returns the requests to `path`, oldest first, also those that got no answer.
    pub fn requests(&self, path: &str) -> Vec<ReceivedRequest> {
        self.state
            .requests
            .lock()
            .unwrap()
            .iter()
            .filter(|request| request.path == path)
            .cloned()
            .collect()
    }

    /// Returns the number of requests to `path`.
    pub fn count_requests(&self, path: &str) -> usize {
        self.state
            .requests
            .lock()
            .unwrap()
            .iter()
            .filter(|request| request.path == path)
            .count()
    }

    /// Returns the number of all requests.
    pub fn count_all_requests(&self) -> usize {
        self.state.requests.lock().unwrap().len()
    }

    /// Returns the number of requests about a token or a login: all except those for metadata and keys, which
    /// the gateway fetches at times of its own.
    pub fn count_token_requests(&self) -> usize {
        let requests = self.state.requests.lock().unwrap();
        requests
            .iter()
            .filter(|request| !request.path.starts_with("/.well-known/"))
            .count()
    }

    /// Removes the requests recorded so far.
    pub fn forget_requests(&self) {
        self.state.requests.lock().unwrap().clear();
    }

    /// Waits until at least `count` requests to `path` have arrived.
    ///
    /// # Panics
    /// If that takes more than 30 s.
    pub async fn wait_for_requests(&self, path: &str, count: usize) {
        // Subscribed before the first count: an arrival in between is not missed.
        let mut arrivals = self.state.arrivals.subscribe();
        let enough = arrivals.wait_for(|_| self.count_requests(path) >= count);
        let waited = tokio::time::timeout(POLL_TIMEOUT, enough).await;
        assert!(
            waited.is_ok(),
            "{path} got {} requests, not {count}",
            self.count_requests(path)
        );
    }

    /// Returns the number of body bytes sent so far, without framing. It shows how far a client read an
    /// endless body, except for the sockets' buffers.
    pub fn body_bytes_sent(&self) -> u64 {
        self.state.body_bytes.load(Ordering::SeqCst)
    }

    /// Drops every connection and refuses new ones.
    pub async fn stop(&self) {
        if let Some(listener) = self.listener.lock().await.take() {
            listener.close().await;
        }
    }

    /// Listens again on the same port. Scripts, tokens and requests are unchanged.
    ///
    /// # Errors
    /// If the port cannot be bound again.
    pub async fn restart(&self) -> Result<()> {
        let mut listener = self.listener.lock().await;
        if listener.is_none() {
            let state = Arc::clone(&self.state);
            let serve = move |stream| {
                let state = Arc::clone(&state);
                // An error here is a client that left. Tests cause that on purpose.
                async move { state.serve(stream).await.unwrap_or_default() }
            };
            *listener = Some(ClosableListener::open(self.addr, serve).await?);
        }
        Ok(())
    }
}

impl AuthServerState {
    async fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        while let Some(head) = read_head(&mut stream).await? {
            let body = read_body(&mut stream, &head, false).await?;
            let request = ReceivedRequest::new(&head, body);
            let plan = self.plan_answer(&request);
            // Recorded before the answer, so that requests with a hanging answer are counted too.
            self.requests.lock().unwrap().push(request.clone());
            self.arrivals.send_modify(|count| *count += 1);
            let honest = || {
                let answer = honest::honest_response(self, &request);
                if self.sends_byte_order_mark.load(Ordering::SeqCst) {
                    answer.with_byte_order_mark()
                } else {
                    answer
                }
            };
            let keep_alive = action::perform(plan, honest, &mut stream, &self.body_bytes).await?;
            if !keep_alive
                || request
                    .header("connection")
                    .is_some_and(|value| value.eq_ignore_ascii_case("close"))
            {
                break;
            }
        }
        Ok(())
    }

    fn plan_answer(&self, request: &ReceivedRequest) -> lie::LiePlan {
        let endpoint = format!("{} {}", request.method, request.path);
        let mut scripts = self.scripts.lock().unwrap();
        // The most specific script wins.
        match [endpoint.as_str(), request.path.as_str(), "*"]
            .into_iter()
            .find(|key| scripts.contains_key(*key))
        {
            Some(key) => scripts.get_mut(key).expect("just found").next_plan(request),
            None => lie::LiePlan::honest(),
        }
    }
}

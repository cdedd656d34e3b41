//! An authorization server on loopback that is honest until it is told to lie, endpoint by endpoint.
//!
//! It speaks HTTP/1.1 by hand, so that it can also break the protocol, and it remembers every request.

mod act;
mod gzip;
mod honest;
mod lie;
mod message;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::Result;
use serde_json::Value;
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio::sync::watch;

pub use lie::{Gate, Lie};
pub use message::{Request, Response};

use crate::child::PATIENCE;
use crate::forge::TokenForge;
use crate::http1::{read_body, read_head};
use crate::listening::Listening;
use crate::ports::{free_port, loopback};

/// A running authorization server; its tasks end with the test's runtime.
///
/// Honest, it answers `/.well-known/openid-configuration`, `/.well-known/jwks.json`, `/oauth/userinfo`,
/// `/api/v1/auth/me`, `/oauth/introspect`, `/oauth/revoke` and `/health`; a token is good when
/// [`LyingAuthServer::know`] named it. Every other path is 404 until scripted.
#[derive(Debug)]
pub struct LyingAuthServer {
    addr: SocketAddr,
    desk: Arc<Desk>,
    /// `None` while it is stopped.
    door: tokio::sync::Mutex<Option<Listening>>,
}

/// What the connections share.
#[derive(Debug)]
struct Desk {
    forge: TokenForge,
    script: Mutex<HashMap<String, Lie>>,
    known: Mutex<HashMap<String, Value>>,
    requests: Mutex<Vec<Request>>,
    arrivals: watch::Sender<usize>,
    body_bytes: AtomicU64,
}

impl LyingAuthServer {
    /// Starts an honest one whose tokens are signed with ES256; its issuer is its URL.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start() -> Result<Self> {
        let addr = loopback(free_port());
        Self::open(addr, TokenForge::es256(&format!("http://{addr}"))).await
    }

    /// Starts an honest one that publishes the keys of `forge`, under the forge's issuer.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start_with(forge: TokenForge) -> Result<Self> {
        Self::open(loopback(free_port()), forge).await
    }

    async fn open(addr: SocketAddr, forge: TokenForge) -> Result<Self> {
        let desk = Arc::new(Desk {
            forge,
            script: Mutex::default(),
            known: Mutex::default(),
            requests: Mutex::default(),
            arrivals: watch::channel(0).0,
            body_bytes: AtomicU64::new(0),
        });
        let server = Self {
            addr,
            desk,
            door: tokio::sync::Mutex::new(None),
        };
        server.start_again().await?;
        Ok(server)
    }

    /// `http://127.0.0.1:port`, the same for its whole life.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Where it listens, for a [`crate::BreakableLink`].
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Who signs its tokens.
    pub fn forge(&self) -> &TokenForge {
        &self.desk.forge
    }

    /// Scripts an endpoint: `"/oauth/token"` for every method, `"POST /oauth/token"` for one, `"*"` for all that
    /// have no script of their own. The newest script replaces an older one.
    pub fn on(&self, endpoint: &str, lie: impl Into<Lie>) {
        self.desk
            .script
            .lock()
            .unwrap()
            .insert(endpoint.to_owned(), lie.into());
    }

    /// Forgets every script: it is honest again.
    pub fn behave(&self) {
        self.desk.script.lock().unwrap().clear();
    }

    /// Makes `token` a good one with these claims.
    pub fn know(&self, token: &str, claims: Value) {
        self.desk.known.lock().unwrap().insert(token.to_owned(), claims);
    }

    /// Makes `token` a bad one.
    pub fn forget(&self, token: &str) {
        self.desk.known.lock().unwrap().remove(token);
    }

    /// The requests that came to `path`, oldest first, also those that got no answer.
    pub fn requests(&self, path: &str) -> Vec<Request> {
        self.desk
            .requests
            .lock()
            .unwrap()
            .iter()
            .filter(|request| request.path == path)
            .cloned()
            .collect()
    }

    /// How many requests came to `path`.
    pub fn count(&self, path: &str) -> usize {
        self.desk
            .requests
            .lock()
            .unwrap()
            .iter()
            .filter(|request| request.path == path)
            .count()
    }

    /// How many requests came, to any path.
    pub fn total(&self) -> usize {
        self.desk.requests.lock().unwrap().len()
    }

    /// How many requests came that are about somebody's token or login: all but those for its metadata and keys, which
    /// a client fetches by itself, whoever asks it what.
    pub fn about_tokens(&self) -> usize {
        let requests = self.desk.requests.lock().unwrap();
        requests
            .iter()
            .filter(|request| !request.path.starts_with("/.well-known/"))
            .count()
    }

    /// Forgets the requests seen so far.
    pub fn forget_requests(&self) {
        self.desk.requests.lock().unwrap().clear();
    }

    /// Waits until `path` has been asked at least `count` times.
    ///
    /// # Panics
    /// When that takes more than thirty seconds.
    pub async fn asked(&self, path: &str, count: usize) {
        let mut arrivals = self.desk.arrivals.subscribe();
        let enough = arrivals.wait_for(|_| self.count(path) >= count);
        let waited = tokio::time::timeout(PATIENCE, enough).await;
        assert!(
            waited.is_ok(),
            "{path} was asked {} times, not {count}",
            self.count(path)
        );
    }

    /// Body bytes that it got rid of so far, framing not counted: how far a client read a body that never ends, give
    /// or take the sockets' buffers.
    pub fn body_bytes_sent(&self) -> u64 {
        self.desk.body_bytes.load(Ordering::SeqCst)
    }

    /// Drops every connection and refuses new ones.
    pub async fn stop(&self) {
        if let Some(door) = self.door.lock().await.take() {
            door.close().await;
        }
    }

    /// Listens again on the same port; scripts, tokens and requests are as they were.
    ///
    /// # Errors
    /// When the port can't be bound again.
    pub async fn start_again(&self) -> Result<()> {
        let mut door = self.door.lock().await;
        if door.is_none() {
            let desk = Arc::clone(&self.desk);
            let serve = move |stream| {
                let desk = Arc::clone(&desk);
                // A client that goes away in the middle is no concern of the server's.
                async move { desk.serve(stream).await.unwrap_or_default() }
            };
            *door = Some(Listening::open(self.addr, serve).await?);
        }
        Ok(())
    }
}

impl Desk {
    async fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        while let Some(head) = read_head(&mut stream).await? {
            let body = read_body(&mut stream, &head, false).await?;
            let request = Request::new(&head, body);
            let plan = self.plan(&request);
            self.requests.lock().unwrap().push(request.clone());
            self.arrivals.send_modify(|count| *count += 1);
            let honest = || honest::answer(self, &request);
            let goes_on = act::perform(plan, honest, &mut stream, &self.body_bytes).await?;
            if !goes_on
                || request
                    .header("connection")
                    .is_some_and(|value| value.eq_ignore_ascii_case("close"))
            {
                break;
            }
        }
        Ok(())
    }

    fn plan(&self, request: &Request) -> lie::Plan {
        let one = format!("{} {}", request.method, request.path);
        let mut script = self.script.lock().unwrap();
        match [one.as_str(), request.path.as_str(), "*"]
            .into_iter()
            .find(|key| script.contains_key(*key))
        {
            Some(key) => script.get_mut(key).expect("just found").next(request),
            None => lie::Plan::honest(),
        }
    }
}

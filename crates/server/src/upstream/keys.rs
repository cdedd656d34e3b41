//! The issuer's published keys: fetched when needed, renewed in time, believed for a while when their place is down.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use maxlab_auth_core::clock;
use maxlab_auth_core::token::KeySet;
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verify::KeySource;
use reqwest::{Method, StatusCode};
use tokio::sync::Mutex;
use url::Url;

use super::{AuthServer, Endpoint};

/// Keys older than this are renewed in the background.
const RENEW: Duration = Duration::from_secs(25);
/// Keys older than this are renewed before they are used: with the time for which verdicts are remembered, a removed
/// key is dead within a minute.
const STALE: Duration = Duration::from_secs(40);
/// While their place is down, the last good keys are believed for so long.
const LAST_GOOD: Duration = Duration::from_secs(15 * 60);
/// Where no keys are published, they are looked for again after this long.
const LOOK_AGAIN: Duration = Duration::from_secs(5 * 60);
/// There is at most one fetch in so long.
const COOLDOWN: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
struct State {
    keys: Option<(Arc<KeySet>, Timestamp)>,
    asked_at: Option<Timestamp>,
    /// The last fetch found that there are no keys to be had, rather than none that can be had now.
    none_published: bool,
}

/// Where a fetch ended.
enum Fetched {
    Keys(KeySet),
    NonePublished,
}

/// The key set at `JWKS_URL`, or at the `jwks_uri` that the server's metadata names.
#[derive(Debug)]
pub struct PublishedKeys {
    server: Arc<AuthServer>,
    url: Option<Url>,
    state: RwLock<State>,
    fetching: Mutex<()>,
}

impl PublishedKeys {
    /// The keys of a server, at `url` or where it says.
    pub fn new(server: Arc<AuthServer>, url: Option<Url>) -> Self {
        Self {
            server,
            url,
            state: RwLock::default(),
            fetching: Mutex::new(()),
        }
    }

    /// Fetches the keys if none are known, so that an outage finds them here, and renews them when they grow old; to be
    /// called every few seconds.
    pub async fn renew(&self, now: Timestamp) {
        let due = self.with(|state| match (&state.keys, state.asked_at) {
            (Some((_, at)), _) => clock::after(*at, RENEW) <= now,
            (None, Some(asked)) if state.none_published => clock::after(asked, LOOK_AGAIN) <= now,
            (None, _) => true,
        });
        if due && let Err(fault) = self.fetch(now).await {
            tracing::warn!(%fault, "the issuer's keys could not be fetched");
        }
    }

    fn with<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(
            &self
                .state
                .read()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        )
    }

    fn may_fetch(&self, now: Timestamp) -> bool {
        self.with(|state| {
            state
                .asked_at
                .is_none_or(|at| clock::after(at, COOLDOWN) <= now || at > now)
        })
    }

    /// Fetches, unless somebody else just did.
    async fn fetch(&self, now: Timestamp) -> Result<(), Unavailable> {
        let _one_at_a_time = self.fetching.lock().await;
        if !self.may_fetch(now) {
            return Ok(());
        }
        let fetched = self.ask().await;
        let mut state = self
            .state
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        state.asked_at = Some(now);
        match fetched {
            Ok(Fetched::Keys(keys)) => {
                state.none_published = false;
                state.keys = Some((Arc::new(keys), now));
                Ok(())
            }
            Ok(Fetched::NonePublished) => {
                state.none_published = true;
                Ok(())
            }
            Err(fault) => {
                state.none_published = false;
                Err(fault)
            }
        }
    }

    async fn ask(&self) -> Result<Fetched, Unavailable> {
        let address = match &self.url {
            Some(url) => url.clone(),
            None => match self
                .server
                .metadata()
                .await
                .and_then(|metadata| metadata.endpoint(Endpoint::Keys))
            {
                Some(address) => address,
                None => return self.without_metadata().await,
            },
        };
        let request = self.server.request_to(Method::GET, address);
        let answer = self.server.send(Endpoint::Keys, request).await?;
        if answer.status != StatusCode::OK {
            return Err(Unavailable::upstream(format_args!(
                "its key set answers {}",
                answer.status
            )));
        }
        let keys = KeySet::from_jwks(&answer.body).map_err(Unavailable::upstream)?;
        if keys.exposed_private_keys() > 0 {
            tracing::error!(
                "the issuer publishes PRIVATE keys in its key set: anybody can sign tokens in its name"
            );
        }
        Ok(Fetched::Keys(keys))
    }

    /// No metadata: either the server has none, or it is down. Only one that answers can have none.
    async fn without_metadata(&self) -> Result<Fetched, Unavailable> {
        let address = self
            .server
            .config()
            .base
            .join(".well-known/openid-configuration")
            .map_err(|_| Unavailable::upstream("its address takes no path"))?;
        let answer = self
            .server
            .send(Endpoint::Metadata, self.server.request_to(Method::GET, address))
            .await?;
        if answer.status.is_server_error() {
            return Err(Unavailable::upstream(format_args!(
                "its metadata answers {}",
                answer.status
            )));
        }
        Ok(Fetched::NonePublished)
    }
}

#[async_trait]
impl KeySource for PublishedKeys {
    fn known(&self, now: Timestamp) -> Option<Arc<KeySet>> {
        self.with(|state| {
            let (keys, at) = state.keys.as_ref()?;
            (clock::after(*at, LAST_GOOD) > now).then(|| Arc::clone(keys))
        })
    }

    async fn keys_for(&self, kid: Option<&str>, now: Timestamp) -> Result<Option<Arc<KeySet>>, Unavailable> {
        let good = self.with(|state| {
            let (keys, at) = state.keys.as_ref()?;
            let fresh = clock::after(*at, STALE) > now;
            (fresh && kid.is_none_or(|kid| keys.contains_kid(kid))).then(|| Arc::clone(keys))
        });
        if good.is_some() {
            return Ok(good);
        }
        let fault = if self.may_fetch(now) {
            self.fetch(now).await.err()
        } else {
            None
        };
        if let Some(keys) = self.known(now) {
            return Ok(Some(keys));
        }
        match fault {
            Some(fault) => Err(fault),
            None if self.with(|state| state.none_published) => Ok(None),
            None => Err(Unavailable::upstream(
                "its keys could not be fetched a moment ago",
            )),
        }
    }

    fn issuer(&self, _: Timestamp) -> Option<String> {
        self.server
            .known_metadata()
            .map(|metadata| metadata.issuer.clone())
    }
}

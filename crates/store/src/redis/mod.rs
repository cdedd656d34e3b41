//! The shared store: a Redis for several instances, and for a Python deployment of the guide (docs/GUIDE.md).
//!
//! | key | content | life |
//! |---|---|---|
//! | `blacklist:{token}` | denylist entry of the guide, JSON | until the latest expiry that was written |
//! | `gateway:revoked:session:{id}` | hash: `reason`, `recorded_at_ms`, `user_id` | the same |
//! | `gateway:cutoff:{user,client,issuer}:{name}` | the same, and `at_ms`, the latest cut-off | the same |
//! | `gateway:spared:{token,session}:{name}` | hash: `at_ms`, when the login began | the same |
//! | `revocations` | stream: each entry under its number | the latest hundred thousand |
//! | `gateway:{revocations}:generation` | random name of this data set | for ever; gone if the data is lost |
//! | `gateway:{revocations}:position` | number of the latest entry | for ever |
//! | `gateway:{revocations}:leases` | hash: holder → `renewal:applied:lease_us` | until released or evicted |
//! | `gateway:{revocations}:notices` | stream: positions that instances applied | the latest thousand |
//! | `gateway:{revocations}:{filled,settled}` | hash: journal → term | for ever, one field a journal |
//! | `gateway:{revocations}:filling:{journal}` | instance that fills the store | 10 s |
//! | `gateway:{revocations}:journal` | the journal that this Redis belongs to | for ever |
//! | `gateway:{revocations}:snapshot:{hour}` | set: the entries that expire in that hour | until then |
//! | `gateway:{revocations}:snapshots` | names of those sets by their end | for ever, pruned |
//! | `session:{hash}` | hash: sealed contents, times; `pending` until it is active | until it expires |
//! | `session_ended:{session:{hash}}` | tombstone: `1`, or the new key of a moved session | the session's |
//! | `user_sessions:{user}` | hash: handle → `key\|created_at_ms` | as long as the longest session |
//! | `user_tokens:{user}` | set of token keys, for the guide | as long as the longest token |
//! | `gateway:user_token_expiry:{user_tokens:{user}}` | that set by expiry, for pruning | the same |
//!
//! Braces stand for a name, except in `session_ended:{session:…}`, `…expiry:{user_tokens:…}` and
//! `gateway:{revocations}:…`. There they are part of the key (a hash tag), so that a Cluster keeps related
//! keys in one slot. Names are percent-escaped. Times to live are computed from the caller's `now`, so Redis'
//! clock has no influence.

mod client;
mod denylist_entry;
mod denylist_listing;
mod journal_registration;
mod log;
mod log_keys;
mod log_publish;
mod nodes;
mod reader;
mod reply;
mod revocation_stream;
mod revocations;
mod script;
mod session_index;
mod session_keys;
mod sessions;

use maxlab_auth_core::unavailable::Unavailable;

use client::RedisClient;
pub use nodes::{RedisCaCertificates, RedisNodes};
pub use reader::RedisReader;

/// Largest number of commands in one pipeline, so that a large batch does not block Redis for other clients.
const MAX_PIPELINE_COMMANDS: usize = 200;

/// Revocations and sessions in Redis.
///
/// Implements `RevocationStore`, `RevocationLog` and `SessionStore`. Every round trip takes at most 2
/// seconds. If Redis was down, the first call after its return works again. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RedisStore {
    client: RedisClient,
    /// Set if instances with another journal are refused (docs/decisions/0025).
    serves_one_journal: bool,
}

impl RedisStore {
    /// Creates a store at `redis://…` or `rediss://…`. It connects at its first use.
    ///
    /// # Errors
    /// The URL is not valid. The error does not repeat it.
    pub fn open(url: &str) -> Result<Self, Unavailable> {
        Self::open_trusting(url, None)
    }

    /// Creates a store as [`open`](Self::open) does. At `rediss://…` it trusts these authorities and no others;
    /// without any, the system's, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_trusting(url: &str, authorities: Option<RedisCaCertificates>) -> Result<Self, Unavailable> {
        Ok(Self {
            client: RedisClient::new(url, authorities)?,
            serves_one_journal: false,
        })
    }

    /// Creates a store under Sentinel (`redis+sentinel://…`). It uses the master that a majority of these
    /// Sentinels names, and follows a failover.
    pub fn open_sentinel(sentinels: &RedisNodes) -> Self {
        Self {
            client: RedisClient::for_sentinel(sentinels),
            serves_one_journal: false,
        }
    }

    /// Creates a store in the Redis Cluster (`redis+cluster://…`) that these servers belong to.
    pub fn open_cluster(servers: &RedisNodes) -> Self {
        Self {
            client: RedisClient::for_cluster(servers),
            serves_one_journal: false,
        }
    }

    /// Creates a store as [`open`](Self::open) does, and checks that it answers.
    ///
    /// # Errors
    /// The URL is not valid, Redis does not answer, or it refuses the password.
    pub async fn connect(url: &str) -> Result<Self, Unavailable> {
        let store = Self::open(url)?;
        store.ping().await?;
        Ok(store)
    }

    /// Checks that Redis answers; in a Cluster, that all masters do.
    ///
    /// # Errors
    /// A server does not answer.
    pub async fn ping(&self) -> Result<(), Unavailable> {
        self.client
            .query_all_masters::<()>(&redis::cmd("PING"))
            .await
            .map(drop)
    }

    /// Asks a majority of the Sentinels, or of the Cluster's masters, whether the server is still the master.
    /// A single Redis is always confirmed, because there is no one else to ask.
    ///
    /// # Errors
    /// Another server is the master, or too few answer.
    pub async fn confirm(&self) -> Result<(), Unavailable> {
        self.client.confirm().await.map(drop)
    }

    /// Returns the `maxmemory-policy`; in a Cluster, the worst of all masters. `None` if a server does not
    /// report it. Any policy but `noeviction` drops revocations when memory runs out.
    ///
    /// # Errors
    /// A server does not answer.
    pub async fn eviction_policy(&self) -> Result<Option<String>, Unavailable> {
        // INFO and not CONFIG GET, which managed services often forbid.
        let infos: Vec<String> = self
            .client
            .query_all_masters(redis::cmd("INFO").arg("memory"))
            .await?;
        let policies = infos.iter().map(|info| {
            let policy = info
                .lines()
                .find_map(|line| line.strip_prefix("maxmemory_policy:"));
            policy.map(|word| word.trim().to_owned())
        });
        let policies: Option<Vec<_>> = policies.collect();
        // Every policy but `noeviction` is equally bad, so the first such one is reported.
        Ok(policies.and_then(|all| {
            all.into_iter()
                .reduce(|worst, next| if worst == "noeviction" { next } else { worst })
        }))
    }
}

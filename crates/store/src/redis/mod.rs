//! The shared store: a Redis that several instances, and a deployment of the guide, can use together.
//!
//! | key | what it holds | lives |
//! |---|---|---|
//! | `blacklist:{token}` | the guide's JSON: `reason`, `blacklisted_at`, `user_id`, `exp` | until the latest expiry written |
//! | `gateway:revoked:session:{id}` | hash: `reason`, `recorded_at_ms`, `user_id` | the same |
//! | `gateway:cutoff:{user,client,issuer}:{name}` | the same, and `at_ms`, the latest cut-off | the same |
//! | `gateway:spared:{token,session}:{name}` | hash: `at_ms`, when the login began | the same |
//! | `revocations` | stream: each entry under its number | the latest hundred thousand |
//! | `gateway:{revocations}:generation` | the name of this data set | for ever; gone if the data is lost |
//! | `gateway:{revocations}:position` | the number of the latest entry | for ever |
//! | `gateway:{revocations}:leases` | hash: holder → `renewal:applied:lease_us` | until given back or run out |
//! | `gateway:{revocations}:notices` | stream: who has applied up to where | the latest thousand |
//! | `gateway:{revocations}:{filled,settled}` | hash: journal → term | for ever, one field a journal |
//! | `gateway:{revocations}:filling:{journal}` | who writes the journal into the store | 10 s |
//! | `gateway:{revocations}:snapshot:{hour}` | set: the entries that expire in that hour | until then |
//! | `gateway:{revocations}:snapshots` | those sets by their end | for ever, pruned |
//! | `session:{hash}` | hash: `sealed`, `user_id`, `handle`, `idle_at_ms`, `dead_at_ms`; `pending` until it lives | until it dies |
//! | `session_ended:{session:{hash}}` | `1`: the session was ended | until it would have died |
//! | `user_sessions:{user}` | hash: handle → `key\|created_at_ms` | as long as the longest of them |
//! | `user_tokens:{user}` | the guide's set of token keys | as long as the longest of them |
//! | `gateway:user_token_expiry:{user_tokens:{user}}` | its members by expiry, for pruning | the same |
//!
//! The outer braces stand for a name; those within `session_ended:{session:…}`, `…expiry:{user_tokens:…}` and
//! `gateway:{revocations}:…` are written, so that a cluster keeps them in the slot of the key they belong to. Names are percent-escaped. Times to
//! live are reckoned from the caller's `now`, so that Redis' own clock plays no part.

mod address;
mod entry;
mod follow;
mod link;
mod log;
mod reader;
mod revocations;
mod script;
mod session_index;
mod sessions;

use maxlab_auth_core::unavailable::Unavailable;

pub use address::RedisNodes;
use link::Link;
pub use reader::RedisReader;

/// How many commands go into one trip, at most.
const BATCH: usize = 200;

/// Revocations and sessions in Redis.
///
/// Implements `RevocationStore` and `SessionStore`. Every call takes at most 2 seconds a trip; when Redis went away
/// and came back, the next call works again. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RedisStore {
    link: Link,
}

impl RedisStore {
    /// A store at `redis://…` or `rediss://…` that is reached when it is first asked.
    ///
    /// # Errors
    /// The URL is none of these; the error does not repeat it.
    pub fn open(url: &str) -> Result<Self, Unavailable> {
        Ok(Self {
            link: Link::new(url)?,
        })
    }

    /// A store under Sentinel (`redis+sentinel://…`): at the master that a majority of these Sentinels names. When they
    /// name another, it is followed.
    pub fn open_sentinel(sentinels: &RedisNodes) -> Self {
        Self {
            link: Link::sentinel(sentinels),
        }
    }

    /// A store in the Redis Cluster (`redis+cluster://…`) that these servers belong to.
    pub fn open_cluster(servers: &RedisNodes) -> Self {
        Self {
            link: Link::cluster(servers),
        }
    }

    /// As [`open`](Self::open), and asks whether it answers.
    ///
    /// # Errors
    /// The URL is none of these, or Redis does not answer, or not to this password.
    pub async fn connect(url: &str) -> Result<Self, Unavailable> {
        let store = Self::open(url)?;
        store.ping().await?;
        Ok(store)
    }

    /// Asks whether it answers; of a Cluster, all masters.
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&self) -> Result<(), Unavailable> {
        self.link.everywhere::<()>(&redis::cmd("PING")).await.map(drop)
    }

    /// Asks those who know, apart from the server itself, whether it is still the master: a majority of the Sentinels, or
    /// of the masters of the Cluster. Of one Redis alone nobody else knows.
    ///
    /// # Errors
    /// It is not, or too few answer.
    pub async fn confirm(&self) -> Result<(), Unavailable> {
        self.link.confirm().await.map(drop)
    }

    /// Its `maxmemory-policy`: anything but `noeviction` throws revocations away when memory runs out; of a Cluster, the
    /// worst of all masters. `None` if one does not say.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn eviction_policy(&self) -> Result<Option<String>, Unavailable> {
        let infos: Vec<String> = self.link.everywhere(redis::cmd("INFO").arg("memory")).await?;
        let policies = infos.iter().map(|info| {
            let policy = info
                .lines()
                .find_map(|line| line.strip_prefix("maxmemory_policy:"));
            policy.map(|word| word.trim().to_owned())
        });
        let policies: Option<Vec<_>> = policies.collect();
        Ok(policies.and_then(|all| {
            all.into_iter()
                .reduce(|worst, next| if worst == "noeviction" { next } else { worst })
        }))
    }
}

//! Real servers, a lying authorization server, forged tokens and breakable links, for tests only.
//!
//! Nothing here depends on the gateway: tests give it the path of the built binary, or an address.
//!
//! | module | what a test gets |
//! |---|---|
//! | [`servers`] | real Redis (alone, under Sentinel, as a Cluster) and PostgreSQL on private ports |
//! | [`lying`] | an authorization server that can be told to misbehave, endpoint by endpoint |
//! | [`forge`] | tokens, good ones and forgeries of every known kind |
//! | [`link`] | a TCP link that can be cut, stalled or slowed |
//! | [`process`] | the gateway as a process that can be killed and restarted |
//! | [`actors`] | who calls: anonymous, bearer, browser |
//! | [`random`] | chance that a seed brings back |
//! | [`raw`] | exact bytes on a socket |
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test equipment fails loudly; nothing of this crate is in a release binary"
)]

pub mod actors;
mod child;
pub mod forge;
mod http1;
pub mod link;
mod listening;
pub mod lying;
mod ports;
pub mod process;
pub mod random;
pub mod raw;
pub mod servers;

pub use actors::{Actor, Anonymous, Bearer, Browser, Reply};
pub use forge::{Algorithm, TokenForge};
pub use link::{BreakableLink, Direction};
pub use lying::{Gate, Lie, LyingAuthServer};
pub use ports::free_port;
pub use process::{GatewayOptions, GatewayProcess};
pub use random::Random;
pub use raw::RawClient;
pub use servers::{PostgresServer, RedisCluster, RedisOptions, RedisSentinels, RedisServer};

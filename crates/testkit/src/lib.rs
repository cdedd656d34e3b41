//! Real servers, a lying authorization server, forged tokens and breakable links, for tests only.
//!
//! This crate does not depend on the gateway: tests pass the path of the built binary, or an address.
//!
//! | module | contents |
//! |---|---|
//! | [`servers`] | real Redis (alone, under Sentinel, as a Cluster) and PostgreSQL on private ports |
//! | [`lying`] | an authorization server that can be scripted to misbehave, endpoint by endpoint |
//! | [`forge`] | tokens, valid ones and forgeries of every known kind |
//! | [`link`] | a TCP link that can be cut, stalled or slowed |
//! | [`process`] | the gateway as a process that can be killed and restarted |
//! | [`actors`] | callers: anonymous, bearer, browser |
//! | [`random`] | random numbers that a seed reproduces |
//! | [`raw`] | exact bytes on a socket |
//! | [`wait`] | waiting for conditions with a deadline |
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
mod listener;
pub mod lying;
mod ports;
pub mod process;
pub mod random;
pub mod raw;
pub mod servers;
pub mod wait;

pub use actors::{Actor, AnonymousActor, BearerActor, Browser, HttpReply};
pub use forge::{ForgeAlgorithm, TokenForge};
pub use link::{BreakableLink, Direction};
pub use lying::{Lie, LoginRequest, LyingAuthServer, LyingOpenIdProvider, ReplyGate};
pub use ports::free_port;
pub use process::{GatewayOptions, GatewayProcess};
pub use random::SeededRandom;
pub use raw::RawClient;
pub use servers::{PostgresServer, RedisCluster, RedisOptions, RedisSentinels, RedisServer};

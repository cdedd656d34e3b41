//! Real servers on private loopback ports, each ended with the test that started it.

mod cluster;
mod pg_template;
mod postgres;
mod redis;
mod resp;
mod sentinel;

pub use cluster::RedisCluster;
pub use postgres::PostgresServer;
pub use redis::{RedisOptions, RedisServer, RedisSnapshot};
pub use resp::RedisReply;
pub use sentinel::RedisSentinels;

//! Real servers on private loopback ports, each ended with the test that started it.

mod pg_template;
mod postgres;
mod redis;
mod resp;

pub use postgres::PostgresServer;
pub use redis::{RedisOptions, RedisServer, RedisSnapshot};
pub use resp::RedisReply;

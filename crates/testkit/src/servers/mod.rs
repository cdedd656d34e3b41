//! Real servers on private loopback ports. Each ends with the test that started it.

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

/// Returns `scheme://:password@host:port,…`, without the password part if there is none.
fn url_of(scheme: &str, password: Option<&str>, nodes: &[(String, u16)]) -> String {
    let password = password.map_or(String::new(), |password| format!(":{password}@"));
    let nodes: Vec<_> = nodes
        .iter()
        .map(|(host, port)| format!("{host}:{port}"))
        .collect();
    format!("{scheme}://{password}{}", nodes.join(","))
}

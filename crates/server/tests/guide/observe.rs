//! What an onlooker could see: every log line, and everything that the stores hold.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use maxlab_auth_testkit::RedisServer;
use maxlab_auth_testkit::servers::RedisReply;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::gateway::World;

/// Everything logged in this process, at the finest level that our own code has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Logs(Arc<Mutex<Vec<u8>>>);

impl Logs {
    /// Begins to listen; one log for all tests of a process.
    pub(crate) fn listen() -> Self {
        static LOGS: OnceLock<Logs> = OnceLock::new();
        let begin = || {
            let logs = Self::default();
            let filter = EnvFilter::new(
                "debug,maxlab_auth=trace,maxlab_auth_core=trace,maxlab_auth_store=trace,h2=info",
            );
            let lines = tracing_subscriber::fmt()
                .with_env_filter(filter)
                .with_writer(logs.clone())
                .with_ansi(false);
            let _ = tracing::subscriber::set_global_default(lines.finish());
            logs
        };
        LOGS.get_or_init(begin).clone()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Logs {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Logs {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

/// Everything that the stores of a world hold, keys and values, as one text.
pub(crate) async fn stored(world: &World) -> String {
    let mut text = match &world.redis {
        Some((redis, _)) => redis_text(redis).await,
        None => String::new(),
    };
    match &world.postgres {
        Some((server, url)) => {
            let tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'";
            for table in server.query(url, tables).unwrap().lines() {
                text += &server.query(url, &format!("SELECT * FROM {table}")).unwrap();
            }
        }
        None => {
            for file in std::fs::read_dir(world.data.path()).unwrap() {
                let bytes = std::fs::read(file.unwrap().path()).unwrap_or_default();
                text += &String::from_utf8_lossy(&bytes);
            }
        }
    }
    text
}

async fn redis_text(redis: &RedisServer) -> String {
    let mut text = String::new();
    for key in redis_keys(redis, "*").await {
        let kind = redis.command(&["TYPE", &key]).await.unwrap().text().unwrap();
        let read: &[&str] = match kind.as_str() {
            "hash" => &["HGETALL", &key],
            "set" => &["SMEMBERS", &key],
            "zset" => &["ZRANGE", &key, "0", "-1"],
            "stream" => &["XRANGE", &key, "-", "+"],
            _ => &["GET", &key],
        };
        text += &format!("{key}\n{}\n", flat(&redis.command(read).await.unwrap()));
    }
    text
}

/// The keys of that pattern, walked as Redis asks for it.
pub(crate) async fn redis_keys(redis: &RedisServer, pattern: &str) -> Vec<String> {
    let answer = redis
        .command(&["SCAN", "0", "MATCH", pattern, "COUNT", "100000"])
        .await
        .unwrap();
    let RedisReply::Array(parts) = answer else {
        panic!("SCAN answers two parts")
    };
    let RedisReply::Array(keys) = &parts[1] else {
        panic!("SCAN answers keys")
    };
    let mut keys: Vec<_> = keys.iter().filter_map(RedisReply::text).collect();
    keys.sort();
    keys
}

fn flat(reply: &RedisReply) -> String {
    match reply {
        RedisReply::Array(parts) => parts.iter().map(flat).collect::<Vec<_>>().join("\n"),
        other => other.text().unwrap_or_default(),
    }
}

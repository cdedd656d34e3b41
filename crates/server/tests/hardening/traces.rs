//! Secrets that can be recognised, and the places where they are looked for.

use std::path::Path;

use maxlab_auth_testkit::servers::RedisReply;
use maxlab_auth_testkit::{HttpReply, RedisServer};

/// What is looked for, and what each was.
#[derive(Default)]
pub(crate) struct Canaries(Vec<(&'static str, String)>);

impl Canaries {
    /// Notes a secret, and what it is.
    pub(crate) fn release(&mut self, what: &'static str, secret: impl Into<String>) -> String {
        let secret = secret.into();
        self.0.push((what, secret.clone()));
        secret
    }

    /// None of them is there.
    #[track_caller]
    pub(crate) fn none_in(&self, bytes: &[u8], place: &str) {
        for (what, secret) in &self.0 {
            // The last part of a JWT is what makes it one.
            let needle = secret.rsplit('.').next().unwrap_or(secret).as_bytes();
            let found = bytes.windows(needle.len()).position(|window| window == needle);
            if let Some(at) = found {
                let around = &bytes[at.saturating_sub(200)..(at + 20).min(bytes.len())];
                panic!("{what} is in {place}: …{}…", String::from_utf8_lossy(around));
            }
        }
    }
}

/// Bodies and headers of answers that granted nothing.
#[derive(Default)]
pub(crate) struct Said(pub(crate) Vec<u8>);

impl Said {
    /// Notes an answer.
    pub(crate) fn hear(&mut self, reply: &HttpReply) {
        for (name, value) in &reply.headers {
            self.0.extend_from_slice(format!("{name}: ").as_bytes());
            self.0.extend_from_slice(value.as_bytes());
            self.0.push(b'\n');
        }
        self.0.extend_from_slice(&reply.body);
        self.0.push(b'\n');
    }
}

/// Shows every file below the folder.
pub(crate) fn every_file_below(folder: &Path, visit: &mut impl FnMut(&Path, Vec<u8>)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            every_file_below(&path, visit);
        } else {
            visit(&path, std::fs::read(&path).unwrap());
        }
    }
}

/// Every key and every value, whatever its type.
pub(crate) async fn redis_dump(redis: &RedisServer) -> Vec<u8> {
    fn flatten(reply: &RedisReply, into: &mut Vec<u8>) {
        match reply {
            RedisReply::Array(parts) => parts.iter().for_each(|part| flatten(part, into)),
            RedisReply::Bulk(bytes) => into.extend_from_slice(bytes),
            other => into.extend_from_slice(other.text().unwrap_or_default().as_bytes()),
        }
        into.push(b'\n');
    }
    let RedisReply::Array(keys) = redis.command(&["KEYS", "*"]).await.unwrap() else {
        panic!("no list")
    };
    let mut dump = Vec::new();
    for key in keys.iter().filter_map(RedisReply::text) {
        dump.extend_from_slice(key.as_bytes());
        let kind = redis.command(&["TYPE", &key]).await.unwrap().text().unwrap();
        let command: &[&str] = match kind.as_str() {
            "string" => &["GET", &key],
            "hash" => &["HGETALL", &key],
            "set" => &["SMEMBERS", &key],
            "zset" => &["ZRANGE", &key, "0", "-1"],
            "list" => &["LRANGE", &key, "0", "-1"],
            "stream" => &["XRANGE", &key, "-", "+"],
            other => panic!("{key} is a {other}"),
        };
        flatten(&redis.command(command).await.unwrap(), &mut dump);
    }
    assert!(
        dump.windows(8).any(|window| window == b"session:"),
        "the dump holds no session"
    );
    dump
}

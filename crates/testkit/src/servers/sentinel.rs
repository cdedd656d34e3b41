//! A real Redis under Sentinel: a master, two replicas and three Sentinels, with failovers within two or three seconds.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};
use tempfile::TempDir;

use super::redis::{RedisOptions, RedisServer};
use super::resp::{self, RedisReply};
use super::url_of;
use crate::child::{BEAT, Launch, PATIENCE, Spawned, find_program, tail};
use crate::ports::{free_port, loopback};

/// What the Sentinels call the master.
const SERVICE: &str = "gateway";

/// How many Redis servers, and how many Sentinels.
const COUNT: usize = 3;

/// What makes Sentinels quick: they look at each other, and elect, in tenths of seconds. Under a failover they ask
/// replicas once a second, and take none of which they heard for five of these periods; so the periods may not be shorter.
const HURRY: [&str; 12] = [
    "info-period",
    "500",
    "ping-period",
    "400",
    "ask-period",
    "100",
    "publish-period",
    "100",
    "election-timeout",
    "1000",
    "min-link-reconnect-period",
    "100",
];

/// A master, two replicas and three Sentinels that watch them; killed on drop.
#[derive(Debug)]
pub struct RedisSentinels {
    servers: Vec<RedisServer>,
    sentinels: Vec<Sentinel>,
}

#[derive(Debug)]
struct Sentinel {
    process: Option<Spawned>,
    folder: TempDir,
    port: u16,
    password: Option<String>,
}

impl RedisSentinels {
    /// Starts them without persistence; returns when every Sentinel knows all the others and both replicas.
    ///
    /// # Errors
    /// When redis-server is not installed or they don't come to know each other.
    pub async fn start() -> Result<Self> {
        Self::start_with(RedisOptions::plain(), None).await
    }

    /// Starts them as told; the Sentinels ask for `sentinel_password` if there is one.
    ///
    /// # Errors
    /// As [`RedisSentinels::start`].
    pub async fn start_with(options: RedisOptions, sentinel_password: Option<&str>) -> Result<Self> {
        let options = match options.its_password() {
            Some(password) => options.clone().setting("masterauth", password),
            None => options,
        };
        let mut servers = vec![RedisServer::start_with(options.clone()).await?];
        for _ in 1..COUNT {
            servers.push(RedisServer::start_with(options.clone().replica_of(&servers[0])).await?);
        }
        let mut sentinels = Vec::new();
        for _ in 0..COUNT {
            sentinels.push(Sentinel::start(&servers[0], options.its_password(), sentinel_password).await?);
        }
        let deployment = Self { servers, sentinels };
        deployment.acquainted().await?;
        Ok(deployment)
    }

    /// Host and port of each Sentinel.
    pub fn nodes(&self) -> Vec<(String, u16)> {
        let ports = self.sentinels.iter().map(|sentinel| sentinel.port);
        ports.map(|port| ("127.0.0.1".to_owned(), port)).collect()
    }

    /// The name of the master that the Sentinels watch.
    pub fn service(&self) -> &'static str {
        SERVICE
    }

    /// `redis+sentinel://host:port,…/service`, with the password of Redis when one is set.
    pub fn url(&self) -> String {
        let nodes = url_of("redis+sentinel", self.servers[0].password(), &self.nodes());
        format!("{nodes}/{SERVICE}")
    }

    /// Which of the servers a majority of the Sentinels names as the master, if one does.
    pub async fn master(&self) -> Option<usize> {
        let mut votes = [0; COUNT];
        for sentinel in &self.sentinels {
            let named = sentinel.names().await;
            if let Some(index) = self
                .servers
                .iter()
                .position(|server| Some(server.port()) == named)
            {
                votes[index] += 1;
            }
        }
        votes.iter().position(|count| count * 2 > COUNT)
    }

    /// One of the three servers.
    pub fn server(&self, index: usize) -> &RedisServer {
        &self.servers[index]
    }

    /// One of the three servers, to kill or restart it. One that is restarted begins as a master, until the
    /// Sentinels make a replica of it.
    pub fn server_mut(&mut self, index: usize) -> &mut RedisServer {
        &mut self.servers[index]
    }

    /// SIGKILL for one of the Sentinels.
    pub fn kill_sentinel(&mut self, index: usize) {
        self.sentinels[index].process = None;
    }

    /// Freezes one of the Sentinels (SIGSTOP).
    pub fn pause_sentinel(&self, index: usize) {
        self.sentinels[index].process.iter().for_each(Spawned::pause);
    }

    /// Ends a [`RedisSentinels::pause_sentinel`].
    pub fn resume_sentinel(&self, index: usize) {
        self.sentinels[index].process.iter().for_each(Spawned::resume);
    }

    /// Waits until a majority names another master than `old`, and that one says so itself; which it is.
    ///
    /// # Errors
    /// When that takes longer than half a minute.
    pub async fn master_other_than(&self, old: usize) -> Result<usize> {
        let started = Instant::now();
        loop {
            if let Some(index) = self.master().await
                && index != old
                && is_master(&self.servers[index]).await
            {
                return Ok(index);
            }
            if started.elapsed() > PATIENCE {
                bail!("no failover:\n{}", self.sentinels[0].log());
            }
            tokio::time::sleep(BEAT).await;
        }
    }

    /// Orders a failover although nothing is broken; which server is the master then.
    ///
    /// # Errors
    /// When there is no master, or as [`RedisSentinels::master_other_than`].
    pub async fn failover(&self) -> Result<usize> {
        let old = self.master().await.context("there is no master")?;
        let order = ["SENTINEL", "FAILOVER", SERVICE];
        let started = Instant::now();
        // Refused while no replica was heard of lately, and given up if the chosen one is too slow.
        while self.sentinels[0].names().await == Some(self.servers[old].port()) {
            if started.elapsed() > PATIENCE {
                bail!("no failover:\n{}", self.sentinels[0].log());
            }
            let _ = self.sentinels[0].command(&order).await;
            tokio::time::sleep(BEAT).await;
        }
        self.master_other_than(old).await
    }

    async fn acquainted(&self) -> Result<()> {
        let started = Instant::now();
        for sentinel in &self.sentinels {
            while !sentinel.knows_all().await {
                if started.elapsed() > PATIENCE {
                    bail!("the Sentinels don't come to know each other:\n{}", sentinel.log());
                }
                tokio::time::sleep(BEAT).await;
            }
        }
        Ok(())
    }
}

impl Sentinel {
    async fn start(master: &RedisServer, redis: Option<&str>, own: Option<&str>) -> Result<Self> {
        let mut fault = anyhow!("no port was tried");
        for _ in 0..3 {
            let mut sentinel = Self {
                process: None,
                folder: tempfile::Builder::new().prefix("maxlab-sentinel-").tempdir()?,
                port: free_port(),
                password: own.map(str::to_owned),
            };
            match sentinel.launch(master.port(), redis).await {
                Ok(()) => return Ok(sentinel),
                Err(clash) if clash.to_string().contains("Address already in use") => fault = clash,
                Err(other) => return Err(other),
            }
        }
        Err(fault)
    }

    async fn launch(&mut self, master: u16, redis: Option<&str>) -> Result<()> {
        let program = find_program("redis-server")
            .context("redis-server is not installed: apt-get install redis-server (Debian)")?;
        let config = self.folder.path().join("sentinel.conf");
        let mut lines = vec![
            format!("port {}", self.port),
            "bind 127.0.0.1".to_owned(),
            "daemonize no".to_owned(),
            format!("sentinel monitor {SERVICE} 127.0.0.1 {master} 2"),
            format!("sentinel down-after-milliseconds {SERVICE} 1000"),
            format!("sentinel failover-timeout {SERVICE} 3000"),
        ];
        lines.extend(redis.map(|password| format!("sentinel auth-pass {SERVICE} {password}")));
        if let Some(password) = &self.password {
            lines.push(format!("requirepass {password}"));
            lines.push(format!("sentinel sentinel-pass {password}"));
        }
        std::fs::write(&config, lines.join("\n"))?;
        let process = Launch::new(program, self.folder.path())
            .args([config.as_os_str(), "--sentinel".as_ref()])
            .start()?;
        let started = Instant::now();
        while self.command(&["PING"]).await.is_err() {
            if let Some(status) = process.exited() {
                bail!("the Sentinel ended with {status}:\n{}", self.log());
            }
            if started.elapsed() > PATIENCE {
                bail!("the Sentinel does not answer:\n{}", self.log());
            }
            tokio::time::sleep(BEAT).await;
        }
        let hurry: Vec<_> = ["SENTINEL", "DEBUG"].into_iter().chain(HURRY).collect();
        self.command(&hurry).await?;
        self.process = Some(process);
        Ok(())
    }

    async fn command(&self, parts: &[&str]) -> Result<RedisReply> {
        resp::ask_as(self.addr(), self.password.as_deref(), parts).await
    }

    fn addr(&self) -> SocketAddr {
        loopback(self.port)
    }

    /// The port of the master as this Sentinel sees it.
    async fn names(&self) -> Option<u16> {
        self.process.as_ref()?;
        let answer = self
            .command(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE])
            .await;
        match answer {
            Ok(RedisReply::Array(parts)) => parts.get(1)?.text()?.parse().ok(),
            _ => None,
        }
    }

    async fn knows_all(&self) -> bool {
        let Ok(RedisReply::Array(parts)) = self.command(&["SENTINEL", "MASTER", SERVICE]).await else {
            return false;
        };
        let texts: Vec<_> = parts.iter().filter_map(RedisReply::text).collect();
        let says = |name: &str, value: &str| texts.chunks(2).any(|pair| pair == [name, value]);
        says("num-slaves", "2") && says("num-other-sentinels", "2") && says("flags", "master")
    }

    fn log(&self) -> String {
        tail(&self.folder.path().join("log"))
    }
}

async fn is_master(server: &RedisServer) -> bool {
    match server.command(&["ROLE"]).await {
        Ok(RedisReply::Array(parts)) => parts.first().and_then(RedisReply::text).as_deref() == Some("master"),
        _ => false,
    }
}

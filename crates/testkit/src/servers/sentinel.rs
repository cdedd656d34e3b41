//! Real Redis under Sentinel: a master, two replicas and three Sentinels. A failover takes two or three
//! seconds.

use std::net::SocketAddr;

use anyhow::{Context, Result, anyhow, ensure};
use tempfile::TempDir;

use super::redis::{RedisOptions, RedisServer};
use super::resp::{self, RedisReply};
use super::url_of;
use crate::child::{ChildCommand, ChildProcess, POLL_TIMEOUT, find_program, log_tail};
use crate::ports::{free_port, loopback};
use crate::wait;

/// Name of the master at the Sentinels.
const SERVICE: &str = "gateway";

/// Number of Redis servers, and of Sentinels.
const COUNT: usize = 3;

/// Timings (in milliseconds) with which Sentinels check each other, and elect, in tenths of a second.
// During a failover, Sentinels ask replicas once a second, and choose no replica that was silent for five of
// these periods. So the periods must not be shorter.
const FAST_TIMINGS: [&str; 12] = [
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

/// A master, two replicas and three Sentinels that watch them. Killed on drop.
#[derive(Debug)]
pub struct RedisSentinels {
    servers: Vec<RedisServer>,
    sentinels: Vec<SentinelProcess>,
}

#[derive(Debug)]
struct SentinelProcess {
    process: Option<ChildProcess>,
    folder: TempDir,
    port: u16,
    password: Option<String>,
}

impl RedisSentinels {
    /// Starts them without persistence. Returns when every Sentinel knows the other Sentinels and both
    /// replicas.
    ///
    /// # Errors
    /// If redis-server is not installed, or if they do not find each other in time.
    pub async fn start() -> Result<Self> {
        Self::start_with(RedisOptions::plain(), None).await
    }

    /// Starts them with these options. The Sentinels require `sentinel_password` if there is one.
    ///
    /// # Errors
    /// As [`RedisSentinels::start`].
    pub async fn start_with(options: RedisOptions, sentinel_password: Option<&str>) -> Result<Self> {
        // Every server may become a replica, and must then authenticate at the new master.
        let options = match options.configured_password() {
            Some(password) => options.clone().setting("masterauth", password),
            None => options,
        };
        let mut servers = vec![RedisServer::start_with(options.clone()).await?];
        for _ in 1..COUNT {
            servers.push(RedisServer::start_with(options.clone().replica_of(&servers[0])).await?);
        }
        let mut sentinels = Vec::new();
        for _ in 0..COUNT {
            sentinels.push(
                SentinelProcess::start(&servers[0], options.configured_password(), sentinel_password).await?,
            );
        }
        let deployment = Self { servers, sentinels };
        deployment.wait_until_acquainted().await?;
        Ok(deployment)
    }

    /// Returns host and port of each Sentinel.
    pub fn nodes(&self) -> Vec<(String, u16)> {
        let ports = self.sentinels.iter().map(|sentinel| sentinel.port);
        ports.map(|port| ("127.0.0.1".to_owned(), port)).collect()
    }

    /// Returns the name of the master that the Sentinels watch.
    pub fn service(&self) -> &'static str {
        SERVICE
    }

    /// Returns `redis+sentinel://host:port,…/service`, with the password of Redis if one is set.
    pub fn url(&self) -> String {
        let nodes = url_of("redis+sentinel", self.servers[0].password(), &self.nodes());
        format!("{nodes}/{SERVICE}")
    }

    /// Returns the index of the server that a majority of the Sentinels names as the master; `None` without a
    /// majority.
    pub async fn master(&self) -> Option<usize> {
        let mut votes = [0; COUNT];
        for sentinel in &self.sentinels {
            let reported = sentinel.reported_master_port().await;
            if let Some(index) = self
                .servers
                .iter()
                .position(|server| Some(server.port()) == reported)
            {
                votes[index] += 1;
            }
        }
        // Of all three, also if one was killed: the gateway counts in the same way.
        votes.iter().position(|count| count * 2 > COUNT)
    }

    /// Returns one of the three servers.
    pub fn server(&self, index: usize) -> &RedisServer {
        &self.servers[index]
    }

    /// Returns one of the three servers, to kill or restart it. A restarted master is a master again until
    /// the Sentinels make it a replica.
    pub fn server_mut(&mut self, index: usize) -> &mut RedisServer {
        &mut self.servers[index]
    }

    /// Kills one of the Sentinels (SIGKILL).
    pub fn kill_sentinel(&mut self, index: usize) {
        self.sentinels[index].process = None;
    }

    /// Freezes one of the Sentinels (SIGSTOP).
    pub fn pause_sentinel(&self, index: usize) {
        self.sentinels[index].process.iter().for_each(ChildProcess::pause);
    }

    /// Ends a [`RedisSentinels::pause_sentinel`].
    pub fn resume_sentinel(&self, index: usize) {
        self.sentinels[index]
            .process
            .iter()
            .for_each(ChildProcess::resume);
    }

    /// Waits until a majority names a master other than `old`, and that server reports the role itself.
    /// Returns its index.
    ///
    /// # Errors
    /// If that takes longer than 30 s.
    pub async fn wait_for_new_master(&self, old: usize) -> Result<usize> {
        wait::poll_within(POLL_TIMEOUT, async || {
            let index = self.master().await?;
            (index != old && is_master(&self.servers[index]).await).then_some(index)
        })
        .await
        .with_context(|| format!("no failover:\n{}", self.sentinels[0].log()))
    }

    /// Forces a failover although all servers work. Returns the index of the new master.
    ///
    /// # Errors
    /// If there is no master, or as [`RedisSentinels::wait_for_new_master`].
    pub async fn failover(&self) -> Result<usize> {
        let old = self.master().await.context("the Sentinels agree on no master")?;
        let command = ["SENTINEL", "FAILOVER", SERVICE];
        // Repeated: a Sentinel refuses while it has no recent answer of a replica, and gives up if the chosen
        // one is slow.
        let begun = wait::holds_within(POLL_TIMEOUT, async || {
            if self.sentinels[0].reported_master_port().await != Some(self.servers[old].port()) {
                return true;
            }
            let _ = self.sentinels[0].command(&command).await;
            false
        });
        ensure!(begun.await, "no failover:\n{}", self.sentinels[0].log());
        self.wait_for_new_master(old).await
    }

    async fn wait_until_acquainted(&self) -> Result<()> {
        for sentinel in &self.sentinels {
            ensure!(
                wait::holds_within(POLL_TIMEOUT, async || sentinel.knows_all().await).await,
                "the Sentinels did not find each other in time:\n{}",
                sentinel.log()
            );
        }
        Ok(())
    }
}

impl SentinelProcess {
    async fn start(
        master: &RedisServer,
        redis_password: Option<&str>,
        own_password: Option<&str>,
    ) -> Result<Self> {
        let mut fault = anyhow!("no port was tried");
        for _ in 0..3 {
            let mut sentinel = Self {
                process: None,
                folder: tempfile::Builder::new().prefix("maxlab-sentinel-").tempdir()?,
                port: free_port(),
                password: own_password.map(str::to_owned),
            };
            match sentinel.launch(master.port(), redis_password).await {
                Ok(()) => return Ok(sentinel),
                Err(clash) if clash.to_string().contains("Address already in use") => fault = clash,
                Err(other) => return Err(other),
            }
        }
        Err(fault)
    }

    async fn launch(&mut self, master_port: u16, redis_password: Option<&str>) -> Result<()> {
        let program = find_program("redis-server")
            .context("redis-server is not installed: apt-get install redis-server (Debian)")?;
        let config = self.folder.path().join("sentinel.conf");
        let mut lines = vec![
            format!("port {}", self.port),
            "bind 127.0.0.1".to_owned(),
            "daemonize no".to_owned(),
            // Two of three must agree that the master is down.
            format!("sentinel monitor {SERVICE} 127.0.0.1 {master_port} 2"),
            format!("sentinel down-after-milliseconds {SERVICE} 1000"),
            format!("sentinel failover-timeout {SERVICE} 3000"),
        ];
        lines.extend(redis_password.map(|password| format!("sentinel auth-pass {SERVICE} {password}")));
        if let Some(password) = &self.password {
            // Both: the first is for clients, the second is what this Sentinel sends to the others.
            lines.push(format!("requirepass {password}"));
            lines.push(format!("sentinel sentinel-pass {password}"));
        }
        std::fs::write(&config, lines.join("\n"))?;
        let process = ChildCommand::new(program, self.folder.path())
            .args([config.as_os_str(), "--sentinel".as_ref()])
            .spawn()?;
        let answers = async || self.command(&["PING"]).await.is_ok();
        process
            .wait_until_ready("the Sentinel", POLL_TIMEOUT, || self.log(), answers)
            .await?;
        // Not in the configuration file: these timings exist for tests only (`SENTINEL DEBUG`).
        let set_timings: Vec<_> = ["SENTINEL", "DEBUG"].into_iter().chain(FAST_TIMINGS).collect();
        self.command(&set_timings).await?;
        self.process = Some(process);
        Ok(())
    }

    async fn command(&self, parts: &[&str]) -> Result<RedisReply> {
        resp::send_command(self.addr(), self.password.as_deref(), parts).await
    }

    fn addr(&self) -> SocketAddr {
        loopback(self.port)
    }

    /// Returns the port of the master that this Sentinel reports; `None` if it was killed.
    async fn reported_master_port(&self) -> Option<u16> {
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
        // A flat list of names and values.
        let texts: Vec<_> = parts.iter().filter_map(RedisReply::text).collect();
        let has = |name: &str, value: &str| texts.chunks(2).any(|pair| pair == [name, value]);
        // `flags` has further words while the master counts as down.
        has("num-slaves", "2") && has("num-other-sentinels", "2") && has("flags", "master")
    }

    fn log(&self) -> String {
        log_tail(&self.folder.path().join("log"))
    }
}

async fn is_master(server: &RedisServer) -> bool {
    match server.command(&["ROLE"]).await {
        Ok(RedisReply::Array(parts)) => parts.first().and_then(RedisReply::text).as_deref() == Some("master"),
        _ => false,
    }
}

//! A real Redis Cluster: three masters, each with a replica if a test wants failovers.

use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::redis::{RedisOptions, RedisServer};
use super::resp::RedisReply;
use super::url_of;
use crate::child::{BEAT, PATIENCE};
use crate::ports::free_port;

const MASTERS: usize = 3;
const SLOTS: usize = 16_384;

/// Three masters that share the slots, and perhaps their replicas; killed on drop.
#[derive(Debug)]
pub struct RedisCluster {
    /// The masters first, then their replicas in the same order.
    servers: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts three masters without replicas and without persistence; returns when all say that the cluster is well.
    ///
    /// # Errors
    /// When redis-server is not installed or they don't come together.
    pub async fn start() -> Result<Self> {
        Self::start_with(RedisOptions::plain(), 0).await
    }

    /// Starts three masters and a replica of each.
    ///
    /// # Errors
    /// As [`RedisCluster::start`].
    pub async fn start_with_replicas() -> Result<Self> {
        Self::start_with(RedisOptions::plain(), 1).await
    }

    /// Starts them as told, with so many replicas of each master.
    ///
    /// # Errors
    /// As [`RedisCluster::start`].
    pub async fn start_with(options: RedisOptions, replicas: usize) -> Result<Self> {
        let mut servers = Vec::new();
        for _ in 0..MASTERS * (1 + replicas) {
            servers.push(Self::node(options.clone()).await?);
        }
        let cluster = Self { servers };
        cluster.give_slots().await?;
        cluster.introduce().await?;
        cluster.all_well().await?;
        cluster.attach_replicas().await?;
        Ok(cluster)
    }

    /// One more empty master, which belongs to no cluster until it is [introduced](Self::join).
    async fn node(options: RedisOptions) -> Result<RedisServer> {
        let options = match options.its_password() {
            Some(password) => options.clone().setting("masterauth", password),
            None => options,
        };
        let options = options
            .setting("cluster-enabled", "yes")
            .setting("cluster-node-timeout", "1000")
            .setting("cluster-allow-replica-migration", "no")
            .setting("cluster-port", &free_port().to_string());
        RedisServer::start_with(options).await
    }

    /// Host and port of each master, as they were at the start.
    pub fn nodes(&self) -> Vec<(String, u16)> {
        let masters = self.servers.iter().take(MASTERS);
        masters
            .map(|server| ("127.0.0.1".to_owned(), server.port()))
            .collect()
    }

    /// `redis+cluster://host:port,…`, with the password when one is set.
    pub fn url(&self) -> String {
        url_of("redis+cluster", self.servers[0].password(), &self.nodes())
    }

    /// The servers: the masters of the start, then their replicas in the same order, then whoever joined.
    pub fn servers(&self) -> &[RedisServer] {
        &self.servers
    }

    /// One of them, to kill or restart it.
    pub fn server_mut(&mut self, index: usize) -> &mut RedisServer {
        &mut self.servers[index]
    }

    /// Removes every key of every master.
    ///
    /// # Errors
    /// When one can't be asked.
    pub async fn flush_all(&self) -> Result<()> {
        for server in &self.servers {
            if is_master(server).await? {
                server.flush_all().await?;
            }
        }
        Ok(())
    }

    /// Sends one command to the master that has `key`.
    ///
    /// # Errors
    /// When it can't be reached or answers with an error.
    pub async fn command(&self, key: &str, parts: &[&str]) -> Result<RedisReply> {
        self.servers[self.owner(key).await?].command(parts).await
    }

    /// Which of the servers has `key`.
    ///
    /// # Errors
    /// When the cluster can't be asked, or no master has it.
    pub async fn owner(&self, key: &str) -> Result<usize> {
        for (index, server) in self.servers.iter().enumerate() {
            // Only the owner answers, and a replica is told apart by its role.
            if server.pid().is_some()
                && is_master(server).await.unwrap_or(false)
                && server.command(&["EXISTS", key]).await.is_ok()
            {
                return Ok(index);
            }
        }
        bail!("no master has {key}")
    }

    /// Starts one more master and makes it known to all; it has no slots. Its index among the servers.
    ///
    /// # Errors
    /// As [`RedisCluster::start`].
    pub async fn join(&mut self) -> Result<usize> {
        self.servers.push(Self::node(RedisOptions::plain()).await?);
        self.introduce().await?;
        self.all_well().await?;
        Ok(self.servers.len() - 1)
    }

    /// Marks the slot of `key` as leaving for another server, so that what is not there any more is asked for with ASK.
    ///
    /// # Errors
    /// When one of the two can't be asked.
    pub async fn begin_move(&self, key: &str, from: usize, to: usize) -> Result<()> {
        let slot = self.slot(key).await?;
        let (from_id, to_id) = (self.id(from).await?, self.id(to).await?);
        let importing = ["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id];
        self.servers[to].command(&importing).await?;
        let migrating = ["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id];
        self.servers[from].command(&migrating).await?;
        Ok(())
    }

    /// Moves one key, after [`begin_move`](Self::begin_move).
    ///
    /// # Errors
    /// When it is not there, or the other server does not take it.
    pub async fn migrate(&self, key: &str, from: usize, to: usize) -> Result<()> {
        let port = self.servers[to].port().to_string();
        let migrate = ["MIGRATE", "127.0.0.1", &port, key, "0", "5000"];
        self.servers[from].command(&migrate).await.map(drop)
    }

    /// Gives the slot of `key` to another server for good.
    ///
    /// # Errors
    /// When one of the two can't be asked.
    pub async fn end_move(&self, key: &str, from: usize, to: usize) -> Result<()> {
        let slot = self.slot(key).await?;
        let to_id = self.id(to).await?;
        for index in [to, from] {
            let node = ["CLUSTER", "SETSLOT", &slot, "NODE", &to_id];
            self.servers[index].command(&node).await?;
        }
        Ok(())
    }

    async fn slot(&self, key: &str) -> Result<String> {
        let slot = self.servers[0].command(&["CLUSTER", "KEYSLOT", key]).await?;
        slot.text().context("CLUSTER KEYSLOT answers a number")
    }

    async fn id(&self, index: usize) -> Result<String> {
        let id = self.servers[index].command(&["CLUSTER", "MYID"]).await?;
        id.text().context("CLUSTER MYID answers a name")
    }

    async fn give_slots(&self) -> Result<()> {
        for (index, server) in self.servers.iter().enumerate() {
            let epoch = (index + 1).to_string();
            server.command(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).await?;
            if index < MASTERS {
                let first = (index * SLOTS / MASTERS).to_string();
                let last = ((index + 1) * SLOTS / MASTERS - 1).to_string();
                server
                    .command(&["CLUSTER", "ADDSLOTSRANGE", &first, &last])
                    .await?;
            }
        }
        Ok(())
    }

    /// Tells the first server of all others, and waits until each knows them all.
    async fn introduce(&self) -> Result<()> {
        for server in &self.servers[1..] {
            let RedisReply::Array(bus) = server.command(&["CONFIG", "GET", "cluster-port"]).await? else {
                bail!("CONFIG GET answers a list")
            };
            let bus = bus
                .get(1)
                .and_then(RedisReply::text)
                .context("it has a cluster-port")?;
            let meet = ["CLUSTER", "MEET", "127.0.0.1", &server.port().to_string(), &bus];
            self.servers[0].command(&meet).await?;
        }
        let count = format!("cluster_known_nodes:{}", self.servers.len());
        self.until(async |server| {
            let info = server.command(&["CLUSTER", "INFO"]).await?;
            Ok(info.text().is_some_and(|info| info.contains(&count)))
        })
        .await
    }

    async fn all_well(&self) -> Result<()> {
        self.until(async |server| {
            let info = server.command(&["CLUSTER", "INFO"]).await?;
            Ok(info.text().is_some_and(|info| info.contains("cluster_state:ok")))
        })
        .await
    }

    async fn attach_replicas(&self) -> Result<()> {
        for index in MASTERS..self.servers.len() {
            let master = self.id(index % MASTERS).await?;
            self.servers[index]
                .command(&["CLUSTER", "REPLICATE", &master])
                .await?;
        }
        self.until(async |server| {
            let info = server.command(&["INFO", "replication"]).await?;
            let info = info.text().unwrap_or_default();
            Ok(info.contains("role:master") || info.contains("master_link_status:up"))
        })
        .await?;
        // A replica takes over only from a master that all the others know to be its own.
        let replicas = (self.servers.len() - MASTERS) / MASTERS;
        self.until(async |server| {
            let RedisReply::Array(ranges) = server.command(&["CLUSTER", "SLOTS"]).await? else {
                bail!("CLUSTER SLOTS answers a list")
            };
            Ok(ranges
                .iter()
                .all(|range| matches!(range, RedisReply::Array(parts) if parts.len() == 3 + replicas)))
        })
        .await
    }

    async fn until(&self, holds: impl AsyncFn(&RedisServer) -> Result<bool>) -> Result<()> {
        let started = Instant::now();
        for server in &self.servers {
            while !holds(server).await? {
                if started.elapsed() > PATIENCE {
                    bail!("the cluster on port {} does not come together", server.port());
                }
                tokio::time::sleep(BEAT).await;
            }
        }
        Ok(())
    }
}

async fn is_master(server: &RedisServer) -> Result<bool> {
    let info = server.command(&["INFO", "replication"]).await?;
    Ok(info.text().is_some_and(|info| info.contains("role:master")))
}

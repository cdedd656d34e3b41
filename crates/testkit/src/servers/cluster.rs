//! Real Redis Cluster: three masters, each with a replica if a test needs failovers.

use anyhow::{Context, Result, bail};

use super::redis::{RedisOptions, RedisServer};
use super::resp::RedisReply;
use super::url_of;
use crate::child::POLL_TIMEOUT;
use crate::ports::free_port;
use crate::wait;

/// Number of masters; the least for which Redis can hold an election.
const MASTERS: usize = 3;
/// Number of slots, fixed by Redis.
const SLOT_COUNT: usize = 16_384;

/// Three masters that share the slots, with their replicas if there are any. Killed on drop.
#[derive(Debug)]
pub struct RedisCluster {
    /// The masters first, then their replicas in the same order, then masters that joined.
    servers: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts three masters without replicas and without persistence. Returns when all of them report a
    /// healthy cluster.
    ///
    /// # Errors
    /// If redis-server is not installed, or if the masters form no cluster in time.
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

    /// Starts three masters with these options, and `replicas` replicas of each.
    ///
    /// # Errors
    /// As [`RedisCluster::start`].
    pub async fn start_with(options: RedisOptions, replicas: usize) -> Result<Self> {
        let mut servers = Vec::new();
        for _ in 0..MASTERS * (1 + replicas) {
            servers.push(Self::start_node(options.clone()).await?);
        }
        let cluster = Self { servers };
        // Slots and epochs first: an epoch can be set only while a node knows no others.
        cluster.assign_slots().await?;
        cluster.meet_nodes().await?;
        cluster.wait_until_healthy().await?;
        cluster.attach_replicas().await?;
        Ok(cluster)
    }

    /// Starts one empty master, which belongs to no cluster until [`meet_nodes`](Self::meet_nodes).
    async fn start_node(options: RedisOptions) -> Result<RedisServer> {
        // A replica authenticates at its master with the same password.
        let options = match options.configured_password() {
            Some(password) => options.clone().setting("masterauth", password),
            None => options,
        };
        let options = options
            .setting("cluster-enabled", "yes")
            // In milliseconds: short, so that a failover takes a test one or two seconds.
            .setting("cluster-node-timeout", "1000")
            // A replica that moved to another master would make a test's indices wrong.
            .setting("cluster-allow-replica-migration", "no")
            // By default it is the port plus 10,000, which may be another test's.
            .setting("cluster-port", &free_port().to_string());
        RedisServer::start_with(options).await
    }

    /// Returns host and port of each server that was a master at the start.
    pub fn nodes(&self) -> Vec<(String, u16)> {
        let masters = self.servers.iter().take(MASTERS);
        masters
            .map(|server| ("127.0.0.1".to_owned(), server.port()))
            .collect()
    }

    /// Returns `redis+cluster://host:port,…`, with the password if one is set.
    pub fn url(&self) -> String {
        url_of("redis+cluster", self.servers[0].password(), &self.nodes())
    }

    /// Returns the servers: the masters of the start, then their replicas in the same order, then masters
    /// that joined.
    pub fn servers(&self) -> &[RedisServer] {
        &self.servers
    }

    /// Returns one of the servers, to kill or restart it.
    pub fn server_mut(&mut self, index: usize) -> &mut RedisServer {
        &mut self.servers[index]
    }

    /// Removes every key of every master.
    ///
    /// # Errors
    /// If a server cannot be reached.
    pub async fn flush_all(&self) -> Result<()> {
        for server in &self.servers {
            // A replica refuses writes. It gets the flush from its master.
            if is_master(server).await? {
                server.flush_all().await?;
            }
        }
        Ok(())
    }

    /// Sends one command to the master that has `key`.
    ///
    /// # Errors
    /// If the master cannot be reached or answers with an error.
    pub async fn command(&self, key: &str, parts: &[&str]) -> Result<RedisReply> {
        self.servers[self.owner(key).await?].command(parts).await
    }

    /// Returns the index of the master that has the slot of `key`.
    ///
    /// # Errors
    /// If no running master has it.
    pub async fn owner(&self, key: &str) -> Result<usize> {
        for (index, server) in self.servers.iter().enumerate() {
            // Every other master answers MOVED, which is an error here. A replica answers for its master's
            // slots, so its role is checked.
            if server.pid().is_some()
                && is_master(server).await.unwrap_or(false)
                && server.command(&["EXISTS", key]).await.is_ok()
            {
                return Ok(index);
            }
        }
        bail!("no master has {key}")
    }

    /// Starts one more master, without slots, and makes it known to all. Returns its index.
    ///
    /// # Errors
    /// As [`RedisCluster::start`].
    pub async fn join(&mut self) -> Result<usize> {
        self.servers.push(Self::start_node(RedisOptions::plain()).await?);
        self.meet_nodes().await?;
        self.wait_until_healthy().await?;
        Ok(self.servers.len() - 1)
    }

    /// Begins to move the slot of `key` to another server: for keys that have moved, the old server answers
    /// ASK.
    ///
    /// # Errors
    /// If one of the two cannot be reached.
    pub async fn begin_move(&self, key: &str, from: usize, to: usize) -> Result<()> {
        let slot = self.slot(key).await?;
        let (from_id, to_id) = (self.id(from).await?, self.id(to).await?);
        // The target first, as Redis documents it: it must accept the slot before a client is sent there.
        let importing = ["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id];
        self.servers[to].command(&importing).await?;
        let migrating = ["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id];
        self.servers[from].command(&migrating).await?;
        Ok(())
    }

    /// Moves one key, after [`begin_move`](Self::begin_move).
    ///
    /// # Errors
    /// If the key is not at `from`, or if `to` does not accept it.
    pub async fn migrate(&self, key: &str, from: usize, to: usize) -> Result<()> {
        let port = self.servers[to].port().to_string();
        let migrate = ["MIGRATE", "127.0.0.1", &port, key, "0", "5000"];
        self.servers[from].command(&migrate).await.map(drop)
    }

    /// Assigns the slot of `key` to another server for good.
    ///
    /// # Errors
    /// If one of the two cannot be reached.
    pub async fn end_move(&self, key: &str, from: usize, to: usize) -> Result<()> {
        let slot = self.slot(key).await?;
        let to_id = self.id(to).await?;
        // The new owner first: otherwise the slot has no owner for a moment.
        for index in [to, from] {
            let node = ["CLUSTER", "SETSLOT", &slot, "NODE", &to_id];
            self.servers[index].command(&node).await?;
        }
        Ok(())
    }

    async fn slot(&self, key: &str) -> Result<String> {
        let slot = self.servers[0].command(&["CLUSTER", "KEYSLOT", key]).await?;
        slot.text().context("CLUSTER KEYSLOT did not answer a number")
    }

    async fn id(&self, index: usize) -> Result<String> {
        let id = self.servers[index].command(&["CLUSTER", "MYID"]).await?;
        id.text().context("CLUSTER MYID did not answer a name")
    }

    async fn assign_slots(&self) -> Result<()> {
        for (index, server) in self.servers.iter().enumerate() {
            // Different for each node: with equal epochs, two nodes could not decide which of them has a
            // slot.
            let epoch = (index + 1).to_string();
            server.command(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).await?;
            if index < MASTERS {
                let first = (index * SLOT_COUNT / MASTERS).to_string();
                let last = ((index + 1) * SLOT_COUNT / MASTERS - 1).to_string();
                server
                    .command(&["CLUSTER", "ADDSLOTSRANGE", &first, &last])
                    .await?;
            }
        }
        Ok(())
    }

    /// Introduces all other servers to the first one, and waits until each knows them all.
    async fn meet_nodes(&self) -> Result<()> {
        for server in &self.servers[1..] {
            let RedisReply::Array(bus) = server.command(&["CONFIG", "GET", "cluster-port"]).await? else {
                bail!("CONFIG GET did not answer a list")
            };
            let bus = bus
                .get(1)
                .and_then(RedisReply::text)
                .context("the server has no cluster-port")?;
            let meet = ["CLUSTER", "MEET", "127.0.0.1", &server.port().to_string(), &bus];
            self.servers[0].command(&meet).await?;
        }
        let count = format!("cluster_known_nodes:{}", self.servers.len());
        self.wait_until_all(async |server| {
            let info = server.command(&["CLUSTER", "INFO"]).await?;
            Ok(info.text().is_some_and(|info| info.contains(&count)))
        })
        .await
    }

    async fn wait_until_healthy(&self) -> Result<()> {
        self.wait_until_all(async |server| {
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
        self.wait_until_all(async |server| {
            let info = server.command(&["INFO", "replication"]).await?;
            let info = info.text().unwrap_or_default();
            Ok(info.contains("role:master") || info.contains("master_link_status:up"))
        })
        .await?;
        // A replica can take over only if all other nodes know which master it belongs to. SLOTS lists two
        // numbers and then the nodes of each range.
        let replicas = (self.servers.len() - MASTERS) / MASTERS;
        self.wait_until_all(async |server| {
            let RedisReply::Array(ranges) = server.command(&["CLUSTER", "SLOTS"]).await? else {
                bail!("CLUSTER SLOTS did not answer a list")
            };
            Ok(ranges
                .iter()
                .all(|range| matches!(range, RedisReply::Array(parts) if parts.len() == 3 + replicas)))
        })
        .await
    }

    async fn wait_until_all(&self, condition: impl AsyncFn(&RedisServer) -> Result<bool>) -> Result<()> {
        for server in &self.servers {
            wait::poll_within(POLL_TIMEOUT, async || match condition(server).await {
                Ok(holds) => holds.then_some(Ok(())),
                Err(fault) => Some(Err(fault)),
            })
            .await
            .with_context(|| {
                format!(
                    "the node on port {} did not join the cluster in time",
                    server.port()
                )
            })??;
        }
        Ok(())
    }
}

async fn is_master(server: &RedisServer) -> Result<bool> {
    let info = server.command(&["INFO", "replication"]).await?;
    Ok(info.text().is_some_and(|info| info.contains("role:master")))
}

//! Redis Cluster: several masters that share the slots.
//!
//! The client uses the masters of a slot map that a majority of them has while they report
//! `cluster_state:ok`. The map is given up together with any of its connections: most operations need several
//! masters, and the identity needs all.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::future::{join_all, try_join_all};
use futures::stream::FuturesUnordered;
use maxlab_auth_core::unavailable::Unavailable;
use redis::{ConnectionAddr, FromRedisValue, Value};
use tokio::time::timeout;

use super::dialer::RedisDialer;
use super::failure::{RedisFailure, unexpected_reply};
use super::masters::{ConnectedMasters, MasterConnection};
use super::slots::SlotMap;
use super::topology::{RedisTopology, TopologyError};
use crate::redis::nodes::RedisNodes;

/// Time limit for one server's answer about the Cluster.
const QUERY_LIMIT: Duration = Duration::from_millis(500);

/// Interval at which the masters are asked for their map. It bounds how late a failover is noticed.
const CONFIRM_INTERVAL: Duration = Duration::from_millis(500);

/// The topology of a Cluster.
pub(super) struct ClusterTopology {
    seeds: Vec<ConnectionAddr>,
    /// Masters of the last map. They may be reachable when no server in the URL is any more.
    known_masters: Mutex<Vec<ConnectionAddr>>,
    dialer: RedisDialer,
}

/// Slot ranges and their masters, as one server reports them (`CLUSTER SLOTS`).
#[derive(Clone, Debug, PartialEq, Eq)]
struct ClusterMap {
    /// First slot, last slot and node name of the master; sorted.
    ranges: Vec<(u16, u16, Arc<str>)>,
    /// Address of each master by its node name.
    addresses: BTreeMap<Arc<str>, ConnectionAddr>,
}

impl ClusterTopology {
    pub(super) fn new(nodes: &RedisNodes) -> Self {
        let dialer = RedisDialer::from_nodes(nodes).without_database();
        let seeds = nodes.nodes.iter();
        Self {
            seeds: seeds.map(|(host, port)| dialer.address(host, *port)).collect(),
            known_masters: Mutex::default(),
            dialer,
        }
    }

    /// Returns the addresses to ask for the map: the known masters, then the servers in the URL.
    fn candidate_addresses(&self) -> Vec<ConnectionAddr> {
        let mut all = self
            .known_masters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for seed in &self.seeds {
            if !all.contains(seed) {
                all.push(seed.clone());
            }
        }
        all
    }

    /// Asks one server for its map.
    async fn fetch_map(&self, address: ConnectionAddr) -> Result<ClusterMap, RedisFailure> {
        let query = async {
            let mut connection = self.dialer.dial(&address, Some(QUERY_LIMIT)).await?;
            let slots: Value = redis::cmd("CLUSTER")
                .arg("SLOTS")
                .query_async(&mut connection)
                .await?;
            ClusterMap::parse(slots, &address, &self.dialer).ok_or_else(unexpected_reply)
        };
        timeout(QUERY_LIMIT, query).await.unwrap_or_else(|_| {
            Err(RedisFailure::connection_fault(
                "no server of the Cluster answered in time",
            ))
        })
    }

    /// Connects to the masters of a map. A majority of them must have the same map.
    async fn connect_masters(&self, map: &ClusterMap) -> Result<ConnectedMasters, Unavailable> {
        let slots = map
            .slot_map()
            .ok_or_else(|| Unavailable::store("some slots of the Cluster have no master"))?;
        // All masters or none: an operation on several slots needs them all.
        let masters = map.addresses.iter().map(|(node, address)| {
            MasterConnection::connect(&self.dialer, address.clone(), Some(Arc::clone(node)))
        });
        let servers = ConnectedMasters::sharded(try_join_all(masters).await?, slots);
        // Remembered only after the confirmation: a wrong map must not become a source of addresses.
        self.confirm(&servers).await?;
        *self.known_masters.lock().unwrap_or_else(PoisonError::into_inner) =
            map.addresses.values().cloned().collect();
        Ok(servers)
    }

    /// Reports whether a master has this map and reports a healthy Cluster.
    async fn is_agreeing(
        &self,
        master: &MasterConnection,
        slots: &SlotMap,
        nodes: &[Option<Arc<str>>],
    ) -> Result<bool, RedisFailure> {
        // On the connection that the commands use, so that an answer is about the same server.
        let (mut map, mut info) = (redis::cmd("CLUSTER"), redis::cmd("CLUSTER"));
        let answers = master.query(&[map.arg("SLOTS"), info.arg("INFO")]).await?;
        let mut answers = answers.into_iter();
        let mut next = || match answers.next() {
            Some(Value::ServerError(refusal)) => Err(RedisFailure::from(&refusal)),
            Some(answer) => Ok(answer),
            None => Err(unexpected_reply()),
        };
        let their_map =
            ClusterMap::parse(next()?, &master.address, &self.dialer).ok_or_else(unexpected_reply)?;
        let info = String::from_redis_value(next()?).map_err(|_| unexpected_reply())?;
        let is_healthy = info.lines().any(|line| line.trim() == "cluster_state:ok");
        Ok(is_healthy && their_map.slot_map_for(nodes).as_ref() == Some(slots))
    }
}

#[async_trait]
impl RedisTopology for ClusterTopology {
    /// Connects to the masters of the first map that a majority of them confirms.
    async fn connect(&self) -> Result<ConnectedMasters, Unavailable> {
        // All are asked at the same time: a server that hangs does not delay the others.
        let addresses = self.candidate_addresses().into_iter();
        let mut queries: FuturesUnordered<_> = addresses.map(|address| self.fetch_map(address)).collect();
        let (mut tried_maps, mut failure) = (Vec::new(), None);
        while let Some(answer) = queries.next().await {
            let map = match answer {
                // Most servers report the same map. A second attempt with it would fail in the same way.
                Ok(map) if tried_maps.contains(&map) => continue,
                Ok(map) => map,
                Err(error) => {
                    failure.get_or_insert(error.cause);
                    continue;
                }
            };
            match self.connect_masters(&map).await {
                Ok(servers) => return Ok(servers),
                Err(fault) => failure = Some(fault),
            }
            tried_maps.push(map);
        }
        Err(failure.unwrap_or_else(|| Unavailable::store("the URL names no server of the Cluster")))
    }

    /// Succeeds if a majority of these masters has this map and reports a healthy Cluster.
    async fn confirm(&self, servers: &ConnectedMasters) -> Result<(), TopologyError> {
        let Some(slots) = &servers.slots else {
            return Ok(());
        };
        let masters = servers.masters();
        let nodes: Vec<_> = masters.iter().map(|master| master.node.clone()).collect();
        let queries = masters
            .iter()
            .map(|master| timeout(QUERY_LIMIT, self.is_agreeing(master, slots, &nodes)));
        let (mut agreeing, mut differing) = (0, 0);
        for answer in join_all(queries).await {
            match answer {
                Ok(Ok(true)) => agreeing += 1,
                Ok(Ok(false)) => differing += 1,
                // No answer counts for neither side.
                Ok(Err(_)) | Err(_) => {}
            }
        }
        let all = masters.len();
        let why = || {
            Unavailable::store(format!(
                "of the {all} masters of the Cluster, {agreeing} agree on the slots and report a healthy Cluster, {differing} do not"
            ))
        };
        match () {
            // Of all masters, and not of those that answered: a cut-off minority must not confirm itself.
            () if agreeing * 2 > all => Ok(()),
            () if differing * 2 > all => Err(TopologyError::Displaced(why())),
            () => Err(TopologyError::Unknown(why())),
        }
    }

    fn dialer(&self) -> &RedisDialer {
        &self.dialer
    }

    fn confirm_interval(&self) -> Option<Duration> {
        Some(CONFIRM_INTERVAL)
    }
}

impl ClusterMap {
    /// Parses the reply of the server at the address `source`.
    fn parse(answer: Value, source: &ConnectionAddr, dialer: &RedisDialer) -> Option<Self> {
        /// First and last slot, the master, its replicas.
        type SlotRangeReply = Vec<Value>;
        let lines: Vec<SlotRangeReply> = redis::from_redis_value(answer).ok()?;
        let (mut ranges, mut addresses) = (Vec::new(), BTreeMap::new());
        for line in lines {
            let mut parts = line.into_iter();
            let first = u16::from_redis_value(parts.next()?).ok()?;
            let last = u16::from_redis_value(parts.next()?).ok()?;
            // The replicas follow after the master and are not used.
            let mut master = Vec::<Value>::from_redis_value(parts.next()?).ok()?.into_iter();
            let host = Option::<String>::from_redis_value(master.next()?).ok()?;
            let port = u16::from_redis_value(master.next()?).ok()?;
            let node: Arc<str> = String::from_redis_value(master.next()?).ok()?.into();
            // A server that does not know its own address sends an empty one: it is the one that was asked.
            let host = match host.filter(|host| !host.is_empty()) {
                Some(host) => host,
                None => host_of(source)?.to_owned(),
            };
            addresses.insert(Arc::clone(&node), dialer.address(&host, port));
            ranges.push((first, last, node));
        }
        ranges.sort();
        Some(Self { ranges, addresses })
    }

    /// Builds the slot map with masters indexed by their position in `addresses`.
    fn slot_map(&self) -> Option<SlotMap> {
        let nodes: Vec<_> = self.addresses.keys().map(|node| Some(Arc::clone(node))).collect();
        self.slot_map_for(&nodes)
    }

    /// Builds the slot map with masters indexed by their position in `nodes`; `None` if any slot is
    /// unassigned or belongs to a node that is not in `nodes`.
    fn slot_map_for(&self, nodes: &[Option<Arc<str>>]) -> Option<SlotMap> {
        let ranges = self.ranges.iter().map(|(first, last, node)| {
            let master = nodes.iter().position(|name| name.as_ref() == Some(node))?;
            Some((*first, *last, master))
        });
        SlotMap::new(ranges.collect::<Option<Vec<_>>>()?)
    }
}

fn host_of(address: &ConnectionAddr) -> Option<&str> {
    match address {
        ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => Some(host),
        _ => None,
    }
}

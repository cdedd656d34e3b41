//! A Redis Cluster: several masters that share the slots.
//!
//! The masters are those of a map that a majority of them has, each of which says that the Cluster is well. A map holds
//! as long as every connection of it: a trip mostly needs several masters, and the identity needs all.

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

use super::dialer::Dialer;
use super::servers::{Master, Servers};
use super::slots::SlotMap;
use super::topology::{Doubt, Topology};
use super::trouble::{Trouble, unreadable};
use crate::redis::RedisNodes;

/// How long one server may take to answer what it knows of the Cluster.
const ASK_LIMIT: Duration = Duration::from_millis(500);

/// How soon it is noticed that a majority has another map.
const WATCH: Duration = Duration::from_millis(500);

pub(super) struct Cluster {
    seeds: Vec<ConnectionAddr>,
    /// The masters of the last map, which may be reached when no seed is there any more.
    known: Mutex<Vec<ConnectionAddr>>,
    dialer: Dialer,
}

/// What one server answers to `CLUSTER SLOTS`: who has which slots.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Map {
    /// First and last slot, and the name of the master; in order.
    ranges: Vec<(u16, u16, Arc<str>)>,
    /// Where each master is.
    places: BTreeMap<Arc<str>, ConnectionAddr>,
}

impl Cluster {
    pub(super) fn new(nodes: &RedisNodes) -> Self {
        let dialer = Dialer::of_nodes(nodes).without_database();
        let seeds = nodes.nodes.iter();
        Self {
            seeds: seeds.map(|(host, port)| dialer.address(host, *port)).collect(),
            known: Mutex::default(),
            dialer,
        }
    }

    /// Every address that may know the map, each once.
    fn addresses(&self) -> Vec<ConnectionAddr> {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for seed in &self.seeds {
            if !all.contains(seed) {
                all.push(seed.clone());
            }
        }
        all
    }

    async fn map_of(&self, address: ConnectionAddr) -> Result<Map, Trouble> {
        let asked = async {
            let mut connection = self.dialer.dial(&address, Some(ASK_LIMIT)).await?;
            let slots: Value = redis::cmd("CLUSTER")
                .arg("SLOTS")
                .query_async(&mut connection)
                .await?;
            Map::read(slots, &address, &self.dialer).ok_or_else(unreadable)
        };
        timeout(ASK_LIMIT, asked).await.unwrap_or_else(|_| {
            Err(Trouble::of_the_servers(
                "no server of the Cluster answers in time",
            ))
        })
    }

    /// Connects to the masters of a map, which must agree about it.
    async fn connect_to(&self, map: &Map) -> Result<Servers, Unavailable> {
        let slots = map
            .slots()
            .ok_or_else(|| Unavailable::store("some slots of the Cluster have no master"))?;
        let masters = map
            .places
            .iter()
            .map(|(node, address)| Master::connect(&self.dialer, address.clone(), Some(Arc::clone(node))));
        let servers = Servers::sharing(try_join_all(masters).await?, slots);
        self.confirm(&servers).await?;
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = map.places.values().cloned().collect();
        Ok(servers)
    }

    /// Whether a master is well in its Cluster and has this map.
    async fn agrees(
        &self,
        master: &Master,
        slots: &SlotMap,
        nodes: &[Option<Arc<str>>],
    ) -> Result<bool, Trouble> {
        let (mut map, mut info) = (redis::cmd("CLUSTER"), redis::cmd("CLUSTER"));
        let answers = master.ask(&[map.arg("SLOTS"), info.arg("INFO")]).await?;
        let mut answers = answers.into_iter();
        let mut next = || match answers.next() {
            Some(Value::ServerError(refusal)) => Err(Trouble::from(&refusal)),
            Some(answer) => Ok(answer),
            None => Err(unreadable()),
        };
        let theirs = Map::read(next()?, &master.address, &self.dialer).ok_or_else(unreadable)?;
        let info = String::from_redis_value(next()?).map_err(|_| unreadable())?;
        let well = info.lines().any(|line| line.trim() == "cluster_state:ok");
        Ok(well && theirs.slots_of(nodes).as_ref() == Some(slots))
    }
}

#[async_trait]
impl Topology for Cluster {
    /// The first answer that leads to masters who agree.
    async fn connect(&self) -> Result<Servers, Unavailable> {
        let addresses = self.addresses().into_iter();
        let mut asked: FuturesUnordered<_> = addresses.map(|address| self.map_of(address)).collect();
        let (mut tried, mut failure) = (Vec::new(), None);
        while let Some(answer) = asked.next().await {
            let map = match answer {
                Ok(map) if tried.contains(&map) => continue,
                Ok(map) => map,
                Err(trouble) => {
                    failure.get_or_insert(trouble.cause);
                    continue;
                }
            };
            match self.connect_to(&map).await {
                Ok(servers) => return Ok(servers),
                Err(fault) => failure = Some(fault),
            }
            tried.push(map);
        }
        Err(failure.unwrap_or_else(|| Unavailable::store("the URL names no server of the Cluster")))
    }

    /// A majority of these masters must have this map, and say that the Cluster is well.
    async fn confirm(&self, servers: &Servers) -> Result<(), Doubt> {
        let Some(slots) = &servers.slots else {
            return Ok(());
        };
        let masters = servers.masters();
        let nodes: Vec<_> = masters.iter().map(|master| master.node.clone()).collect();
        let asked = masters
            .iter()
            .map(|master| timeout(ASK_LIMIT, self.agrees(master, slots, &nodes)));
        let (mut agree, mut differ) = (0, 0);
        for answer in join_all(asked).await {
            match answer {
                Ok(Ok(true)) => agree += 1,
                Ok(Ok(false)) => differ += 1,
                Ok(Err(_)) | Err(_) => {}
            }
        }
        let all = masters.len();
        let why = || {
            Unavailable::store(format!(
                "of {all} masters of the Cluster, {agree} agree who has which slot and that it is well, {differ} do not"
            ))
        };
        match () {
            () if agree * 2 > all => Ok(()),
            () if differ * 2 > all => Err(Doubt::Displaced(why())),
            () => Err(Doubt::Unknown(why())),
        }
    }

    fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    fn watched_every(&self) -> Option<Duration> {
        Some(WATCH)
    }
}

impl Map {
    fn read(answer: Value, asked: &ConnectionAddr, dialer: &Dialer) -> Option<Self> {
        /// First and last slot, the master, its replicas.
        type Line = Vec<Value>;
        let lines: Vec<Line> = redis::from_redis_value(answer).ok()?;
        let (mut ranges, mut places) = (Vec::new(), BTreeMap::new());
        for line in lines {
            let mut parts = line.into_iter();
            let first = u16::from_redis_value(parts.next()?).ok()?;
            let last = u16::from_redis_value(parts.next()?).ok()?;
            let mut master = Vec::<Value>::from_redis_value(parts.next()?).ok()?.into_iter();
            let host = Option::<String>::from_redis_value(master.next()?).ok()?;
            let port = u16::from_redis_value(master.next()?).ok()?;
            let node: Arc<str> = String::from_redis_value(master.next()?).ok()?.into();
            // One that does not know its own address leaves it out.
            let host = match host.filter(|host| !host.is_empty()) {
                Some(host) => host,
                None => host_of(asked)?.to_owned(),
            };
            places.insert(Arc::clone(&node), dialer.address(&host, port));
            ranges.push((first, last, node));
        }
        ranges.sort();
        Some(Self { ranges, places })
    }

    /// Who has which slot, the masters being numbered as they stand in `places`.
    fn slots(&self) -> Option<SlotMap> {
        let nodes: Vec<_> = self.places.keys().map(|node| Some(Arc::clone(node))).collect();
        self.slots_of(&nodes)
    }

    /// The same, the masters being numbered as they stand in `nodes`; `None` if another has a slot, or nobody.
    fn slots_of(&self, nodes: &[Option<Arc<str>>]) -> Option<SlotMap> {
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

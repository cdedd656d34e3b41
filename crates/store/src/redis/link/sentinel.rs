//! A Redis whose master is the one that a majority of the Sentinels names.
//!
//! Only the Sentinels in the URL count, and a majority of all of them, reached or not. So an old master that was cut
//! off together with a minority is never connected to. They are asked again and again while a connection stands: a
//! message of theirs (`+switch-master`) comes from one of them, may be lost, and would have to be checked the same way.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use maxlab_auth_core::unavailable::Unavailable;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, ConnectionAddr, RedisError};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::dialer::Dialer;
use super::servers::{Master, Servers};
use super::topology::{Doubt, Topology};
use crate::redis::RedisNodes;

/// How long one Sentinel may take to answer.
const ASK_LIMIT: Duration = Duration::from_millis(500);

/// How soon it is noticed that the Sentinels have named another master.
const WATCH: Duration = Duration::from_millis(500);

pub(super) struct Sentinels {
    sentinels: Vec<Sentinel>,
    question: Cmd,
    service: String,
    dialer: Dialer,
}

struct Sentinel {
    address: ConnectionAddr,
    first: Dialer,
    /// For one that wants a password and was given none.
    second: Dialer,
    line: Mutex<Option<MultiplexedConnection>>,
}

impl Sentinels {
    pub(super) fn new(nodes: &RedisNodes) -> Self {
        let dialer = Dialer::of_nodes(nodes);
        let (first, second) = Dialer::of_sentinels(nodes);
        let sentinel = |(host, port): &(String, u16)| Sentinel {
            address: dialer.address(host, *port),
            first: first.clone(),
            second: second.clone(),
            line: Mutex::default(),
        };
        let mut question = redis::cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(&nodes.service);
        Self {
            sentinels: nodes.nodes.iter().map(sentinel).collect(),
            question,
            service: nodes.service.clone(),
            dialer,
        }
    }

    /// The address that a majority of all Sentinels names.
    async fn named(&self) -> Result<ConnectionAddr, Unavailable> {
        let mut asked: FuturesUnordered<_> = self
            .sentinels
            .iter()
            .map(|sentinel| sentinel.ask(&self.question))
            .collect();
        let mut votes: HashMap<(String, u16), usize> = HashMap::new();
        let (mut answered, mut ignorant) = (0, 0);
        while let Some(answer) = asked.next().await {
            match answer {
                Some(Some((host, port))) => {
                    let count = votes.entry((host.clone(), port)).or_default();
                    *count += 1;
                    if *count * 2 > self.sentinels.len() {
                        return Ok(self.dialer.address(&host, port));
                    }
                    answered += 1;
                }
                Some(None) => ignorant += 1,
                None => {}
            }
        }
        let (all, service) = (self.sentinels.len(), &self.service);
        let most = votes.values().max().copied().unwrap_or_default();
        Err(Unavailable::store(match (answered, ignorant) {
            (0, 1..) => format!("{ignorant} of {all} Sentinels answer, and know no master named {service}"),
            _ => format!(
                "no majority of the {all} Sentinels names a master: {} answer, {most} agree",
                answered + ignorant
            ),
        }))
    }
}

#[async_trait]
impl Topology for Sentinels {
    async fn connect(&self) -> Result<Servers, Unavailable> {
        let address = self.named().await?;
        let master = Master::connect(&self.dialer, address, None).await?;
        Ok(Servers::alone(master))
    }

    async fn confirm(&self, servers: &Servers) -> Result<(), Doubt> {
        let address = self.named().await.map_err(Doubt::Unknown)?;
        if servers.masters().iter().all(|master| master.address == address) {
            return Ok(());
        }
        let why = format!("the Sentinels name {address} as the master now");
        Err(Doubt::Displaced(Unavailable::store(why)))
    }

    fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    fn watched_every(&self) -> Option<Duration> {
        Some(WATCH)
    }
}

impl Sentinel {
    /// Whom it names, if it answers; `Some(None)` if it knows no such master.
    async fn ask(&self, question: &Cmd) -> Option<Option<(String, u16)>> {
        timeout(ASK_LIMIT, self.ask_in_peace(question)).await.ok()?.ok()
    }

    async fn ask_in_peace(&self, question: &Cmd) -> Result<Option<(String, u16)>, RedisError> {
        let mut line = self.line.lock().await;
        if let Some(mut connection) = line.take()
            && let Ok(answer) = question.query_async(&mut connection).await
        {
            *line = Some(connection);
            return Ok(answer);
        }
        let mut connection = self.first.dial(&self.address, Some(ASK_LIMIT)).await?;
        let mut answer = question.query_async(&mut connection).await;
        // One that wants no password would take it for a mistake.
        if answer
            .as_ref()
            .is_err_and(|error: &RedisError| error.code() == Some("NOAUTH"))
        {
            connection = self.second.dial(&self.address, Some(ASK_LIMIT)).await?;
            answer = question.query_async(&mut connection).await;
        }
        let answer = answer?;
        *line = Some(connection);
        Ok(answer)
    }
}

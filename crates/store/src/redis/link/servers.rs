//! The masters that are connected at the moment, and the sending of commands to them.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{join_all, try_join_all};
use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::{Cmd, ConnectionAddr, Pipeline, Value};
use tokio::time::Instant;

use super::TRIP_LIMIT;
use super::dialer::Dialer;
use super::identity::{self, ServerIdentity};
use super::slots::{HOME, SlotMap, slot};
use super::trouble::{Trouble, unreadable};

/// One connected master.
#[derive(Clone)]
pub(super) struct Master {
    pub(super) address: ConnectionAddr,
    /// Its name in the Cluster, if it is in one.
    pub(super) node: Option<Arc<str>>,
    pub(super) connection: MultiplexedConnection,
    pub(super) identity: ServerIdentity,
}

/// All masters, connected at one time and given up together.
pub(super) struct Servers {
    /// At least one.
    masters: Vec<Master>,
    /// Who has which slot, if there are slots.
    pub(super) slots: Option<SlotMap>,
    identity: ServerIdentity,
    pub(super) born: Instant,
}

impl Master {
    /// Connects to a server, which must say that it is a master.
    pub(super) async fn connect(
        dialer: &Dialer,
        address: ConnectionAddr,
        node: Option<Arc<str>>,
    ) -> Result<Self, Trouble> {
        Self::connect_with(dialer, address, node, Some(TRIP_LIMIT)).await
    }

    async fn connect_with(
        dialer: &Dialer,
        address: ConnectionAddr,
        node: Option<Arc<str>>,
        patience: Option<Duration>,
    ) -> Result<Self, Trouble> {
        let mut connection = dialer.dial(&address, patience).await?;
        let identity = identity::ask(&mut connection).await?;
        Ok(Self {
            address,
            node,
            connection,
            identity,
        })
    }

    /// One more connection to this server, which must still be the same, without a time limit of its own.
    pub(super) async fn again(&self, dialer: &Dialer) -> Result<MultiplexedConnection, Trouble> {
        let other = Self::connect_with(dialer, self.address.clone(), self.node.clone(), None).await?;
        if other.identity == self.identity {
            Ok(other.connection)
        } else {
            Err(Trouble::of_the_servers("another server sits at this address now"))
        }
    }

    /// Sends several commands; errors are among the answers.
    pub(super) async fn ask(&self, commands: &[&Cmd]) -> Result<Vec<Value>, Trouble> {
        let mut pipeline = Pipeline::with_capacity(commands.len());
        for command in commands {
            pipeline.add_command((*command).clone());
        }
        let mut connection = self.connection.clone();
        let answers = connection
            .req_packed_commands(&pipeline, 0, commands.len())
            .await?;
        if answers.len() == commands.len() {
            Ok(answers)
        } else {
            Err(unreadable())
        }
    }
}

impl Servers {
    pub(super) fn alone(master: Master) -> Self {
        Self {
            identity: master.identity.clone(),
            masters: vec![master],
            slots: None,
            born: Instant::now(),
        }
    }

    pub(super) fn sharing(masters: Vec<Master>, slots: SlotMap) -> Self {
        let identities: Vec<_> = masters.iter().map(|master| &master.identity).collect();
        Self {
            identity: ServerIdentity::of_all(&identities),
            masters,
            slots: Some(slots),
            born: Instant::now(),
        }
    }

    pub(super) fn identity(&self) -> &ServerIdentity {
        &self.identity
    }

    /// Whether all of `earlier` are among these, unchanged: a master that got its first slots changes nothing for the
    /// others.
    pub(super) fn include(&self, earlier: &Self) -> bool {
        let mut earlier = earlier.masters.iter();
        earlier.all(|one| self.masters.iter().any(|master| master.identity == one.identity))
    }

    pub(super) fn masters(&self) -> &[Master] {
        &self.masters
    }

    /// The master that has what belongs to no key of its own: the clock, and the stream of revocations.
    pub(super) fn home(&self) -> Option<&Master> {
        let index = self.slots.as_ref().map_or(0, |slots| slots.owner(slot(HOME)));
        self.masters.get(index)
    }

    /// Sends one command to every master; an error of any is an error of all.
    pub(super) async fn everywhere(&self, command: &Cmd) -> Result<Vec<Value>, Trouble> {
        let asked = self.masters.iter().map(|master| {
            let mut connection = master.connection.clone();
            async move { command.query_async::<Value>(&mut connection).await }
        });
        Ok(try_join_all(asked).await?)
    }

    /// Asks all masters again who they are.
    pub(super) async fn identity_now(&self) -> Result<ServerIdentity, Trouble> {
        let asked = self.masters.iter().map(|master| {
            let mut connection = master.connection.clone();
            async move { identity::ask(&mut connection).await }
        });
        let identities = try_join_all(asked).await?;
        Ok(ServerIdentity::of_all(&identities.iter().collect::<Vec<_>>()))
    }

    /// Asks each master something of its own at the same time.
    pub(super) async fn ask_all<'c>(
        &self,
        parts: impl Iterator<Item = (usize, Vec<&'c Cmd>)>,
    ) -> Vec<Result<Vec<Value>, Trouble>> {
        let asked = parts.map(async |(index, commands)| match self.masters.get(index) {
            Some(master) => master.ask(&commands).await,
            None => Err(unreadable()),
        });
        join_all(asked).await
    }
}

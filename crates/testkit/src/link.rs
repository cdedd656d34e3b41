//! A TCP link to a server that a test can cut, stall, slow down or make one-way.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Mutex, watch};

use crate::listening::Listening;
use crate::ports::{free_port, loopback};

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the target.
    ToServer,
    /// From the target to the client.
    ToClient,
}

/// A proxy on a private loopback port in front of one address. Its task ends with the test's runtime.
#[derive(Debug)]
pub struct BreakableLink {
    addr: SocketAddr,
    wire: Arc<Wire>,
    /// `None` while the link is cut.
    door: Mutex<Option<Listening>>,
}

#[derive(Debug)]
struct Wire {
    target: SocketAddr,
    weather: watch::Sender<Weather>,
    connections: AtomicU64,
    to_server: AtomicU64,
    to_client: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
struct Weather {
    flow: Flow,
    delay: Duration,
}

#[derive(Debug, Clone, Copy)]
enum Flow {
    Both,
    Only(Direction),
    Nothing,
}

impl Flow {
    fn passes(self, direction: Direction) -> bool {
        match self {
            Self::Both => true,
            Self::Only(open) => open == direction,
            Self::Nothing => false,
        }
    }
}

impl BreakableLink {
    /// A healthy link to `target`.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn to(target: SocketAddr) -> Result<Self> {
        let (weather, _) = watch::channel(Weather {
            flow: Flow::Both,
            delay: Duration::ZERO,
        });
        let wire = Arc::new(Wire {
            target,
            weather,
            connections: AtomicU64::new(0),
            to_server: AtomicU64::new(0),
            to_client: AtomicU64::new(0),
        });
        let addr = loopback(free_port());
        let door = Mutex::new(Some(wire.clone().open(addr).await?));
        Ok(Self { addr, wire, door })
    }

    /// Where clients connect; the same for the link's whole life.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Drops every connection and refuses new ones until [`BreakableLink::heal`].
    pub async fn cut(&self) {
        if let Some(door) = self.door.lock().await.take() {
            door.close().await;
        }
    }

    /// Ends whatever is wrong: accepts again, passes both ways, without delay. Bytes held back by a stall arrive.
    ///
    /// # Errors
    /// When the port can't be bound again.
    pub async fn heal(&self) -> Result<()> {
        self.wire.weather.send_replace(Weather {
            flow: Flow::Both,
            delay: Duration::ZERO,
        });
        let mut door = self.door.lock().await;
        if door.is_none() {
            *door = Some(self.wire.clone().open(self.addr).await?);
        }
        Ok(())
    }

    /// Accepts connections and keeps the open ones, but passes nothing, either way.
    pub fn stall(&self) {
        self.wire
            .weather
            .send_modify(|weather| weather.flow = Flow::Nothing);
    }

    /// Passes bytes in this direction only, so that a request arrives and its answer doesn't, or the reverse.
    pub fn one_way(&self, open: Direction) {
        self.wire
            .weather
            .send_modify(|weather| weather.flow = Flow::Only(open));
    }

    /// Holds every piece of data back this long, in each direction.
    pub fn delay(&self, delay: Duration) {
        self.wire.weather.send_modify(|weather| weather.delay = delay);
    }

    /// Drops every connection once; new ones pass.
    pub async fn drop_connections(&self) {
        if let Some(door) = &*self.door.lock().await {
            door.drop_connections().await;
        }
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> u64 {
        self.wire.connections.load(Ordering::SeqCst)
    }

    /// Bytes passed so far in one direction.
    pub fn bytes(&self, direction: Direction) -> u64 {
        self.wire.passed(direction).load(Ordering::SeqCst)
    }
}

impl Wire {
    async fn open(self: Arc<Self>, addr: SocketAddr) -> Result<Listening> {
        Listening::open(addr, move |client| self.clone().carry(client)).await
    }

    async fn carry(self: Arc<Self>, client: TcpStream) {
        self.connections.fetch_add(1, Ordering::SeqCst);
        let Ok(server) = TcpStream::connect(self.target).await else {
            return;
        };
        let _ = server.set_nodelay(true);
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let _ = tokio::join!(
            self.pump(from_client, to_server, Direction::ToServer),
            self.pump(from_server, to_client, Direction::ToClient),
        );
    }

    async fn pump(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        direction: Direction,
    ) -> std::io::Result<()> {
        let mut weather = self.weather.subscribe();
        let mut buffer = vec![0; 16 * 1024];
        loop {
            // A reset is passed on as an end.
            let read = from.read(&mut buffer).await.unwrap_or(0);
            let now = weather
                .wait_for(|now| now.flow.passes(direction))
                .await
                .map(|now| *now);
            let delay = now.map_or(Duration::ZERO, |now| now.delay);
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            if read == 0 {
                return to.shutdown().await;
            }
            to.write_all(&buffer[..read]).await?;
            self.passed(direction)
                .fetch_add(u64::try_from(read).unwrap(), Ordering::SeqCst);
        }
    }

    fn passed(&self, direction: Direction) -> &AtomicU64 {
        match direction {
            Direction::ToServer => &self.to_server,
            Direction::ToClient => &self.to_client,
        }
    }
}

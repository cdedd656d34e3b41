//! TCP link to a server, which a test can cut, stall, slow down or make one-way.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Mutex, watch};

use crate::listener::ClosableListener;
use crate::ports::{free_port, loopback};

/// Direction of bytes on a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the target.
    ToServer,
    /// From the target to the client.
    ToClient,
}

/// Proxy on a private loopback port in front of one address. Its task ends with the test's runtime.
#[derive(Debug)]
pub struct BreakableLink {
    addr: SocketAddr,
    proxy: Arc<ProxyState>,
    /// `None` while the link is cut.
    // tokio's mutex: it is held across the await that closes or opens the listener.
    listener: Mutex<Option<ClosableListener>>,
}

#[derive(Debug)]
struct ProxyState {
    target: SocketAddr,
    conditions: watch::Sender<LinkConditions>,
    connections: AtomicU64,
    to_server: AtomicU64,
    to_client: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
struct LinkConditions {
    flow: LinkFlow,
    delay: Duration,
}

#[derive(Debug, Clone, Copy)]
enum LinkFlow {
    Both,
    Only(Direction),
    Nothing,
}

impl LinkFlow {
    fn passes(self, direction: Direction) -> bool {
        match self {
            Self::Both => true,
            Self::Only(open) => open == direction,
            Self::Nothing => false,
        }
    }
}

impl BreakableLink {
    /// Opens a healthy link to `target`.
    ///
    /// # Errors
    /// If no port can be bound.
    pub async fn to(target: SocketAddr) -> Result<Self> {
        let (conditions, _) = watch::channel(LinkConditions {
            flow: LinkFlow::Both,
            delay: Duration::ZERO,
        });
        let proxy = Arc::new(ProxyState {
            target,
            conditions,
            connections: AtomicU64::new(0),
            to_server: AtomicU64::new(0),
            to_client: AtomicU64::new(0),
        });
        let addr = loopback(free_port());
        let listener = Mutex::new(Some(proxy.clone().open(addr).await?));
        Ok(Self {
            addr,
            proxy,
            listener,
        })
    }

    /// Returns the address for clients, which stays the same for the link's whole life.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Drops every connection and refuses new ones until [`BreakableLink::heal`].
    pub async fn cut(&self) {
        if let Some(listener) = self.listener.lock().await.take() {
            listener.close().await;
        }
    }

    /// Ends every disturbance: accepts again, passes both ways, without delay. Bytes held back by a stall
    /// arrive.
    ///
    /// # Errors
    /// If the port cannot be bound again.
    pub async fn heal(&self) -> Result<()> {
        // `send_replace` and not `send`, which does nothing while no connection listens.
        self.proxy.conditions.send_replace(LinkConditions {
            flow: LinkFlow::Both,
            delay: Duration::ZERO,
        });
        let mut listener = self.listener.lock().await;
        if listener.is_none() {
            *listener = Some(self.proxy.clone().open(self.addr).await?);
        }
        Ok(())
    }

    /// Accepts connections and keeps the open ones, but passes no byte in either direction.
    pub fn stall(&self) {
        self.proxy
            .conditions
            .send_modify(|conditions| conditions.flow = LinkFlow::Nothing);
    }

    /// Passes bytes in this direction only, so that a request arrives and its answer does not, or the
    /// reverse.
    pub fn one_way(&self, open: Direction) {
        self.proxy
            .conditions
            .send_modify(|conditions| conditions.flow = LinkFlow::Only(open));
    }

    /// Delays every piece of data by this time, in each direction.
    pub fn delay(&self, delay: Duration) {
        self.proxy
            .conditions
            .send_modify(|conditions| conditions.delay = delay);
    }

    /// Drops every connection once; new ones pass.
    pub async fn drop_connections(&self) {
        if let Some(listener) = &*self.listener.lock().await {
            listener.drop_connections().await;
        }
    }

    /// Returns the number of connections accepted so far.
    pub fn connections(&self) -> u64 {
        self.proxy.connections.load(Ordering::SeqCst)
    }

    /// Returns the number of bytes passed so far in one direction.
    pub fn bytes(&self, direction: Direction) -> u64 {
        self.proxy.byte_counter(direction).load(Ordering::SeqCst)
    }
}

impl ProxyState {
    async fn open(self: Arc<Self>, addr: SocketAddr) -> Result<ClosableListener> {
        ClosableListener::open(addr, move |client| self.clone().proxy_connection(client)).await
    }

    async fn proxy_connection(self: Arc<Self>, client: TcpStream) {
        self.connections.fetch_add(1, Ordering::SeqCst);
        // The client sees a closed connection, as behind a proxy without a server.
        let Ok(server) = TcpStream::connect(self.target).await else {
            return;
        };
        let _ = server.set_nodelay(true);
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        // Each direction ends by itself: a client may close its half and still read the answer.
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
        let mut conditions = self.conditions.subscribe();
        let mut buffer = vec![0; 16 * 1024];
        loop {
            // A reset is passed on as an end.
            let read = from.read(&mut buffer).await.unwrap_or(0);
            // After the read, so that a stall also holds back what was on its way. An end is held back like
            // data.
            let now = conditions
                .wait_for(|now| now.flow.passes(direction))
                .await
                .map(|now| *now);
            // Fails only if the link was dropped.
            let delay = now.map_or(Duration::ZERO, |now| now.delay);
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            if read == 0 {
                return to.shutdown().await;
            }
            to.write_all(&buffer[..read]).await?;
            self.byte_counter(direction)
                .fetch_add(u64::try_from(read).unwrap(), Ordering::SeqCst);
        }
    }

    fn byte_counter(&self, direction: Direction) -> &AtomicU64 {
        match direction {
            Direction::ToServer => &self.to_server,
            Direction::ToClient => &self.to_client,
        }
    }
}

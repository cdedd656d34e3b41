//! A loopback listener that can be closed at once, with all its connections, and opened again on its port.

use std::future::Future;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// An open listener; closed, without waiting, on drop.
#[derive(Debug)]
pub(crate) struct Listening {
    orders: mpsc::UnboundedSender<Order>,
}

#[derive(Debug)]
enum Order {
    DropConnections(oneshot::Sender<()>),
    Close(oneshot::Sender<()>),
}

impl Listening {
    /// Listens on `addr` and gives every connection to `serve`, each in a task of its own.
    pub(crate) async fn open<F, S>(addr: SocketAddr, serve: F) -> Result<Self>
    where
        F: Fn(TcpStream) -> S + Send + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(addr)
            .await
            .with_context(|| format!("{addr} cannot be bound"))?;
        let (orders, mut received) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        if let Ok((stream, _)) = accepted {
                            let _ = stream.set_nodelay(true);
                            connections.spawn(serve(stream));
                        }
                    }
                    Some(_) = connections.join_next() => {}
                    order = received.recv() => match order {
                        Some(Order::DropConnections(done)) => {
                            connections.shutdown().await;
                            let _ = done.send(());
                        }
                        Some(Order::Close(done)) => {
                            drop(listener);
                            connections.shutdown().await;
                            let _ = done.send(());
                            return;
                        }
                        None => return,
                    },
                }
            }
        });
        Ok(Self { orders })
    }

    /// Drops every open connection and goes on listening; returns when they are closed.
    pub(crate) async fn drop_connections(&self) {
        self.obey(Order::DropConnections).await;
    }

    /// Stops listening and drops every connection; returns when that is done: new ones are refused.
    pub(crate) async fn close(self) {
        self.obey(Order::Close).await;
    }

    async fn obey(&self, order: fn(oneshot::Sender<()>) -> Order) {
        let (done, finished) = oneshot::channel();
        let _ = self.orders.send(order(done));
        let _ = finished.await;
    }
}

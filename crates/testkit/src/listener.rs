//! Loopback listener that can be closed at once, with all its connections, and opened again on its port.

use std::future::Future;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// Open listener. Dropping it closes it without waiting.
#[derive(Debug)]
pub(crate) struct ClosableListener {
    commands: mpsc::UnboundedSender<ListenerCommand>,
}

/// Command to the listener's task. The task answers when it is done.
#[derive(Debug)]
enum ListenerCommand {
    DropConnections(oneshot::Sender<()>),
    Close(oneshot::Sender<()>),
}

impl ClosableListener {
    /// Listens on `addr` and passes each connection to `serve`, in a task of its own.
    pub(crate) async fn open<F, S>(addr: SocketAddr, serve: F) -> Result<Self>
    where
        F: Fn(TcpStream) -> S + Send + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(addr)
            .await
            .with_context(|| format!("{addr} cannot be bound"))?;
        let (commands, mut received) = mpsc::unbounded_channel();
        // One task owns the listener and all connections, so that closing them needs no lock.
        tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        if let Ok((stream, _)) = accepted {
                            // Fails only if the client has left already; `serve` notices that by itself.
                            let _ = stream.set_nodelay(true);
                            connections.spawn(serve(stream));
                        }
                    }
                    // Reaps ended tasks, which the set would keep otherwise.
                    Some(_) = connections.join_next() => {}
                    command = received.recv() => match command {
                        Some(ListenerCommand::DropConnections(done)) => {
                            connections.shutdown().await;
                            let _ = done.send(());
                        }
                        Some(ListenerCommand::Close(done)) => {
                            // The listener first: no client can slip in while the connections end.
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
        Ok(Self { commands })
    }

    /// Drops every open connection and goes on listening. Returns when they are closed.
    pub(crate) async fn drop_connections(&self) {
        self.run_command(ListenerCommand::DropConnections).await;
    }

    /// Stops listening and drops every connection. When it returns, new connections are refused.
    pub(crate) async fn close(self) {
        self.run_command(ListenerCommand::Close).await;
    }

    async fn run_command(&self, command: fn(oneshot::Sender<()>) -> ListenerCommand) {
        let (done, finished) = oneshot::channel();
        // Both fail only if the task has ended with its runtime. Then everything is closed already.
        let _ = self.commands.send(command(done));
        let _ = finished.await;
    }
}

//! Client that sends exact bytes: duplicate headers, slow bytes, smuggled requests.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::http1::{header, read_body, read_head};
use crate::wait::eventually;

/// Default time limit of one read.
const DEFAULT_READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Client on one open connection.
#[derive(Debug)]
pub struct RawClient {
    stream: BufReader<TcpStream>,
    read_timeout: Duration,
}

/// Parsed HTTP/1.1 reply.
#[derive(Debug, Clone)]
pub struct RawReply {
    /// Status code.
    pub status: u16,
    /// Header fields in order, duplicates included.
    pub headers: Vec<(String, String)>,
    /// Body without its chunk framing.
    pub body: Vec<u8>,
}

impl RawReply {
    /// Returns the first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// Returns the body as JSON.
    ///
    /// # Panics
    /// If the body is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the reply's body is JSON")
    }
}

impl RawClient {
    /// Connects to `addr`.
    ///
    /// # Errors
    /// If the connection is refused.
    pub async fn connect(addr: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        // Each `send` is a packet of its own: tests of split requests depend on that.
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::new(stream),
            read_timeout: DEFAULT_READ_TIMEOUT,
        })
    }

    /// Sets the time limit of each read; the default is 30 s.
    #[must_use]
    pub fn read_timeout(mut self, timeout: Duration) -> Self {
        self.read_timeout = timeout;
        self
    }

    /// Sends exactly these bytes.
    ///
    /// # Errors
    /// If the peer has closed the connection.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.stream.write_all(bytes.as_ref()).await?;
        Ok(self.stream.flush().await?)
    }

    /// Waits until the server on this machine has read everything that was sent (`/proc/net/tcp`).
    ///
    /// # Panics
    /// If it does not within [`PATIENCE`](crate::wait::PATIENCE).
    pub async fn wait_until_read(&self) {
        let stream = self.stream.get_ref();
        let (client, server) = (stream.local_addr().unwrap(), stream.peer_addr().unwrap());
        eventually("the server has read what was sent", async || {
            has_empty_queues(client, server) && has_empty_queues(server, client)
        })
        .await;
    }

    /// Sends the bytes one by one, `pause` apart.
    ///
    /// # Errors
    /// If the peer closes the connection before the last byte.
    pub async fn send_slowly(&mut self, bytes: impl AsRef<[u8]>, pause: Duration) -> Result<()> {
        for byte in bytes.as_ref() {
            self.send([*byte]).await?;
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    /// Closes the sending half of the connection; replies can still be read.
    ///
    /// # Errors
    /// If the peer has closed the connection.
    pub async fn finish_sending(&mut self) -> Result<()> {
        Ok(self.stream.shutdown().await?)
    }

    /// Reads one reply. Bytes after it stay for the next call.
    ///
    /// # Errors
    /// If the peer closes the connection, sends something other than HTTP, or does not answer in time.
    pub async fn reply(&mut self) -> Result<RawReply> {
        let limit = self.read_timeout;
        tokio::time::timeout(limit, self.read_reply())
            .await
            .context("no reply in time")?
    }

    /// Reads until the peer closes the connection; a reset counts as the end.
    ///
    /// # Errors
    /// If the peer does not close the connection in time.
    pub async fn read_to_end(&mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = self.stream.read_to_end(&mut bytes);
        // Only the time limit is an error here. What arrived before a reset is in `bytes`.
        let _ = tokio::time::timeout(self.read_timeout, read)
            .await
            .context("the peer does not close")?;
        Ok(bytes)
    }

    async fn read_reply(&mut self) -> Result<RawReply> {
        let Some(head) = read_head(&mut self.stream).await? else {
            bail!("the peer closed without a reply")
        };
        let status = head
            .start_line
            .strip_prefix("HTTP/1.")
            .and_then(|rest| rest.split(' ').nth(1));
        let status = status
            .and_then(|code| code.parse().ok())
            .with_context(|| head.start_line.clone())?;
        // RFC 9112 §6.3: these never have a body.
        let bodiless = matches!(status, 100..=199 | 204 | 304);
        let body = if bodiless {
            Vec::new()
        } else {
            read_body(&mut self.stream, &head, true).await?
        };
        Ok(RawReply {
            status,
            headers: head.headers,
            body,
        })
    }
}

/// Returns `true` if the socket of this connection has nothing to send, and nothing to be read.
fn has_empty_queues(local: SocketAddr, remote: SocketAddr) -> bool {
    let (local, remote) = (
        format!(":{:04X}", local.port()),
        format!(":{:04X}", remote.port()),
    );
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    // Columns: number, local and remote address, state, both queues.
    table.lines().any(|line| {
        let columns: Vec<_> = line.split_whitespace().collect();
        matches!(columns[..], [_, from, to, _, "00000000:00000000", ..] if from.ends_with(&local) && to.ends_with(&remote))
    })
}

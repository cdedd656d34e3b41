//! A client that sends exact bytes: duplicate headers, slow bytes, smuggled requests.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::http1::{header, read_body, read_head};

/// How long one read waits unless the client is told otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

/// One open connection.
#[derive(Debug)]
pub struct RawClient {
    stream: BufReader<TcpStream>,
    patience: Duration,
}

/// A parsed HTTP/1.1 reply.
#[derive(Debug, Clone)]
pub struct RawReply {
    /// The status code.
    pub status: u16,
    /// The header fields, in order, duplicates included.
    pub headers: Vec<(String, String)>,
    /// The body, without its chunk framing.
    pub body: Vec<u8>,
}

impl RawReply {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the reply's body is JSON")
    }
}

impl RawClient {
    /// Connects to `addr`.
    ///
    /// # Errors
    /// When the connection is refused.
    pub async fn connect(addr: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::new(stream),
            patience: PATIENCE,
        })
    }

    /// How long each read waits; thirty seconds unless set.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Sends exactly these bytes.
    ///
    /// # Errors
    /// When the peer has closed.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.stream.write_all(bytes.as_ref()).await?;
        Ok(self.stream.flush().await?)
    }

    /// Sends the bytes one by one, `pause` apart.
    ///
    /// # Errors
    /// When the peer closes meanwhile.
    pub async fn send_slowly(&mut self, bytes: impl AsRef<[u8]>, pause: Duration) -> Result<()> {
        for byte in bytes.as_ref() {
            self.send([*byte]).await?;
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    /// Says that nothing more will be sent; replies can still be read.
    ///
    /// # Errors
    /// When the peer has closed.
    pub async fn finish_sending(&mut self) -> Result<()> {
        Ok(self.stream.shutdown().await?)
    }

    /// Reads one reply, leaving the next one, if any, to be read.
    ///
    /// # Errors
    /// When the peer closes, sends no HTTP, or says nothing in time.
    pub async fn reply(&mut self) -> Result<RawReply> {
        let patience = self.patience;
        tokio::time::timeout(patience, self.read_reply())
            .await
            .context("no reply in time")?
    }

    /// Everything that comes until the peer closes; a reset counts as the end.
    ///
    /// # Errors
    /// When the peer doesn't close in time.
    pub async fn read_to_end(&mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = self.stream.read_to_end(&mut bytes);
        let _ = tokio::time::timeout(self.patience, read)
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

//! Performs a lie on the socket.

use std::io::Result;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::gzip;
use super::lie::{LieAction, LieDelay, LiePlan};
use super::message::ScriptedResponse;

/// Bytes of a long body that are in memory at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// Performs `plan`. Returns `true` if the connection may be used for another request. `sent` counts body
/// bytes.
pub(super) async fn perform(
    plan: LiePlan,
    honest: impl FnOnce() -> ScriptedResponse,
    stream: &mut BufReader<TcpStream>,
    sent: &AtomicU64,
) -> Result<bool> {
    for delay in plan.delays {
        match delay {
            LieDelay::Pause(duration) => tokio::time::sleep(duration).await,
            LieDelay::Gate(gate) => gate.wait_open().await,
        }
    }
    let mut body = BodyWriter { stream, sent };
    match plan.action {
        // Made only now: a delay may have changed which tokens are accepted.
        LieAction::Honest => body.answer(&honest()).await?,
        LieAction::Answer(answer) => body.answer(&answer).await?,
        LieAction::Hang => {
            body.wait_for_close().await;
            return Ok(false);
        }
        LieAction::Garbage => {
            // Begins like a TLS handshake record, which an HTTP client may meet on a wrong port.
            body.write(b"\x16\x03\x01\x00\xff this is not HTTP \x00\x01\r\n\r\n")
                .await?;
            return Ok(false);
        }
        LieAction::Huge { total } => body.huge(total).await?,
        LieAction::GzipBomb { inflated } => body.gzip_bomb(inflated).await?,
        LieAction::Close => return Ok(false),
        LieAction::HalfBody(answer) => {
            // The whole length: the client can tell that the other half is missing.
            body.head(&answer, &content_length(&answer)).await?;
            body.write(&answer.body[..answer.body.len() / 2]).await?;
            return Ok(false);
        }
        LieAction::SlowDrip { answer, pause } => {
            body.head(&answer, &content_length(&answer)).await?;
            for byte in &answer.body {
                tokio::time::sleep(pause).await;
                body.write(&[*byte]).await?;
            }
        }
    }
    Ok(true)
}

fn content_length(answer: &ScriptedResponse) -> String {
    format!("content-length: {}", answer.body.len())
}

/// Writes answers to the socket, and counts the bytes of their bodies.
struct BodyWriter<'a> {
    stream: &'a mut BufReader<TcpStream>,
    sent: &'a AtomicU64,
}

impl BodyWriter<'_> {
    async fn answer(&mut self, answer: &ScriptedResponse) -> Result<()> {
        self.head(answer, &content_length(answer)).await?;
        self.write(&answer.body).await
    }

    async fn head(&mut self, answer: &ScriptedResponse, framing: &str) -> Result<()> {
        self.stream.write_all(answer.head(framing).as_bytes()).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await?;
        // Counted after the write: bytes that the socket did not take are not sent.
        self.sent
            .fetch_add(u64::try_from(bytes.len()).unwrap(), Ordering::SeqCst);
        Ok(())
    }

    async fn chunk(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream
            .write_all(format!("{:x}\r\n", bytes.len()).as_bytes())
            .await?;
        self.write(bytes).await?;
        self.stream.write_all(b"\r\n").await
    }

    /// Sends `{"sub":"user-1","padding":"aaa…"}`. Only the end shows a trusting reader how long it is.
    async fn huge(&mut self, total: u64) -> Result<()> {
        const START: &[u8] = br#"{"sub":"user-1","padding":""#;
        const END: &[u8] = br#""}"#;
        let answer = ScriptedResponse::body(200, "application/json", Bytes::new());
        self.head(&answer, "transfer-encoding: chunked").await?;
        self.chunk(START).await?;
        let piece = vec![b'a'; CHUNK_BYTES];
        let mut left = total.saturating_sub(u64::try_from(START.len() + END.len()).unwrap());
        while left > 0 {
            // On a 32-bit machine `left` may not fit; then it is longer than one chunk anyway.
            let length = usize::try_from(left).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
            self.chunk(&piece[..length]).await?;
            left -= u64::try_from(length).unwrap();
        }
        self.chunk(END).await?;
        self.stream.write_all(b"0\r\n\r\n").await
    }

    /// Sends a small gzip stream that inflates to `inflated` bytes.
    async fn gzip_bomb(&mut self, inflated: u64) -> Result<()> {
        let answer =
            ScriptedResponse::body(200, "application/json", Bytes::new()).header("content-encoding", "gzip");
        self.head(&answer, "transfer-encoding: chunked").await?;
        let mut bomb = gzip::GzipBomb::of_spaces(inflated);
        while let Some(piece) = bomb.next_piece(CHUNK_BYTES) {
            self.chunk(&piece).await?;
        }
        self.stream.write_all(b"0\r\n\r\n").await
    }

    /// Reads until the client closes the connection.
    async fn wait_for_close(&mut self) {
        let mut ignored = [0; 1024];
        while self.stream.read(&mut ignored).await.is_ok_and(|read| read > 0) {}
    }
}

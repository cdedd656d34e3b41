//! A lie carried out on the socket.

use std::io::Result;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::gzip;
use super::lie::{Act, Before, Plan};
use super::message::Response;

/// How much of a long body is in memory at once.
const PIECE: usize = 64 * 1024;

/// Carries `plan` out; whether the connection goes on. `sent` counts body bytes.
pub(super) async fn perform(
    plan: Plan,
    honest: impl FnOnce() -> Response,
    stream: &mut BufReader<TcpStream>,
    sent: &AtomicU64,
) -> Result<bool> {
    for before in plan.first {
        match before {
            Before::Pause(duration) => tokio::time::sleep(duration).await,
            Before::Gate(gate) => gate.passed().await,
        }
    }
    let mut body = Body { stream, sent };
    match plan.then {
        Act::Honest => body.answer(&honest()).await?,
        Act::Answer(answer) => body.answer(&answer).await?,
        Act::Hang => {
            body.wait_for_leave().await;
            return Ok(false);
        }
        Act::Garbage => {
            body.write(b"\x16\x03\x01\x00\xff this is not HTTP \x00\x01\r\n\r\n")
                .await?;
            return Ok(false);
        }
        Act::Huge { total } => body.huge(total).await?,
        Act::GzipBomb { inflated } => body.gzip_bomb(inflated).await?,
        Act::Close => return Ok(false),
        Act::HalfBody(answer) => {
            body.head(&answer, &content_length(&answer)).await?;
            body.write(&answer.body[..answer.body.len() / 2]).await?;
            return Ok(false);
        }
        Act::SlowDrip { answer, pause } => {
            body.head(&answer, &content_length(&answer)).await?;
            for byte in &answer.body {
                tokio::time::sleep(pause).await;
                body.write(&[*byte]).await?;
            }
        }
    }
    Ok(true)
}

fn content_length(answer: &Response) -> String {
    format!("content-length: {}", answer.body.len())
}

struct Body<'a> {
    stream: &'a mut BufReader<TcpStream>,
    sent: &'a AtomicU64,
}

impl Body<'_> {
    async fn answer(&mut self, answer: &Response) -> Result<()> {
        self.head(answer, &content_length(answer)).await?;
        self.write(&answer.body).await
    }

    async fn head(&mut self, answer: &Response, framing: &str) -> Result<()> {
        self.stream.write_all(answer.head(framing).as_bytes()).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await?;
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

    /// `{"sub":"user-1","padding":"aaa…"}`: a reader that trusts it sees nothing wrong until the end.
    async fn huge(&mut self, total: u64) -> Result<()> {
        const START: &[u8] = br#"{"sub":"user-1","padding":""#;
        const END: &[u8] = br#""}"#;
        let answer = Response::body(200, "application/json", Bytes::new());
        self.head(&answer, "transfer-encoding: chunked").await?;
        self.chunk(START).await?;
        let piece = vec![b'a'; PIECE];
        let mut left = total.saturating_sub(u64::try_from(START.len() + END.len()).unwrap());
        while left > 0 {
            let length = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            self.chunk(&piece[..length]).await?;
            left -= u64::try_from(length).unwrap();
        }
        self.chunk(END).await?;
        self.stream.write_all(b"0\r\n\r\n").await
    }

    async fn gzip_bomb(&mut self, inflated: u64) -> Result<()> {
        let answer = Response::body(200, "application/json", Bytes::new()).header("content-encoding", "gzip");
        self.head(&answer, "transfer-encoding: chunked").await?;
        let mut bomb = gzip::Bomb::of_spaces(inflated);
        while let Some(piece) = bomb.piece(PIECE) {
            self.chunk(&piece).await?;
        }
        self.stream.write_all(b"0\r\n\r\n").await
    }

    /// Reads until the client closes.
    async fn wait_for_leave(&mut self) {
        let mut ignored = [0; 1024];
        while self.stream.read(&mut ignored).await.is_ok_and(|read| read > 0) {}
    }
}

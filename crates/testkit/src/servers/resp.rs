//! Minimal client of the Redis protocol (RESP2): one command on one connection.

// Not the library that the gateway uses: a fault of that library must not hide itself from the tests.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Time limit for connecting, sending and reading all replies.
const REPLY_TIMEOUT: Duration = Duration::from_secs(5);

/// One reply of Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisReply {
    /// A status such as `OK` or `PONG`.
    Status(String),
    /// An integer.
    Integer(i64),
    /// A bulk string.
    Bulk(Vec<u8>),
    /// No value.
    Nil,
    /// Several replies.
    Array(Vec<RedisReply>),
}

impl RedisReply {
    /// Returns the text of a status, a bulk string or a number.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Status(text) => Some(text.clone()),
            Self::Bulk(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            Self::Integer(number) => Some(number.to_string()),
            Self::Nil | Self::Array(_) => None,
        }
    }
}

/// Sends one command on a new connection, after the password if there is one.
///
/// # Errors
/// If Redis cannot be reached, does not answer within 5 s, or answers with an error.
pub(super) async fn send_command(
    server: SocketAddr,
    password: Option<&str>,
    parts: &[&str],
) -> Result<RedisReply> {
    let mut commands = Vec::new();
    if let Some(password) = password {
        commands.push(vec![b"AUTH".to_vec(), password.as_bytes().to_vec()]);
    }
    commands.push(parts.iter().map(|part| part.as_bytes().to_vec()).collect());
    send_commands(server, &commands).await
}

async fn send_commands(server: SocketAddr, commands: &[Vec<Vec<u8>>]) -> Result<RedisReply> {
    tokio::time::timeout(REPLY_TIMEOUT, exchange_commands(server, commands))
        .await
        .context("Redis did not answer in time")?
}

async fn exchange_commands(server: SocketAddr, commands: &[Vec<Vec<u8>>]) -> Result<RedisReply> {
    let mut stream = BufReader::new(
        TcpStream::connect(server)
            .await
            .context("Redis cannot be reached")?,
    );
    let mut last = RedisReply::Nil;
    for command in commands {
        stream.write_all(&encode(command)).await?;
        // Each reply is read before the next command, so that a refused password is the error that is
        // reported.
        last = read(&mut stream).await?;
    }
    Ok(last)
}

fn encode(command: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", command.len()).into_bytes();
    for part in command {
        bytes.extend(format!("${}\r\n", part.len()).into_bytes());
        bytes.extend(part);
        bytes.extend(b"\r\n");
    }
    bytes
}

async fn read(stream: &mut BufReader<TcpStream>) -> Result<RedisReply> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    // The first byte is the type. An empty line means the end of the connection.
    let Some((kind, rest)) = line.trim_end().split_at_checked(1) else {
        bail!("Redis closed the connection")
    };
    match kind {
        "+" => Ok(RedisReply::Status(rest.to_owned())),
        ":" => Ok(RedisReply::Integer(rest.parse()?)),
        "-" => bail!("Redis answered: {rest}"),
        // RESP2 writes "no value" as a bulk string or an array of length -1.
        "$" if rest.starts_with('-') => Ok(RedisReply::Nil),
        "$" => {
            // The line end after the bytes is read too, and cut off.
            let mut bytes = vec![0; rest.parse::<usize>()? + 2];
            stream.read_exact(&mut bytes).await?;
            bytes.truncate(bytes.len() - 2);
            Ok(RedisReply::Bulk(bytes))
        }
        "*" if rest.starts_with('-') => Ok(RedisReply::Nil),
        "*" => {
            let mut parts = Vec::new();
            for _ in 0..rest.parse::<usize>()? {
                // Boxed: an async function cannot contain its own future.
                parts.push(Box::pin(read(stream)).await?);
            }
            Ok(RedisReply::Array(parts))
        }
        other => bail!("Redis answered with an unknown type {other:?}"),
    }
}

//! Just enough of the Redis protocol (RESP2) to ask a server one thing, without a client library.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(5);

/// One answer of Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisReply {
    /// A status such as `OK` or `PONG`.
    Status(String),
    /// An integer.
    Integer(i64),
    /// A bulk string.
    Bulk(Vec<u8>),
    /// The absence of a value.
    Nil,
    /// Several answers.
    Array(Vec<RedisReply>),
}

impl RedisReply {
    /// The text of a status or a bulk string.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Status(text) => Some(text.clone()),
            Self::Bulk(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            Self::Integer(number) => Some(number.to_string()),
            Self::Nil | Self::Array(_) => None,
        }
    }
}

/// Sends one command on one new connection, after the password if there is one.
///
/// # Errors
/// When Redis can't be reached, says nothing within five seconds, or answers with an error.
pub(super) async fn ask_as(server: SocketAddr, password: Option<&str>, parts: &[&str]) -> Result<RedisReply> {
    let mut commands = Vec::new();
    if let Some(password) = password {
        commands.push(vec![b"AUTH".to_vec(), password.as_bytes().to_vec()]);
    }
    commands.push(parts.iter().map(|part| part.as_bytes().to_vec()).collect());
    ask(server, &commands).await
}

async fn ask(server: SocketAddr, commands: &[Vec<Vec<u8>>]) -> Result<RedisReply> {
    tokio::time::timeout(PATIENCE, converse(server, commands))
        .await
        .context("Redis said nothing in time")?
}

async fn converse(server: SocketAddr, commands: &[Vec<Vec<u8>>]) -> Result<RedisReply> {
    let mut stream = BufReader::new(
        TcpStream::connect(server)
            .await
            .context("Redis cannot be reached")?,
    );
    let mut last = RedisReply::Nil;
    for command in commands {
        stream.write_all(&encode(command)).await?;
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
    let Some((kind, rest)) = line.trim_end().split_at_checked(1) else {
        bail!("Redis closed the connection")
    };
    match kind {
        "+" => Ok(RedisReply::Status(rest.to_owned())),
        ":" => Ok(RedisReply::Integer(rest.parse()?)),
        "-" => bail!("Redis answered: {rest}"),
        "$" if rest.starts_with('-') => Ok(RedisReply::Nil),
        "$" => {
            let mut bytes = vec![0; rest.parse::<usize>()? + 2];
            stream.read_exact(&mut bytes).await?;
            bytes.truncate(bytes.len() - 2);
            Ok(RedisReply::Bulk(bytes))
        }
        "*" if rest.starts_with('-') => Ok(RedisReply::Nil),
        "*" => {
            let mut parts = Vec::new();
            for _ in 0..rest.parse::<usize>()? {
                parts.push(Box::pin(read(stream)).await?);
            }
            Ok(RedisReply::Array(parts))
        }
        other => bail!("Redis answered with an unknown type {other:?}"),
    }
}

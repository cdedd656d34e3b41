//! The load of doors that `wrk` does not knock at: this program again, as the client that `drive` is.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::NamedTempFile;

use super::Seen;
use super::drive::Protocol;
use crate::verify::servers::process::LOADS_CORE;

/// A client with some tokens.
#[derive(Debug)]
pub(in crate::verify) struct Client {
    tokens: NamedTempFile,
}

/// A door, and how many questions are under way at it: so many on each of so many connections.
#[derive(Clone, Debug)]
pub(in crate::verify) struct Knock {
    protocol: Protocol,
    at: String,
    connections: usize,
    streams: usize,
}

impl Knock {
    /// HTTP/1.1 over TCP, one question on each connection.
    pub(in crate::verify) fn at_port(port: u16, connections: usize) -> Self {
        Self {
            protocol: Protocol::Http,
            at: format!("127.0.0.1:{port}"),
            connections,
            streams: 1,
        }
    }

    /// HTTP/1.1 over a Unix socket, one question on each connection.
    pub(in crate::verify) fn at_socket(path: &Path, connections: usize) -> Self {
        Self {
            protocol: Protocol::Unix,
            at: path.display().to_string(),
            connections,
            streams: 1,
        }
    }

    /// Envoy's questions over gRPC.
    pub(in crate::verify) fn at_grpc(port: u16, connections: usize, streams: usize) -> Self {
        Self {
            protocol: Protocol::Grpc,
            at: format!("127.0.0.1:{port}"),
            connections,
            streams,
        }
    }
}

impl Client {
    pub(in crate::verify) fn of(tokens: &[String]) -> Result<Self> {
        let mut file = NamedTempFile::new()?;
        for token in tokens {
            writeln!(file, "{token}")?;
        }
        file.flush()?;
        Ok(Self { tokens: file })
    }

    /// Asks for a while. Every answer must be a yes.
    pub(in crate::verify) fn run(&self, knock: &Knock, lasts: Duration) -> Result<Seen> {
        let output = Command::new("taskset")
            .args(["-c", LOADS_CORE])
            .arg(std::env::current_exe()?)
            .args(["drive", knock.protocol.name(), &knock.at])
            .arg(self.tokens.path())
            .args([
                lasts.as_millis().to_string(),
                knock.connections.to_string(),
                knock.streams.to_string(),
            ])
            .output()
            .context("taskset is part of util-linux")?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "the client ended with {}: {told}",
            output.status
        );
        let text = String::from_utf8_lossy(&output.stdout);
        read(&text).with_context(|| format!("the client says something else: {text}"))
    }
}

/// What `drive` prints.
fn read(line: &str) -> Option<Seen> {
    let mut figures = line.split_whitespace().map(str::parse);
    let mut next = || figures.next()?.ok();
    Some(Seen {
        requests: next()?,
        per_second: next()?,
        p50: next()?,
        p99: next()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_client_prints_is_read() {
        let seen = read("1500 300.5 12 99.25\n").unwrap();
        assert!((seen.requests - 1_500.0).abs() < 1e-9 && (seen.per_second - 300.5).abs() < 1e-9);
        assert!((seen.p50 - 12.0).abs() < 1e-9 && (seen.p99 - 99.25).abs() < 1e-9);
        assert!(read("1500 300.5 12").is_none());
    }
}

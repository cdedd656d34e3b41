//! Load of transports that `wrk` does not know: this program again, as the client of the command `drive`.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::NamedTempFile;

use super::LoadResult;
use super::drive::Protocol;
use crate::verify::servers::process::LOADS_CORE;

/// Client with some tokens, in a file.
#[derive(Debug)]
pub(in crate::verify) struct LoadClient {
    tokens: NamedTempFile,
}

/// Transport to load, and the number of requests in progress: `streams` on each of `connections`.
#[derive(Clone, Debug)]
pub(in crate::verify) struct LoadTarget {
    protocol: Protocol,
    at: String,
    connections: usize,
    streams: usize,
}

impl LoadTarget {
    /// HTTP/1.1 over TCP, one request at a time on each connection.
    pub(in crate::verify) fn at_port(port: u16, connections: usize) -> Self {
        Self {
            protocol: Protocol::Http,
            at: format!("127.0.0.1:{port}"),
            connections,
            streams: 1,
        }
    }

    /// HTTP/1.1 over a Unix socket, one request at a time on each connection.
    pub(in crate::verify) fn at_socket(path: &Path, connections: usize) -> Self {
        Self {
            protocol: Protocol::Unix,
            at: path.display().to_string(),
            connections,
            streams: 1,
        }
    }

    /// Envoy's requests over gRPC.
    pub(in crate::verify) fn at_grpc(port: u16, connections: usize, streams: usize) -> Self {
        Self {
            protocol: Protocol::Grpc,
            at: format!("127.0.0.1:{port}"),
            connections,
            streams,
        }
    }
}

impl LoadClient {
    pub(in crate::verify) fn of(tokens: &[String]) -> Result<Self> {
        let mut file = NamedTempFile::new()?;
        for token in tokens {
            writeln!(file, "{token}")?;
        }
        // Flushed here: another process reads the file.
        file.flush()?;
        Ok(Self { tokens: file })
    }

    /// Sends requests for `duration`. Every answer must allow the request.
    pub(in crate::verify) fn run(&self, target: &LoadTarget, duration: Duration) -> Result<LoadResult> {
        let output = Command::new("taskset")
            .args(["-c", LOADS_CORE])
            .arg(std::env::current_exe()?)
            .args(["drive", target.protocol.name(), &target.at])
            .arg(self.tokens.path())
            .args([
                duration.as_millis().to_string(),
                target.connections.to_string(),
                target.streams.to_string(),
            ])
            .output()
            .context("taskset is part of util-linux")?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "the client ended with {}: {stderr}",
            output.status
        );
        let text = String::from_utf8_lossy(&output.stdout);
        read(&text).with_context(|| format!("the output of the client is not understood: {text}"))
    }
}

/// Parses the output of `drive`.
fn read(line: &str) -> Option<LoadResult> {
    let mut figures = line.split_whitespace().map(str::parse);
    let mut next = || figures.next()?.ok();
    Some(LoadResult {
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
        let result = read("1500 300.5 12 99.25\n").unwrap();
        assert!((result.requests - 1_500.0).abs() < 1e-9 && (result.per_second - 300.5).abs() < 1e-9);
        assert!((result.p50 - 12.0).abs() < 1e-9 && (result.p99 - 99.25).abs() < 1e-9);
        assert!(read("1500 300.5 12").is_none());
    }
}

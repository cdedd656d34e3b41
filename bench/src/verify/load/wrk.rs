//! Load by `wrk`, with a different token in each request.

use std::io::Write as _;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use super::LoadResult;
use crate::verify::servers::process::LOADS_CORE;

// The requests are formatted once: Lua must not cost time for each request.
const SCRIPT: &str = r#"
local requests, at = {}, 0
function init(args)
  for token in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("GET", args[4], { [args[2]] = args[3] .. token })
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
"#;

/// Load with some credentials.
#[derive(Clone, Debug)]
pub(in crate::verify) struct Wrk {
    folder: Arc<TempDir>,
    /// Header, and what comes before the credential in its value.
    header: [&'static str; 2],
    /// Path that every request asks for.
    path: &'static str,
}

impl Wrk {
    /// Bearer tokens.
    pub(in crate::verify) fn of(tokens: &[String]) -> Result<Self> {
        Self::with_header(tokens, ["Authorization", "Bearer "])
    }

    /// Session cookies.
    pub(in crate::verify) fn of_cookies(cookies: &[String]) -> Result<Self> {
        Self::with_header(cookies, ["Cookie", "__Host-maxlab_session="])
    }

    /// Credentials in a header: its name, and what comes before the credential in its value.
    pub(in crate::verify) fn with_header(tokens: &[String], header: [&'static str; 2]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut file = std::fs::File::create(folder.path().join("tokens"))?;
        for token in tokens {
            writeln!(file, "{token}")?;
        }
        std::fs::write(folder.path().join("tokens.lua"), SCRIPT)?;
        Ok(Self {
            folder: Arc::new(folder),
            header,
            path: "/auth/verify",
        })
    }

    /// The same credentials, presented at the path of another server.
    pub(in crate::verify) fn at_path(mut self, path: &'static str) -> Self {
        self.path = path;
        self
    }

    /// Loads the server at this port. Every answer must have a 2xx status.
    pub(in crate::verify) fn run(&self, port: u16, duration: Duration) -> Result<LoadResult> {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let output = Command::new("taskset")
            .args(["-c", LOADS_CORE, "wrk", "-t1", "-c64", "--latency"])
            .arg(format!("-d{}s", duration.as_secs()))
            .args(["-s", &path("tokens.lua")])
            .arg(format!("http://127.0.0.1:{port}{}", self.path))
            .args(["--", &path("tokens")])
            .args(self.header)
            .arg(self.path)
            .output()
            .context("wrk is not installed (Debian package wrk)")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success(), "wrk failed: {text}");
        // wrk prints this line only if there were any.
        ensure!(!text.contains("Non-2xx"), "not every answer was 2xx: {text}");
        read(&text).with_context(|| format!("the output of wrk is not understood: {text}"))
    }
}

/// Parses the output of wrk.
fn read(text: &str) -> Option<LoadResult> {
    let after = |mark: &str| text.lines().find_map(|line| line.trim().strip_prefix(mark));
    let requests = text.lines().find(|line| line.contains(" requests in "))?;
    Some(LoadResult {
        requests: requests.split_whitespace().next()?.parse().ok()?,
        per_second: after("Requests/sec:")?.trim().parse().ok()?,
        p50: micros(after("50%")?.trim())?,
        p99: micros(after("99%")?.trim())?,
    })
}

/// Parses a time of wrk into microseconds.
fn micros(text: &str) -> Option<f64> {
    // "s" is the last one, because the other two end with it.
    let units = [("us", 1.0), ("ms", 1e3), ("s", 1e6)];
    let (number, factor) = units
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))?;
    Some(number.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_prints_is_read() {
        let text = "  Latency Distribution\n     50%  587.00us\n     75%    1.0ms\n     99%    1.25ms\n  \
            100 requests in 1.00s, 1MB read\nRequests/sec:  99.50\n";
        let result = read(text).unwrap();
        assert!((result.p50 - 587.0).abs() < 1e-9 && (result.p99 - 1_250.0).abs() < 1e-9);
        assert!((result.requests - 100.0).abs() < 1e-9 && (result.per_second - 99.5).abs() < 1e-9);
    }
}

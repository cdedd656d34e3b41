//! Servers as processes on a core of their own, and what the kernel counts of them.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

/// Servers run here.
pub(in crate::verify) const SERVERS_CORE: &str = "0";
/// What loads them runs here.
pub(in crate::verify) const LOADS_CORE: &str = "1";

/// The kernel counts CPU time in hundredths of a second (`CLK_TCK`, which is 100 wherever Linux runs).
const TICKS: f64 = 100.0;

/// A server; killed when it is dropped.
#[derive(Debug)]
pub(in crate::verify) struct Server {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Server {
    /// Starts it and waits until its port takes connections. It runs in one process.
    pub(in crate::verify) fn start(command: &[&str], port: u16, folder: TempDir) -> Result<Self> {
        let mut child = Command::new("taskset")
            .args(["-c", SERVERS_CORE])
            .args(command)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("taskset is part of util-linux")?;
        let began = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if began.elapsed() > Duration::from_secs(10) || child.try_wait()?.is_some() {
                bail!("{command:?} does not listen");
            }
            sleep(Duration::from_millis(5));
        }
        Ok(Self {
            child,
            port,
            _folder: folder,
        })
    }

    pub(in crate::verify) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(in crate::verify) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Binds this process, and what it starts without another word, to the loads' core: only servers run on theirs.
pub(in crate::verify) fn leave_the_servers_core() -> Result<()> {
    let bound = Command::new("taskset")
        .args(["-a", "-c", "-p", LOADS_CORE, &std::process::id().to_string()])
        .stdout(Stdio::null())
        .status()
        .context("taskset is part of util-linux")?;
    ensure!(
        bound.success(),
        "a core for the servers and one for the load are needed"
    );
    Ok(())
}

/// Seconds of CPU that a process has used, in user and system mode.
pub(in crate::verify) fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in parentheses, may hold anything.
    let (_, fields) = stat.rsplit_once(')').context("a stat file")?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || -> Result<f64> { Ok(fields.next().context("a stat file")?.parse()?) };
    Ok((ticks()? + ticks()?) / TICKS)
}

/// Kibibytes of memory that a process holds.
pub(in crate::verify) fn kibibytes(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    Ok(line
        .and_then(|rest| rest.trim().strip_suffix("kB"))
        .context("a status file")?
        .trim()
        .parse()?)
}

/// Whether a program is installed.
pub(in crate::verify) fn is_installed(program: &str) -> bool {
    Command::new("which")
        .arg(program)
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

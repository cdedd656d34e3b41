//! Servers as processes on their own core, and what the kernel counts for them.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

/// Core of the servers.
pub(in crate::verify) const SERVERS_CORE: &str = "0";
/// Core of the programs that load them.
pub(in crate::verify) const LOADS_CORE: &str = "1";

/// Unit of CPU time in `/proc`, per second (`CLK_TCK`, 100 on every Linux).
const TICKS: f64 = 100.0;

/// Process of a server. Killed on drop.
#[derive(Debug)]
pub(in crate::verify) struct ServerProcess {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl ServerProcess {
    /// Starts a server that runs in one process, and waits until its port accepts connections.
    pub(in crate::verify) fn start(command: &[&str], port: u16, folder: TempDir) -> Result<Self> {
        let mut child = Command::new("taskset")
            .args(["-c", SERVERS_CORE])
            .args(command)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("taskset is part of util-linux")?;
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if started.elapsed() > Duration::from_secs(10) || child.try_wait()?.is_some() {
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

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Nothing to do about a failure. Without `wait` a zombie would remain.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Binds this process, and those that it starts without a core of their own, to the core of the load.
///
/// Only servers run on the servers' core.
pub(in crate::verify) fn pin_to_load_core() -> Result<()> {
    // -a: all threads, also those that exist already.
    let bound = Command::new("taskset")
        .args(["-a", "-c", "-p", LOADS_CORE, &std::process::id().to_string()])
        .stdout(Stdio::null())
        .status()
        .context("taskset is part of util-linux")?;
    ensure!(
        bound.success(),
        "this benchmark needs two cores, one for the servers and one for the load"
    );
    Ok(())
}

/// Returns the seconds of CPU that a process has used, in user and system mode.
pub(in crate::verify) fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the program's name in parentheses, which may contain spaces and parentheses.
    let (_, fields) = stat.rsplit_once(')').context("/proc/PID/stat has no name")?;
    // Fields 14 and 15 of proc(5): 11 fields after the name are skipped.
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || -> Result<f64> { Ok(fields.next().context("/proc/PID/stat is too short")?.parse()?) };
    Ok((ticks()? + ticks()?) / TICKS)
}

/// Returns the resident memory of a process, in kibibytes.
pub(in crate::verify) fn resident_kibibytes(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    Ok(line
        .and_then(|rest| rest.trim().strip_suffix("kB"))
        .context("/proc/PID/status has no VmRSS")?
        .trim()
        .parse()?)
}

/// Returns whether a program is installed.
pub(in crate::verify) fn is_installed(program: &str) -> bool {
    Command::new("which")
        .arg(program)
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

//! Gateway as a real process: started on a private port, killed, paused, drained and restarted.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Result, bail};
use tempfile::TempDir;

use crate::child::{ChildCommand, ChildProcess, POLL_TIMEOUT, log_tail};
use crate::ports::{free_port, loopback};
use crate::raw::RawClient;

/// Binary and settings of one gateway.
#[derive(Debug, Clone)]
pub struct GatewayOptions {
    binary: PathBuf,
    args: Vec<String>,
    env: Vec<(OsString, OsString)>,
    start_timeout: Duration,
}

/// Result of a gateway process that ended by itself.
#[derive(Debug)]
pub struct ProcessOutput {
    /// Exit status.
    pub status: ExitStatus,
    /// Whole standard output.
    pub stdout: String,
    /// Whole standard error.
    pub stderr: String,
}

impl GatewayOptions {
    /// Makes the options for `maxlab-auth serve`. A test of the server crate passes
    /// `env!("CARGO_BIN_EXE_maxlab-auth")` as the binary.
    ///
    /// The environment has PATH, HOME, `HOST=127.0.0.1`, a private `PORT` and a private `DATA_DIR`, and
    /// nothing else.
    pub fn new(binary: impl AsRef<Path>) -> Self {
        // Settings of the developer's own shell must not reach the gateway under test.
        let inherited = ["PATH", "HOME"].into_iter();
        let env = inherited
            .filter_map(|name| Some((name.into(), std::env::var_os(name)?)))
            .collect();
        Self {
            binary: binary.as_ref().to_owned(),
            args: vec!["serve".to_owned()],
            env,
            start_timeout: POLL_TIMEOUT,
        }
    }

    /// Replaces the arguments, which are `serve` by default.
    #[must_use]
    pub fn args<'a>(mut self, args: impl IntoIterator<Item = &'a str>) -> Self {
        self.args = args.into_iter().map(str::to_owned).collect();
        self
    }

    /// Sets one setting; the last value counts.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.into(), value.as_ref().into()));
        self
    }

    /// Sets the time limit of starting and stopping; the default is 30 s.
    #[must_use]
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.start_timeout = timeout;
        self
    }

    /// Starts the gateway and waits until `/health` answers with any status.
    ///
    /// # Errors
    /// If the process ends or does not answer in time. The error contains the end of its log.
    pub async fn start(self) -> Result<GatewayProcess> {
        let mut gateway = GatewayProcess::prepare(self)?;
        gateway.launch().await?;
        Ok(gateway)
    }

    /// Starts the binary and waits until it ends by itself: a wrong setting, or a subcommand other than
    /// `serve`.
    ///
    /// # Errors
    /// If the process has not ended in time.
    pub async fn run(self) -> Result<ProcessOutput> {
        let gateway = GatewayProcess::prepare(self)?;
        let process = gateway.spawn()?;
        let status = process.wait(gateway.options.start_timeout).await?;
        let read = |path| std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ok(ProcessOutput {
            status,
            stdout: read(gateway.stdout())?,
            stderr: read(gateway.stderr())?,
        })
    }
}

/// Gateway process, killed on drop. If the test fails, the gateway's output is printed.
#[derive(Debug)]
pub struct GatewayProcess {
    // Before the folder: fields are dropped in order, and the process must be gone when its folder is
    // removed.
    process: Option<ChildProcess>,
    folder: TempDir,
    port: u16,
    options: GatewayOptions,
}

impl GatewayProcess {
    /// Returns the options of a gateway with default settings (see [`GatewayOptions::new`]).
    pub fn of(binary: impl AsRef<Path>) -> GatewayOptions {
        GatewayOptions::new(binary)
    }

    fn prepare(options: GatewayOptions) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("maxlab-gateway-").tempdir()?;
        Ok(Self {
            process: None,
            folder,
            port: free_port(),
            options,
        })
    }

    /// Returns `http://127.0.0.1:port`, which stays the same across restarts.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns the address on which the gateway listens.
    pub fn addr(&self) -> SocketAddr {
        loopback(self.port)
    }

    /// Returns the working folder. The gateway reads `.env` there, and `data` is its DATA_DIR unless set.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the process id while the process runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(ChildProcess::pid)
    }

    /// Returns `true` while the process runs.
    pub fn is_running(&self) -> bool {
        self.process
            .as_ref()
            .is_some_and(|process| process.exit_status().is_none())
    }

    /// Returns the output of all runs: first standard output, then standard error.
    pub fn log(&self) -> String {
        let read = |path| std::fs::read(path).unwrap_or_default();
        let bytes = [read(self.stdout()), read(self.stderr())].concat();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Kills the process (SIGKILL). Returns when it is gone.
    pub fn kill9(&mut self) {
        // Dropping a child kills and reaps it.
        self.process = None;
    }

    /// Sends SIGTERM and waits until the process has drained and ended.
    ///
    /// # Errors
    /// If the process does not run, or has not ended within the start timeout.
    pub async fn terminate(&mut self) -> Result<ExitStatus> {
        let Some(process) = self.process.take() else {
            bail!("the gateway does not run")
        };
        process.signal("TERM");
        process.wait(self.options.start_timeout).await
    }

    /// Sends a signal by its name, such as `TERM`, and does not wait.
    pub fn signal(&self, signal: &str) {
        self.process.iter().for_each(|process| process.signal(signal));
    }

    /// Freezes the process (SIGSTOP), as a suspended machine would.
    pub fn pause(&self) {
        self.process.iter().for_each(ChildProcess::pause);
    }

    /// Ends a [`GatewayProcess::pause`].
    pub fn resume(&self) {
        self.process.iter().for_each(ChildProcess::resume);
    }

    /// Changes one setting for the next [`GatewayProcess::restart`].
    pub fn set_env(&mut self, name: &str, value: &str) {
        self.options = self.options.clone().env(name, value);
    }

    /// Starts the gateway again with the same port, folder and data. Kills it first if it runs.
    ///
    /// # Errors
    /// As [`GatewayOptions::start`].
    pub async fn restart(&mut self) -> Result<()> {
        self.kill9();
        self.launch().await
    }

    async fn launch(&mut self) -> Result<()> {
        let process = self.spawn()?;
        let logs = || format!("{}\n{}", log_tail(&self.stdout()), log_tail(&self.stderr()));
        process
            .wait_until_ready("the gateway", self.options.start_timeout, logs, async || {
                check_health(self.addr()).await.is_ok()
            })
            .await?;
        self.process = Some(process);
        Ok(())
    }

    fn spawn(&self) -> Result<ChildProcess> {
        let mut env: Vec<(OsString, OsString)> = vec![
            ("HOST".into(), "127.0.0.1".into()),
            ("PORT".into(), self.port.to_string().into()),
            ("DATA_DIR".into(), self.folder.path().join("data").into()),
        ];
        // After the defaults, so that a test can replace each of them.
        env.extend(self.options.env.iter().cloned());
        ChildCommand::new(&self.options.binary, self.folder.path())
            .args(&self.options.args)
            .only_env(env)
            .output(&self.stdout(), &self.stderr())
            .spawn()
    }

    fn stdout(&self) -> PathBuf {
        self.folder.path().join("stdout")
    }

    fn stderr(&self) -> PathBuf {
        self.folder.path().join("stderr")
    }
}

impl Drop for GatewayProcess {
    fn drop(&mut self) {
        // Only for a failed test: the log of a passing one is noise.
        if std::thread::panicking() {
            eprintln!("the gateway's log:\n{}", self.log());
        }
    }
}

/// Returns the status of `/health`. Any answer means that the gateway is up.
async fn check_health(gateway: SocketAddr) -> Result<u16> {
    let mut client = RawClient::connect(gateway)
        .await?
        .read_timeout(Duration::from_secs(5));
    client
        .send(format!(
            "GET /health HTTP/1.1\r\nhost: {gateway}\r\nconnection: close\r\n\r\n"
        ))
        .await?;
    Ok(client.reply().await?.status)
}

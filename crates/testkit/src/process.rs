//! The gateway as a real process: started on a private port, killed, paused, drained and restarted.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tempfile::TempDir;

use crate::child::{BEAT, Launch, PATIENCE, Spawned, tail};
use crate::ports::{free_port, loopback};
use crate::raw::RawClient;

/// The binary and the settings of one gateway.
#[derive(Debug, Clone)]
pub struct GatewayOptions {
    binary: PathBuf,
    args: Vec<String>,
    env: Vec<(OsString, OsString)>,
    patience: Duration,
}

/// How a gateway that was expected to end by itself ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
}

impl GatewayOptions {
    /// `maxlab-auth serve` from this binary; a test of the server crate passes `env!("CARGO_BIN_EXE_maxlab-auth")`.
    ///
    /// The environment is empty but for PATH, HOME, `HOST=127.0.0.1`, a private `PORT` and a `DATA_DIR` of its own.
    pub fn new(binary: impl AsRef<Path>) -> Self {
        let inherited = ["PATH", "HOME"].into_iter();
        let env = inherited
            .filter_map(|name| Some((name.into(), std::env::var_os(name)?)))
            .collect();
        Self {
            binary: binary.as_ref().to_owned(),
            args: vec!["serve".to_owned()],
            env,
            patience: PATIENCE,
        }
    }

    /// Other arguments than `serve`.
    #[must_use]
    pub fn args<'a>(mut self, args: impl IntoIterator<Item = &'a str>) -> Self {
        self.args = args.into_iter().map(str::to_owned).collect();
        self
    }

    /// Sets one setting; the last value holds.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.into(), value.as_ref().into()));
        self
    }

    /// How long it may take until it answers; thirty seconds unless set.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Starts it and waits until `/health` answers, whatever the status.
    ///
    /// # Errors
    /// When it ends or does not answer in time; the error holds the end of its log.
    pub async fn start(self) -> Result<GatewayProcess> {
        let mut gateway = GatewayProcess::prepare(self)?;
        gateway.launch().await?;
        Ok(gateway)
    }

    /// Starts it and waits until it ends by itself: a wrong setting, or a subcommand other than `serve`.
    ///
    /// # Errors
    /// When it has not ended in time.
    pub async fn run(self) -> Result<Ended> {
        let gateway = GatewayProcess::prepare(self)?;
        let process = gateway.spawn()?;
        let status = process.wait(gateway.options.patience).await?;
        let read = |path| std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ok(Ended {
            status,
            stdout: read(gateway.stdout())?,
            stderr: read(gateway.stderr())?,
        })
    }
}

/// A gateway process; killed on drop. Its output goes to the test's own when the test fails.
#[derive(Debug)]
pub struct GatewayProcess {
    // Before the folder, so that the process is gone when its folder is removed.
    process: Option<Spawned>,
    folder: TempDir,
    port: u16,
    options: GatewayOptions,
}

impl GatewayProcess {
    /// The options of a gateway with default settings; see [`GatewayOptions::new`].
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

    /// `http://127.0.0.1:port`, the same across restarts.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        loopback(self.port)
    }

    /// Its working folder; `.env` there is read, and `data` is its DATA_DIR unless set.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Spawned::pid)
    }

    /// Whether it still runs.
    pub fn is_running(&self) -> bool {
        self.process
            .as_ref()
            .is_some_and(|process| process.exited().is_none())
    }

    /// Everything that it has written, standard output before standard error, over all restarts.
    pub fn log(&self) -> String {
        let read = |path| std::fs::read(path).unwrap_or_default();
        let bytes = [read(self.stdout()), read(self.stderr())].concat();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// SIGKILL; returns when the process is gone.
    pub fn kill9(&mut self) {
        self.process = None;
    }

    /// SIGTERM, and waits for it to drain and end.
    ///
    /// # Errors
    /// When it does not run, or has not ended within the patience.
    pub async fn terminate(&mut self) -> Result<ExitStatus> {
        let Some(process) = self.process.take() else {
            bail!("the gateway does not run")
        };
        process.signal("TERM");
        process.wait(self.options.patience).await
    }

    /// Sends a signal by name, such as `TERM`, and does not wait.
    pub fn signal(&self, signal: &str) {
        self.process.iter().for_each(|process| process.signal(signal));
    }

    /// Freezes it (SIGSTOP): a long garbage-collection pause, a suspended machine.
    pub fn pause(&self) {
        self.process.iter().for_each(Spawned::pause);
    }

    /// Ends a [`GatewayProcess::pause`].
    pub fn resume(&self) {
        self.process.iter().for_each(Spawned::resume);
    }

    /// Changes one setting for the next [`GatewayProcess::restart`].
    pub fn set_env(&mut self, name: &str, value: &str) {
        self.options = self.options.clone().env(name, value);
    }

    /// Starts it again on the same port, folder and data; kills it first if it runs.
    ///
    /// # Errors
    /// As [`GatewayOptions::start`].
    pub async fn restart(&mut self) -> Result<()> {
        self.kill9();
        self.launch().await
    }

    async fn launch(&mut self) -> Result<()> {
        let process = self.spawn()?;
        let started = Instant::now();
        while health(self.addr()).await.is_err() {
            let logs = || format!("{}\n{}", tail(&self.stdout()), tail(&self.stderr()));
            if let Some(status) = process.exited() {
                bail!("the gateway ended with {status}:\n{}", logs());
            }
            if started.elapsed() > self.options.patience {
                bail!("the gateway does not answer /health:\n{}", logs());
            }
            tokio::time::sleep(BEAT).await;
        }
        self.process = Some(process);
        Ok(())
    }

    fn spawn(&self) -> Result<Spawned> {
        let mut env: Vec<(OsString, OsString)> = vec![
            ("HOST".into(), "127.0.0.1".into()),
            ("PORT".into(), self.port.to_string().into()),
            ("DATA_DIR".into(), self.folder.path().join("data").into()),
        ];
        env.extend(self.options.env.iter().cloned());
        Launch::new(&self.options.binary, self.folder.path())
            .args(&self.options.args)
            .only_env(env)
            .output(&self.stdout(), &self.stderr())
            .start()
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
        if std::thread::panicking() {
            eprintln!("the gateway's log:\n{}", self.log());
        }
    }
}

async fn health(gateway: SocketAddr) -> Result<u16> {
    let mut client = RawClient::connect(gateway)
        .await?
        .patience(Duration::from_secs(5));
    client
        .send(format!(
            "GET /health HTTP/1.1\r\nhost: {gateway}\r\nconnection: close\r\n\r\n"
        ))
        .await?;
    Ok(client.reply().await?.status)
}

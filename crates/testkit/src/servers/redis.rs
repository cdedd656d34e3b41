//! Real redis-server that a test can kill, freeze, empty and restart.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use tempfile::TempDir;

use super::resp::{self, RedisReply};
use crate::child::{ChildCommand, ChildProcess, POLL_TIMEOUT, find_program, log_tail};
use crate::ports::{free_port, loopback};

/// Number of ports that are tried if another process takes the chosen one first.
const PORT_TRIES: usize = 5;

/// Options of a [`RedisServer`].
#[derive(Debug, Clone)]
pub struct RedisOptions {
    durable: bool,
    password: Option<String>,
    settings: Vec<(String, String)>,
}

impl RedisOptions {
    /// Returns options of a server that syncs every write to the append-only file before it answers
    /// (`appendfsync always`).
    pub fn durable() -> Self {
        Self {
            durable: true,
            password: None,
            settings: Vec::new(),
        }
    }

    /// Returns options of a server without persistence: its data is lost with the process.
    pub fn plain() -> Self {
        Self {
            durable: false,
            ..Self::durable()
        }
    }

    /// Requires this password from clients. [`RedisServer::url`] contains it.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    pub(super) fn configured_password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// Adds one line to redis.conf, such as `("maxmemory-policy", "allkeys-lru")`.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Makes the server a replica of `master`.
    #[must_use]
    pub fn replica_of(self, master: &RedisServer) -> Self {
        self.setting("replicaof", &format!("127.0.0.1 {}", master.port()))
    }
}

/// Copy of a durable [`RedisServer`]'s disk at one moment (see [`RedisServer::snapshot`]).
#[derive(Debug)]
pub struct RedisSnapshot {
    folder: TempDir,
}

/// Running redis-server in its own folder, killed on drop.
#[derive(Debug)]
pub struct RedisServer {
    // Before the folder: fields are dropped in order, and the process must be gone when its folder is
    // removed.
    process: Option<ChildProcess>,
    folder: TempDir,
    port: u16,
    options: RedisOptions,
}

impl RedisServer {
    /// Starts a server with [`RedisOptions::durable`].
    ///
    /// # Errors
    /// If redis-server is not installed or does not start.
    pub async fn start() -> Result<Self> {
        Self::start_with(RedisOptions::durable()).await
    }

    /// Starts a server with these options.
    ///
    /// # Errors
    /// As [`RedisServer::start`].
    pub async fn start_with(options: RedisOptions) -> Result<Self> {
        let mut fault = anyhow!("no port was tried");
        for _ in 0..PORT_TRIES {
            let folder = tempfile::Builder::new().prefix("maxlab-redis-").tempdir()?;
            let mut server = Self {
                process: None,
                folder,
                port: free_port(),
                options: options.clone(),
            };
            match server.launch().await {
                Ok(()) => return Ok(server),
                // The port was free when it was chosen. A program that does not lock ports may have taken it
                // since.
                Err(clash) if clash.to_string().contains("Address already in use") => fault = clash,
                Err(other) => return Err(other),
            }
        }
        Err(fault)
    }

    /// Returns `redis://127.0.0.1:port/`, with the password if one is set. Valid across restarts.
    pub fn url(&self) -> String {
        match &self.options.password {
            Some(password) => format!("redis://:{password}@127.0.0.1:{}/", self.port),
            None => format!("redis://127.0.0.1:{}/", self.port),
        }
    }

    /// Returns its address, for a [`crate::BreakableLink`].
    pub fn addr(&self) -> SocketAddr {
        loopback(self.port)
    }

    /// Returns the port, which stays the same across restarts.
    pub fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn password(&self) -> Option<&str> {
        self.options.configured_password()
    }

    /// Returns the process id while the server runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(ChildProcess::pid)
    }

    /// Stops the server as an operator would (SIGTERM) and waits.
    ///
    /// # Errors
    /// If the process has not ended within 30 s.
    pub async fn stop(&mut self) -> Result<()> {
        if let Some(process) = self.process.take() {
            process.signal("TERM");
            process.wait(POLL_TIMEOUT).await?;
        }
        Ok(())
    }

    /// Kills the server (SIGKILL). Returns when the process is gone.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Freezes the server (SIGSTOP): the kernel accepts connections, and nothing answers.
    pub fn pause(&self) {
        self.process.iter().for_each(ChildProcess::pause);
    }

    /// Ends a [`RedisServer::pause`].
    pub fn resume(&self) {
        self.process.iter().for_each(ChildProcess::resume);
    }

    /// Starts the server again on the same port and folder. Kills it first if it runs. A durable server has
    /// its data again, a plain one is empty.
    ///
    /// # Errors
    /// As [`RedisServer::start`].
    pub async fn restart(&mut self) -> Result<()> {
        self.kill();
        self.launch().await
    }

    /// Returns a copy of the current disk.
    ///
    /// # Errors
    /// If the server is not durable, or its files cannot be copied.
    pub fn snapshot(&self) -> Result<RedisSnapshot> {
        // Without stopping the server: the append-only file only grows, so a copy during a write is an older
        // state.
        let folder = tempfile::Builder::new()
            .prefix("maxlab-redis-snapshot-")
            .tempdir()?;
        copy_files(&self.disk_path(), folder.path())?;
        Ok(RedisSnapshot { folder })
    }

    /// Kills the server, replaces its disk by an older one, and starts it again on the same port: a restored
    /// backup, or a volume that was rolled back.
    ///
    /// # Errors
    /// If the files cannot be copied, or as [`RedisServer::start`].
    pub async fn roll_back(&mut self, snapshot: &RedisSnapshot) -> Result<()> {
        self.empty_disk()?;
        copy_files(snapshot.folder.path(), &self.disk_path())?;
        self.launch().await
    }

    /// Kills the server and starts an empty one on the same port: a replaced machine.
    ///
    /// # Errors
    /// As [`RedisServer::start`].
    pub async fn replace(&mut self) -> Result<()> {
        self.empty_disk()?;
        self.launch().await
    }

    fn empty_disk(&mut self) -> Result<()> {
        self.kill();
        let disk = self.disk_path();
        if disk.exists() {
            std::fs::remove_dir_all(&disk)
                .with_context(|| format!("{} cannot be removed", disk.display()))?;
        }
        Ok(())
    }

    /// Returns the folder of the append-only file (`appenddirname` of redis.conf, by default).
    fn disk_path(&self) -> PathBuf {
        self.folder.path().join("appendonlydir")
    }

    /// Removes every key of every database.
    ///
    /// # Errors
    /// If Redis cannot be reached.
    pub async fn flush_all(&self) -> Result<()> {
        self.command(&["FLUSHALL"]).await.map(drop)
    }

    /// Sends one command on a new connection, directly and not through a link.
    ///
    /// # Errors
    /// If Redis cannot be reached or answers with an error.
    pub async fn command(&self, parts: &[&str]) -> Result<RedisReply> {
        resp::send_command(self.addr(), self.password(), parts).await
    }

    async fn launch(&mut self) -> Result<()> {
        let program = find_program("redis-server")
            .context("redis-server is not installed: apt-get install redis-server (Debian)")?;
        let config = self.folder.path().join("redis.conf");
        std::fs::write(&config, self.config())?;
        let process = ChildCommand::new(program, self.folder.path())
            .args([&config])
            .spawn()?;
        let log = || log_tail(&self.folder.path().join("log"));
        process
            .wait_until_ready("redis-server", POLL_TIMEOUT, log, async || {
                // An error counts as "not up": while a server loads its data, it answers -LOADING.
                self.command(&["PING"]).await.is_ok()
            })
            .await?;
        self.process = Some(process);
        Ok(())
    }

    fn config(&self) -> String {
        let append_only = if self.options.durable { "yes" } else { "no" };
        let mut lines = vec![
            format!("port {}", self.port),
            "bind 127.0.0.1".to_owned(),
            "daemonize no".to_owned(),
            // No snapshots: a plain server must lose everything with its process.
            "save \"\"".to_owned(),
            format!("appendonly {append_only}"),
            "appendfsync always".to_owned(),
            // By default a master waits five seconds for more replicas before it sends its data to the first
            // one.
            "repl-diskless-sync-delay 0".to_owned(),
        ];
        lines.extend(
            self.options
                .password
                .iter()
                .map(|password| format!("requirepass {password}")),
        );
        // Last: in redis.conf the last value of a name counts.
        lines.extend(
            self.options
                .settings
                .iter()
                .map(|(name, value)| format!("{name} {value}")),
        );
        lines.join("\n")
    }
}

/// Copies the files of one folder into another, which is created if it does not exist.
fn copy_files(from: &Path, to: &Path) -> Result<()> {
    let files = std::fs::read_dir(from)
        .with_context(|| format!("{} cannot be read: is the server durable?", from.display()))?;
    std::fs::create_dir_all(to)?;
    for file in files {
        let file = file?;
        std::fs::copy(file.path(), to.join(file.file_name()))?;
    }
    Ok(())
}

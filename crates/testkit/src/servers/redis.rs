//! A real redis-server that a test can kill, freeze, empty and bring back.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};
use tempfile::TempDir;

use super::resp::{self, RedisReply};
use crate::child::{BEAT, Launch, PATIENCE, Spawned, find_program, tail};
use crate::ports::{free_port, loopback};

/// How many ports are tried when another process takes the chosen one first.
const PORT_TRIES: usize = 5;

/// How a [`RedisServer`] is set up.
#[derive(Debug, Clone)]
pub struct RedisOptions {
    durable: bool,
    password: Option<String>,
    settings: Vec<(String, String)>,
}

impl RedisOptions {
    /// Every write is synced to the append-only file before it is answered (`appendfsync always`).
    pub fn durable() -> Self {
        Self {
            durable: true,
            password: None,
            settings: Vec::new(),
        }
    }

    /// Nothing is kept: what was written is lost with the process.
    pub fn plain() -> Self {
        Self {
            durable: false,
            ..Self::durable()
        }
    }

    /// Clients must give this password; [`RedisServer::url`] carries it.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    pub(super) fn its_password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// One more line of redis.conf, such as `("maxmemory-policy", "allkeys-lru")`.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A replica of `master`.
    #[must_use]
    pub fn replica_of(self, master: &RedisServer) -> Self {
        self.setting("replicaof", &format!("127.0.0.1 {}", master.port()))
    }
}

/// What a durable [`RedisServer`] had on its disk at one moment; see [`RedisServer::snapshot`].
#[derive(Debug)]
pub struct RedisSnapshot {
    folder: TempDir,
}

/// A running redis-server in its own folder; killed on drop.
#[derive(Debug)]
pub struct RedisServer {
    // Before the folder, so that the process is gone when its folder is removed.
    process: Option<Spawned>,
    folder: TempDir,
    port: u16,
    options: RedisOptions,
}

impl RedisServer {
    /// Starts one with [`RedisOptions::durable`].
    ///
    /// # Errors
    /// When redis-server is not installed or does not come up.
    pub async fn start() -> Result<Self> {
        Self::start_with(RedisOptions::durable()).await
    }

    /// Starts one as told.
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
                Err(clash) if clash.to_string().contains("Address already in use") => fault = clash,
                Err(other) => return Err(other),
            }
        }
        Err(fault)
    }

    /// `redis://127.0.0.1:port/`, with the password when one is set. Valid across restarts.
    pub fn url(&self) -> String {
        match &self.options.password {
            Some(password) => format!("redis://:{password}@127.0.0.1:{}/", self.port),
            None => format!("redis://127.0.0.1:{}/", self.port),
        }
    }

    /// Where it listens, for a [`crate::BreakableLink`].
    pub fn addr(&self) -> SocketAddr {
        loopback(self.port)
    }

    /// The port, the same across restarts.
    pub fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn password(&self) -> Option<&str> {
        self.options.its_password()
    }

    /// The process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Spawned::pid)
    }

    /// Ends it as an operator would (SIGTERM) and waits.
    ///
    /// # Errors
    /// When it has not ended within thirty seconds.
    pub async fn stop(&mut self) -> Result<()> {
        if let Some(process) = self.process.take() {
            process.signal("TERM");
            process.wait(PATIENCE).await?;
        }
        Ok(())
    }

    /// SIGKILL; returns when the process is gone.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Freezes it (SIGSTOP): connections are accepted by the kernel and nothing answers.
    pub fn pause(&self) {
        self.process.iter().for_each(Spawned::pause);
    }

    /// Ends a [`RedisServer::pause`].
    pub fn resume(&self) {
        self.process.iter().for_each(Spawned::resume);
    }

    /// Starts it again on the same port and folder; kills it first if it runs. A durable server has its data
    /// back, a plain one is empty.
    ///
    /// # Errors
    /// As [`RedisServer::start`].
    pub async fn restart(&mut self) -> Result<()> {
        self.kill();
        self.launch().await
    }

    /// A copy of its disk as it is now. The append-only file only grows, so that a copy taken while it is written is
    /// an older state of it.
    ///
    /// # Errors
    /// When it is not durable, or its files can't be copied.
    pub fn snapshot(&self) -> Result<RedisSnapshot> {
        let folder = tempfile::Builder::new()
            .prefix("maxlab-redis-snapshot-")
            .tempdir()?;
        copy_files(&self.disk(), folder.path())?;
        Ok(RedisSnapshot { folder })
    }

    /// Kills it, puts an older disk in the place of its own, and starts it again on the same port: an operator who
    /// restores a backup, a volume that was rolled back.
    ///
    /// # Errors
    /// When the files can't be copied, or as [`RedisServer::start`].
    pub async fn roll_back(&mut self, snapshot: &RedisSnapshot) -> Result<()> {
        self.empty_disk()?;
        copy_files(snapshot.folder.path(), &self.disk())?;
        self.launch().await
    }

    /// Kills it and starts an empty one on the same port: a machine that was replaced.
    ///
    /// # Errors
    /// As [`RedisServer::start`].
    pub async fn replace(&mut self) -> Result<()> {
        self.empty_disk()?;
        self.launch().await
    }

    fn empty_disk(&mut self) -> Result<()> {
        self.kill();
        let disk = self.disk();
        if disk.exists() {
            std::fs::remove_dir_all(&disk).with_context(|| format!("{} stays", disk.display()))?;
        }
        Ok(())
    }

    /// Where the append-only file lies.
    fn disk(&self) -> PathBuf {
        self.folder.path().join("appendonlydir")
    }

    /// Removes every key of every database.
    ///
    /// # Errors
    /// When Redis can't be asked.
    pub async fn flush_all(&self) -> Result<()> {
        self.command(&["FLUSHALL"]).await.map(drop)
    }

    /// Sends one command on a connection of its own, past any broken link.
    ///
    /// # Errors
    /// When Redis can't be reached or answers with an error.
    pub async fn command(&self, parts: &[&str]) -> Result<RedisReply> {
        resp::ask_as(self.addr(), self.password(), parts).await
    }

    async fn launch(&mut self) -> Result<()> {
        let program = find_program("redis-server")
            .context("redis-server is not installed: apt-get install redis-server (Debian)")?;
        let config = self.folder.path().join("redis.conf");
        std::fs::write(&config, self.config())?;
        let process = Launch::new(program, self.folder.path()).args([&config]).start()?;
        let started = Instant::now();
        // An answer of any kind but "still loading" means that it is up.
        while self.command(&["PING"]).await.is_err() {
            let log = || tail(&self.folder.path().join("log"));
            if let Some(status) = process.exited() {
                bail!("redis-server ended with {status}:\n{}", log());
            }
            if started.elapsed() > PATIENCE {
                bail!("redis-server does not answer:\n{}", log());
            }
            tokio::time::sleep(BEAT).await;
        }
        self.process = Some(process);
        Ok(())
    }

    fn config(&self) -> String {
        let kept = if self.options.durable { "yes" } else { "no" };
        let mut lines = vec![
            format!("port {}", self.port),
            "bind 127.0.0.1".to_owned(),
            "daemonize no".to_owned(),
            "save \"\"".to_owned(),
            format!("appendonly {kept}"),
            "appendfsync always".to_owned(),
            // A replica would otherwise wait five seconds for others to join.
            "repl-diskless-sync-delay 0".to_owned(),
        ];
        lines.extend(
            self.options
                .password
                .iter()
                .map(|password| format!("requirepass {password}")),
        );
        lines.extend(
            self.options
                .settings
                .iter()
                .map(|(name, value)| format!("{name} {value}")),
        );
        lines.join("\n")
    }
}

/// Copies the files of one folder into another, which is made if need be.
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

//! A real PostgreSQL that a test can kill, freeze and bring back, with a database for each test.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::pg_template::{Installation, ROLE, run};
use crate::child::{BEAT, Launch, PATIENCE, Spawned, tail};
use crate::ports::{free_port, loopback};

/// How many ports are tried when another process takes the chosen one first.
const PORT_TRIES: usize = 5;

/// A running PostgreSQL in its own folder; killed on drop.
///
/// When the test process dies without dropping it, the kernel sends the postmaster SIGQUIT, its immediate
/// shutdown, which takes the backends along.
#[derive(Debug)]
pub struct PostgresServer {
    // Before the folder, so that the processes are gone when it is removed.
    process: Option<Spawned>,
    folder: TempDir,
    installation: Installation,
    port: u16,
    synced: bool,
}

impl PostgresServer {
    /// Starts one without `fsync`: quick, and still keeps everything when its processes are killed, since the
    /// kernel has what they wrote. Only a crash of the machine would show the difference.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not come up.
    pub async fn start() -> Result<Self> {
        Self::start_with(false).await
    }

    /// Starts one with `fsync` on, as in production.
    ///
    /// # Errors
    /// As [`PostgresServer::start`].
    pub async fn start_synced() -> Result<Self> {
        Self::start_with(true).await
    }

    async fn start_with(synced: bool) -> Result<Self> {
        let mut fault = anyhow!("no port was tried");
        for _ in 0..PORT_TRIES {
            let installation = Installation::find()?;
            let folder = tempfile::Builder::new().prefix("maxlab-pg-").tempdir()?;
            installation.copy_template(&folder.path().join("data"))?;
            installation.hand_over(folder.path())?;
            let mut server = Self {
                process: None,
                folder,
                installation,
                port: free_port(),
                synced,
            };
            match server.launch().await {
                Ok(()) => return Ok(server),
                Err(clash) if clash.to_string().contains("Address already in use") => fault = clash,
                Err(other) => return Err(other),
            }
        }
        Err(fault)
    }

    /// A new, empty database; its URL, `postgresql://maxlab@127.0.0.1:port/name`.
    ///
    /// # Errors
    /// When the server doesn't make one.
    pub async fn create_database(&self) -> Result<String> {
        let name = format!("test_{}", uuid::Uuid::new_v4().simple());
        run(self
            .client("createdb")
            .arg("--maintenance-db=postgres")
            .arg(&name))?;
        Ok(self.url(&name))
    }

    /// The URL of the database `name`. Valid across restarts.
    pub fn url(&self, name: &str) -> String {
        format!("postgresql://{ROLE}@127.0.0.1:{}/{name}", self.port)
    }

    /// Runs one SQL text in the database at `url` through psql; the rows, unaligned, without headers.
    ///
    /// # Errors
    /// When psql fails; the error holds what it said.
    pub fn query(&self, url: &str, sql: &str) -> Result<String> {
        let mut psql = Command::new(self.installation.program("psql"));
        psql.args([
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "--set=ON_ERROR_STOP=1",
            "--command",
            sql,
        ]);
        let done = psql
            .arg("--dbname")
            .arg(url)
            .output()
            .context("psql cannot be run")?;
        if !done.status.success() {
            bail!("psql: {}", String::from_utf8_lossy(&done.stderr));
        }
        Ok(String::from_utf8_lossy(&done.stdout).trim_end().to_owned())
    }

    /// Where it listens, for a [`crate::BreakableLink`].
    pub fn addr(&self) -> SocketAddr {
        loopback(self.port)
    }

    /// The port, the same across restarts.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The postmaster's process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Spawned::pid)
    }

    /// Ends it in order (SIGINT, "fast": connections are cut, everything is written) and waits.
    ///
    /// # Errors
    /// When it has not ended within thirty seconds.
    pub async fn stop(&mut self) -> Result<()> {
        if let Some(process) = self.process.take() {
            process.signal("INT");
            process.wait(PATIENCE).await?;
        }
        Ok(())
    }

    /// SIGKILL to the postmaster and all backends; [`PostgresServer::restart`] then recovers from the log.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Freezes the postmaster and all backends (SIGSTOP): connections are accepted and nothing answers.
    pub fn pause(&self) {
        self.process.iter().for_each(Spawned::pause);
    }

    /// Ends a [`PostgresServer::pause`].
    pub fn resume(&self) {
        self.process.iter().for_each(Spawned::resume);
    }

    /// Starts it again on the same port and data; kills it first if it runs.
    ///
    /// # Errors
    /// As [`PostgresServer::start`].
    pub async fn restart(&mut self) -> Result<()> {
        self.kill();
        self.launch().await
    }

    fn client(&self, name: &str) -> Command {
        let mut command = Command::new(self.installation.program(name));
        command
            .args(["--host=127.0.0.1", "--username", ROLE, "--port"])
            .arg(self.port.to_string());
        command
    }

    async fn launch(&mut self) -> Result<()> {
        let folder = self.folder.path();
        let fsync = if self.synced { "fsync=on" } else { "fsync=off" };
        let settings = [
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={}", self.port),
            format!("unix_socket_directories={}", folder.display()),
            fsync.to_owned(),
            "shared_buffers=16MB".to_owned(),
        ];
        let process = Launch::new(self.installation.program("postgres"), folder)
            .args(["-D".into(), folder.join("data")])
            .args(settings.iter().flat_map(|setting| ["-c", setting]))
            .run_as(self.installation.user)
            .death_signal("QUIT")
            .start()?;
        let started = Instant::now();
        while !accepts(self.addr()).await {
            let log = || tail(&folder.join("log"));
            if let Some(status) = process.exited() {
                bail!("postgres ended with {status}:\n{}", log());
            }
            if started.elapsed() > PATIENCE {
                bail!("postgres does not answer:\n{}", log());
            }
            tokio::time::sleep(BEAT).await;
        }
        self.process = Some(process);
        Ok(())
    }
}

/// Whether a connection gets past authentication: while it starts or recovers, PostgreSQL answers with an error
/// (message type `E`) instead of `R`.
async fn accepts(server: SocketAddr) -> bool {
    const PROTOCOL_3: i32 = 196_608;
    let parameters = format!("user\0{ROLE}\0database\0postgres\0\0");
    let length = i32::try_from(8 + parameters.len()).unwrap();
    let mut message = [length.to_be_bytes(), PROTOCOL_3.to_be_bytes()].concat();
    message.extend(parameters.bytes());
    let attempt = async {
        let mut stream = TcpStream::connect(server).await?;
        stream.write_all(&message).await?;
        stream.read_u8().await
    };
    matches!(tokio::time::timeout(PATIENCE, attempt).await, Ok(Ok(b'R')))
}

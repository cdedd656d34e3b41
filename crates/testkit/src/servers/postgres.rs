//! Real PostgreSQL that a test can kill, freeze and restart, with a database for each test.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::pg_template::{PostgresInstallation, ROLE, run_command};
use crate::child::{ChildCommand, ChildProcess, POLL_TIMEOUT, log_tail};
use crate::ports::{free_port, loopback};

/// Number of ports that are tried if another process takes the chosen one first.
const PORT_TRIES: usize = 5;

/// Running PostgreSQL in its own folder, killed on drop.
///
/// If the test process dies without dropping it, the kernel sends SIGQUIT to the postmaster: its immediate
/// shutdown, which ends the backends too.
#[derive(Debug)]
pub struct PostgresServer {
    // Before the folder: fields are dropped in order, and the processes must be gone when the folder is
    // removed.
    process: Option<ChildProcess>,
    folder: TempDir,
    installation: PostgresInstallation,
    port: u16,
    fsync: bool,
}

impl PostgresServer {
    /// Starts a server without `fsync`. It is faster, and keeps everything if its processes are killed,
    /// because the kernel has what they wrote. Only a crash of the machine would make a difference.
    ///
    /// # Errors
    /// If PostgreSQL is not installed or does not start.
    pub async fn start() -> Result<Self> {
        Self::start_with(false).await
    }

    /// Starts a server with `fsync`, as in production.
    ///
    /// # Errors
    /// As [`PostgresServer::start`].
    pub async fn start_synced() -> Result<Self> {
        Self::start_with(true).await
    }

    async fn start_with(synced: bool) -> Result<Self> {
        let mut fault = anyhow!("no port was tried");
        for _ in 0..PORT_TRIES {
            let installation = PostgresInstallation::find()?;
            let folder = tempfile::Builder::new().prefix("maxlab-pg-").tempdir()?;
            installation.copy_template(&folder.path().join("data"))?;
            installation.chown_to_server(folder.path())?;
            let mut server = Self {
                process: None,
                folder,
                installation,
                port: free_port(),
                fsync: synced,
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

    /// Creates an empty database. Returns its URL, `postgresql://maxlab@127.0.0.1:port/name`.
    ///
    /// # Errors
    /// If `createdb` fails.
    pub async fn create_database(&self) -> Result<String> {
        // A random name: tests that share a server need no agreement.
        let name = format!("test_{}", uuid::Uuid::new_v4().simple());
        run_command(
            self.client("createdb")
                .arg("--maintenance-db=postgres")
                .arg(&name),
        )?;
        Ok(self.url(&name))
    }

    /// Returns the URL of the database `name`. Valid across restarts.
    pub fn url(&self, name: &str) -> String {
        format!("postgresql://{ROLE}@127.0.0.1:{}/{name}", self.port)
    }

    /// Runs one SQL text in the database at `url` through psql. Returns the rows, unaligned, without headers.
    ///
    /// # Errors
    /// If psql fails. The error contains its standard error.
    pub fn query(&self, url: &str, sql: &str) -> Result<String> {
        let mut psql = Command::new(self.installation.program("psql"));
        psql.args([
            // The developer's own configuration must not change the output.
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "--set=ON_ERROR_STOP=1",
            "--command",
            sql,
        ]);
        let output = psql
            .arg("--dbname")
            .arg(url)
            .output()
            .context("psql cannot be run")?;
        if !output.status.success() {
            bail!("psql: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// Returns its address, for a [`crate::BreakableLink`].
    pub fn addr(&self) -> SocketAddr {
        loopback(self.port)
    }

    /// Returns the port, which stays the same across restarts.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the postmaster's process id while the server runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(ChildProcess::pid)
    }

    /// Stops the server and waits (SIGINT, "fast shutdown": connections are closed, and all data is written).
    ///
    /// # Errors
    /// If the process has not ended within 30 s.
    pub async fn stop(&mut self) -> Result<()> {
        if let Some(process) = self.process.take() {
            process.signal("INT");
            process.wait(POLL_TIMEOUT).await?;
        }
        Ok(())
    }

    /// Kills the postmaster and all backends (SIGKILL). [`PostgresServer::restart`] then recovers from the
    /// write-ahead log.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Freezes the postmaster and all backends (SIGSTOP): the kernel accepts connections, and nothing
    /// answers.
    pub fn pause(&self) {
        self.process.iter().for_each(ChildProcess::pause);
    }

    /// Ends a [`PostgresServer::pause`].
    pub fn resume(&self) {
        self.process.iter().for_each(ChildProcess::resume);
    }

    /// Starts the server again on the same port and data. Kills it first if it runs.
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
        let fsync = if self.fsync { "fsync=on" } else { "fsync=off" };
        let settings = [
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={}", self.port),
            format!("unix_socket_directories={}", folder.display()),
            fsync.to_owned(),
            // Small: many servers run at the same time.
            "shared_buffers=16MB".to_owned(),
        ];
        let process = ChildCommand::new(self.installation.program("postgres"), folder)
            .args(["-D".into(), folder.join("data")])
            .args(settings.iter().flat_map(|setting| ["-c", setting]))
            .run_as(self.installation.user)
            .death_signal("QUIT")
            .spawn()?;
        process
            .wait_until_ready(
                "postgres",
                POLL_TIMEOUT,
                || log_tail(&folder.join("log")),
                async || accepts_connections(self.addr()).await,
            )
            .await?;
        self.process = Some(process);
        Ok(())
    }
}

/// Returns `true` if a connection gets past authentication. While PostgreSQL starts or recovers, it answers
/// with an error (message type `E`) instead of `R`.
async fn accepts_connections(server: SocketAddr) -> bool {
    // Version 3.0 of the protocol: the major number in the upper 16 bits.
    const PROTOCOL_3: i32 = 196_608;
    let parameters = format!("user\0{ROLE}\0database\0postgres\0\0");
    // The length counts itself and the version, four bytes each.
    let length = i32::try_from(8 + parameters.len()).unwrap();
    let mut message = [length.to_be_bytes(), PROTOCOL_3.to_be_bytes()].concat();
    message.extend(parameters.bytes());
    let attempt = async {
        let mut stream = TcpStream::connect(server).await?;
        stream.write_all(&message).await?;
        stream.read_u8().await
    };
    matches!(tokio::time::timeout(POLL_TIMEOUT, attempt).await, Ok(Ok(b'R')))
}

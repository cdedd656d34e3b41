//! Runs the binary to its end, in a clean environment.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use maxlab_auth_testkit::wait::poll_within;
use maxlab_auth_testkit::{GatewayOptions, GatewayProcess, LyingAuthServer};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Commands of the program, with their subcommands.
pub(crate) const COMMANDS: [&str; 16] = [
    "serve",
    "dev",
    "check",
    "keygen",
    "openapi",
    "guard-config",
    "revoke",
    "sessions",
    "sessions list",
    "sessions end",
    "sessions end-all",
    "denylist",
    "denylist list",
    "denylist stats",
    "denylist clean",
    "audit",
];

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_maxlab-auth");

/// No command of these tests takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A gateway to be started.
pub(crate) fn gateway() -> GatewayOptions {
    GatewayProcess::of(BINARY)
}

/// Where the binary is run, and with which settings.
#[derive(Debug)]
pub(crate) struct Tool {
    folder: TempDir,
    env: Vec<(String, String)>,
    input: String,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Itself, if it ended with this status.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }

    /// What it printed as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|fault| panic!("{fault}: {self:?}"))
    }

    /// All that it printed.
    pub(crate) fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

impl Tool {
    /// In an empty folder, without any setting.
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            env: Vec::new(),
            input: String::new(),
        }
    }

    /// With the data of a gateway that these tests started; settings beyond DATA_DIR are to be given again.
    pub(crate) fn beside(gateway: &GatewayProcess) -> Self {
        let data = gateway.folder().join("data");
        Self::new().env("DATA_DIR", data.display().to_string())
    }

    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// What it reads from standard input.
    pub(crate) fn input(mut self, text: &str) -> Self {
        text.clone_into(&mut self.input);
        self
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs the binary with these arguments.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = Command::new(BINARY);
        command.args(arguments);
        self.finish(command).await
    }

    /// Runs a script in bash, as somebody who pastes it into a shell does.
    pub(crate) async fn bash(&self, script: &str) -> Ended {
        let mut command = Command::new("bash");
        command.args(["-c", script]);
        self.finish(command).await
    }

    async fn finish(&self, mut command: Command) -> Ended {
        let inherited = ["PATH", "HOME"]
            .into_iter()
            .filter_map(|name| Some((name, std::env::var_os(name)?)));
        command
            .env_clear()
            .envs(inherited)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(self.folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A command that does not read its input may have ended before it is written.
        let _ = stdin.write_all(self.input.as_bytes()).await;
        drop(stdin);
        let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
        let output = output.unwrap_or_else(|_| panic!("it does not end")).unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ended {
            code: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

/// Waits until something is there.
pub(crate) async fn eventually<T, F>(what: &str, look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let found = poll_within(PATIENCE, look).await;
    found.unwrap_or_else(|| panic!("{what} does not happen"))
}

/// Starts a gateway in front of this authorization server, and returns it with a command line that has the same
/// settings.
pub(crate) async fn start_beside(
    server: &LyingAuthServer,
    settings: &[(&str, &str)],
) -> (GatewayProcess, Tool) {
    let mut options = gateway().env("EXTERNAL_AUTH_URL", server.url());
    for (name, value) in settings {
        options = options.env(name, value);
    }
    let gateway = options.start().await.unwrap();
    let mut tool = Tool::beside(&gateway).env("EXTERNAL_AUTH_URL", server.url());
    for (name, value) in settings {
        tool = tool.env(name, *value);
    }
    (gateway, tool)
}

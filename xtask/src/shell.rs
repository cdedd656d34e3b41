//! Running other programs from the root of the workspace.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Where the repository lies, and the search path its programs get.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    path: OsString,
}

impl Workspace {
    /// The workspace that this program was compiled from.
    pub(crate) fn locate() -> Result<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest
            .parent()
            .context("xtask lies in a folder of the workspace")?;
        Ok(Self {
            root: root.to_owned(),
            path: env::var_os("PATH").unwrap_or_default(),
        })
    }

    /// A file or folder of the repository.
    pub(crate) fn at(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Puts programs that `install` brought (a Node.js where the machine has none) on the search path.
    pub(crate) fn prefer_installed_tools(&mut self) {
        let own = self.at("e2e/.venv/node/bin");
        if own.is_dir() {
            let rest = env::split_paths(&self.path).collect::<Vec<_>>();
            if let Ok(path) = env::join_paths(std::iter::once(own).chain(rest)) {
                self.path = path;
            }
        }
    }

    /// A command that starts in `folder` (relative to the root) with no standard input.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>, folder: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.at(folder))
            .env("PATH", &self.path)
            .stdin(Stdio::null());
        command
    }

    /// This toolchain's cargo, at the root.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), ".");
        command.args(arguments);
        command
    }

    /// What a program prints, when it can be started and says yes.
    pub(crate) fn output(&self, program: &str, arguments: &[&str]) -> Option<String> {
        let output = self
            .command(program, ".")
            .args(arguments)
            .stderr(Stdio::null())
            .output()
            .ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Whether a program is there and answers these arguments with success.
    pub(crate) fn answers(&self, program: &str, arguments: &[&str]) -> bool {
        self.output(program, arguments).is_some()
    }
}

/// Runs a command in the open: shows it, then its output.
///
/// # Errors
/// When it can't be started or does not exit with 0.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = show(command);
    println!("$ {shown}");
    let status = command
        .status()
        .with_context(|| format!("cannot start `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` ended with {status}");
    }
    Ok(())
}

/// Runs a command without output, for at most `limit`; `None` when time ran out.
///
/// # Errors
/// When it can't be started or waited for.
pub(crate) fn run_within(command: &mut Command, limit: Duration) -> Result<Option<ExitStatus>> {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        thread::sleep(Duration::from_millis(100));
    }
    end(&mut child)?;
    Ok(None)
}

fn end(child: &mut Child) -> Result<()> {
    child.kill()?;
    child.wait()?;
    Ok(())
}

fn show(command: &Command) -> String {
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program());
    std::iter::once(program)
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_fails_is_an_error_that_names_it() {
        let error = run(Command::new("/bin/sh").args(["-c", "exit 3"])).unwrap_err();
        assert!(error.to_string().contains("sh -c exit 3"), "{error}");
    }

    #[test]
    fn a_command_that_hangs_is_ended_at_its_limit() {
        let started = Instant::now();
        let ended = run_within(Command::new("sleep").arg("60"), Duration::from_millis(300)).unwrap();
        assert!(ended.is_none());
        assert!(started.elapsed() < Duration::from_secs(30));
    }
}

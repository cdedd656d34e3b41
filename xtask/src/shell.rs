//! Runs other programs from the root of the workspace.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Root of the repository, and the search path for its programs.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    path: OsString,
}

impl Workspace {
    /// Returns the workspace that this program was compiled in.
    pub(crate) fn locate() -> Result<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest.parent().context("the folder of xtask has no parent")?;
        Ok(Self {
            root: root.to_owned(),
            path: env::var_os("PATH").unwrap_or_default(),
        })
    }

    /// Returns the path of a file or folder in the repository.
    pub(crate) fn at(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Puts installed programs (a Node.js, if the machine has none) first on the search path.
    pub(crate) fn prefer_installed_tools(&mut self) {
        let own = self.at("e2e/.venv/node/bin");
        if own.is_dir() {
            let rest = env::split_paths(&self.path).collect::<Vec<_>>();
            // A folder whose name contains a colon cannot be in a search path. Then the machine's programs
            // are used.
            if let Ok(path) = env::join_paths(std::iter::once(own).chain(rest)) {
                self.path = path;
            }
        }
    }

    /// Returns a command that starts in `folder` (relative to the root), without standard input.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>, folder: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.at(folder))
            .env("PATH", &self.path)
            .stdin(Stdio::null());
        command
    }

    /// Returns a command for this toolchain's cargo, at the root.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        // Cargo names itself to the programs that it runs, so that all use one toolchain.
        let mut command = self.command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), ".");
        command.args(arguments);
        command
    }

    /// Returns the output of a program. `None` if it cannot be started, or fails.
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

    /// Returns whether a program exists and succeeds with these arguments.
    pub(crate) fn succeeds(&self, program: &str, arguments: &[&str]) -> bool {
        self.output(program, arguments).is_some()
    }
}

/// Prints a command and runs it, with its output visible.
///
/// # Errors
/// The command cannot be started, or does not exit with 0.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let text = display_command(command);
    // Printed, so that a person can repeat the step alone.
    println!("$ {text}");
    let status = command
        .status()
        .with_context(|| format!("cannot start `{text}`"))?;
    if !status.success() {
        bail!("`{text}` ended with {status}");
    }
    Ok(())
}

/// Runs a command without output for at most `limit`. Returns `None` if the time is over.
///
/// # Errors
/// The command cannot be started or waited for.
pub(crate) fn run_within(command: &mut Command, limit: Duration) -> Result<Option<ExitStatus>> {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    // Polled, because the standard library has no wait with a time limit.
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        thread::sleep(Duration::from_millis(100));
    }
    kill(&mut child)?;
    Ok(None)
}

/// Kills a process, and waits for it so that no zombie remains.
fn kill(child: &mut Child) -> Result<()> {
    child.kill()?;
    child.wait()?;
    Ok(())
}

/// Returns the command as a person would type it, without the folder of its program.
fn display_command(command: &Command) -> String {
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

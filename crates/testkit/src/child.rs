//! Child processes that end with the test: killed on drop, and by the kernel when the test process dies.
//!
//! Every child is started through `setpriv --pdeathsig` if that exists (Debian: `util-linux`, always
//! installed). The kernel then signals the child when the test process dies, also by `kill -9`. All children
//! are started by one thread that lives as long as the process: Linux sends the signal when the *thread* that
//! forked ends, and a runtime's threads come and go. Signals are sent by the shell's `kill`, always to a pid.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, OnceLock, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::wait;

/// Time after which a polled condition counts as failed.
pub(crate) const POLL_TIMEOUT: Duration = wait::PATIENCE;

/// Command line of a child, and the signal by which it dies with the test.
#[derive(Debug)]
pub(crate) struct ChildCommand {
    program: PathBuf,
    args: Vec<OsString>,
    env: Option<Vec<(OsString, OsString)>>,
    user: Option<String>,
    working_dir: PathBuf,
    stdout: PathBuf,
    stderr: PathBuf,
    death_signal: &'static str,
}

impl ChildCommand {
    /// Makes a command that runs `program` in `folder` and appends its output to `folder/log`.
    pub(crate) fn new(program: impl Into<PathBuf>, folder: &Path) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: None,
            user: None,
            working_dir: folder.to_owned(),
            stdout: folder.join("log"),
            stderr: folder.join("log"),
            death_signal: "KILL",
        }
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets the whole environment; nothing is inherited.
    pub(crate) fn only_env(mut self, env: Vec<(OsString, OsString)>) -> Self {
        self.env = Some(env);
        self
    }

    /// Sets the user of the child; only root may do that.
    pub(crate) fn run_as(mut self, user: Option<&str>) -> Self {
        self.user = user.map(str::to_owned);
        self
    }

    pub(crate) fn output(mut self, stdout: &Path, stderr: &Path) -> Self {
        self.stdout = stdout.to_owned();
        self.stderr = stderr.to_owned();
        self
    }

    /// Sets the signal that the kernel sends when the test process dies.
    pub(crate) fn death_signal(mut self, signal: &'static str) -> Self {
        self.death_signal = signal;
        self
    }

    pub(crate) fn spawn(self) -> Result<ChildProcess> {
        let program = self.program.display().to_string();
        let command = self.command()?;
        let child =
            spawn_on_long_lived_thread(command).with_context(|| format!("{program} cannot be started"))?;
        Ok(ChildProcess {
            child: Mutex::new(child),
        })
    }

    fn command(self) -> Result<Command> {
        let mut command = match (find_program("setpriv"), &self.user) {
            (Some(setpriv), user) => {
                let mut command = Command::new(setpriv);
                if let Some(user) = user {
                    command
                        .args([format!("--reuid={user}"), format!("--regid={user}")])
                        .arg("--clear-groups");
                }
                command
                    .args(["--pdeathsig", self.death_signal, "--"])
                    .arg(&self.program);
                command
            }
            (None, Some(user)) => bail!("setpriv is needed to run as {user}: apt-get install util-linux"),
            // Without setpriv a killed test may leave the child behind. `Drop` still ends it in every other
            // case.
            (None, None) => Command::new(&self.program),
        };
        if let Some(env) = self.env {
            command.env_clear().envs(env);
        }
        command
            .args(self.args)
            .current_dir(self.working_dir)
            .stdin(Stdio::null());
        command
            .stdout(append_to(&self.stdout)?)
            .stderr(append_to(&self.stderr)?);
        Ok(command)
    }
}

fn append_to(path: &Path) -> Result<File> {
    // Appended, because a restarted child writes to the same log, and both streams may share one file.
    let opened = OpenOptions::new().create(true).append(true).open(path);
    opened.with_context(|| format!("{} cannot be written", path.display()))
}

type SpawnRequest = (Command, mpsc::Sender<std::io::Result<Child>>);

/// Forks on the one thread that lives as long as the process (see the module's documentation).
fn spawn_on_long_lived_thread(command: Command) -> std::io::Result<Child> {
    static SPAWNER: OnceLock<Mutex<mpsc::Sender<SpawnRequest>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (requests, queue) = mpsc::channel::<SpawnRequest>();
        // Ends with the process: the sender is in a static, so the queue never closes.
        std::thread::spawn(move || {
            for (mut command, reply) in queue {
                let _ = reply.send(command.spawn());
            }
        });
        Mutex::new(requests)
    });
    let (reply, answer) = mpsc::channel();
    spawner
        .lock()
        .unwrap()
        .send((command, reply))
        .expect("the spawner thread lives as long as the process");
    answer.recv().expect("the spawner thread answers every request")
}

/// Running child with its descendants. All of them are killed on drop.
#[derive(Debug)]
pub(crate) struct ChildProcess {
    child: Mutex<Child>,
}

impl ChildProcess {
    pub(crate) fn pid(&self) -> u32 {
        self.child.lock().unwrap().id()
    }

    /// Returns the exit status if the child has ended.
    pub(crate) fn exit_status(&self) -> Option<ExitStatus> {
        self.child.lock().unwrap().try_wait().ok().flatten()
    }

    /// Signals the child, but not its descendants. Does nothing if the child has ended.
    pub(crate) fn signal(&self, signal: &str) {
        // Checked first: after the child is reaped, its pid may belong to another process.
        if self.exit_status().is_none() {
            send_signal(signal, &[self.pid()]);
        }
    }

    /// Signals the child and its descendants.
    pub(crate) fn signal_tree(&self, signal: &str) {
        if self.exit_status().is_none() {
            send_signal(signal, &process_tree(self.pid()));
        }
    }

    /// Stops the child and its descendants (SIGSTOP). Returns when every thread of them stands still, which
    /// is some time after the signal.
    pub(crate) fn pause(&self) {
        let started = Instant::now();
        while self.exit_status().is_none() {
            // Read again in each round: the child may fork before it stops.
            let pids = process_tree(self.pid());
            if pids.iter().all(|pid| is_stopped(*pid)) {
                return;
            }
            assert!(
                started.elapsed() < POLL_TIMEOUT,
                "process {} did not stop in time",
                self.pid()
            );
            send_signal("STOP", &pids);
        }
    }

    /// Ends a [`ChildProcess::pause`].
    pub(crate) fn resume(&self) {
        self.signal_tree("CONT");
    }

    /// Kills the child and its descendants (SIGKILL). Returns when the child has been reaped.
    pub(crate) fn kill(&self) {
        self.signal_tree("KILL");
        // Fails only if the child was reaped before.
        let _ = self.child.lock().unwrap().wait();
    }

    /// Waits until the child ends by itself.
    pub(crate) async fn wait(&self, limit: Duration) -> Result<ExitStatus> {
        wait::poll_within(limit, async || self.exit_status())
            .await
            .with_context(|| format!("process {} has not ended within {limit:?}", self.pid()))
    }

    /// Waits until the child is ready. Polled: a process has no common way to report that it listens.
    ///
    /// # Errors
    /// With the child's log, if it ends before that or is not ready within `limit`.
    pub(crate) async fn wait_until_ready<F: Future<Output = bool>>(
        &self,
        name: &str,
        limit: Duration,
        log: impl Fn() -> String,
        ready: impl Fn() -> F,
    ) -> Result<()> {
        let (ready, log) = (&ready, &log);
        let outcome = wait::poll_within(limit, || async move {
            if ready().await {
                return Some(Ok(()));
            }
            let status = self.exit_status()?;
            Some(Err(anyhow!("{name} ended with {status}:\n{}", log())))
        });
        outcome
            .await
            .unwrap_or_else(|| Err(anyhow!("{name} did not answer in time:\n{}", log())))
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Sends a signal to each pid. A pid that no longer exists is not an error.
fn send_signal(signal: &str, pids: &[u32]) {
    // The shell's builtin: this crate has no unsafe code and no dependency that calls `kill(2)`.
    let mut command = Command::new("sh");
    command.args(["-c", "for pid; do kill -s \"$0\" \"$pid\"; done", signal]);
    let _ = command
        .args(pids.iter().map(u32::to_string))
        .stderr(Stdio::null())
        .status();
}

/// Returns `true` if every thread of `pid` is stopped or has ended.
fn is_stopped(pid: u32) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let mut stats = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok());
    stats.all(|stat| fields_after_name(&stat).is_some_and(|fields| fields.starts_with(['T', 'Z', 'X'])))
}

/// Returns `root` and every live process below it, parents first, from /proc.
fn process_tree(root: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid: u32| Some((pid, parent_of(pid)?)))
        .collect();
    let mut found = vec![root];
    let mut next = 0;
    // The list grows while it is read: each process found is searched for children in turn.
    while let Some(&parent) = found.get(next) {
        found.extend(
            parents
                .iter()
                .filter(|(_, ppid)| *ppid == parent)
                .map(|(pid, _)| *pid),
        );
        next += 1;
    }
    found
}

/// Returns the parent's pid, the fourth field of /proc/PID/stat.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    fields_after_name(&stat)?.split_whitespace().nth(1)?.parse().ok()
}

/// Returns the fields of a stat line from the third one, the state.
fn fields_after_name(stat: &str) -> Option<&str> {
    // Split at the last parenthesis: the second field, the name, may contain spaces and parentheses itself.
    Some(stat.rsplit_once(')')?.1.trim_start())
}

/// Returns the first file of that name in PATH or in the system's own folders, which a user's PATH may lack.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(system)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// Returns the last 30 lines of a log, for error messages.
pub(crate) fn log_tail(log: &Path) -> String {
    let text = std::fs::read(log)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

//! Child processes that end with the test: killed on drop, and by the kernel when the test process dies.
//!
//! Every child is started by one thread that lives as long as the process, and through `setpriv --pdeathsig`
//! where that exists (Debian: `util-linux`, always installed). The kernel then signals the child when the test
//! process dies, `kill -9` included. The one thread matters: Linux sends the signal when the *thread* that
//! forked ends, and a runtime's threads come and go. Signals are sent by the shell's `kill`, always by pid.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, OnceLock, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long a condition is polled before it is called a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// The pause between two looks at a condition.
pub(crate) const BEAT: Duration = Duration::from_millis(10);

/// What to start, and how it dies with the test.
#[derive(Debug)]
pub(crate) struct Launch {
    program: PathBuf,
    args: Vec<OsString>,
    env: Option<Vec<(OsString, OsString)>>,
    user: Option<String>,
    folder: PathBuf,
    stdout: PathBuf,
    stderr: PathBuf,
    death_signal: &'static str,
}

impl Launch {
    /// Runs `program` in `folder`, its output appended to `folder/log`.
    pub(crate) fn new(program: impl Into<PathBuf>, folder: &Path) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: None,
            user: None,
            folder: folder.to_owned(),
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

    /// Exactly these variables, nothing inherited.
    pub(crate) fn only_env(mut self, env: Vec<(OsString, OsString)>) -> Self {
        self.env = Some(env);
        self
    }

    /// Runs as this user; only root may ask for it.
    pub(crate) fn run_as(mut self, user: Option<&str>) -> Self {
        self.user = user.map(str::to_owned);
        self
    }

    pub(crate) fn output(mut self, stdout: &Path, stderr: &Path) -> Self {
        self.stdout = stdout.to_owned();
        self.stderr = stderr.to_owned();
        self
    }

    /// What the kernel sends when the test process dies.
    pub(crate) fn death_signal(mut self, signal: &'static str) -> Self {
        self.death_signal = signal;
        self
    }

    pub(crate) fn start(self) -> Result<Spawned> {
        let shown = self.program.display().to_string();
        let command = self.command()?;
        let child = fork(command).with_context(|| format!("{shown} cannot be started"))?;
        Ok(Spawned {
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
            (None, None) => Command::new(&self.program),
        };
        if let Some(env) = self.env {
            command.env_clear().envs(env);
        }
        command
            .args(self.args)
            .current_dir(self.folder)
            .stdin(Stdio::null());
        command
            .stdout(append_to(&self.stdout)?)
            .stderr(append_to(&self.stderr)?);
        Ok(command)
    }
}

fn append_to(path: &Path) -> Result<File> {
    let opened = OpenOptions::new().create(true).append(true).open(path);
    opened.with_context(|| format!("{} cannot be written", path.display()))
}

type Birth = (Command, mpsc::Sender<std::io::Result<Child>>);

/// Forks on the one thread that lives as long as the process (see the module's text).
fn fork(command: Command) -> std::io::Result<Child> {
    static NURSERY: OnceLock<Mutex<mpsc::Sender<Birth>>> = OnceLock::new();
    let nursery = NURSERY.get_or_init(|| {
        let (births, waiting) = mpsc::channel::<Birth>();
        std::thread::spawn(move || {
            for (mut command, reply) in waiting {
                let _ = reply.send(command.spawn());
            }
        });
        Mutex::new(births)
    });
    let (reply, answer) = mpsc::channel();
    nursery
        .lock()
        .unwrap()
        .send((command, reply))
        .expect("the nursery thread lives as long as the process");
    answer.recv().expect("the nursery thread answers every birth")
}

/// A running child and its children; killed, all of them, on drop.
#[derive(Debug)]
pub(crate) struct Spawned {
    child: Mutex<Child>,
}

impl Spawned {
    pub(crate) fn pid(&self) -> u32 {
        self.child.lock().unwrap().id()
    }

    /// Its exit status, if it has ended.
    pub(crate) fn exited(&self) -> Option<ExitStatus> {
        self.child.lock().unwrap().try_wait().ok().flatten()
    }

    /// Signals the child alone; nothing happens if it has ended.
    pub(crate) fn signal(&self, signal: &str) {
        if self.exited().is_none() {
            send(signal, &[self.pid()]);
        }
    }

    /// Signals the child and its descendants.
    pub(crate) fn signal_tree(&self, signal: &str) {
        if self.exited().is_none() {
            send(signal, &tree(self.pid()));
        }
    }

    /// SIGSTOP to the whole tree; returns when every thread of it stands still, which is some time after the signal
    /// was sent.
    pub(crate) fn pause(&self) {
        let started = Instant::now();
        while self.exited().is_none() {
            let pids = tree(self.pid());
            if pids.iter().all(|pid| is_still(*pid)) {
                return;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "process {} does not stop",
                self.pid()
            );
            send("STOP", &pids);
        }
    }

    /// Ends a [`Spawned::pause`].
    pub(crate) fn resume(&self) {
        self.signal_tree("CONT");
    }

    /// SIGKILL to the whole tree; returns when the child has been reaped.
    pub(crate) fn kill(&self) {
        self.signal_tree("KILL");
        let _ = self.child.lock().unwrap().wait();
    }

    /// Waits for the child to end by itself.
    pub(crate) async fn wait(&self, patience: Duration) -> Result<ExitStatus> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.exited() {
                return Ok(status);
            }
            if started.elapsed() > patience {
                bail!("process {} has not ended within {patience:?}", self.pid());
            }
            tokio::time::sleep(BEAT).await;
        }
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A pid that has vanished meanwhile is not an error.
fn send(signal: &str, pids: &[u32]) {
    let mut command = Command::new("sh");
    command.args(["-c", "for pid; do kill -s \"$0\" \"$pid\"; done", signal]);
    let _ = command
        .args(pids.iter().map(u32::to_string))
        .stderr(Stdio::null())
        .status();
}

/// Whether every thread of `pid` is stopped, or has ended.
fn is_still(pid: u32) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let mut stats = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok());
    stats.all(|stat| after_name(&stat).is_some_and(|fields| fields.starts_with(['T', 'Z', 'X'])))
}

/// `root` and every live process below it, parents first, as /proc tells it.
fn tree(root: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid: u32| Some((pid, parent_of(pid)?)))
        .collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(
            parents
                .iter()
                .filter(|(_, its)| *its == parent)
                .map(|(pid, _)| *pid),
        );
        next += 1;
    }
    found
}

/// The fourth field of /proc/PID/stat.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    after_name(&stat)?.split_whitespace().nth(1)?.parse().ok()
}

/// The fields of a stat line from the third, the state; the second, the name, may itself hold spaces and parentheses.
fn after_name(stat: &str) -> Option<&str> {
    Some(stat.rsplit_once(')')?.1.trim_start())
}

/// The first executable of that name in PATH or in the system's own folders, which a user's PATH may lack.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(system)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// The last lines of a log, for error messages.
pub(crate) fn tail(log: &Path) -> String {
    let text = std::fs::read(log)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

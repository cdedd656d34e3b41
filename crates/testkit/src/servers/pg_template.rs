//! The data folder that every PostgreSQL of the tests is a copy of, so that initdb runs once per checkout.
//!
//! It is kept beside the build products (the folder with cargo's `CACHEDIR.TAG`), is made under a file lock and
//! moved into place whole, and is never changed afterwards; a copy therefore needs no lock.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::child::find_program;

/// The role that owns every test database.
pub(super) const ROLE: &str = "maxlab";

/// The installed PostgreSQL and the user it must run as.
#[derive(Debug)]
pub(super) struct Installation {
    bin: PathBuf,
    version: String,
    /// PostgreSQL refuses to run as root; root's tests run it as `postgres`, the user Debian's package makes.
    pub(super) user: Option<&'static str>,
}

impl Installation {
    pub(super) fn find() -> Result<Self> {
        let bin = newest_debian().or_else(|| Some(find_program("postgres")?.parent()?.to_owned()));
        let bin = bin.context("PostgreSQL is not installed: apt-get install postgresql (Debian)")?;
        let version = Command::new(bin.join("postgres"))
            .arg("--version")
            .output()?
            .stdout;
        let version = String::from_utf8_lossy(&version)
            .chars()
            .filter(|c| c.is_ascii_digit() || *c == '.')
            .collect();
        let root = std::fs::metadata("/proc/self").context("no /proc")?.uid() == 0;
        Ok(Self {
            bin,
            version,
            user: root.then_some("postgres"),
        })
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }

    /// Gives `folder` to the user that PostgreSQL runs as.
    pub(super) fn hand_over(&self, folder: &Path) -> Result<()> {
        match self.user {
            Some(user) => run(Command::new("chown")
                .args(["-R", &format!("{user}:")])
                .arg(folder)),
            None => Ok(()),
        }
    }

    /// Makes `data` a fresh, private data folder.
    pub(super) fn copy_template(&self, data: &Path) -> Result<()> {
        run(Command::new("cp")
            .args(["-R", "-p", "--reflink=auto"])
            .arg(self.template()?)
            .arg(data))?;
        self.hand_over(data)
    }

    fn template(&self) -> Result<PathBuf> {
        let cache = build_folder().unwrap_or_else(std::env::temp_dir).join("testkit");
        std::fs::create_dir_all(&cache)?;
        let template = cache.join(format!("postgres-{}", self.version));
        if !template.exists() {
            let lock = File::create(cache.join("postgres.lock"))?;
            lock.lock()?;
            if !template.exists() {
                self.make(&cache, &template)?;
            }
        }
        Ok(template)
    }

    fn make(&self, cache: &Path, template: &Path) -> Result<()> {
        // In the temporary folder, since `postgres` may not be able to walk to the checkout.
        let folder = tempfile::Builder::new().prefix("maxlab-initdb-").tempdir()?;
        self.hand_over(folder.path())?;
        let data = folder.path().join("data");
        let mut command = match self.user {
            Some(user) => {
                let mut command = Command::new(find_program("setpriv").context("no setpriv")?);
                command
                    .args([format!("--reuid={user}"), format!("--regid={user}")])
                    .arg("--clear-groups");
                command.arg("--").arg(self.program("initdb"));
                command
            }
            None => Command::new(self.program("initdb")),
        };
        command.args([
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--wal-segsize=1",
        ]);
        command
            .args(["--username", ROLE, "-D"])
            .arg(&data)
            .current_dir(folder.path());
        run(&mut command)?;
        // A copy beside the template first: the move into place is then one rename.
        let unfinished = tempfile::Builder::new().prefix("unfinished-").tempdir_in(cache)?;
        let copied = unfinished.path().join("data");
        run(Command::new("cp").args(["-R", "-p"]).arg(&data).arg(&copied))?;
        std::fs::rename(&copied, template).context("the template cannot be moved into place")
    }
}

/// Debian keeps each major version in a folder of its own, off the PATH.
fn newest_debian() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| entry.ok())
        .filter_map(|entry| {
            Some((
                entry.file_name().to_str()?.parse().ok()?,
                entry.path().join("bin"),
            ))
        })
        .filter(|(_, bin)| bin.join("postgres").is_file() && bin.join("initdb").is_file())
        .collect();
    found.sort();
    found.pop().map(|(_, bin)| bin)
}

/// The folder of the build products that this test binary stands in.
fn build_folder() -> Option<PathBuf> {
    let binary = std::env::current_exe().ok()?;
    binary
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file())
        .map(Path::to_owned)
}

/// Runs a command to its end; its words are the error.
pub(super) fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = command
        .output()
        .with_context(|| format!("{name} cannot be run"))?;
    if !done.status.success() {
        bail!(
            "{name} ended with {}: {}",
            done.status,
            String::from_utf8_lossy(&done.stderr)
        );
    }
    Ok(())
}

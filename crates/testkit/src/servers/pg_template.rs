//! Template of the data folder: every PostgreSQL of the tests starts as a copy, so that initdb runs once per
//! checkout.
//!
//! The template is next to the build products (in the folder with cargo's `CACHEDIR.TAG`). It is made under a
//! file lock, moved into place as a whole, and never changed afterwards. So a copy needs no lock.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::child::find_program;

/// Role that owns every test database.
pub(super) const ROLE: &str = "maxlab";

/// Installed PostgreSQL, and the user that it must run as.
#[derive(Debug)]
pub(super) struct PostgresInstallation {
    bin: PathBuf,
    version: String,
    /// User to run as. PostgreSQL refuses to run as root, so root's tests use `postgres`, the user of
    /// Debian's package.
    pub(super) user: Option<&'static str>,
}

impl PostgresInstallation {
    pub(super) fn find() -> Result<Self> {
        let bin = newest_debian_bin().or_else(|| Some(find_program("postgres")?.parent()?.to_owned()));
        let bin = bin.context("PostgreSQL is not installed: apt-get install postgresql (Debian)")?;
        let version = Command::new(bin.join("postgres"))
            .arg("--version")
            .output()?
            .stdout;
        // Digits and dots only: it becomes a part of a file name.
        let version = String::from_utf8_lossy(&version)
            .chars()
            .filter(|c| c.is_ascii_digit() || *c == '.')
            .collect();
        // The owner of /proc/self is the effective user, read without unsafe code.
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

    /// Makes `folder` the property of the user that PostgreSQL runs as.
    pub(super) fn chown_to_server(&self, folder: &Path) -> Result<()> {
        match self.user {
            Some(user) => run_command(
                Command::new("chown")
                    .args(["-R", &format!("{user}:")])
                    .arg(folder),
            ),
            None => Ok(()),
        }
    }

    /// Creates `data` as a fresh, private data folder.
    pub(super) fn copy_template(&self, data: &Path) -> Result<()> {
        run_command(
            Command::new("cp")
                .args(["-R", "-p", "--reflink=auto"])
                .arg(self.ensure_template()?)
                .arg(data),
        )?;
        self.chown_to_server(data)
    }

    fn ensure_template(&self) -> Result<PathBuf> {
        let cache = build_folder().unwrap_or_else(std::env::temp_dir).join("testkit");
        std::fs::create_dir_all(&cache)?;
        let template = cache.join(format!("postgres-{}", self.version));
        if !template.exists() {
            let lock = File::create(cache.join("postgres.lock"))?;
            lock.lock()?;
            // Again under the lock: another test process may have made it while this one waited.
            if !template.exists() {
                self.build_template(&cache, &template)?;
            }
        }
        Ok(template)
    }

    fn build_template(&self, cache: &Path, template: &Path) -> Result<()> {
        // In the temporary folder: the user `postgres` may have no access to the checkout.
        let folder = tempfile::Builder::new().prefix("maxlab-initdb-").tempdir()?;
        self.chown_to_server(folder.path())?;
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
            // 1 MiB segments instead of 16: the template is copied for every server.
            "--wal-segsize=1",
        ]);
        command
            .args(["--username", ROLE, "-D"])
            .arg(&data)
            .current_dir(folder.path());
        run_command(&mut command)?;
        // Copied next to the template first, on the same file system: the move into place is then one rename.
        let unfinished = tempfile::Builder::new().prefix("unfinished-").tempdir_in(cache)?;
        let copied = unfinished.path().join("data");
        run_command(Command::new("cp").args(["-R", "-p"]).arg(&data).arg(&copied))?;
        std::fs::rename(&copied, template).context("the template cannot be moved into place")
    }
}

/// Returns the programs of the newest version that Debian installed: one folder per major version, outside
/// PATH.
fn newest_debian_bin() -> Option<PathBuf> {
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

/// Returns the folder of the build products that contains this test binary.
fn build_folder() -> Option<PathBuf> {
    let binary = std::env::current_exe().ok()?;
    binary
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file())
        .map(Path::to_owned)
}

/// Runs a command to its end. If it fails, the error contains its standard error.
pub(super) fn run_command(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("{name} cannot be run"))?;
    if !output.status.success() {
        bail!(
            "{name} ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

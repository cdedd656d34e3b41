//! Installs what the tests need and this machine does not have, and prints what and why.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::packages::{apt_install, pip};
use crate::providers;
use crate::proxies;
use crate::report::StepOutcome;
use crate::shell::{self, Workspace};
use crate::{Suite, TestArguments};

/// Oldest version of Node.js on which the end-to-end tests run.
const OLDEST_NODE: u32 = 20;

/// Debian package, and the check whether its programs are installed already.
struct Package {
    name: &'static str,
    why: &'static str,
    present: fn(&Workspace) -> bool,
}

const PACKAGES: [Package; 5] = [
    Package {
        name: "redis-server",
        why: "the shared-store tests start their own on private ports, Sentinels too",
        present: |workspace| workspace.succeeds("redis-server", &["--version"]),
    },
    Package {
        name: "postgresql",
        why: "the SQL tests start their own on private ports",
        present: |workspace| workspace.succeeds("initdb", &["--version"]) || debian_initdb(),
    },
    Package {
        name: "pgbouncer",
        why: "a test connects to PostgreSQL through it",
        present: |workspace| workspace.succeeds("pgbouncer", &["--version"]),
    },
    Package {
        name: "curl",
        why: "a test runs the commands that `dev` prints in a shell",
        present: |workspace| workspace.succeeds("curl", &["--version"]),
    },
    Package {
        name: "python3-venv",
        why: "schemathesis gets its own Python environment",
        present: |workspace| workspace.succeeds("python3", &["-c", "import ensurepip, venv"]),
    },
];

/// Installs what is missing, and nothing else.
///
/// # Errors
/// A missing program cannot be installed. The error says what to install by hand.
pub(crate) fn install_missing(workspace: &mut Workspace, arguments: &TestArguments) -> Result<StepOutcome> {
    debian_packages(workspace)?;
    // The Rust tests need no Python and no Node.js.
    if arguments.only != Some(Suite::Rust) {
        python_environment(workspace)?;
        node(workspace)?;
        // Before npm runs, so that it is the one of the new Node.js.
        workspace.prefer_installed_tools();
        node_modules(workspace)?;
    }
    if arguments.wants(Suite::Proxies) {
        proxies::install(workspace)?;
    }
    // Only if they are asked for: they take minutes to install and to start.
    if arguments.only == Some(Suite::Providers) {
        providers::install(workspace)?;
    }
    if arguments.wants(Suite::Attack) {
        attack_tools(workspace, false)?;
    }
    Ok(StepOutcome::Passed)
}

/// Installs the missing Debian packages.
fn debian_packages(workspace: &Workspace) -> Result<()> {
    // Asked of the programs and not of apt: they may be installed in another way.
    let missing = PACKAGES
        .iter()
        .filter(|package| !(package.present)(workspace))
        .collect::<Vec<_>>();
    if missing.is_empty() {
        println!("Debian packages: nothing is missing");
        return Ok(());
    }
    for package in &missing {
        println!("installing {} (apt): {}", package.name, package.why);
    }
    let names = missing.iter().map(|package| package.name).collect::<Vec<_>>();
    apt_install(workspace, &names)
}

/// Returns whether Debian's PostgreSQL is installed. Its server programs are not in the search path.
fn debian_initdb() -> bool {
    fs::read_dir("/usr/lib/postgresql").is_ok_and(|versions| {
        versions
            .flatten()
            .any(|version| version.path().join("bin/initdb").exists())
    })
}

/// Installs schemathesis into its own Python environment.
fn python_environment(workspace: &Workspace) -> Result<()> {
    let requirements = workspace.at("e2e/requirements.txt");
    let stamp = workspace.at("e2e/.venv/requirements.installed");
    if same_content(&requirements, &stamp) {
        println!("Python packages: nothing is missing");
        return Ok(());
    }
    println!("installing schemathesis (pip, into e2e/.venv): it generates requests from /openapi.json");
    if !workspace.at("e2e/.venv/bin/pip").exists() {
        shell::run(workspace.command("python3", "e2e").args(["-m", "venv", ".venv"]))?;
    }
    pip_install(workspace, "requirements.txt")?;
    // Copied last: an installation that was interrupted is repeated.
    fs::copy(&requirements, &stamp).context("cannot write the stamp of the installation in e2e/.venv")?;
    Ok(())
}

/// Installs what the attacks of `e2e/attack` need. The long form also uses tools of others.
///
/// # Errors
/// Something is missing and cannot be installed.
pub(crate) fn attack_tools(workspace: &Workspace, long: bool) -> Result<()> {
    if !workspace.at("e2e/.venv/bin/pip").exists() {
        shell::run(workspace.command("python3", "e2e").args(["-m", "venv", ".venv"]))?;
    }
    python_packages(
        workspace,
        "attack/requirements.txt",
        "h2 and hyperframe: they write raw HTTP/2 frames",
    )?;
    if !long {
        return Ok(());
    }
    python_packages(
        workspace,
        "attack/requirements-tls.txt",
        "sslyze: it looks for weaknesses of the TLS listener",
    )?;
    // Its help succeeds if it is installed.
    if workspace.output("slowhttptest", &["-h"]).is_some() {
        return Ok(());
    }
    println!("installing slowhttptest (apt): clients that send and read as slowly as possible");
    apt_install(workspace, &["slowhttptest"])
}

/// Installs pinned packages into `e2e/.venv`, unless that was done before.
fn python_packages(workspace: &Workspace, requirements: &str, why: &str) -> Result<()> {
    let file = workspace.at("e2e").join(requirements);
    let stamp = workspace
        .at("e2e/.venv")
        .join(format!("{}.installed", requirements.replace('/', "-")));
    if same_content(&file, &stamp) {
        return Ok(());
    }
    println!("installing {why} (pip, into e2e/.venv)");
    pip_install(workspace, requirements)?;
    fs::copy(&file, &stamp).context("cannot write the stamp of the installation in e2e/.venv")?;
    Ok(())
}

/// Installs the packages of a requirements file below `e2e`.
fn pip_install(workspace: &Workspace, requirements: &str) -> Result<()> {
    shell::run(pip(workspace).args(["--requirement", requirements]))
}

/// Installs Node.js if the machine has none, or an old one. PyPI has the real program in a wheel.
fn node(workspace: &Workspace) -> Result<()> {
    let own = workspace.at("e2e/.venv/node/bin");
    let npm = workspace.succeeds("npm", &["--version"]);
    // `own` exists if an earlier run installed it.
    if own.is_dir() || (npm && node_major(workspace).is_some_and(|major| major >= OLDEST_NODE)) {
        println!("Node.js: nothing is missing");
        return Ok(());
    }
    println!(
        "installing Node.js (pip, into e2e/.venv): the OpenID provider and the client of the e2e tests run on it"
    );
    pip_install(workspace, "requirements-node.txt")?;
    fs::create_dir_all(&own)?;
    // A folder with these two only: the search path must not get the Python programs of the environment.
    for program in ["node", "npm"] {
        std::os::unix::fs::symlink(workspace.at("e2e/.venv/bin").join(program), own.join(program))?;
    }
    Ok(())
}

/// Returns the major version of the machine's Node.js.
fn node_major(workspace: &Workspace) -> Option<u32> {
    workspace
        .output("node", &["--version"])?
        .strip_prefix('v')?
        .split('.')
        .next()?
        .parse()
        .ok()
}

/// Installs the npm packages of the end-to-end tests.
fn node_modules(workspace: &Workspace) -> Result<()> {
    let lock = workspace.at("e2e/package-lock.json");
    let stamp = workspace.at("e2e/node_modules/.lock.installed");
    if same_content(&lock, &stamp) {
        println!("npm packages: nothing is missing");
        return Ok(());
    }
    println!(
        "installing oidc-provider and openid-client (npm, into e2e/): a real server and a real client to test against"
    );
    // No scripts: packages must not run their own code on this machine.
    shell::run(
        workspace
            .command("npm", "e2e")
            .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]),
    )?;
    fs::copy(&lock, &stamp).context("cannot write the stamp of the installation in e2e/node_modules")?;
    Ok(())
}

/// Returns whether both files exist and have the same content.
fn same_content(one: &Path, other: &Path) -> bool {
    matches!((fs::read(one), fs::read(other)), (Ok(one), Ok(other)) if one == other)
}

//! Brings what the tests need and this machine lacks, and says what and why.

use std::fs;
use std::io::IsTerminal;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::proxies;
use crate::report::Ended;
use crate::shell::{self, Workspace};
use crate::{Suite, TestArguments};

/// The oldest Node.js that the end-to-end tests run on.
const OLDEST_NODE: u32 = 20;

/// A Debian package, and how to see that its programs are there already.
struct Package {
    name: &'static str,
    why: &'static str,
    present: fn(&Workspace) -> bool,
}

const PACKAGES: [Package; 4] = [
    Package {
        name: "redis-server",
        why: "the shared-store tests start their own on private ports, Sentinels too",
        present: |workspace| workspace.answers("redis-server", &["--version"]),
    },
    Package {
        name: "postgresql",
        why: "the SQL tests start their own on private ports",
        present: |workspace| workspace.answers("initdb", &["--version"]) || debian_initdb(),
    },
    Package {
        name: "curl",
        why: "a test pastes the commands that `dev` prints into a shell",
        present: |workspace| workspace.answers("curl", &["--version"]),
    },
    Package {
        name: "python3-venv",
        why: "schemathesis gets a Python environment of its own",
        present: |workspace| workspace.answers("python3", &["-c", "import ensurepip, venv"]),
    },
];

/// Installs what is missing, and only that.
///
/// # Errors
/// When something is missing and can't be installed; it then says what to install by hand.
pub(crate) fn missing(workspace: &mut Workspace, arguments: &TestArguments) -> Result<Ended> {
    debian_packages(workspace)?;
    if arguments.only != Some(Suite::Rust) {
        python_environment(workspace)?;
        node(workspace)?;
        workspace.prefer_installed_tools();
        node_modules(workspace)?;
    }
    if arguments.wants(Suite::Proxies) {
        proxies::install(workspace)?;
    }
    Ok(Ended::Passed)
}

fn debian_packages(workspace: &Workspace) -> Result<()> {
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

/// Installs Debian packages.
///
/// # Errors
/// They can't be installed; it then says what to install by hand.
pub(crate) fn apt_install(workspace: &Workspace, names: &[&str]) -> Result<()> {
    let by_hand = format!("install by hand: apt-get install {}", names.join(" "));
    if !workspace.answers("apt-get", &["--version"]) {
        bail!("this machine has no apt-get; {by_hand}");
    }
    let update = shell::run(as_root(workspace, &by_hand)?.args(["apt-get", "update", "-qq"]));
    if let Err(error) = update {
        println!("the package lists stay as they are: {error:#}");
    }
    let mut install = as_root(workspace, &by_hand)?;
    install
        .args(["apt-get", "install", "-qq", "-y", "--no-install-recommends"])
        .args(names);
    shell::run(&mut install).context(by_hand)
}

/// `env` as root, with apt told to ask nothing.
fn as_root(workspace: &Workspace, by_hand: &str) -> Result<Command> {
    let mut command = if workspace.output("id", &["-u"]).as_deref() == Some("0") {
        workspace.command("env", ".")
    } else if workspace.answers("sudo", &["-n", "true"]) {
        sudo(workspace, &["-n"])
    } else if std::io::stdin().is_terminal() && workspace.answers("sudo", &["--version"]) {
        sudo(workspace, &[])
    } else {
        bail!("neither root nor sudo; {by_hand}");
    };
    command.arg("DEBIAN_FRONTEND=noninteractive");
    Ok(command)
}

fn sudo(workspace: &Workspace, flags: &[&str]) -> Command {
    let mut command = workspace.command("sudo", ".");
    command.args(flags).arg("env");
    command
}

/// Debian keeps the server's programs out of the search path.
fn debian_initdb() -> bool {
    fs::read_dir("/usr/lib/postgresql").is_ok_and(|versions| {
        versions
            .flatten()
            .any(|version| version.path().join("bin/initdb").exists())
    })
}

fn python_environment(workspace: &Workspace) -> Result<()> {
    let wanted = workspace.at("e2e/requirements.txt");
    let stamp = workspace.at("e2e/.venv/requirements.installed");
    if same_content(&wanted, &stamp) {
        println!("Python packages: nothing is missing");
        return Ok(());
    }
    println!("installing schemathesis (pip, into e2e/.venv): it generates requests from /openapi.json");
    if !workspace.at("e2e/.venv/bin/pip").exists() {
        shell::run(workspace.command("python3", "e2e").args(["-m", "venv", ".venv"]))?;
    }
    pip_install(workspace, "requirements.txt")?;
    fs::copy(&wanted, &stamp).context("cannot note what was installed in e2e/.venv")?;
    Ok(())
}

fn pip_install(workspace: &Workspace, requirements: &str) -> Result<()> {
    shell::run(pip(workspace).args(["--requirement", requirements]))
}

/// `pip install` in `e2e/.venv`.
pub(crate) fn pip(workspace: &Workspace) -> Command {
    let mut pip = workspace.command(workspace.at("e2e/.venv/bin/pip"), "e2e");
    pip.args(["install", "--quiet", "--disable-pip-version-check"]);
    pip
}

/// A Node.js that is new enough. Where Debian's is too old, PyPI carries the real program in a wheel.
fn node(workspace: &Workspace) -> Result<()> {
    let own = workspace.at("e2e/.venv/node/bin");
    let npm = workspace.answers("npm", &["--version"]);
    if own.is_dir() || (npm && node_major(workspace).is_some_and(|major| major >= OLDEST_NODE)) {
        println!("Node.js: nothing is missing");
        return Ok(());
    }
    println!(
        "installing Node.js (pip, into e2e/.venv): the OpenID provider and the client of the e2e tests run on it"
    );
    pip_install(workspace, "requirements-node.txt")?;
    fs::create_dir_all(&own)?;
    for program in ["node", "npm"] {
        std::os::unix::fs::symlink(workspace.at("e2e/.venv/bin").join(program), own.join(program))?;
    }
    Ok(())
}

fn node_major(workspace: &Workspace) -> Option<u32> {
    workspace
        .output("node", &["--version"])?
        .strip_prefix('v')?
        .split('.')
        .next()?
        .parse()
        .ok()
}

fn node_modules(workspace: &Workspace) -> Result<()> {
    let wanted = workspace.at("e2e/package-lock.json");
    let stamp = workspace.at("e2e/node_modules/.lock.installed");
    if same_content(&wanted, &stamp) {
        println!("npm packages: nothing is missing");
        return Ok(());
    }
    println!(
        "installing oidc-provider and openid-client (npm, into e2e/): a real server and a real client to test against"
    );
    shell::run(
        workspace
            .command("npm", "e2e")
            .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]),
    )?;
    fs::copy(&wanted, &stamp).context("cannot note what was installed in e2e/node_modules")?;
    Ok(())
}

fn same_content(one: &Path, other: &Path) -> bool {
    matches!((fs::read(one), fs::read(other)), (Ok(one), Ok(other)) if one == other)
}

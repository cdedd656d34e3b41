//! Installs the authorization servers that `e2e/providers` needs, into `e2e/.providers`. One that cannot be
//! installed is left out, with its reason.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::packages;
use crate::report::StepOutcome;
use crate::shell::{self, Workspace};

/// Folder of the installed programs. It is ignored by git.
const FOLDER: &str = "e2e/.providers";
/// List of the providers that cannot be installed here, each with its reason, one a line. The tests skip
/// these, and fail if another one is missing.
const UNINSTALLABLE_LIST: &str = "e2e/.providers/impossible";

/// Authorization server, with the name that its test has.
struct Provider {
    name: &'static str,
    source: ProviderSource,
}

enum ProviderSource {
    /// Zip file of Maven Central, as `group:artifact:version:zip`, and the folder that it contains.
    Maven {
        artifact: &'static str,
        folder: &'static str,
    },
    /// Program of a Go module.
    Go(GoProgram),
}

/// Program of a Go module, built in an empty module of our own.
struct GoProgram {
    package: &'static str,
    version: &'static str,
    /// Build tags.
    tags: &'static str,
    /// Replacements (`old=new@version`) from the `go.mod` of the program. Go obeys them only in the main
    /// module.
    replacements: &'static [&'static str],
    program: &'static str,
}

/// Version of Keycloak.
const KEYCLOAK: &str = "org.keycloak:keycloak-quarkus-dist:26.7.3:zip";

const PROVIDERS: [Provider; 2] = [
    Provider {
        name: "Keycloak",
        source: ProviderSource::Maven {
            artifact: KEYCLOAK,
            folder: "keycloak-26.7.3",
        },
    },
    Provider {
        name: "Ory Hydra",
        source: ProviderSource::Go(GoProgram {
            package: "github.com/ory/hydra/v2",
            version: "v2.3.0",
            tags: "sqlite",
            replacements: &[
                "github.com/gobuffalo/pop/v6=github.com/ory/pop/v6@v6.2.1-0.20241121111754-e5dfc0f3344b",
            ],
            program: "hydra",
        }),
    },
];

/// Installs the missing providers, each by itself, and writes the list of those that cannot be installed.
///
/// # Errors
/// The folder or the list cannot be written.
pub(crate) fn install(workspace: &Workspace) -> Result<()> {
    fs::create_dir_all(workspace.at(FOLDER).join("bin")).context("cannot create e2e/.providers")?;
    let mut left_out = String::new();
    for Provider { name, source } in &PROVIDERS {
        // Each by itself: the others must be tested anyway.
        let installed = match source {
            ProviderSource::Maven { artifact, folder } => install_maven(workspace, name, artifact, folder),
            ProviderSource::Go(program) => install_go(workspace, name, program),
        };
        if let Err(error) = installed {
            println!("{name} is left out, it cannot be installed: {error:#}");
            // One line, so that the tests find it.
            let reason = format!("{error:#}").replace('\n', " ");
            left_out.push_str(&format!("{name}: {reason}\n"));
        }
    }
    // Its test is skipped without it, and says so.
    if let Err(error) = install_oauth2_proxy(workspace) {
        println!("oauth2-proxy is not compared, it cannot be installed: {error:#}");
    }
    fs::write(workspace.at(UNINSTALLABLE_LIST), left_out).context("cannot write the list of what is left out")
}

/// oauth2-proxy, with which the gateway is compared.
const OAUTH2_PROXY: GoProgram = GoProgram {
    package: "github.com/oauth2-proxy/oauth2-proxy/v7",
    version: "v7.15.6",
    tags: "",
    replacements: &[],
    program: "oauth2-proxy",
};

/// Builds oauth2-proxy, unless that was done before.
///
/// # Errors
/// It cannot be fetched or built, or its folder cannot be written.
pub(crate) fn install_oauth2_proxy(workspace: &Workspace) -> Result<()> {
    fs::create_dir_all(workspace.at(FOLDER).join("bin")).context("cannot create e2e/.providers")?;
    install_go(workspace, "oauth2-proxy", &OAUTH2_PROXY)
}

/// Installs a zip file of Maven Central, and prepares it for fast starts.
fn install_maven(workspace: &Workspace, name: &str, artifact: &str, folder: &str) -> Result<()> {
    // Written last, so that an installation that was interrupted is repeated.
    let stamp = workspace.at(FOLDER).join(format!("{folder}.installed"));
    if stamp.exists() {
        println!("{name}: nothing is missing");
        return Ok(());
    }
    println!("installing {artifact} (Maven, into {FOLDER}): {name} itself, once, takes some minutes");
    if !workspace.succeeds("mvn", &["--version"]) {
        println!("installing maven (apt): it fetches {name}, and brings the Java that {name} runs on");
        packages::apt_install(workspace, &["maven"])?;
    }
    let home = workspace.at(FOLDER).join("keycloak");
    if home.exists() {
        fs::remove_dir_all(&home).context("cannot remove the old version")?;
    }
    let mut unpack = workspace.command("mvn", "e2e");
    unpack.args(["--quiet", "--batch-mode", "dependency:unpack"]);
    unpack.arg(format!("-Dartifact={artifact}"));
    unpack.arg(format!("-DoutputDirectory={}", workspace.at(FOLDER).display()));
    shell::run(&mut unpack)?;
    fs::rename(workspace.at(FOLDER).join(folder), &home).context("the zip file has another folder")?;
    // Once here, so that the tests start it without.
    let mut build = workspace.command("sh", "e2e/.providers/keycloak");
    build.args(["bin/kc.sh", "build", "--db=dev-file", "--health-enabled=true"]);
    // It runs once: time spent on compiling it well is lost.
    shell::run(build.env("JAVA_OPTS_APPEND", "-XX:TieredStopAtLevel=1"))?;
    fs::write(stamp, artifact).context("cannot write the stamp of the installation")
}

/// Builds a Go program, unless that was done before.
fn install_go(workspace: &Workspace, name: &str, wanted: &GoProgram) -> Result<()> {
    let GoProgram {
        package,
        version,
        program,
        ..
    } = wanted;
    let binary = workspace.at(FOLDER).join("bin").join(program);
    // Beside the program, because not every program tells its version.
    let stamp = workspace
        .at(FOLDER)
        .join(format!("{program}-{version}.installed"));
    if binary.exists() && stamp.exists() {
        println!("{name}: nothing is missing");
        return Ok(());
    }
    if !workspace.succeeds("go", &["version"]) {
        bail!("this machine has no Go (https://go.dev/doc/install)");
    }
    println!(
        "installing {package} {version} (Go module proxy, into {FOLDER}): {name} itself, once, takes some minutes"
    );
    // A module of its own: `go install` refuses modules with replacements.
    let module = format!("{FOLDER}/module-{program}");
    fs::create_dir_all(workspace.at(&module)).context("cannot create the module")?;
    fs::write(workspace.at(&module).join("go.mod"), "module provider\n").context("cannot write go.mod")?;
    let go = |arguments: &[&str]| -> Command {
        let mut go = workspace.command("go", &module);
        go.args(arguments).env("GOFLAGS", "-mod=mod");
        go
    };
    for replacement in wanted.replacements {
        shell::run(&mut go(&["mod", "edit", "-replace", replacement]))?;
    }
    shell::run(&mut go(&["get", &format!("{package}@{version}")]))?;
    let output = binary.to_string_lossy();
    shell::run(&mut go(&[
        "build",
        "-tags",
        wanted.tags,
        "-ldflags=-s -w",
        "-o",
        &output,
        package,
    ]))?;
    fs::write(stamp, "").context("cannot write the stamp of the installation")
}

/// Returns the outcome of tests that did not fail. It is "skipped" if a provider cannot be installed on this
/// machine, or if not `all` were asked for.
///
/// # Errors
/// The list cannot be read.
pub(crate) fn test_outcome(workspace: &Workspace, all: bool) -> Result<StepOutcome> {
    if !all {
        let names = PROVIDERS.map(|provider| provider.name).join(", ");
        return Ok(StepOutcome::Skipped(format!(
            "{names}: only with `--only providers`; oidc-provider passes"
        )));
    }
    // Without an installation (`--no-install`) there is no list, and the tests skip nothing.
    let path = workspace.at(UNINSTALLABLE_LIST);
    if !path.exists() {
        return Ok(StepOutcome::Passed);
    }
    let list = fs::read_to_string(path).context("cannot read the list of what is left out")?;
    Ok(outcome_without(&list.lines().collect::<Vec<_>>()))
}

/// Returns the outcome if these providers are left out.
fn outcome_without(left_out: &[&str]) -> StepOutcome {
    if left_out.is_empty() {
        return StepOutcome::Passed;
    }
    StepOutcome::Skipped(format!("not here: {}; the others pass", left_out.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_named_with_its_reason() {
        assert!(matches!(outcome_without(&[]), StepOutcome::Passed));
        let StepOutcome::Skipped(why) = outcome_without(&["Keycloak: no Java", "Ory Hydra: no Go"]) else {
            panic!("the outcome must be skipped");
        };
        assert_eq!(
            why,
            "not here: Keycloak: no Java; Ory Hydra: no Go; the others pass"
        );
    }

    #[test]
    fn every_provider_has_a_test_that_names_it() {
        let workspace = Workspace::locate().unwrap();
        let tests: String = fs::read_dir(workspace.at("e2e/providers"))
            .unwrap()
            .map(|file| file.unwrap().path())
            .filter(|path| path.to_string_lossy().ends_with(".test.js"))
            .map(|path: std::path::PathBuf| fs::read_to_string(path).unwrap())
            .collect();
        for Provider { name, .. } in &PROVIDERS {
            assert!(tests.contains(&format!("needs: '{name}'")), "{name}");
        }
    }
}

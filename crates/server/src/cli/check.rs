//! `check`: every setting, every component, and what is promised with them.

mod explain;
mod probe;

use std::process::ExitCode;

use serde::Serialize;
use serde_json::{Value, json};

use super::args::CheckArgs;
use super::guarantee::Guarantee;
use super::output::{self, Fit, Table, harmless};
use super::{Stop, USAGE};
use crate::config::{Faults, Settings, Source, Warning};
use crate::telemetry::{self, LogFormat};

/// How a component does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Health {
    /// It answers as it should.
    Healthy,
    /// It answers, and something about it should be mended.
    Warning,
    /// It does not do what it is there for.
    Unhealthy,
}

impl Health {
    fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Warning => "warning",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// A component, as it was found.
#[derive(Debug, Serialize)]
struct Finding {
    component: &'static str,
    status: Health,
    /// Which one it is, without its password.
    what: String,
    /// What was found.
    detail: String,
    /// In seconds.
    response_time: f64,
}

impl Finding {
    /// The settings that say where it is.
    fn settings(&self) -> &'static str {
        match self.component {
            "store" => "REDIS_URL and DATA_DIR",
            "database" => "DATABASE_URL and DATA_DIR",
            "policy" => "POLICY_FILE",
            "certificate" => "TLS_CERT_FILE and TLS_KEY_FILE",
            "key_set" => "JWKS_URL and EXTERNAL_AUTH_URL",
            _ => "EXTERNAL_AUTH_URL",
        }
    }
}

/// Everything that `check` has to say.
#[derive(Debug)]
struct Report {
    settings: Settings,
    warnings: Vec<Warning>,
    findings: Vec<Finding>,
}

/// Checks everything; fails when a component does.
pub(super) async fn check(args: &CheckArgs) -> Result<(), Stop> {
    let json = args.output.json;
    let (settings, mut warnings) = match Settings::load(&Source::from_environment()) {
        Ok(loaded) => loaded,
        Err(faults) if json => {
            output::print_json(&faults_as_json(&faults))?;
            return Err(Stop::Said(ExitCode::from(USAGE)));
        }
        Err(faults) => return Err(faults.into()),
    };
    if let Some([method, url]) = args.policy_for.as_deref() {
        return explain::explain(&settings, method, url, json);
    }
    telemetry::init(LogFormat::Readable, "warn").map_err(anyhow::Error::from)?;
    let findings = Box::pin(probe::everything(&settings)).await;
    if let Some(message) = Guarantee::of(&settings.stores).warning() {
        warnings.push(Warning {
            name: "DATABASE_URL".to_owned(),
            message: message.to_owned(),
        });
    }
    let report = Report {
        settings,
        warnings,
        findings,
    };
    if json {
        output::print_json(&report.as_json())?;
    } else {
        report.print()?;
    }
    if report.failed().next().is_some() {
        return Err(Stop::Said(ExitCode::FAILURE));
    }
    Ok(())
}

fn faults_as_json(faults: &Faults) -> Value {
    let faults: Vec<_> = faults
        .iter()
        .map(|fault| json!({ "name": fault.name, "problem": fault.problem, "remedy": fault.remedy }))
        .collect();
    json!({ "ok": false, "faults": faults })
}

impl Report {
    fn failed(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|finding| finding.status == Health::Unhealthy)
    }

    fn as_json(&self) -> Value {
        let guarantee = Guarantee::of(&self.settings.stores);
        let warnings: Vec<_> = self
            .warnings
            .iter()
            .map(|warning| json!({ "name": warning.name, "message": warning.message }))
            .collect();
        json!({
            "ok": self.failed().next().is_none(),
            "settings": self.settings.rows(),
            "components": self.findings,
            "guarantee": { "reach": guarantee, "text": guarantee.words() },
            "warnings": warnings,
        })
    }

    fn print(&self) -> std::io::Result<()> {
        let mut settings = Table::new(&[
            ("SETTING", Fit::Whole),
            ("VALUE", Fit::Cut),
            ("SOURCE", Fit::Whole),
        ]);
        for row in self.settings.rows() {
            settings.row([row.name, row.value.as_str(), row.source.as_str()]);
        }
        output::print_table(&settings)?;
        let mut components = Table::new(&[
            ("COMPONENT", Fit::Whole),
            ("STATUS", Fit::Whole),
            ("TIME", Fit::Whole),
            ("WHAT", Fit::Cut),
            ("FOUND", Fit::Cut),
        ]);
        for finding in &self.findings {
            let time = format!("{:.0} ms", finding.response_time * 1_000.0);
            components.row([
                finding.component,
                finding.status.as_str(),
                &time,
                &finding.what,
                &finding.detail,
            ]);
        }
        output::print("\n")?;
        output::print_table(&components)?;
        output::print(&self.remarks())
    }

    fn remarks(&self) -> String {
        let mut text = format!("\nRevocation: {}\n", Guarantee::of(&self.settings.stores).words());
        if !self.warnings.is_empty() {
            text.push_str("\nTo know:\n");
            for warning in &self.warnings {
                text.push_str(&format!("  {}\n", harmless(&warning.to_string())));
            }
        }
        let failed: Vec<String> = self
            .failed()
            .map(|finding| {
                let Finding {
                    component,
                    what,
                    detail,
                    ..
                } = finding;
                format!(
                    "  {component} ({}): {}; see {}\n",
                    harmless(what),
                    harmless(detail),
                    finding.settings()
                )
            })
            .collect();
        if failed.is_empty() {
            text.push_str("\nEvery component works.\n");
        } else {
            text.push_str(&format!("\nThis does not work:\n{}", failed.concat()));
        }
        text
    }
}

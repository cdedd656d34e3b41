//! `check`: shows every setting, probes every component, and describes the revocation guarantee.

mod agreement;
mod explain;
mod finding;
mod probe;
mod token;
mod upstream;

use std::process::ExitCode;

use serde_json::{Value, json};

use self::finding::{ComponentFinding, ComponentHealth};
use super::args::CheckArgs;
use super::guarantee::RevocationGuarantee;
use super::output::{self, ColumnFit, TextTable, escape_for_terminal};
use super::{CommandError, EXIT_USAGE};
use crate::config::{SettingFaults, SettingWarning, Settings, SettingsSource};
use crate::descriptors;
use crate::telemetry::{self, LogFormat};

/// Report of `check`.
#[derive(Debug)]
struct CheckReport {
    settings: Settings,
    warnings: Vec<SettingWarning>,
    findings: Vec<ComponentFinding>,
}

/// Checks everything. Fails if a component does not work.
#[tracing::instrument(level = "debug", skip_all)]
pub(super) async fn check(args: &CheckArgs) -> Result<(), CommandError> {
    let json = args.output.json;
    let (settings, mut warnings) = match Settings::load(&SettingsSource::from_environment()) {
        Ok(loaded) => loaded,
        // A script that asked for JSON gets the faults as JSON too, on standard output.
        Err(faults) if json => {
            output::print_json(&faults_as_json(&faults))?;
            return Err(CommandError::AlreadyReported(ExitCode::from(EXIT_USAGE)));
        }
        Err(faults) => return Err(faults.into()),
    };
    if let Some([method, url]) = args.policy_for.as_deref() {
        return explain::explain(&settings, method, url, json);
    }
    if let Some(source) = args.token.as_deref() {
        return Box::pin(token::explain(settings, source, json)).await;
    }
    telemetry::init(LogFormat::Readable, "warn").map_err(anyhow::Error::from)?;
    let findings = Box::pin(probe::probe_all(&settings)).await;
    // Raised as `serve` does it, to find out whether it can be.
    if let Some(too_few) = descriptors::raise_limit(&settings) {
        warnings.push(SettingWarning {
            name: "MAX_CONNECTIONS".to_owned(),
            message: too_few.to_string(),
        });
    }
    if let Some(message) = RevocationGuarantee::for_stores(&settings.stores).warning() {
        warnings.push(SettingWarning {
            name: "DATABASE_URL".to_owned(),
            message: message.to_owned(),
        });
    }
    let report = CheckReport {
        settings,
        warnings,
        findings,
    };
    if json {
        output::print_json(&report.as_json())?;
    } else {
        report.print()?;
    }
    if report.unhealthy().next().is_some() {
        return Err(CommandError::AlreadyReported(ExitCode::FAILURE));
    }
    Ok(())
}

fn faults_as_json(all: &SettingFaults) -> Value {
    let faults: Vec<_> = all
        .iter()
        .map(|fault| json!({ "name": fault.name, "problem": fault.problem, "remedy": fault.remedy }))
        .collect();
    // Misspelt names of settings: they are ignored, so they are no faults.
    let hints = all.spelling_hints().iter();
    let hints: Vec<_> = hints
        .map(|hint| json!({ "name": hint.name, "message": hint.message }))
        .collect();
    json!({ "ok": false, "faults": faults, "warnings": hints })
}

impl CheckReport {
    fn unhealthy(&self) -> impl Iterator<Item = &ComponentFinding> {
        self.findings
            .iter()
            .filter(|finding| finding.status == ComponentHealth::Unhealthy)
    }

    fn as_json(&self) -> Value {
        let guarantee = RevocationGuarantee::for_stores(&self.settings.stores);
        let warnings: Vec<_> = self
            .warnings
            .iter()
            .map(|warning| json!({ "name": warning.name, "message": warning.message }))
            .collect();
        json!({
            "ok": self.unhealthy().next().is_none(),
            "settings": self.settings.rows(),
            "components": self.findings,
            "guarantee": { "reach": guarantee, "text": guarantee.description() },
            "warnings": warnings,
        })
    }

    fn print(&self) -> std::io::Result<()> {
        let mut settings = TextTable::new(&[
            ("SETTING", ColumnFit::Whole),
            ("VALUE", ColumnFit::Truncatable),
            ("SOURCE", ColumnFit::Whole),
        ]);
        for row in self.settings.rows() {
            settings.push_row([row.name, row.value.as_str(), row.source.as_str()]);
        }
        output::print_table(&settings)?;
        let mut components = TextTable::new(&[
            ("COMPONENT", ColumnFit::Whole),
            ("STATUS", ColumnFit::Whole),
            ("TIME", ColumnFit::Whole),
            ("WHAT", ColumnFit::Truncatable),
            ("DETAIL", ColumnFit::Truncatable),
        ]);
        for finding in &self.findings {
            let time = format!("{:.0} ms", finding.response_time * 1_000.0);
            components.push_row([
                finding.component,
                finding.status.as_str(),
                &time,
                &finding.what,
                &finding.detail,
            ]);
        }
        output::print("\n")?;
        output::print_table(&components)?;
        output::print(&self.render_remarks())
    }

    fn render_remarks(&self) -> String {
        let mut text = format!(
            "\nRevocation: {}\n",
            RevocationGuarantee::for_stores(&self.settings.stores).description()
        );
        if !self.warnings.is_empty() {
            text.push_str("\nNote:\n");
            for warning in &self.warnings {
                text.push_str(&format!("  {}\n", escape_for_terminal(&warning.to_string())));
            }
        }
        let failed: Vec<String> = self
            .unhealthy()
            .map(|finding| {
                let ComponentFinding {
                    component,
                    what,
                    detail,
                    ..
                } = finding;
                format!(
                    "  {component} ({}): {}; see {}\n",
                    escape_for_terminal(what),
                    escape_for_terminal(detail),
                    finding.related_settings()
                )
            })
            .collect();
        if failed.is_empty() {
            text.push_str("\nEvery component works.\n");
        } else {
            // Whole, because the table above may have cut it.
            text.push_str(&format!("\nThis does not work:\n{}", failed.concat()));
        }
        text
    }
}

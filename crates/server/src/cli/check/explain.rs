//! `check --policy-for METHOD URL`: which rule of the policy is about a request, and what it asks for.

use std::process::ExitCode;

use maxlab_auth_core::policy::{Asked, Ruling};
use serde_json::{Value, json};

use super::super::Stop;
use super::super::output::{self, harmless};
use crate::app::admin;
use crate::config::Settings;
use crate::policy::PolicyFile;

/// Says what the policy makes of a request to this URL; fails where it is refused whatever the policy says.
pub(super) fn explain(settings: &Settings, method: &str, url: &str, json: bool) -> Result<(), Stop> {
    let path = settings.forward_auth.policy_file.as_deref();
    let path = path.ok_or_else(|| anyhow::anyhow!("there is no policy: set POLICY_FILE"))?;
    let policy = PolicyFile::open(path, admin(settings))
        .map_err(anyhow::Error::from)?
        .current();
    let asked = match Asked::read(Some(method), None, Some(url.as_bytes())) {
        Ok(asked) => asked,
        Err(fault) => {
            let refused = json!({ "status": 400, "code": "ambiguous_request", "detail": fault.to_string() });
            let text = format!("400: it is refused, whatever the policy says, since {fault}\n");
            said(json, &refused, &text)?;
            return Err(Stop::Said(ExitCode::FAILURE));
        }
    };
    let ruling = policy
        .rule_for(&asked)
        .map_err(|untold| anyhow::anyhow!("{untold}; write a whole URL, https://host/path"))?;
    said(json, &as_json(&asked, ruling), &as_text(&asked, ruling))
}

fn said(json: bool, value: &Value, text: &str) -> Result<(), Stop> {
    if json {
        output::print_json(value)?;
    } else {
        output::print(&harmless_lines(text))?;
    }
    Ok(())
}

fn harmless_lines(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", harmless(line))).collect()
}

fn as_json(asked: &Asked<'_>, ruling: Ruling<'_>) -> Value {
    json!({
        "method": asked.method(),
        "host": asked.host().map(ToString::to_string),
        "path": asked.path().map(ToString::to_string),
        "rule": ruling.rule.map(|rule| rule.number),
        "line": ruling.rule.map(|rule| rule.line),
        "access": ruling.access.to_string(),
    })
}

fn as_text(asked: &Asked<'_>, ruling: Ruling<'_>) -> String {
    let host = asked.host().map(ToString::to_string).unwrap_or_default();
    let path = asked.path().map(ToString::to_string).unwrap_or_default();
    let by = match ruling.rule {
        Some(rule) => format!("rule {} (line {})", rule.number, rule.line),
        None => "no rule, so the default".to_owned(),
    };
    let method = asked.method().unwrap_or_default();
    format!("{method} {host}{path}\n{by}: {}\n", ruling.access)
}

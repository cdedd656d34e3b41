//! `check --policy-for METHOD URL`: shows which rule of the policy applies to a request, and what it
//! requires.

use std::process::ExitCode;

use maxlab_auth_core::policy::{PolicyDecision, PolicyRequest};
use serde_json::{Value, json};

use super::super::CommandError;
use super::super::output::{self, escape_for_terminal};
use crate::app::admin;
use crate::config::Settings;
use crate::policy::PolicyFile;

/// Prints the policy's decision on a request to this URL. Fails if the request is refused before the policy
/// is asked.
pub(super) fn explain(settings: &Settings, method: &str, url: &str, json: bool) -> Result<(), CommandError> {
    let path = settings.forward_auth.policy_file.as_deref();
    let path = path.ok_or_else(|| anyhow::anyhow!("there is no policy; set POLICY_FILE"))?;
    let policy = PolicyFile::open(path, admin(settings))
        .map_err(anyhow::Error::from)?
        .current();
    // Parsed as `/auth/verify` parses it, so that both give the same answer.
    let request = match PolicyRequest::parse(Some(method), None, Some(url.as_bytes())) {
        Ok(request) => request,
        Err(fault) => {
            let refused = json!({ "status": 400, "code": "ambiguous_request", "detail": fault.to_string() });
            let text = format!("400: refused before the policy is asked: {fault}\n");
            print_answer(json, &refused, &text)?;
            return Err(CommandError::AlreadyReported(ExitCode::FAILURE));
        }
    };
    let decision = policy
        .decide(&request)
        .map_err(|missing| anyhow::anyhow!("{missing}; write a whole URL, https://host/path"))?;
    print_answer(json, &as_json(&request, decision), &as_text(&request, decision))
}

fn print_answer(json: bool, value: &Value, text: &str) -> Result<(), CommandError> {
    if json {
        output::print_json(value)?;
    } else {
        output::print(&escape_lines(text))?;
    }
    Ok(())
}

fn escape_lines(text: &str) -> String {
    // Line by line: the line ends are ours, and everything else comes from the arguments and the policy file.
    text.lines()
        .map(|line| format!("{}\n", escape_for_terminal(line)))
        .collect()
}

fn as_json(request: &PolicyRequest<'_>, decision: PolicyDecision<'_>) -> Value {
    // Host and path in the canonical form that the rules are compared with.
    json!({
        "method": request.method(),
        "host": request.host().map(ToString::to_string),
        "path": request.path().map(ToString::to_string),
        "rule": decision.rule.map(|rule| rule.number),
        "line": decision.rule.map(|rule| rule.line),
        "access": decision.access.to_string(),
    })
}

fn as_text(request: &PolicyRequest<'_>, decision: PolicyDecision<'_>) -> String {
    let host = request.host().map(ToString::to_string).unwrap_or_default();
    let path = request.path().map(ToString::to_string).unwrap_or_default();
    let rule = match decision.rule {
        Some(rule) => format!("rule {} (line {})", rule.number, rule.line),
        None => "no rule, so the default".to_owned(),
    };
    let method = request.method().unwrap_or_default();
    format!("{method} {host}{path}\n{rule}: {}\n", decision.access)
}

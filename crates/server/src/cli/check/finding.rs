//! Result of a probe, and how a probe is run.

use std::fmt::Display;
use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, timeout};

/// Time limit of one probe.
pub(super) const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// Health and finding in words; `Err` is unhealthy.
pub(super) type ProbeOutcome = Result<(ComponentHealth, String), String>;

/// Health of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ComponentHealth {
    /// The component works.
    Healthy,
    /// The component works, and something about it should be fixed.
    Warning,
    /// The component does not work.
    Unhealthy,
}

impl ComponentHealth {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Warning => "warning",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// Result of probing one component.
#[derive(Debug, Serialize)]
// The field names are part of `check --json`.
pub(super) struct ComponentFinding {
    pub(super) component: &'static str,
    pub(super) status: ComponentHealth,
    /// Address or file of the component, without a password.
    pub(super) what: String,
    /// Finding in words.
    pub(super) detail: String,
    /// Duration of the probe, in seconds.
    pub(super) response_time: f64,
}

impl ComponentFinding {
    /// Returns the settings to look at if the component does not work.
    pub(super) fn related_settings(&self) -> &'static str {
        match self.component {
            "store" => "REDIS_URL and DATA_DIR",
            "database" => "DATABASE_URL and DATA_DIR",
            "policy" => "POLICY_FILE",
            "providers" => "PROVIDERS_FILE",
            "certificate" => "TLS_CERT_FILE and TLS_KEY_FILE",
            "key_set" => "JWKS_URL, JWT_ALGORITHM, JWT_ISSUER and EXTERNAL_AUTH_URL",
            "metadata" => "EXTERNAL_AUTH_URL and JWT_ISSUER",
            "introspection" => "INTROSPECTION_URL and OAUTH_CLIENT_ID",
            "clock" => "the time service (NTP) of both machines",
            _ => "EXTERNAL_AUTH_URL",
        }
    }
}

/// Runs one probe within its time limit, and measures it.
// With a value of its own: a bare name in `fields` would declare an empty field.
#[tracing::instrument(level = "debug", skip_all, fields(component = component))]
pub(super) async fn run_probe(
    component: &'static str,
    what: String,
    probe: impl Future<Output = ProbeOutcome>,
) -> ComponentFinding {
    let started = Instant::now();
    let outcome = timeout(PROBE_TIMEOUT, probe)
        .await
        .unwrap_or_else(|_| Err("no answer in time".to_owned()));
    let response_time = started.elapsed().as_secs_f64();
    let (status, detail) = outcome.unwrap_or_else(|fault| (ComponentHealth::Unhealthy, fault));
    ComponentFinding {
        component,
        status,
        what,
        detail,
        response_time,
    }
}

pub(super) fn healthy(detail: impl Into<String>) -> ProbeOutcome {
    Ok((ComponentHealth::Healthy, detail.into()))
}

pub(super) fn warning(detail: impl Into<String>) -> ProbeOutcome {
    Ok((ComponentHealth::Warning, detail.into()))
}

pub(super) fn error_text(fault: impl Display) -> String {
    fault.to_string()
}

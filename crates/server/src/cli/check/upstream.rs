//! Probes of the authorization server: compares what it answers with the settings.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use maxlab_auth_core::clock::{Clock as _, SystemClock};
use maxlab_auth_core::identity::VerificationSource;
use maxlab_auth_core::verify::KeySetProvider as _;
use reqwest::{Method, header};

use super::agreement::{check_keys, with_disagreements};
use super::finding::{
    ComponentFinding, PROBE_TIMEOUT, ProbeOutcome, error_text, healthy, run_probe, warning,
};
use crate::app::upstream_config;
use crate::config::{JwtKeys, Settings};
use crate::upstream::{
    AuthServer, AuthServerEndpoint, AuthServerJwks, AuthServerResponse, JwksEndpoint, MetadataLookup,
    UpstreamConfig,
};

/// Largest value of `CLOCK_SKEW_SECONDS`.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(60);
/// Error of the measurement: a `Date` has whole seconds, and an answer takes a while to arrive.
const CLOCK_IMPRECISION: Duration = Duration::from_secs(3);

/// Returns the configuration of the client, with a time limit that fits into a probe.
pub(super) fn probe_config(settings: &Settings) -> UpstreamConfig {
    let config = upstream_config(settings);
    // Half, because a probe may send two requests: metadata and then the endpoint.
    let timeout = config.timeout.min(PROBE_TIMEOUT / 2);
    UpstreamConfig { timeout, ..config }
}

/// Probes the authorization server and what it publishes.
pub(super) async fn probe_auth_server(
    settings: &Settings,
    server: &Arc<AuthServer>,
    address: &str,
) -> Vec<ComponentFinding> {
    let layers = &settings.verify.layers;
    let what = || address.to_owned();
    // One after the other: all of them go to one server, and each time is measured alone.
    let mut findings = vec![
        run_probe("authorization_server", what(), probe_health(server)).await,
        run_probe("metadata", what(), probe_metadata(settings, server)).await,
    ];
    if let Some(times) = server_and_local_time(server).await {
        findings.push(run_probe("clock", what(), async { check_clock(settings, &times) }).await);
    }
    if layers.contains(&VerificationSource::LocalJwt) {
        findings.push(run_probe("key_set", what(), probe_jwks(settings, server)).await);
    }
    if layers.contains(&VerificationSource::Introspection) {
        findings.push(run_probe("introspection", what(), probe_introspection(server)).await);
    }
    findings
}

async fn get_endpoint(
    server: &AuthServer,
    endpoint: AuthServerEndpoint,
) -> Result<AuthServerResponse, String> {
    let request = server
        .request(Method::GET, endpoint)
        .await
        .ok_or("no path can be appended to EXTERNAL_AUTH_URL")?;
    server.send(endpoint, request).await.map_err(error_text)
}

/// Probes `/health`. Any answer below 500 shows that the server works: not every server has this endpoint
/// (docs/GUIDE.md).
async fn probe_health(server: &AuthServer) -> ProbeOutcome {
    match get_endpoint(server, AuthServerEndpoint::Health).await?.status {
        status if status.is_server_error() => Err(format!("/health answered {status}")),
        status if status.is_success() => healthy(format!("/health answered {status}")),
        status => healthy(format!("the server answers ({status} at /health)")),
    }
}

async fn probe_metadata(settings: &Settings, server: &AuthServer) -> ProbeOutcome {
    let configured = settings.verify.issuer.as_deref();
    match server.lookup_metadata().await {
        MetadataLookup::Found(metadata) => {
            with_disagreements(compare_issuer(configured, &metadata.issuer), settings, &metadata)
        }
        MetadataLookup::Unreachable(why) => warning(format!("the metadata cannot be fetched: {why}")),
        MetadataLookup::Absent => {
            without_metadata(settings, server, "the server publishes no metadata").await
        }
        MetadataLookup::Unusable(why) => without_metadata(settings, server, &why).await,
    }
}

/// Compares the configured issuer with the server's own: the `iss` of tokens is compared exactly.
fn compare_issuer(configured: Option<&str>, published: &str) -> ProbeOutcome {
    match configured {
        None => healthy(format!("issuer {published}")),
        Some(configured) if configured == published => healthy(format!("issuer {published}")),
        // Almost certainly a mistake: no server has two issuers that differ only in a slash or in case.
        Some(configured)
            if configured
                .trim_end_matches('/')
                .eq_ignore_ascii_case(published.trim_end_matches('/')) =>
        {
            Err(format!(
                "the server's issuer is {published}, and JWT_ISSUER is {configured}: they are compared exactly, so set \
                 JWT_ISSUER={published}"
            ))
        }
        // Possibly right: some servers publish another issuer than their tokens have.
        Some(configured) => warning(format!(
            "the server's issuer is {published}, and JWT_ISSUER is {configured}; this works only if the `iss` of its tokens \
             is {configured}"
        )),
    }
}

/// Judges a server without metadata. It may be one of the guide's (docs/GUIDE.md). If it has none of the
/// guide's endpoints either, the address is probably wrong.
async fn without_metadata(settings: &Settings, server: &AuthServer, why: &str) -> ProbeOutcome {
    // Then the gateway can work without this server's own endpoints.
    let configured_elsewhere = settings.upstream.endpoints.introspection.is_some()
        || matches!(&settings.verify.keys, JwtKeys::Jwks { url: Some(_), .. });
    for endpoint in [AuthServerEndpoint::Userinfo, AuthServerEndpoint::Account] {
        match get_endpoint(server, endpoint).await {
            Ok(answer) if !is_api_response(&answer) => {}
            // An error proves nothing about the address, so it is no reason to call the address wrong.
            Ok(_) | Err(_) => return warning(format!("{why}, so the paths of docs/GUIDE.md are used")),
        }
    }
    let detail = format!(
        "{why}, and it has neither /oauth/userinfo nor /api/v1/auth/me: set EXTERNAL_AUTH_URL to the base address of an \
         authorization server, with its path (such as /realms/NAME) and without /.well-known"
    );
    if configured_elsewhere {
        warning(detail)
    } else {
        Err(detail)
    }
}

/// Returns `true` if the answer is from an API. A web server would answer with a page, a redirect to one, or
/// 404.
fn is_api_response(answer: &AuthServerResponse) -> bool {
    !answer.is_html() && !answer.status.is_redirection() && !matches!(answer.status.as_u16(), 404 | 410)
}

/// Returns the server's time and ours, measured as close together as possible; `None` if the answer has no
/// `Date`.
async fn server_and_local_time(server: &AuthServer) -> Option<(SystemTime, Timestamp)> {
    let answer = get_endpoint(server, AuthServerEndpoint::Health).await.ok()?;
    // Read at once: everything between the answer and this counts as a difference.
    let now = SystemClock.now();
    // A cache may have stored the answer. `Age` says for how many seconds (RFC 9111 §5.1).
    let text = |name| answer.headers.get(name).and_then(|value| value.to_str().ok());
    let age = text(header::AGE).and_then(|age| age.parse().ok()).unwrap_or(0);
    let date = httpdate::parse_http_date(text(header::DATE)?).ok()?;
    Some((date.checked_add(Duration::from_secs(age))?, now))
}

fn check_clock(settings: &Settings, (theirs, ours): &(SystemTime, Timestamp)) -> ProbeOutcome {
    let ours = SystemTime::from(*ours);
    let (difference, side) = match ours.duration_since(*theirs) {
        Ok(ahead) => (ahead, "ahead of"),
        Err(behind) => (behind.duration(), "behind"),
    };
    let detail = format!(
        "the clock of this machine is {} s {side} the authorization server's: valid tokens look expired or not yet valid. \
         Set both clocks by a time service",
        difference.as_secs()
    );
    match difference.saturating_sub(CLOCK_IMPRECISION) {
        // No setting can bridge this.
        certain if certain > MAX_CLOCK_SKEW => Err(detail),
        certain if certain > settings.verify.clock_skew => warning(format!(
            "{detail}; CLOCK_SKEW_SECONDS tolerates {} s",
            settings.verify.clock_skew.as_secs()
        )),
        _ => healthy("equal to the authorization server's clock"),
    }
}

async fn probe_jwks(settings: &Settings, server: &Arc<AuthServer>) -> ProbeOutcome {
    let (url, algorithms) = match &settings.verify.keys {
        JwtKeys::Secret { algorithm, .. } => {
            return healthy(format!(
                "not needed: JWT_SECRET_KEY ({algorithm:?}) verifies the signatures"
            ));
        }
        JwtKeys::Jwks { url, algorithms } => (url.clone(), algorithms),
    };
    let keys = AuthServerJwks::new(JwksEndpoint::new(Arc::clone(server), url));
    match keys.keys_for(None, SystemClock.now()).await {
        Ok(Some(keys)) => check_keys(&keys, algorithms),
        Ok(None) => {
            let detail =
                "no key set is published, so local_jwt accepts nothing; set JWKS_URL or JWT_SECRET_KEY";
            // With other layers the gateway works without keys.
            let is_only_layer = settings.verify.layers == [VerificationSource::LocalJwt];
            if is_only_layer {
                Err(detail.to_owned())
            } else {
                warning(detail)
            }
        }
        Err(fault) => Err(fault.to_string()),
    }
}

async fn probe_introspection(server: &AuthServer) -> ProbeOutcome {
    match server.address(AuthServerEndpoint::Introspect).await {
        Some(_) if server.config().client.is_some() => healthy("the server has an introspection endpoint"),
        // RFC 7662 §2.1: the endpoint requires some form of authorization.
        Some(_) => warning(
            "the server has an introspection endpoint, but no client is configured to use it; set OAUTH_CLIENT_ID",
        ),
        None => {
            warning("no introspection endpoint is known, so the layer accepts nothing; set INTROSPECTION_URL")
        }
    }
}

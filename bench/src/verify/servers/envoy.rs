//! Envoy, whose filter `jwt_authn` checks tokens, with and without its cache.

use std::fs;
use std::path::Path;

use anyhow::Result;
use maxlab_auth_testkit::{TokenForge, free_port};

use super::process::{ServerProcess, is_installed};

/// Path where `cargo xtask test` installs it. Otherwise it is searched in `PATH`.
const INSTALLED: &str = "e2e/.venv/bin/envoy";
/// Number of tokens that Envoy caches, more than are presented.
const REMEMBERED: usize = 100_000;

/// Starts Envoy with one worker and the keys of this forge. `None` if it is not installed.
pub(in crate::verify) fn start(forge: &TokenForge, caches: bool) -> Result<Option<ServerProcess>> {
    // The pinned version of the tests is preferred.
    let program = if Path::new(INSTALLED).exists() {
        INSTALLED
    } else if is_installed("envoy") {
        "envoy"
    } else {
        return Ok(None);
    };
    let folder = tempfile::tempdir()?;
    let port = free_port();
    let cache = if caches {
        format!("jwt_cache_config: {{ jwt_cache_size: {REMEMBERED} }}")
    } else {
        String::new()
    };
    let path = folder.path().join("envoy.yaml");
    fs::write(&path, configuration(forge, port, &cache))?;
    let path = path.display().to_string();
    // Without a hot restart, it shares no memory with another Envoy on this machine.
    let command = [
        program,
        "-c",
        &path,
        "--concurrency",
        "1",
        "--disable-hot-restart",
        "-l",
        "off",
    ];
    ServerProcess::start(&command, port, folder).map(Some)
}

/// Returns the configuration: every request is checked, and a checked one gets an empty 200.
fn configuration(forge: &TokenForge, port: u16, cache: &str) -> String {
    // Keys inline, or Envoy would fetch them during the measurement.
    let (issuer, keys) = (forge.issuer(), forge.jwks());
    format!(
        r#"static_resources:
  listeners:
  - address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: check
          generate_request_id: false
          http_filters:
          - name: envoy.filters.http.jwt_authn
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication
              providers:
                issuer:
                  issuer: {issuer}
                  local_jwks: {{ inline_string: '{keys}' }}
                  {cache}
              rules:
              - match: {{ prefix: / }}
                requires: {{ provider_name: issuer }}
          - name: envoy.filters.http.router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
          route_config:
            virtual_hosts:
            - name: check
              domains: ["*"]
              routes:
              - match: {{ prefix: / }}
                direct_response: {{ status: 200 }}
"#
    )
}

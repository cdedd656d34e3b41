//! Envoy, which checks tokens in its filter `jwt_authn`, with and without the cache that it has for them.

use std::fs;
use std::path::Path;

use anyhow::Result;
use maxlab_auth_testkit::{TokenForge, free_port};

use super::process::{Server, is_installed};

/// Where `cargo xtask test` installs it; elsewhere it is looked for in the search path.
const INSTALLED: &str = "e2e/.venv/bin/envoy";
/// It remembers so many tokens, more than are presented.
const REMEMBERED: usize = 100_000;

/// One worker with the keys of this forge; `None` where Envoy is not installed.
pub(in crate::verify) fn start(forge: &TokenForge, caches: bool) -> Result<Option<Server>> {
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
    // Without a hot restart it shares no memory with another Envoy on this machine.
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
    Server::start(&command, port, folder).map(Some)
}

fn configuration(forge: &TokenForge, port: u16, cache: &str) -> String {
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
          stat_prefix: door
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
            - name: door
              domains: ["*"]
              routes:
              - match: {{ prefix: / }}
                direct_response: {{ status: 200 }}
"#
    )
}

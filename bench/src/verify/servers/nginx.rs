//! nginx with a fixed answer.

use std::fs;

use anyhow::{Context, Result};
use maxlab_auth_testkit::free_port;

use super::process::ServerProcess;

/// Starts nginx as one process, with connections that are not closed during a measurement.
pub(in crate::verify) fn start(access_log: bool) -> Result<ServerProcess> {
    let folder = tempfile::tempdir()?;
    let port = free_port();
    let at = folder.path().display();
    // Like the gateway's, the access log is part of the comparison only where it is named.
    let log = if access_log {
        format!("{at}/access.log")
    } else {
        "off".to_owned()
    };
    // Temporary paths in the folder: the default ones need root.
    let text = format!(
        "daemon off; master_process off; worker_processes 1; pid {at}/pid; error_log {at}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log {log};
  keepalive_requests 1000000000;
  client_body_temp_path {at}/b; proxy_temp_path {at}/p; fastcgi_temp_path {at}/f; uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;
  server {{ listen 127.0.0.1:{port}; location / {{ return 200; }} }}
}}
"
    );
    let path = folder.path().join("nginx.conf");
    fs::write(&path, text)?;
    let path = path.display().to_string();
    ServerProcess::start(&["nginx", "-c", &path], port, folder)
        .context("nginx does not start (Debian package nginx)")
}

//! nginx with a canned reply.

use std::fs;

use anyhow::{Context, Result};
use maxlab_auth_testkit::free_port;

use super::process::Server;

/// One process, 64 connections kept for long.
pub(in crate::verify) fn start(access_log: bool) -> Result<Server> {
    let folder = tempfile::tempdir()?;
    let port = free_port();
    let at = folder.path().display();
    let log = if access_log {
        format!("{at}/access.log")
    } else {
        "off".to_owned()
    };
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
    Server::start(&["nginx", "-c", &path], port, folder).context("nginx (Debian package nginx)")
}

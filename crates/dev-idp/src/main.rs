//! The development authorization server by itself, for a composition of containers. It binds to loopback only.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use maxlab_auth_dev_idp::{DevIdpConfig, serve};

fn setting(name: &str, usual: &str) -> String {
    std::env::var(name)
        .ok()
        .filter(|value| !value.is_empty())
        .unwrap_or_else(|| usual.to_owned())
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("maxlab-auth-dev-idp: {fault}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let port: u16 = setting("PORT", "8000")
        .parse()
        .map_err(|_| "PORT must be a number between 1 and 65535")?;
    let mut config = DevIdpConfig::new(
        setting("ISSUER", &format!("http://localhost:{port}")),
        setting("DATA_DIR", "./.maxlab-auth/dev-idp"),
    );
    config.environment = setting("ENVIRONMENT", "development");
    let listener = tokio::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    eprintln!("maxlab-auth-dev-idp: for development only, on http://localhost:{port}");
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let stopped = async move {
        tokio::select! {
            _interrupted = tokio::signal::ctrl_c() => {}
            _terminated = terminated.recv() => {}
        }
    };
    Ok(serve(listener, config, stopped).await?)
}

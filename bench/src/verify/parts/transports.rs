//! Other transports to the same engine, compared with HTTP over TCP.
//!
//! One client, hyper's, loads all of them. Each request names the same method, host, URI and address of the
//! original request.

use anyhow::Result;
use maxlab_auth_testkit::{ForgeAlgorithm, LyingAuthServer, TokenForge, free_port};

use crate::verify::compare::{Comparison, Contender, compare};
use crate::verify::load::client::{LoadClient, LoadTarget};
use crate::verify::servers::bare::{self, BareServer};
use crate::verify::servers::gateway::BenchGateway;
use crate::verify::{ISSUER, VerifyOutcome, VerifyScale};

/// Number of requests in progress.
const IN_FLIGHT: usize = 64;
/// Number of connections that share the gRPC requests, as the workers of a front proxy do.
const CONNECTIONS: usize = 8;
/// Address from which the HTTP transport accepts `X-Forwarded-*`. The other transports trust everyone who can
/// reach them (decision 13).
const TRUSTED: (&str, &str) = ("TRUSTED_PROXIES", "127.0.0.1");

/// Measures Envoy's gRPC ext_authz.
pub(in crate::verify) async fn grpc(scale: &VerifyScale, outcome: &mut VerifyOutcome) -> Result<()> {
    let port = free_port();
    let settings = [TRUSTED, ("EXT_AUTHZ_PORT", &port.to_string())];
    // As many requests in progress as over HTTP, on fewer connections.
    let streams = IN_FLIGHT / CONNECTIONS;
    // How much of the cost is HTTP/2 itself.
    let bare = bare::start(BareServer::Grpc)?;
    let title = "HTTP and gRPC, one client";
    let measured = compare_transports(scale, &settings, title, |http| {
        vec![
            TransportCase {
                name: "HTTP/1.1, 64 connections".to_owned(),
                knock: LoadTarget::at_port(http, IN_FLIGHT),
                server: None,
            },
            TransportCase {
                name: format!("gRPC ext_authz, {CONNECTIONS} connections of {streams} streams"),
                knock: LoadTarget::at_grpc(port, CONNECTIONS, streams),
                server: None,
            },
            TransportCase {
                name: "bare hyper over HTTP/2, prepared answer".to_owned(),
                knock: LoadTarget::at_grpc(bare.port(), CONNECTIONS, streams),
                server: Some(bare.pid()),
            },
        ]
    });
    let measured = measured.await?;
    let [http, grpc, bare] = measured.rows()?;
    let what = "gRPC ext_authz: requests per second of CPU, divided by those over HTTP";
    outcome.report.at_least(what, 0.5, http.cpu / grpc.cpu, "×");
    let what = "… divided by those of bare hyper over HTTP/2";
    outcome.report.figure(what, bare.cpu / grpc.cpu, "×");
    outcome.comparisons.push(measured);
    Ok(())
}

/// Measures a Unix socket.
pub(in crate::verify) async fn unix(scale: &VerifyScale, outcome: &mut VerifyOutcome) -> Result<()> {
    let folder = tempfile::tempdir()?;
    // In a private folder, so that only this user can connect.
    let socket = folder.path().join("gateway.sock");
    let settings = [TRUSTED, ("LISTEN_UNIX", &socket.display().to_string())];
    let measured = compare_transports(scale, &settings, "TCP and a Unix socket, one client", |http| {
        [
            ("TCP, 64 connections", LoadTarget::at_port(http, IN_FLIGHT)),
            (
                "Unix socket, 64 connections",
                LoadTarget::at_socket(&socket, IN_FLIGHT),
            ),
            ("TCP, one connection", LoadTarget::at_port(http, 1)),
            ("Unix socket, one connection", LoadTarget::at_socket(&socket, 1)),
        ]
        .map(|(name, target)| TransportCase {
            name: name.to_owned(),
            knock: target,
            server: None,
        })
        .into()
    });
    let measured = measured.await?;
    let [tcp, unix, tcp_alone, unix_alone] = measured.rows()?;
    let report = &mut outcome.report;
    report.at_most("Unix socket: CPU, divided by TCP's", 1.0, unix.cpu / tcp.cpu, "×");
    report.at_most(
        "Unix socket: p50 under load, divided by TCP's",
        1.0,
        unix.p50 / tcp.p50,
        "×",
    );
    let what = "Unix socket: p50 of one connection alone, divided by TCP's";
    report.at_most(what, 1.0, unix_alone.p50 / tcp_alone.p50, "×");
    outcome.comparisons.push(measured);
    Ok(())
}

/// Transport to measure. `server` is the process that is measured, `None` for the gateway.
struct TransportCase {
    name: String,
    knock: LoadTarget,
    server: Option<u32>,
}

/// Measures transports of one gateway. `cases` lists them once the port of HTTP is known.
async fn compare_transports(
    scale: &VerifyScale,
    settings: &[(&str, &str)],
    title: &str,
    cases: impl FnOnce(u16) -> Vec<TransportCase>,
) -> Result<Comparison> {
    let forge = TokenForge::new(ISSUER, ForgeAlgorithm::Es256);
    let auth = LyingAuthServer::start_with(forge.clone()).await?;
    let client = &LoadClient::of(&scale.tokens_of(&forge))?;
    let gateway = BenchGateway::start(&scale.gateway, &auth, scale.entries, settings).await?;
    let pid = gateway.pid()?;
    let contenders = cases(gateway.port()).into_iter().map(|case| {
        let TransportCase {
            name,
            knock: target,
            server,
        } = case;
        Contender::of(&name, server.unwrap_or(pid), move |duration| {
            client.run(&target, duration)
        })
    });
    compare(title, &contenders.collect::<Vec<_>>(), scale.turns())
}

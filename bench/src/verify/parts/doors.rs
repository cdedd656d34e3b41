//! The other doors to the same engine, beside HTTP over TCP. All are asked by one client, hyper's, and told the same of the client's
//! request (method, host, URI, address).

use anyhow::Result;
use maxlab_auth_testkit::{Algorithm, LyingAuthServer, TokenForge, free_port};

use crate::verify::compare::{Contender, Measured, compare};
use crate::verify::load::client::{Client, Knock};
use crate::verify::servers::gateway::Gateway;
use crate::verify::{ISSUER, Outcome, Scale};

/// Questions under way at once.
const AT_ONCE: usize = 64;
/// Those of gRPC share so many connections, as a front proxy's workers do.
const CONNECTIONS: usize = 8;
/// Whom the HTTP door believes what is told of the client's request. The other doors believe whoever reaches them.
const TRUSTED: (&str, &str) = ("TRUSTED_PROXIES", "127.0.0.1");

/// Envoy's gRPC ext_authz.
pub(in crate::verify) async fn grpc(scale: &Scale, outcome: &mut Outcome) -> Result<()> {
    let port = free_port();
    let settings = [TRUSTED, ("EXT_AUTHZ_PORT", &port.to_string())];
    let streams = AT_ONCE / CONNECTIONS;
    let measured = doors(
        scale,
        &settings,
        "the doors of HTTP and gRPC, one client",
        |http| {
            vec![
                (
                    "HTTP/1.1, 64 connections".to_owned(),
                    Knock::at_port(http, AT_ONCE),
                ),
                (
                    format!("gRPC ext_authz, {CONNECTIONS} connections of {streams} streams"),
                    Knock::at_grpc(port, CONNECTIONS, streams),
                ),
            ]
        },
    );
    let measured = measured.await?;
    let [http, grpc] = measured.rows()?;
    let what = "gRPC ext_authz: requests per second of CPU, of the HTTP door's";
    outcome.report.at_least(what, 0.5, http.cpu / grpc.cpu, "×");
    outcome.measured.push(measured);
    Ok(())
}

/// A Unix socket.
pub(in crate::verify) async fn unix(scale: &Scale, outcome: &mut Outcome) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let socket = folder.path().join("gateway.sock");
    let settings = [TRUSTED, ("LISTEN_UNIX", &socket.display().to_string())];
    let measured = doors(scale, &settings, "TCP and a Unix socket, one client", |http| {
        vec![
            ("TCP, 64 connections".to_owned(), Knock::at_port(http, AT_ONCE)),
            (
                "Unix socket, 64 connections".to_owned(),
                Knock::at_socket(&socket, AT_ONCE),
            ),
            ("TCP, one connection".to_owned(), Knock::at_port(http, 1)),
            (
                "Unix socket, one connection".to_owned(),
                Knock::at_socket(&socket, 1),
            ),
        ]
    });
    let measured = measured.await?;
    let [tcp, unix, tcp_alone, unix_alone] = measured.rows()?;
    let report = &mut outcome.report;
    report.at_most("Unix socket: CPU, of TCP's", 1.0, unix.cpu / tcp.cpu, "×");
    report.at_most(
        "Unix socket: p50 under load, of TCP's",
        1.0,
        unix.p50 / tcp.p50,
        "×",
    );
    let what = "Unix socket: p50 of one connection alone, of TCP's";
    report.at_most(what, 1.0, unix_alone.p50 / tcp_alone.p50, "×");
    outcome.measured.push(measured);
    Ok(())
}

/// Measures doors of one gateway, which `knocks` names once its HTTP port is known.
async fn doors(
    scale: &Scale,
    settings: &[(&str, &str)],
    title: &str,
    knocks: impl FnOnce(u16) -> Vec<(String, Knock)>,
) -> Result<Measured> {
    let forge = TokenForge::new(ISSUER, Algorithm::Es256);
    let auth = LyingAuthServer::start_with(forge.clone()).await?;
    let client = &Client::of(&scale.tokens_of(&forge))?;
    let gateway = Gateway::start(&scale.gateway, &auth, scale.entries, settings).await?;
    let pid = gateway.pid()?;
    let contenders = knocks(gateway.port())
        .into_iter()
        .map(|(name, knock)| Contender::of(&name, pid, move |lasts| client.run(&knock, lasts)));
    compare(title, &contenders.collect::<Vec<_>>(), scale.turns())
}

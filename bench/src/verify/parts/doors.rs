//! The other doors to the same engine, beside HTTP over TCP. All are asked by one client, hyper's, and told the same of the client's
//! request (method, host, URI, address).

use anyhow::Result;
use maxlab_auth_testkit::{Algorithm, LyingAuthServer, TokenForge, free_port};

use crate::verify::compare::{Contender, Measured, compare};
use crate::verify::load::client::{Client, Knock};
use crate::verify::servers::bare::{self, Bare};
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
    let bare = bare::start(Bare::Grpc)?;
    let title = "the doors of HTTP and gRPC, one client";
    let measured = doors(scale, &settings, title, |http| {
        vec![
            Door {
                name: "HTTP/1.1, 64 connections".to_owned(),
                knock: Knock::at_port(http, AT_ONCE),
                server: None,
            },
            Door {
                name: format!("gRPC ext_authz, {CONNECTIONS} connections of {streams} streams"),
                knock: Knock::at_grpc(port, CONNECTIONS, streams),
                server: None,
            },
            Door {
                name: "bare hyper over HTTP/2, a yes made before".to_owned(),
                knock: Knock::at_grpc(bare.port(), CONNECTIONS, streams),
                server: Some(bare.pid()),
            },
        ]
    });
    let measured = measured.await?;
    let [http, grpc, bare] = measured.rows()?;
    let what = "gRPC ext_authz: requests per second of CPU, of the HTTP door's";
    outcome.report.at_least(what, 0.5, http.cpu / grpc.cpu, "×");
    let what = "… of bare hyper's over HTTP/2";
    outcome.report.figure(what, bare.cpu / grpc.cpu, "×");
    outcome.measured.push(measured);
    Ok(())
}

/// A Unix socket.
pub(in crate::verify) async fn unix(scale: &Scale, outcome: &mut Outcome) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let socket = folder.path().join("gateway.sock");
    let settings = [TRUSTED, ("LISTEN_UNIX", &socket.display().to_string())];
    let measured = doors(scale, &settings, "TCP and a Unix socket, one client", |http| {
        [
            ("TCP, 64 connections", Knock::at_port(http, AT_ONCE)),
            ("Unix socket, 64 connections", Knock::at_socket(&socket, AT_ONCE)),
            ("TCP, one connection", Knock::at_port(http, 1)),
            ("Unix socket, one connection", Knock::at_socket(&socket, 1)),
        ]
        .map(|(name, knock)| Door {
            name: name.to_owned(),
            knock,
            server: None,
        })
        .into()
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

/// A door to measure, the gateway's own if no other server is named.
struct Door {
    name: String,
    knock: Knock,
    server: Option<u32>,
}

/// Measures doors of one gateway, which `doors` names once its HTTP port is known, and what stands beside it.
async fn doors(
    scale: &Scale,
    settings: &[(&str, &str)],
    title: &str,
    doors: impl FnOnce(u16) -> Vec<Door>,
) -> Result<Measured> {
    let forge = TokenForge::new(ISSUER, Algorithm::Es256);
    let auth = LyingAuthServer::start_with(forge.clone()).await?;
    let client = &Client::of(&scale.tokens_of(&forge))?;
    let gateway = Gateway::start(&scale.gateway, &auth, scale.entries, settings).await?;
    let pid = gateway.pid()?;
    let contenders = doors(gateway.port()).into_iter().map(|door| {
        let Door { name, knock, server } = door;
        Contender::of(&name, server.unwrap_or(pid), move |lasts| {
            client.run(&knock, lasts)
        })
    });
    compare(title, &contenders.collect::<Vec<_>>(), scale.turns())
}

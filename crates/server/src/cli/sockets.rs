//! Listening sockets: bound before the start does anything else, and served until the stop.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use maxlab_auth_listener::{Listener, ServeLimits, TlsListener, UnixSocketListener, duplicate_listener};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::{App, layer_config, open_certificate, serve_limits};
use crate::config::Settings;
use crate::http::ext_authz;
use crate::http::serve::serve;
use crate::http::startup::{self, AwaitedStore};

/// Time for health answers in progress to end once the stores are open. None of them waits for anything.
const STARTUP_DRAIN: Duration = Duration::from_secs(1);

/// All bound sockets.
#[derive(Debug)]
pub(super) struct BoundSockets {
    /// Socket of `PORT`.
    http: TcpListener,
    /// Socket of `TLS_PORT`.
    tls: Option<TcpListener>,
    /// Socket of `LISTEN_UNIX`.
    unix: Option<UnixSocketListener>,
    /// Socket of `EXT_AUTHZ_PORT`.
    ext_authz: Option<TcpListener>,
}

impl BoundSockets {
    /// Binds the sockets. `remedy` says how to choose another port than `PORT`.
    ///
    /// # Errors
    /// If an address is in use, not allowed, or not one of this machine's.
    pub(super) async fn bind(settings: &Settings, remedy: &str) -> anyhow::Result<Self> {
        let (app, listen) = (&settings.app, &settings.listen);
        let at = |port| SocketAddr::new(app.host, port);
        // This one first: two gateways with one configuration collide here, and not at the Unix socket, whose
        // file the second one might take for stale.
        let http = bind_tcp(at(app.port), remedy).await?;
        let tls = match listen.tls.as_ref().and_then(|tls| tls.port) {
            Some(port) => Some(bind_tcp(at(port), "set TLS_PORT to another one").await?),
            None => None,
        };
        let ext_authz = match listen.ext_authz_port {
            Some(port) => Some(bind_tcp(at(port), "set EXT_AUTHZ_PORT to another one").await?),
            None => None,
        };
        let unix = match &listen.unix {
            Some(unix) => Some(
                UnixSocketListener::bind(&unix.path, unix.mode)
                    .await
                    .context("LISTEN_UNIX")?,
            ),
            None => None,
        };
        Ok(Self {
            http,
            tls,
            unix,
            ext_authz,
        })
    }

    /// Returns the address of `PORT`, with the port that the system chose if it is 0.
    ///
    /// # Errors
    /// If the socket is not open.
    pub(super) fn http_address(&self) -> io::Result<SocketAddr> {
        self.http.local_addr()
    }

    /// Answers health checks at `PORT` from the moment the start waits for a store until `opened`, and then
    /// ends those connections. If the socket cannot be duplicated, nothing answers until the gateway itself
    /// does.
    pub(super) async fn serve_while_starting(
        &self,
        settings: &Settings,
        mut awaited: AwaitedStore,
        opened: &CancellationToken,
    ) {
        // Usually the stores are open at once, and nothing has to be served here.
        tokio::select! {
            waits = awaited.wait_for(Option::is_some) => if waits.is_err() { return },
            () = opened.cancelled() => return,
        }
        let listener = match self.duplicate_http_listener(settings) {
            Ok(listener) => listener,
            Err(fault) => {
                tracing::warn!(%fault, "health checks not answered until the stores are open");
                return;
            }
        };
        let routes = startup::routes(awaited, layer_config(settings));
        let limits = ServeLimits {
            drain_timeout: STARTUP_DRAIN,
            ..serve_limits(settings)
        };
        if let Err(fault) = serve(vec![listener], routes, limits, opened.clone().cancelled_owned()).await {
            tracing::warn!(%fault, "health checks not answered until the stores are open");
        }
    }

    /// Returns a second handle on the socket of `PORT`. Both share one queue of connections, so none is lost
    /// in between.
    fn duplicate_http_listener(&self, settings: &Settings) -> anyhow::Result<Listener> {
        let listener = duplicate_listener(&self.http)?;
        // The same form as later: with a certificate and no TLS_PORT, PORT itself speaks TLS.
        match open_certificate(settings)?.filter(|_| self.tls.is_none()) {
            Some(files) => Ok(Listener::Tls(TlsListener::new(listener, files.in_force()))),
            None => Ok(Listener::Tcp(listener)),
        }
    }

    /// Serves at all sockets until `stop`, then drains the requests in progress.
    ///
    /// # Errors
    /// If a socket fails.
    pub(super) async fn serve(self, app: &App, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let ext_authz = self.ext_authz;
        let listeners = into_listeners(self.http, self.tls, self.unix, app);

        // Shared by all listeners: if one fails, the others drain too, and the process ends.
        let closing = CancellationToken::new();
        let close_all = |served| {
            closing.cancel();
            served
        };
        let http = async {
            close_all(
                serve(
                    listeners,
                    app.routes(),
                    app.serve_limits(),
                    closing.clone().cancelled_owned(),
                )
                .await,
            )
        };
        let grpc = async { close_all(serve_ext_authz(app, ext_authz, &closing).await) };
        let forward_stop = async {
            tokio::select! {
                () = stop => {}
                () = closing.cancelled() => {}
            }
            closing.cancel();
        };
        let (http, grpc, ()) = tokio::join!(Box::pin(http), Box::pin(grpc), forward_stop);
        http.and(grpc).context("the listening socket failed")
    }
}

/// Returns the listeners of the HTTP routes. With a certificate, `TLS_PORT` speaks TLS if it is set, else
/// `PORT` does.
fn into_listeners(
    http: TcpListener,
    tls: Option<TcpListener>,
    unix: Option<UnixSocketListener>,
    app: &App,
) -> Vec<Listener> {
    let mut listeners = match (&app.certificate, tls) {
        (Some(files), Some(tls)) => vec![
            Listener::Tcp(http),
            Listener::Tls(TlsListener::new(tls, files.in_force())),
        ],
        // No plain port in addition, which the operator did not ask for (docs/decisions/0013).
        (Some(files), None) => vec![Listener::Tls(TlsListener::new(http, files.in_force()))],
        (None, _) => vec![Listener::Tcp(http)],
    };
    listeners.extend(unix.map(Listener::Unix));
    listeners
}

/// Serves Envoy's gRPC checks until `closing`, if `EXT_AUTHZ_PORT` is set.
async fn serve_ext_authz(
    app: &App,
    listener: Option<TcpListener>,
    closing: &CancellationToken,
) -> io::Result<()> {
    let Some(listener) = listener else {
        // Waits nevertheless: a return would count as the end of a listener, and stop the others.
        closing.cancelled().await;
        return Ok(());
    };
    let (routes, readiness) = ext_authz::routes(app.router(), app.fast_path()).await;
    let health = async {
        tokio::select! {
            () = ext_authz::report_health(&readiness, &app.state) => {}
            () = closing.cancelled() => readiness.set_ready(false).await,
        }
    };
    // Every client of this port is a trusted proxy, at any address, so no address has a limit of its own.
    let limits = ServeLimits {
        max_connections_per_address: usize::MAX,
        ..app.serve_limits()
    };
    let served = serve(listener, routes, limits, closing.clone().cancelled_owned());
    let (served, ()) = tokio::join!(served, health);
    served
}

/// Binds an address. `remedy` says how to choose another one, for the error text.
pub(super) async fn bind_tcp(address: SocketAddr, remedy: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|fault| {
        let port = address.port();
        match fault.kind() {
            io::ErrorKind::AddrInUse => {
                anyhow!("port {port} is taken: another program listens on {address}. Stop it, or {remedy}.")
            }
            io::ErrorKind::PermissionDenied => {
                anyhow!(
                    "this user may not listen on {address}: ports below 1024 are reserved for root. Please {remedy}."
                )
            }
            io::ErrorKind::AddrNotAvailable => {
                anyhow!(
                    "{} is not an address of this machine. Set HOST to one of its addresses, or to 0.0.0.0.",
                    address.ip()
                )
            }
            _ => anyhow!("cannot listen on {address}: {fault}. Please {remedy}."),
        }
    })
}

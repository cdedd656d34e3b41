//! The sockets that a gateway takes before it does anything else, and how they are served until the stop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::config::Settings;
use crate::http::ext_authz;
use crate::http::serve::{Listener, UnixDoor, serve};

/// Every place to listen at.
#[derive(Debug)]
pub(super) struct Doors {
    /// `PORT`.
    main: TcpListener,
    /// `TLS_PORT`.
    tls: Option<TcpListener>,
    /// `LISTEN_UNIX`.
    unix: Option<UnixDoor>,
    /// `EXT_AUTHZ_PORT`.
    ext_authz: Option<TcpListener>,
}

impl Doors {
    /// Takes them. `remedy` says how to choose another port than `PORT`.
    ///
    /// # Errors
    /// One of them is taken, or is none of this machine's.
    pub(super) async fn open(settings: &Settings, remedy: &str) -> anyhow::Result<Self> {
        let (app, more) = (&settings.app, &settings.listen);
        let at = |port| SocketAddr::new(app.host, port);
        // This one first: two gateways with one configuration meet here, before they meet at the Unix socket.
        let main = listen(at(app.port), remedy).await?;
        let tls = match more.tls.as_ref().and_then(|tls| tls.port) {
            Some(port) => Some(listen(at(port), "set TLS_PORT to another one").await?),
            None => None,
        };
        let ext_authz = match more.ext_authz_port {
            Some(port) => Some(listen(at(port), "set EXT_AUTHZ_PORT to another one").await?),
            None => None,
        };
        let unix = match &more.unix {
            Some(unix) => Some(
                UnixDoor::open(&unix.path, unix.mode)
                    .await
                    .context("LISTEN_UNIX")?,
            ),
            None => None,
        };
        Ok(Self {
            main,
            tls,
            unix,
            ext_authz,
        })
    }

    /// Where `PORT` is.
    ///
    /// # Errors
    /// It is no open socket.
    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.main.local_addr()
    }

    /// Serves at all of them until `stop`; whatever is under way is then ended in order.
    ///
    /// # Errors
    /// A socket failed.
    pub(super) async fn serve(self, app: &App, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Self {
            main,
            tls,
            unix,
            ext_authz,
        } = self;
        let acceptor = match &app.certificate {
            Some(files) => Some(TlsAcceptor::from(Arc::new(files.server_config()?))),
            None => None,
        };
        let mut all = match (acceptor, tls) {
            (Some(acceptor), Some(own)) => vec![Listener::Tcp(main), Listener::Tls(own, acceptor)],
            (Some(acceptor), None) => vec![Listener::Tls(main, acceptor)],
            (None, _) => vec![Listener::Tcp(main)],
        };
        all.extend(unix.map(Listener::Unix));

        let closing = CancellationToken::new();
        let ended = |served| {
            closing.cancel();
            served
        };
        let http =
            async { ended(serve(all, app.routes(), app.limits(), closing.clone().cancelled_owned()).await) };
        let grpc = async { ended(serve_ext_authz(app, ext_authz, &closing).await) };
        let told = async {
            tokio::select! {
                () = stop => {}
                () = closing.cancelled() => {}
            }
            closing.cancel();
        };
        let (http, grpc, ()) = tokio::join!(Box::pin(http), Box::pin(grpc), told);
        http.and(grpc).context("the listening socket failed")
    }
}

/// Serves Envoy's questions, if they are wanted, until `closing`.
async fn serve_ext_authz(
    app: &App,
    listener: Option<TcpListener>,
    closing: &CancellationToken,
) -> io::Result<()> {
    let Some(listener) = listener else {
        closing.cancelled().await;
        return Ok(());
    };
    let (routes, readiness) = ext_authz::routes(app.router(), app.at_once()).await;
    let health = async {
        tokio::select! {
            () = ext_authz::tell_health(&readiness, &app.gateway) => {}
            () = closing.cancelled() => readiness.set(false).await,
        }
    };
    let served = serve(listener, routes, app.limits(), closing.clone().cancelled_owned());
    let (served, ()) = tokio::join!(served, health);
    served
}

/// Takes an address to listen on. `remedy` says how to choose another one.
pub(super) async fn listen(address: SocketAddr, remedy: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|fault| {
        let port = address.port();
        match fault.kind() {
            io::ErrorKind::AddrInUse => {
                anyhow!("port {port} is taken: another program listens on {address}. Stop it, or {remedy}.")
            }
            io::ErrorKind::PermissionDenied => {
                anyhow!(
                    "this user may not listen on {address}: ports below 1024 are for root. Please {remedy}."
                )
            }
            io::ErrorKind::AddrNotAvailable => {
                anyhow!(
                    "{} is no address of this machine. Set HOST to one of its own, or to 0.0.0.0.",
                    address.ip()
                )
            }
            _ => anyhow!("cannot listen on {address}: {fault}. Please {remedy}."),
        }
    })
}

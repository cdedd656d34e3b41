//! Every request is known by an id and a client address, and leaves one line in the log and one sample in the metrics.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use metrics::{counter, histogram};
use tracing::Instrument;

use super::LayerConfig;
use crate::http::peer::{ClientIp, PeerAddr, client_address};
use crate::http::request_id::{REQUEST_ID, RequestId};
use crate::metrics::{Gauged, HTTP_REQUEST_DURATION, HTTP_REQUESTS, HTTP_REQUESTS_IN_FLIGHT};

/// The peer of a request that came by no connection.
const NOWHERE: PeerAddr = PeerAddr::Tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0));

/// Gives the request its [`RequestId`], its [`ClientIp`] and its span, and tells of its answer.
pub(super) async fn observe(
    State(config): State<Arc<LayerConfig>>,
    mut request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get::<PeerAddr>().copied();
    let peer = peer.unwrap_or(NOWHERE);
    let trusted = &config.trusted_proxies;
    let client = client_address(peer, request.headers(), trusted);
    let given = if peer.is_trusted(trusted) {
        RequestId::from_headers(request.headers())
    } else {
        None
    };
    let id = given.unwrap_or_else(RequestId::fresh);

    // A span of the highest level, so that the id stands on every line that is logged at all.
    let span = tracing::error_span!("request", request_id = %id);
    let observed = async {
        let sample = Sample::begin(&request, client);
        request.extensions_mut().insert(ClientIp(client));
        request.extensions_mut().insert(id.clone());
        let mut response = next.run(request).await;
        if let Some(value) = id.header_value() {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        sample.end(response.status());
        response
    };
    observed.instrument(span).await
}

/// A request under way. It is told of also when the client leaves before the answer.
struct Sample {
    method: &'static str,
    route: String,
    client: IpAddr,
    began: Instant,
    status: Option<StatusCode>,
    _in_flight: Gauged,
}

impl Sample {
    fn begin(request: &Request, client: IpAddr) -> Self {
        // Never the path itself: it may hold a session's handle or a token, and clients make up paths without end.
        let route = request
            .extensions()
            .get::<MatchedPath>()
            .map_or("unmatched", MatchedPath::as_str);
        Self {
            method: method(request.method()),
            route: route.to_owned(),
            client,
            began: Instant::now(),
            status: None,
            _in_flight: Gauged::one_more(HTTP_REQUESTS_IN_FLIGHT),
        }
    }

    fn end(mut self, status: StatusCode) {
        self.status = Some(status);
    }
}

impl Drop for Sample {
    fn drop(&mut self) {
        let elapsed = self.began.elapsed();
        let Self {
            method,
            route,
            client,
            status,
            ..
        } = self;
        let class = status.map_or("cancelled", class);
        counter!(HTTP_REQUESTS, "method" => *method, "route" => route.clone(), "status" => class)
            .increment(1);
        histogram!(HTTP_REQUEST_DURATION, "method" => *method, "route" => route.clone()).record(elapsed);
        log(method, route, *status, elapsed, *client);
    }
}

/// Whether the access log is kept.
pub(in crate::http) fn is_logged() -> bool {
    tracing::enabled!(target: "maxlab_auth::access", tracing::Level::INFO)
}

/// One line of the access log.
pub(in crate::http) fn log(
    method: &'static str,
    route: &str,
    status: Option<StatusCode>,
    elapsed: Duration,
    client: IpAddr,
) {
    let duration_ms = elapsed.as_secs_f64() * 1000.0;
    let status = status.map(|status| status.as_u16());
    let message = if status.is_some() {
        "answered"
    } else {
        "the client left before its answer"
    };
    tracing::info!(target: "maxlab_auth::access", method, route, status, duration_ms, %client, "{message}");
}

/// A client can make up methods, too.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        ..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        500.. => "5xx",
    }
}

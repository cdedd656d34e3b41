//! Request id, client address, access log and metrics of each request.

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
use crate::http::request_id::{RequestId, X_REQUEST_ID};
use crate::metrics::{GaugeGuard, HTTP_REQUEST_DURATION, HTTP_REQUESTS, HTTP_REQUESTS_IN_FLIGHT};

/// Peer of a request without a connection, as in tests.
const UNKNOWN_PEER: PeerAddr = PeerAddr::Tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0));

/// Adds [`RequestId`] and [`ClientIp`] to the request, runs it in its span, and logs and counts its answer.
pub(super) async fn observe(
    State(config): State<Arc<LayerConfig>>,
    mut request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get::<PeerAddr>().copied();
    let peer = peer.unwrap_or(UNKNOWN_PEER);
    let trusted = &config.trusted_proxies;
    let client = client_address(peer, request.headers(), trusted);
    // Only from a trusted proxy: a client could otherwise write the id of another request into the log and
    // the audit.
    let given = if peer.is_trusted(trusted) {
        RequestId::from_headers(request.headers())
    } else {
        None
    };
    let id = given.unwrap_or_else(RequestId::generate);

    // ERROR level, so that the span is enabled at any `LOG_LEVEL` and every line of the request has its id.
    let span = tracing::error_span!("request", request_id = %id);
    let observed = async {
        let sample = ObservedRequest::begin(&request, client);
        request.extensions_mut().insert(ClientIp(client));
        request.extensions_mut().insert(id.clone());
        let mut response = next.run(request).await;
        if let Some(value) = id.to_header_value() {
            response.headers_mut().insert(X_REQUEST_ID, value);
        }
        sample.finish(response.status());
        response
    };
    observed.instrument(span).await
}

/// A request in progress. Logged and counted on drop, so that cancelled requests are recorded too.
struct ObservedRequest {
    method: &'static str,
    route: String,
    client: IpAddr,
    began: Instant,
    /// `None` until the answer is ready, and for good if the client leaves before.
    status: Option<StatusCode>,
    _in_flight: GaugeGuard,
}

impl ObservedRequest {
    fn begin(request: &Request, client: IpAddr) -> Self {
        // The route and never the path: a path may hold a handle or a token, and clients can invent endless
        // paths. Each path would be a metric series.
        let route = request
            .extensions()
            .get::<MatchedPath>()
            .map_or("unmatched", MatchedPath::as_str);
        Self {
            method: method_label(request.method()),
            route: route.to_owned(),
            client,
            began: Instant::now(),
            status: None,
            _in_flight: GaugeGuard::increment(HTTP_REQUESTS_IN_FLIGHT),
        }
    }

    fn finish(mut self, status: StatusCode) {
        self.status = Some(status);
    }
}

impl Drop for ObservedRequest {
    fn drop(&mut self) {
        let elapsed = self.began.elapsed();
        let Self {
            method,
            route,
            client,
            status,
            ..
        } = self;
        let class = status.map_or("cancelled", status_class);
        counter!(HTTP_REQUESTS, "method" => *method, "route" => route.clone(), "status" => class)
            .increment(1);
        histogram!(HTTP_REQUEST_DURATION, "method" => *method, "route" => route.clone()).record(elapsed);
        log_access(method, route, *status, elapsed, *client);
    }
}

/// Returns `true` if the access log is enabled.
pub(in crate::http) fn is_access_log_enabled() -> bool {
    tracing::enabled!(target: "maxlab_auth::access", tracing::Level::INFO)
}

/// Writes one line of the access log.
pub(in crate::http) fn log_access(
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
        "client disconnected before the answer"
    };
    tracing::info!(target: "maxlab_auth::access", method, route, status, duration_ms, %client, "{message}");
}

/// Returns the metric label of a method. Clients can invent methods, so unknown ones share a label.
fn method_label(method: &Method) -> &'static str {
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

fn status_class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        ..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        500.. => "5xx",
    }
}

//! `GET /auth/events`: a stream that tells a page the moment its session ends.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream::unfold;
use maxlab_auth_core::engine::{SessionWatch, WatchedState};
use maxlab_auth_core::unavailable::Unavailable;
use tokio::time::{Instant, sleep};

use super::super::app_state::SharedState;
use super::super::error::ApiError;
use super::event_slots::{EventSlot, SlotRefusal};
use super::user::viewed_session;

/// Pause between two looks at the session, mostly into memory. An end is sent within one second.
const LOOK_INTERVAL: Duration = Duration::from_millis(400);
/// Pause after which a comment is sent, so that no proxy takes the stream for dead.
const COMMENT_INTERVAL: Duration = Duration::from_secs(15);

/// Time after which a refused stream may be asked for again.
const REOPEN_AFTER: Duration = Duration::from_secs(15);

/// The first bytes: reconnect after a second, and the session is active.
const ACTIVE: &str = "retry: 1000\nevent: session\ndata: {\"state\":\"active\"}\n\n";
const COMMENT: &[u8] = b": still active\n\n";

/// State of one stream.
struct EventStream {
    gateway: SharedState,
    watch: SessionWatch,
    last_sent: Instant,
    phase: Phase,
    _slot: EventSlot,
}

/// Next thing that a stream does.
enum Phase {
    Begin,
    Watch,
    Ended,
}

/// Tells when the session ends
///
/// Server-sent events: `session` with `{"state":"active"}` at once, and with `{"state":"ended","reason":…}` within one
/// second after the session has ended, on whichever instance. Then the stream closes. It does not prolong the session.
///
/// # Errors
/// There is no session, or too many streams are open.
#[utoipa::path(
    get, path = "/auth/events", tag = "Browser", operation_id = "events", security(("session" = [])),
    // Any schema: readers of the description disagree whether it is for the text or for each event.
    responses((status = 200, description = "The stream. Each event has the name `session`.", body = serde_json::Value, content_type = "text/event-stream",
        headers(("Cache-Control" = String)),
        example = json!("event: session\ndata: {\"state\":\"active\"}\n\nevent: session\ndata: {\"state\":\"ended\",\"reason\":\"logout\"}\n\n"))),
)]
#[tracing::instrument(level = "debug", skip_all)]
pub async fn events(State(gateway): State<SharedState>, headers: HeaderMap) -> Result<Response, ApiError> {
    let view = viewed_session(&gateway, &headers).await?;
    let slot = gateway
        .event_slots
        .try_take(&view.record.handle)
        .map_err(|refusal| {
            tracing::debug!(?refusal, "event stream refused");
            let limit = match refusal {
                SlotRefusal::Session => "open event streams of one session",
                SlotRefusal::Total => "open event streams",
            };
            Unavailable::throttled(limit, REOPEN_AFTER)
        })?;
    let stream = EventStream {
        watch: gateway.engine.watch_session(&view),
        gateway: Arc::clone(&gateway),
        last_sent: Instant::now(),
        phase: Phase::Begin,
        _slot: slot,
    };
    let body = Body::from_stream(unfold(stream, |mut stream| async move {
        let chunk = stream.next_chunk().await?;
        Some((Ok::<_, Infallible>(chunk), stream))
    }));
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/event-stream"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // nginx would collect the events otherwise.
        (
            HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        ),
    ];
    Ok((headers, body).into_response())
}

impl EventStream {
    /// Returns the next bytes; `None` at the end.
    async fn next_chunk(&mut self) -> Option<Bytes> {
        match self.phase {
            Phase::Begin => {
                self.phase = Phase::Watch;
                Some(Bytes::from_static(ACTIVE.as_bytes()))
            }
            Phase::Watch => self.watch().await,
            Phase::Ended => None,
        }
    }

    async fn watch(&mut self) -> Option<Bytes> {
        loop {
            // Looked at before the pause: the session may have ended while the stream was opened.
            if let WatchedState::Ended(end) = self.gateway.engine.watched_state(&mut self.watch).await {
                self.phase = Phase::Ended;
                let data = serde_json::json!({"state": "ended", "reason": end.as_str()});
                return Some(Bytes::from(format!("event: session\ndata: {data}\n\n")));
            }
            // The browser connects again, to another instance.
            if self.gateway.is_stopping.load(Ordering::Acquire) {
                return None;
            }
            if self.last_sent.elapsed() >= COMMENT_INTERVAL {
                self.last_sent = Instant::now();
                return Some(Bytes::from_static(COMMENT));
            }
            sleep(LOOK_INTERVAL).await;
        }
    }
}

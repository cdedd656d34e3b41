//! `/auth/verify` before the router: the answer about a token whose verdict is remembered or can be found here and now, or about
//! what a policy calls public, written without waiting.
//!
//! It says yes, or nothing: whatever it does not understand at once, and every refusal, is the router's. What it answers, the
//! router would answer with the same status and the same fields (`tests/guide/at_once.rs`).

mod envoy;
mod question;

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Instant, SystemTime};

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use maxlab_auth_core::guard::{Permit, Requirements, Rights};
use maxlab_auth_core::identity::VerificationSource;
use maxlab_auth_core::policy::{Access, Asked};
use maxlab_auth_core::revocation::Live;
use metrics::{Counter, Histogram, counter, histogram};

use self::question::Question;
use super::door::X_AUTH_IDENTITY;
use super::headers;
use super::requirements;
use crate::http::assurance;
use crate::http::gateway::Gateway;
use crate::http::layers::{LayerConfig, observe, security_headers};
use crate::http::request_id::RequestId;
use crate::http::serve::{Arrived, Shortcut};
use crate::metrics::{HTTP_REQUEST_DURATION, HTTP_REQUESTS, VERIFICATIONS};

const ROUTE: &str = "/auth/verify";
const BEGINNING: &[u8] = b"GET /auth/verify";
/// Requirements are remembered for so many different queries.
const MOST_QUERIES: usize = 256;

/// The door before the router.
#[derive(Debug)]
pub struct AtOnce {
    gateway: Gateway,
    /// The status line, and the fields of every answer.
    begin: Vec<u8>,
    /// The identity headers of nobody.
    nobody: Vec<u8>,
    queries: RwLock<HashMap<Box<str>, Arc<Requirements>>>,
    counted: Counted,
}

/// The metrics of an answer, looked up once.
struct Counted {
    requests: Counter,
    duration: Histogram,
    verified: Vec<(VerificationSource, Counter)>,
}

impl std::fmt::Debug for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Counted").finish_non_exhaustive()
    }
}

/// What an answer is written of.
struct Answer<'a> {
    /// `None` if nobody is known, who may pass all the same.
    live: Option<&'a Live>,
    /// The signed identity, where it is switched on.
    signed: Option<HeaderValue>,
    id: &'a RequestId,
}

/// Who passes.
enum Passing {
    /// The bearer of a good token.
    Known(Live),
    /// Whoever it is: it is public, and nothing says who asks.
    Nobody,
}

impl Passing {
    fn live(&self) -> Option<&Live> {
        match self {
            Self::Known(live) => Some(live),
            Self::Nobody => None,
        }
    }
}

/// The identity headers that many verdicts have in common, as they are sent.
struct Rendered(Box<[u8]>);

impl AtOnce {
    /// A door before the router of this gateway.
    pub fn before(gateway: &Gateway, config: &LayerConfig) -> Self {
        let mut headers = HeaderMap::from_iter([
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (header::CONTENT_LENGTH, HeaderValue::from_static("0")),
        ]);
        security_headers::put(&mut headers, config.secure);
        let mut begin = b"HTTP/1.1 200 OK\r\n".to_vec();
        write_fields(&headers, &mut begin);
        let mut nobody = Vec::new();
        write_fields(&headers::nobody(), &mut nobody);
        Self {
            gateway: Arc::clone(gateway),
            begin,
            nobody,
            queries: RwLock::default(),
            counted: Counted::new(),
        }
    }

    /// What a query asks for; `None` if it is not remembered and cannot be.
    fn requirements(&self, query: &str) -> Option<Arc<Requirements>> {
        let known = self
            .queries
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(query)
            .cloned();
        if known.is_some() {
            return known;
        }
        let read = requirements(&self.gateway, query).ok()?;
        self.takes_claims_alone(&read).then_some(())?;
        let read = Arc::new(read);
        let mut queries = self.queries.write().unwrap_or_else(PoisonError::into_inner);
        if queries.len() < MOST_QUERIES {
            queries.insert(query.into(), Arc::clone(&read));
        }
        Some(read)
    }

    /// What the database says of workspaces is asked for on every request.
    fn takes_claims_alone(&self, requirements: &Requirements) -> bool {
        !requirements.ask_for_workspaces() || self.gateway.engine.parts().workspaces.is_none()
    }

    /// Who passes with what the question shows.
    fn admitted(
        &self,
        question: &Question<'_>,
        asked: Option<&Asked<'_>>,
        now: Timestamp,
    ) -> Option<Passing> {
        let by_query = match question.query {
            "" => None,
            query => Some(self.requirements(query)?),
        };
        let policy = self.gateway.forward_auth.policy();
        let access = match (policy.as_deref(), asked) {
            (Some(policy), Some(asked)) => policy.rule_for(asked).ok()?.access,
            _ => &Access::Authenticated,
        };
        let by_policy = match access {
            Access::Deny => return None,
            Access::Public if question.token.is_none() && by_query.is_none() => return Some(Passing::Nobody),
            Access::Require(more) if !self.takes_claims_alone(more) => return None,
            Access::Require(more) => Some(more),
            // Who shows a good credential is known on what is public, too.
            Access::Public | Access::Authenticated => None,
        };
        let mut live = self.gateway.engine.authenticate_at_once(question.token?, now)?;
        for requirements in [by_policy, by_query.as_deref()].into_iter().flatten() {
            live = Permit::check(live, requirements).ok()?.live().clone();
        }
        Some(Passing::Known(live))
    }

    /// Who passes, and the signed identity to go with that.
    fn passing(&self, question: &Question<'_>, now: Timestamp) -> Option<(Passing, Option<HeaderValue>)> {
        let door = &self.gateway.forward_auth;
        let asked = door.asked(question.told).ok()?;
        let passing = self.admitted(question, asked.as_ref(), now)?;
        let method = question.told.method.unwrap_or("GET");
        let signed = door.signed(passing.live(), asked.as_ref(), method, now).ok()?;
        Some((passing, signed))
    }

    /// Tells what is to be told, and the log of it where that is kept.
    fn told(&self, id: &RequestId, began: Instant, client: impl FnOnce() -> IpAddr, tell: impl FnOnce()) {
        if observe::is_logged() || tracing::enabled!(tracing::Level::DEBUG) {
            let span = tracing::error_span!("request", request_id = %id);
            span.in_scope(|| {
                tell();
                observe::log("GET", ROUTE, Some(StatusCode::OK), began.elapsed(), client());
            });
        } else {
            tell();
        }
    }

    fn write(&self, answer: &Answer<'_>, now: Timestamp, out: &mut Vec<u8>) {
        let Answer { live, signed, id } = answer;
        out.extend_from_slice(&self.begin);
        match live {
            Some(live) => {
                headers::write_own(live.who(), out);
                match live.prepared(rendered) {
                    Some(Rendered(others)) => out.extend_from_slice(others),
                    None => out.extend_from_slice(&headers::others(live.source(), live.rights())),
                }
            }
            None => out.extend_from_slice(&self.nobody),
        }
        if let Some(signed) = signed {
            write_field(&X_AUTH_IDENTITY, signed, out);
        }
        if let Some(live) = live
            && (self.gateway.shows_assurance || tracing::enabled!(tracing::Level::DEBUG))
        {
            let mut shown = HeaderMap::new();
            assurance::show(&self.gateway, live, &mut shown);
            write_fields(&shown, out);
        }
        out.extend_from_slice(b"x-request-id: ");
        out.extend_from_slice(id.0.as_bytes());
        out.extend_from_slice(b"\r\ndate: ");
        write_date(now, out);
        out.extend_from_slice(b"\r\n\r\n");
    }
}

impl Shortcut for AtOnce {
    fn answer(&self, bytes: &[u8], from: Arrived, out: &mut Vec<u8>) -> Option<usize> {
        if !bytes.starts_with(BEGINNING) {
            return None;
        }
        let Arrived { peer, at: began } = from;
        let mut fields = question::no_fields();
        let mut request = httparse::Request::new(&mut fields);
        let Ok(httparse::Status::Complete(length)) = request.parse(bytes) else {
            return None;
        };
        let trusted_proxies = &self.gateway.trusted_proxies;
        let trusted = peer.is_trusted(trusted_proxies);
        let question = Question::read(&request, self.gateway.cookies.name(), trusted)?;
        let now = self.gateway.engine.now();
        let (passing, signed) = self.passing(&question, now)?;
        let answer = Answer {
            live: passing.live(),
            signed,
            id: &question.id(),
        };
        self.told(
            answer.id,
            began,
            || question::client(&request, peer, trusted_proxies),
            || {
                self.write(&answer, now, out);
            },
        );
        self.counted.count(answer.live, began);
        Some(length)
    }

    fn may_begin_with(&self, bytes: &[u8]) -> bool {
        bytes.starts_with(BEGINNING)
    }
}

impl Counted {
    fn new() -> Self {
        let sources = [
            VerificationSource::OauthUserinfo,
            VerificationSource::TraditionalAuth,
            VerificationSource::Introspection,
            VerificationSource::LocalJwt,
        ];
        let verified = sources.into_iter().map(|source| {
            let layer = source.as_str();
            (
                source,
                counter!(VERIFICATIONS, "layer" => layer, "outcome" => "verified"),
            )
        });
        Self {
            requests: counter!(HTTP_REQUESTS, "method" => "GET", "route" => ROUTE, "status" => "2xx"),
            duration: histogram!(HTTP_REQUEST_DURATION, "method" => "GET", "route" => ROUTE),
            verified: verified.collect(),
        }
    }

    fn count(&self, live: Option<&Live>, began: Instant) {
        let decided = live.map(Live::source);
        let verified = self.verified.iter().find(|(source, _)| Some(*source) == decided);
        if let Some((_, counter)) = verified {
            counter.increment(1);
        }
        self.requests.increment(1);
        self.duration.record(began.elapsed());
    }
}

fn rendered(source: VerificationSource, rights: Rights<'_>) -> Rendered {
    Rendered(headers::others(source, rights))
}

fn write_fields(headers: &HeaderMap, out: &mut Vec<u8>) {
    for (name, value) in headers {
        write_field(name, value, out);
    }
}

fn write_field(name: &HeaderName, value: &HeaderValue, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

thread_local! {
    /// The second that was written last, and how (RFC 9110 §5.6.7).
    static DATE: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
}

fn write_date(now: Timestamp, out: &mut Vec<u8>) {
    DATE.with_borrow_mut(|(second, text)| {
        if *second != now.as_second() {
            *second = now.as_second();
            *text = httpdate::fmt_http_date(SystemTime::from(now));
        }
        out.extend_from_slice(text.as_bytes());
    });
}

//! A request to the authorization server and its answer, in words for an explanation.

use maxlab_auth_core::token_endpoint::UpstreamError;
use maxlab_auth_core::verify::explain::{TraceJudge, TraceStep, TraceVerdict};
use reqwest::{Method, Request, Url, header};

use crate::AuthServerResponse;

/// Request, as far as it may be shown.
pub(super) struct AskedRequest {
    method: Method,
    address: Url,
}

impl AskedRequest {
    /// Takes method and address of a request.
    pub(super) fn of(request: &Request) -> Self {
        Self {
            method: request.method().clone(),
            address: request.url().clone(),
        }
    }

    /// Describes the request and its end.
    pub(super) fn step(&self, result: &Result<AuthServerResponse, UpstreamError>) -> TraceStep {
        let asked = format!("{} {}", self.method, self.shown_address());
        match result {
            Ok(answer) => {
                let finding = format!(
                    "{asked} answered {}, {}, {} bytes",
                    answer.status.as_u16(),
                    content_type(answer),
                    answer.body.len()
                );
                TraceStep::new(TraceJudge::Request, TraceVerdict::Noted, finding)
            }
            Err(fault) => TraceStep::new(
                TraceJudge::Request,
                TraceVerdict::Unavailable,
                format!("{asked}: {fault}"),
            )
            .with_remedy("check that the address can be reached from this machine"),
        }
    }

    /// Returns the address without what may be secret: credentials and the query.
    fn shown_address(&self) -> String {
        let mut address = self.address.clone();
        address.set_query(None);
        address.set_fragment(None);
        // Both fail only for addresses that cannot have credentials.
        let _ = address.set_username("");
        let _ = address.set_password(None);
        address.into()
    }
}

/// Returns the media type of an answer, without its parameters.
fn content_type(answer: &AuthServerResponse) -> String {
    let value = answer.headers.get(header::CONTENT_TYPE);
    let media_type = value
        .and_then(|value| value.to_str().ok())
        .unwrap_or("no content type");
    media_type.split(';').next().unwrap_or_default().trim().to_owned()
}

//! Events of the client, which a process with metrics counts.

use std::time::Duration;

use crate::{AuthServerEndpoint, AuthServerResponse, UpstreamError};

/// Functions that are called with the client's events. By default they do nothing.
#[derive(Clone, Copy, Debug)]
pub struct UpstreamEvents {
    /// Called once for each request, with or without an answer.
    pub request_finished: fn(&FinishedRequest),
    /// Called with the number of revocations that wait in the outbox.
    pub backlog_measured: fn(u64),
}

impl Default for UpstreamEvents {
    fn default() -> Self {
        Self {
            request_finished: |_| {},
            backlog_measured: |_| {},
        }
    }
}

/// Request to the authorization server that has ended.
#[derive(Clone, Copy, Debug)]
pub struct FinishedRequest {
    /// Endpoint that was asked.
    pub endpoint: AuthServerEndpoint,
    /// How the request ended.
    pub outcome: RequestOutcome,
    /// Time from sending the request to the end of its answer.
    pub took: Duration,
}

/// End of a request, as metrics count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestOutcome {
    /// Answered, and neither of the two below.
    Ok,
    /// Answered with a 4xx status. No fault here: the caller decides what it means.
    ClientError,
    /// Answered with a 5xx status.
    ServerError,
    /// Not answered in time.
    Timeout,
    /// Not connected, or the connection broke.
    Unreachable,
    /// Answered with something that cannot be read.
    Unreadable,
}

impl RequestOutcome {
    /// All outcomes.
    pub const ALL: [Self; 6] = [
        Self::Ok,
        Self::ClientError,
        Self::ServerError,
        Self::Timeout,
        Self::Unreachable,
        Self::Unreadable,
    ];

    /// Name of the outcome in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ClientError => "client_error",
            Self::ServerError => "server_error",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::Unreadable => "unreadable",
        }
    }
}

impl From<&Result<AuthServerResponse, UpstreamError>> for RequestOutcome {
    fn from(result: &Result<AuthServerResponse, UpstreamError>) -> Self {
        match result {
            Ok(answer) if answer.status.is_server_error() => Self::ServerError,
            Ok(answer) if answer.status.is_client_error() => Self::ClientError,
            Ok(_) => Self::Ok,
            Err(UpstreamError::Timeout) => Self::Timeout,
            Err(UpstreamError::NotConnected(_) | UpstreamError::Unreachable(_)) => Self::Unreachable,
            Err(UpstreamError::TooLarge | UpstreamError::Unreadable(_) | UpstreamError::Unavailable) => {
                Self::Unreadable
            }
        }
    }
}

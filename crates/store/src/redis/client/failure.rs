//! Failures of commands, and whether another connection may succeed.

use std::time::Duration;

use maxlab_auth_core::unavailable::{Unavailable, UnavailableReason};
use redis::{ErrorKind, RedisError, ServerError};

/// Time limit of one pipeline, including the wait for a connection.
pub(super) const REQUEST_LIMIT: Duration = Duration::from_secs(2);

/// A failed pipeline.
#[derive(Debug)]
pub(super) struct RedisFailure {
    pub(super) cause: Unavailable,
    /// Set if another connection may succeed: this one is broken, or its server is not the master (yet).
    pub(super) is_connection_fault: bool,
}

impl RedisFailure {
    /// Creates a failure of the request. Another connection would fail too.
    pub(super) fn request_fault(cause: impl std::fmt::Display) -> Self {
        Self {
            cause: Unavailable::store(cause),
            is_connection_fault: false,
        }
    }

    /// Creates a failure of the connection. Another one may succeed.
    pub(super) fn connection_fault(cause: impl std::fmt::Display) -> Self {
        Self {
            cause: Unavailable::store(cause),
            is_connection_fault: true,
        }
    }
}

impl From<&ServerError> for RedisFailure {
    fn from(error: &ServerError) -> Self {
        let code = error.code();
        let cause = format!("{code} {}", error.details().unwrap_or_default());
        Self {
            cause: truncated(&cause).with_reason(reason_of_code(code)),
            // The server is a replica, is loading, or has lost its master. Another one may be right.
            is_connection_fault: matches!(code, "READONLY" | "LOADING" | "MASTERDOWN"),
        }
    }
}

impl From<RedisError> for RedisFailure {
    fn from(error: RedisError) -> Self {
        // The code in Redis' own reply is more precise than the library's kind of error.
        if let Some(error) = first_server_error(&error) {
            return Self::from(&error);
        }
        Self {
            cause: truncated(&error.to_string()).with_reason(reason_of_error(&error)),
            is_connection_fault: error.is_io_error() || error.is_timeout() || error.is_unrecoverable_error(),
        }
    }
}

impl From<RedisFailure> for Unavailable {
    fn from(failure: RedisFailure) -> Self {
        failure.cause
    }
}

fn reason_of_code(code: &str) -> UnavailableReason {
    match code {
        "NOAUTH" | "WRONGPASS" | "NOPERM" => UnavailableReason::CredentialsRefused,
        "LOADING" => UnavailableReason::Starting,
        _ => UnavailableReason::NoAnswer,
    }
}

fn reason_of_error(error: &RedisError) -> UnavailableReason {
    if error.kind() == ErrorKind::AuthenticationFailed {
        return UnavailableReason::CredentialsRefused;
    }
    if error.is_connection_refusal() {
        return UnavailableReason::ConnectionRefused;
    }
    UnavailableReason::NoAnswer
}

/// Returns the first error that Redis itself reported in a pipeline.
fn first_server_error(error: &RedisError) -> Option<ServerError> {
    error
        .clone()
        .into_server_errors()?
        .first()
        .map(|(_, error)| error.clone())
}

/// Shortens a cause: Redis may quote the beginning of a command in its error, and a command may be long.
fn truncated(cause: &str) -> Unavailable {
    // By characters and not by bytes, which could cut one in two.
    Unavailable::store(cause.chars().take(160).collect::<String>())
}

pub(super) fn timed_out() -> Unavailable {
    Unavailable::store("no answer within the time limit")
}

pub(super) fn unexpected_reply() -> RedisFailure {
    RedisFailure::request_fault("unexpected reply from Redis")
}

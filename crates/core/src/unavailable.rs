//! The one error for a component that did not answer: the result is unknown.

use std::fmt;
use std::time::Duration;

use crate::error_code::ErrorCode;

/// Component that did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GatewayComponent {
    /// Shared store of revocations and sessions (Redis, or the embedded file).
    Store,
    /// SQL database: journal, audit, outbox, workspaces.
    Database,
    /// Authorization server.
    Upstream,
    /// Rate limit of the caller. No component was asked.
    RateLimit,
    /// This process or its machine: no random bytes, no signature, no JSON. No component was asked.
    Process,
}

impl GatewayComponent {
    /// Returns the stable word for the component in logs, metrics and `/health/ready`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Database => "database",
            Self::Upstream => "authorization_server",
            Self::RateLimit => "rate_limit",
            Self::Process => "process",
        }
    }
}

/// Reason why a component did not answer. Public: contains no name, no address and no secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UnavailableReason {
    /// No answer within the time limit, or any failure that has no reason of its own.
    #[default]
    NoAnswer,
    /// No listener at the address.
    ConnectionRefused,
    /// Unknown host, or no route to it.
    Unreachable,
    /// Refused user or password, or missing privileges.
    CredentialsRefused,
    /// No database of that name on the server.
    DatabaseMissing,
    /// Connection limit of the server reached.
    TooManyConnections,
    /// Server that is starting or loading its data.
    Starting,
}

impl UnavailableReason {
    /// All reasons.
    pub const ALL: [Self; 7] = [
        Self::NoAnswer,
        Self::ConnectionRefused,
        Self::Unreachable,
        Self::CredentialsRefused,
        Self::DatabaseMissing,
        Self::TooManyConnections,
        Self::Starting,
    ];

    /// Returns the stable word for the reason in logs and `/health/ready`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoAnswer => "no_answer",
            Self::ConnectionRefused => "connection_refused",
            Self::Unreachable => "unreachable",
            Self::CredentialsRefused => "credentials_refused",
            Self::DatabaseMissing => "database_missing",
            Self::TooManyConnections => "too_many_connections",
            Self::Starting => "starting",
        }
    }

    /// Returns the reason for a connection that failed with an I/O error.
    pub fn from_io(kind: std::io::ErrorKind) -> Self {
        use std::io::ErrorKind;
        match kind {
            // `NotFound` is a Unix socket whose file does not exist: no listener either.
            ErrorKind::ConnectionRefused | ErrorKind::NotFound => Self::ConnectionRefused,
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::AddrNotAvailable => {
                Self::Unreachable
            }
            _ => Self::NoAnswer,
        }
    }
}

/// Error of a component that did not answer. Never a yes and never a no (invariants I3 and I11): the HTTP
/// layer answers with the status of [`Unavailable::code`], and changes nothing.
///
/// The cause is for the log. Clients never see it, and it must not contain a secret.
#[derive(Clone, Debug, thiserror::Error)]
pub struct Unavailable {
    component: GatewayComponent,
    reason: UnavailableReason,
    cause: String,
    retry_after: Option<Duration>,
    is_unprocessable: bool,
}

impl Unavailable {
    /// Builds the error of the shared store.
    pub fn store(cause: impl fmt::Display) -> Self {
        Self {
            component: GatewayComponent::Store,
            reason: UnavailableReason::default(),
            cause: cause.to_string(),
            retry_after: None,
            is_unprocessable: false,
        }
    }

    /// Builds the error of the SQL database.
    pub fn database(cause: impl fmt::Display) -> Self {
        Self {
            component: GatewayComponent::Database,
            reason: UnavailableReason::default(),
            cause: cause.to_string(),
            retry_after: None,
            is_unprocessable: false,
        }
    }

    /// Builds the error of the authorization server: no answer, or one that cannot be understood.
    pub fn upstream(cause: impl fmt::Display) -> Self {
        Self {
            component: GatewayComponent::Upstream,
            reason: UnavailableReason::default(),
            cause: cause.to_string(),
            is_unprocessable: false,
            retry_after: None,
        }
    }

    /// Builds the error of a caller that exceeded `limit` and may retry after `retry_after`.
    pub fn throttled(limit: impl fmt::Display, retry_after: Duration) -> Self {
        Self {
            component: GatewayComponent::RateLimit,
            retry_after: Some(retry_after),
            // The cause names the limit, since no component has failed.
            ..Self::upstream(limit)
        }
    }

    /// Builds the error of a failure inside this process. It is answered 500, and is no outage of a component.
    pub fn process(cause: impl fmt::Display) -> Self {
        Self {
            component: GatewayComponent::Process,
            ..Self::store(cause)
        }
    }

    /// Returns the error code: the status is 503, but 429 for a rate limit and 500 for a failure inside this
    /// process.
    pub fn code(&self) -> ErrorCode {
        match self.component {
            GatewayComponent::Upstream => ErrorCode::UpstreamUnavailable,
            GatewayComponent::Store | GatewayComponent::Database => ErrorCode::StoreUnavailable,
            GatewayComponent::RateLimit => ErrorCode::RateLimited,
            GatewayComponent::Process => ErrorCode::InternalError,
        }
    }

    /// Returns `true` for a failure inside this process.
    pub fn is_internal(&self) -> bool {
        self.component == GatewayComponent::Process
    }

    /// Returns the time after which a retry makes sense, if it is known.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Returns `true` if the caller exceeded a rate limit, and no component failed.
    pub fn is_throttled(&self) -> bool {
        self.component == GatewayComponent::RateLimit
    }

    /// Builds the error of an authorization server that cannot process the request itself (400, 413, 414 or
    /// 431), so that a repeat gets the same answer. For a verification this is no verdict. For a revocation
    /// it means that there is no such token.
    pub fn unprocessable(cause: impl fmt::Display) -> Self {
        Self {
            is_unprocessable: true,
            ..Self::upstream(cause)
        }
    }

    /// Returns `true` if the request itself cannot be processed, so that a repeat gets the same answer.
    pub fn is_unprocessable(&self) -> bool {
        self.is_unprocessable
    }

    /// Sets the reason.
    #[must_use]
    pub fn with_reason(mut self, reason: UnavailableReason) -> Self {
        self.reason = reason;
        self
    }

    /// Returns the reason.
    pub fn reason(&self) -> UnavailableReason {
        self.reason
    }

    /// Returns the component.
    pub fn component(&self) -> GatewayComponent {
        self.component
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_internal() {
            return write!(f, "the gateway itself failed: {}", self.cause);
        }
        // The fixed text comes first. The cause quotes libraries and servers, and may be long.
        let failed = match self.reason {
            UnavailableReason::NoAnswer => "did not answer",
            UnavailableReason::ConnectionRefused => "refused the connection",
            UnavailableReason::Unreachable => "cannot be reached",
            UnavailableReason::CredentialsRefused => "refused the credentials",
            UnavailableReason::DatabaseMissing => "has no such database",
            UnavailableReason::TooManyConnections => "accepts no more connections",
            UnavailableReason::Starting => "is still starting",
        };
        write!(f, "the {} {failed}: {}", self.component.as_str(), self.cause)
    }
}

//! The one way in which a component fails: it could not answer, so nothing is known.

use std::fmt;

/// The part of the gateway that could not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Component {
    /// The shared store: revocations and sessions (Redis, or the embedded one).
    Store,
    /// The SQL database: journal, audit, outbox, workspaces.
    Database,
    /// The authorization server.
    Upstream,
}

impl Component {
    /// The stable word for it in logs, metrics and `/health/ready`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Database => "database",
            Self::Upstream => "authorization_server",
        }
    }
}

/// A question that stayed without an answer. It is never a yes and never a no (invariants I3 and I11): the caller
/// answers 503 and changes nothing.
///
/// The cause is for the log line; it is never shown to a client and must hold no secret.
#[derive(Clone, Debug, thiserror::Error)]
pub struct Unavailable {
    component: Component,
    cause: String,
}

impl Unavailable {
    /// The shared store did not answer.
    pub fn store(cause: impl fmt::Display) -> Self {
        Self {
            component: Component::Store,
            cause: cause.to_string(),
        }
    }

    /// The SQL database did not answer.
    pub fn database(cause: impl fmt::Display) -> Self {
        Self {
            component: Component::Database,
            cause: cause.to_string(),
        }
    }

    /// The authorization server did not answer, or not in a way that can be understood.
    pub fn upstream(cause: impl fmt::Display) -> Self {
        Self {
            component: Component::Upstream,
            cause: cause.to_string(),
        }
    }

    /// Which part did not answer.
    pub fn component(&self) -> Component {
        self.component
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the {} did not answer: {}",
            self.component.as_str(),
            self.cause
        )
    }
}

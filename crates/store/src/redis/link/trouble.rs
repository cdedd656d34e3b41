//! Why servers did not do what they were asked, and whether others may.

use maxlab_auth_core::unavailable::Unavailable;
use redis::{RedisError, ServerError};

/// Why a trip failed.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) cause: Unavailable,
    /// Whether another connection may fare better: the line is broken, or the server behind it is not, or not yet, the
    /// master.
    pub(super) of_the_connection: bool,
}

impl Trouble {
    /// Trouble with what was asked, not with who was asked.
    pub(super) fn of_the_question(cause: impl std::fmt::Display) -> Self {
        Self {
            cause: Unavailable::store(cause),
            of_the_connection: false,
        }
    }

    /// The servers are not, or not any more, those to ask.
    pub(super) fn of_the_servers(cause: impl std::fmt::Display) -> Self {
        Self {
            cause: Unavailable::store(cause),
            of_the_connection: true,
        }
    }
}

impl From<&ServerError> for Trouble {
    fn from(refusal: &ServerError) -> Self {
        let code = refusal.code();
        let cause = format!("{code} {}", refusal.details().unwrap_or_default());
        Self {
            cause: short(&cause),
            of_the_connection: matches!(code, "READONLY" | "LOADING" | "MASTERDOWN"),
        }
    }
}

impl From<RedisError> for Trouble {
    fn from(error: RedisError) -> Self {
        if let Some(refusal) = refusal(&error) {
            return Self::from(&refusal);
        }
        Self {
            cause: short(&error.to_string()),
            of_the_connection: error.is_io_error() || error.is_timeout() || error.is_unrecoverable_error(),
        }
    }
}

impl From<Trouble> for Unavailable {
    fn from(trouble: Trouble) -> Self {
        trouble.cause
    }
}

/// What Redis itself refused: the first of a trip.
fn refusal(error: &RedisError) -> Option<ServerError> {
    error
        .clone()
        .into_server_errors()?
        .first()
        .map(|(_, refusal)| refusal.clone())
}

/// Redis may repeat the beginning of a command in its answer.
fn short(cause: &str) -> Unavailable {
    Unavailable::store(cause.chars().take(160).collect::<String>())
}

pub(super) fn too_late() -> Unavailable {
    Unavailable::store("no answer within the time limit")
}

pub(super) fn unreadable() -> Trouble {
    Trouble::of_the_question("Redis answered something else than was asked")
}

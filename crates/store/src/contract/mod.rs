//! The contracts: one suite per trait, each a function that takes a constructor and holds what it makes to every
//! promise of the trait's documentation.
//!
//! ```ignore
//! contract::sessions(async || EmbeddedStore::open(&new_path()).await.unwrap()).await;
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a contract that is broken says so loudly, and only in tests"
)]

mod audit;
mod given;
mod issued;
mod journal;
mod journal_races;
mod log;
mod outbox;
mod revocation_races;
mod revocations;
mod session_races;
mod sessions;
mod workspaces;

pub use audit::audit_log;
pub use given::{HOSTILE, event, later, now, revoke, revoked_token, session, session_key, spare};
pub use issued::issued_tokens;
pub use journal::{journal, journal_and_audit_stand_or_fall_together};
pub use log::revocation_log;
pub use outbox::outbox;
pub use revocations::revocations;
pub use sessions::sessions;
pub use workspaces::workspaces;

/// Runs each case on something newly made, and says which it is.
macro_rules! cases {
    ($make:ident: $($case:path),* $(,)?) => {
        $(
            eprintln!("case: {}", stringify!($case));
            Box::pin($case(std::sync::Arc::new($make().await))).await;
        )*
    };
}
use cases;

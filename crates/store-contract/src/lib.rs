//! Contract suites of the stores' traits, one per trait. Each is a function that takes a constructor and checks every promise
//! in the trait's documentation on new instances.
//!
//! ```ignore
//! use maxlab_auth_store_contract as contract;
//!
//! contract::sessions(async || EmbeddedStore::open(&new_path()).await.unwrap()).await;
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a broken contract must fail the test"
)]

mod audit;
mod codes;
mod fixtures;
mod issued;
mod journal;
mod journal_races;
mod journal_repeats;
mod log;
mod log_leases;
mod outbox;
mod revocation_races;
mod revocations;
mod session_lists;
mod session_moves;
mod session_races;
mod sessions;
mod unproven;
mod upstream_sessions;
mod workspaces;

pub use audit::audit_log;
pub use codes::used_codes;
pub use fixtures::{
    HOSTILE_USER_IDS, event, exempt, later, now, revoke, revoked_token, session, session_key, subject,
};
pub use issued::issued_tokens;
pub use journal::{journal, journal_and_audit_stand_or_fall_together};
pub use log::revocation_log;
pub use outbox::outbox;
pub use revocations::revocations;
pub use sessions::sessions;
pub use unproven::unproven_tokens;
pub use upstream_sessions::sessions_by_upstream;
pub use workspaces::workspaces;

/// Runs each case on a new instance and prints its name.
macro_rules! run_cases {
    ($make:ident: $($case:path),* $(,)?) => {
        $(
            eprintln!("case: {}", stringify!($case));
            // Boxed: the futures of the cases are large.
            Box::pin($case(std::sync::Arc::new($make().await))).await;
        )*
    };
}
use run_cases;

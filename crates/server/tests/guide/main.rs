//! The guide's behaviour at the HTTP door, and its defects, each held by a test that names it.
//!
//! One module for each theme. Gateways run in the test's own process, on the embedded store and SQLite or on a real Redis
//! and PostgreSQL, against an authorization server that does as it is told.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may fail loudly"
)]

mod bad_days;
mod gateway;
mod issuer;
mod observe;

mod as_endpoints;
mod asking_again;
mod at_once;
mod audit;
mod authorize;
mod browser_logout;
mod browser_session;
mod cached_sessions;
mod concurrent_exchange;
mod cut_offs;
mod denylist;
mod durable;
mod endings;
mod forward_auth;
mod guards;
mod health;
mod identity;
mod identity_token;
mod introspection;
mod keys;
mod layer_order;
mod layer_table;
mod logout;
mod logout_all;
mod logout_combinations;
mod outage;
mod outbox;
mod policy;
mod policy_file;
mod rate_limit;
mod real_clients;
mod refresh;
mod refresh_grace;
mod renewal;
mod revocation;
mod revoke_evidence;
mod rotation;
mod sealing;
mod secrecy;
mod session_ends;
mod session_life;
mod token_answers;
mod token_endpoint;
mod token_kinds;
mod two_issuers;
mod unproven;
mod unsigned;
mod unverified_email;
mod upstream_manners;
mod used_codes;
mod userinfo_answers;
mod validate;

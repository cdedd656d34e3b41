//! A model check of the revocation protocol: every interleaving of a few instances, revocations and faults.
//!
//! The instances are the real [`Member`](maxlab_auth_core::revocation::Member) and
//! [`Awaiting`](maxlab_auth_core::revocation::Awaiting); what drives them here takes the same steps in the same order as
//! `revocation/membership.rs`, `follower.rs` and `publisher.rs`, and the store is what `log.rs` asks of one. Between any
//! two steps anything else may happen. `PROTOCOL_MODEL_DEPTH=n` gives each configuration n more steps of time, renewals
//! and joins (each of 1 multiplies the states by about ten).

mod configurations;
mod facts;
mod faults;
mod following;
mod keeping;
mod model;
mod planted;
mod protocol;
mod revoking;
mod setup;
mod store;
mod world;

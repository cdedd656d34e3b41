//! Model check of the revocation protocol (`docs/REVOCATION.md`): every interleaving of a few instances,
//! revocations and faults.
//!
//! The instances are the real [`LeaseState`](maxlab_auth_core::revocation::LeaseState) and
//! [`AckBarrier`](maxlab_auth_core::revocation::AckBarrier). The code around them takes the same steps in
//! the same order as `revocation/lease_manager.rs`, `follower.rs` and `publisher.rs`. The store behaves
//! as `shared_log.rs` requires. Any other step may happen between two steps. `PROTOCOL_MODEL_DEPTH=n`
//! gives each configuration n more steps of time, renewals and joins. Each 1 multiplies the number of
//! states by about ten.

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

//! Is it still good: what can be revoked, what is recorded of it, and the one gate that every credential passes.
//!
//! `docs/REVOCATION.md` states the protocol. Its rules are two pure state machines, [`Member`] (may this instance answer
//! from memory?) and [`Awaiting`] (whom does a revocation wait for?); the rest drives them over the traits in `log` and
//! `store`.

mod assurance;
mod at_once;
mod awaiting;
mod board;
mod facts;
mod follower;
mod gate;
mod issued;
mod key;
mod live;
mod log;
mod marks;
mod member;
mod membership;
mod packed;
mod publisher;
mod reading;
mod record;
mod refill;
mod replica;
mod store;
mod term;

pub use assurance::{Assurance, GateStatus};
pub use awaiting::{Awaiting, at_most};
pub use facts::{Facts, Issued};
pub use gate::{GateParts, Refusal, RevocationPolicy, Revocations, RevokeFault};
pub use issued::{IssuedToken, IssuedTokens, TokenUse};
pub use key::{Party, RevocationKey, TokenKey};
pub(crate) use live::Known;
pub use live::Live;
pub use log::{
    Delivered, Filling, Follow, Holder, Instance, LogFault, News, Published, Renewal, RevocationLog,
    StoreView,
};
pub use member::{Member, Position, Taken, Tick};
pub use packed::Who;
pub(crate) use packed::{Commons, Packed, parts, taken};
pub use record::{JournalEntry, Journalled, Reason, Revocation, Spare};
pub use replica::{Fingerprint, Replica, ReplicaStats};
pub use store::{Findings, Found, Journal, Record, RevocationStore};
pub use term::{Epoch, Term};

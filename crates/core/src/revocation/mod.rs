//! Is it still good: what can be revoked, what is recorded of it, and the one gate that every credential passes.

mod facts;
mod gate;
mod issued;
mod key;
mod record;
mod replica;
mod store;

pub use facts::{Facts, Issued, Live};
pub use gate::{Refusal, RevocationPolicy, Revocations, RevokeFault};
pub use issued::{IssuedToken, IssuedTokens, TokenUse};
pub use key::{Party, RevocationKey, TokenKey};
pub use record::{JournalEntry, Journalled, Reason, Revocation, Spare};
pub use replica::{Fingerprint, Replica, ReplicaStats};
pub use store::{Findings, Found, Journal, RevocationStore};

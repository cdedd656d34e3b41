//! The ground floor: the credential that was found authentic, under the names by which it can be revoked.
//!
//! `verify`, `revocation`, `session` and `guard` stand on this module and not on each other. It knows nothing of layers, stores
//! or requirements.

mod active_credential;
mod assurance;
mod compact;
mod credential_info;
mod entitlements;
mod revocation_key;
mod revocation_reason;
mod term;
mod token_key;
mod verified;

pub use active_credential::ActiveCredential;
pub use assurance::ReadAssurance;
pub use compact::SubjectClaims;
pub(crate) use compact::{
    ChangeSlots, ClaimsInterner, CompactVerdict, MAX_NAMES, NotRevokedMemo, allocated_size, split_token,
};
pub use credential_info::{CredentialInfo, IssueTime};
pub use entitlements::Entitlements;
pub use revocation_key::{CutoffScope, RevocationKey};
pub use revocation_reason::RevocationReason;
pub use term::{Epoch, Term};
pub use token_key::TokenKey;
pub(crate) use verified::CredentialRepr;
pub use verified::Verified;

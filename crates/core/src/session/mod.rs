//! Sessions: created at a login, loaded by their cookie, ended once and for good (decisions 5 and 23).

mod cached_session;
mod cookie_name;
mod fault;
mod listing;
mod loaded_session;
mod policy;
mod provider_login;
mod record;
mod rotation;
mod sessions;
mod store;
mod touches;

pub use cached_session::SessionCacheLimits;
pub use cookie_name::{PLAIN_COOKIE_NAME, SECURE_COOKIE_NAME, cookie_name};
pub use fault::SessionFault;
pub use loaded_session::LoadedSession;
pub use policy::SessionPolicy;
pub use provider_login::ProviderLogin;
pub use record::{CreatedSession, NewSession, SessionRecord, SessionToken};
pub use rotation::RotatedSession;
pub use sessions::SessionManager;
pub use store::{
    IndexedSession, InsertOutcome, ReplaceOutcome, SessionChange, SessionLookup, SessionStore, StoredSession,
};

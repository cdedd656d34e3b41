//! The life of a session: begun at a login, opened by its cookie, ended once and for good.

mod life;
mod record;
mod store;

pub use life::{Begun, Opened, SessionFault, SessionPolicy, Sessions};
pub use record::{NewSession, SessionRecord, SessionToken};
pub use store::{IndexedSession, Lookup, Replaced, SessionStore, StoredSession};

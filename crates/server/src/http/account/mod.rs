//! Routes for a user: identity, permissions, sessions, logout.

pub(super) mod access;
pub(super) mod logout;
pub(super) mod me;
pub(super) mod sessions;

pub(super) use logout::charge;

pub use access::{in_group, in_workspace, is_admin};
pub use logout::{logout, logout_all};
pub use me::me;
pub use sessions::{list_sessions, rotate_session, terminate_session};

//! What people see and end of their own: who they are, their sessions, and logging out.

mod access;
mod logout;
mod me;
mod sessions;

pub use access::{in_group, in_workspace, is_admin};
pub use logout::{logout, logout_all};
pub use me::me;
pub use sessions::{list, rotate, terminate};

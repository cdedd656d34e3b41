//! What several measurements stand on: tokens of a usual length, other people's revocations, and the hot path in this process.

pub mod crowd;
pub mod hot;
pub mod tokens;

//! Atomics of the hand-written lock-free code, named in one place: `tests/loom` compiles the same files against
//! loom's, which try every order that the memory model allows.

pub(crate) use std::sync::atomic;
pub(crate) use std::{hint, thread};

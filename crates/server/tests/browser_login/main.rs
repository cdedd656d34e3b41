//! Browser login at the real program, with an OpenID provider that lies. Tests are named by their row in the
//! design of the browser login: T is the start of a login, C its callback.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail loudly")]

mod callbacks;
mod id_tokens;
mod sessions;
mod starts;
mod token_answers;
mod world;

//! Fuzz target `token`. Its body is in `src/token.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| maxlab_auth_fuzz::token::run(data));

//! Fuzz target `jwks`. Its body is in `src/jwks.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| maxlab_auth_fuzz::jwks::run(data));

//! Fuzz target `cookie`. Its body is in `src/cookie.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| maxlab_auth_fuzz::cookie::run(data));

//! Fuzz target `path`. Its body is in `src/path.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| maxlab_auth_fuzz::path::run(data));

//! Fuzz target `forwarded_headers`. Its body is in `src/forwarded_headers.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| maxlab_auth_fuzz::forwarded_headers::run(data));

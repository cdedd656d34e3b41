//! Fuzz target `policy`. Its body is in `src/policy.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| maxlab_auth_fuzz::policy::run(data));

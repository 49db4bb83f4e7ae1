//! See `leno_fuzz::pattern`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| leno_fuzz::pattern(bytes));

//! See `leno_fuzz::token`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| leno_fuzz::token(bytes));

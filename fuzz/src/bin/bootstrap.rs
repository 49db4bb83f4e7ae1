//! See `leno_fuzz::bootstrap`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| leno_fuzz::bootstrap(bytes));

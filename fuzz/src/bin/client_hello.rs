//! See `leno_fuzz::client_hello`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| leno_fuzz::client_hello(bytes));

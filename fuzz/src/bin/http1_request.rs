//! See `leno_fuzz::http1_request`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| leno_fuzz::http1_request(bytes));

//! See `leno_fuzz::http2_client`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| leno_fuzz::http2_client(bytes));

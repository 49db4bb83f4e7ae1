//! The xDS transport protocol: delta and state-of-the-world ADS, server and client.

#![forbid(unsafe_code)]

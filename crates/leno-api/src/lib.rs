//! The JSON of the admin and control APIs.

#![forbid(unsafe_code)]

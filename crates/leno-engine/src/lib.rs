//! Every decision of the data path; no I/O, no clock, no async.

#![forbid(unsafe_code)]

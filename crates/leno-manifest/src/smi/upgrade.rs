//! Older versions of SMI.

//! What every Leno process needs: signals, drain, tasks, logs.

#![forbid(unsafe_code)]

//! The one binary: the command line and the local runner.

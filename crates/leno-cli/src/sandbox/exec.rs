//! Entering a running pod from outside: what `leno exec` does on the host.

use std::{ffi::OsString, io, os::fd::OwnedFd, path::Path};

/// Runs `program` in these namespaces (in the order given, see [`super::namespace::Namespaces`]) with this environment and
/// directory, as an application ([`super::Privilege::Application`]), with the caller's standard streams, and waits for
/// its end; SIGINT and SIGTERM are passed on. Returns its exit code (128 + signal number when a signal ended it).
///
/// Must be called while the process has one thread.
///
/// # Errors
/// When a namespace cannot be entered or the program cannot be started.
pub fn exec(
    namespaces: Vec<(String, OwnedFd)>,
    program: &[OsString],
    environment: &[(String, String)],
    directory: &Path,
) -> io::Result<u8> {
    todo!()
}

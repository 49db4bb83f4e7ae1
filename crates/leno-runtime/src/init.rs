//! The first thing every program does.

use crate::log::{self, LogError, LogFormat, LogLevel};

/// Installs the process's one crypto provider (aws-lc) and the log. Calling it again is harmless: the first log stays.
///
/// The returned handle changes the log level at run time.
///
/// # Errors
/// When `directive` is no filter directive.
pub fn init(directive: &str, format: LogFormat) -> Result<LogLevel, LogError> {
    crypto();
    log::install(directive, format)
}

/// Installs the crypto provider alone; for tests and for commands that do not log.
pub fn crypto() {
    // Fails only when a provider is installed already, and there is only this one in the tree.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}

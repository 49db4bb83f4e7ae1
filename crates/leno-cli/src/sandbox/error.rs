//! What can go wrong with the sandbox.

use std::io;

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// A mesh of that name runs for this user.
    #[error("mesh {0} is running already; stop it with `leno down`, or give this one another name with --mesh")]
    AlreadyRunning(String),
    /// The process has more than one thread. A mistake in the program.
    #[error("the sandbox must be entered before any thread is started")]
    Threads,
    /// Namespaces are forbidden.
    #[error("{what} is not allowed here: {advice}")]
    Forbidden {
        /// What was attempted.
        what: String,
        /// What to change, exactly.
        advice: String,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The kernel refused something else.
    #[error("{what}")]
    Io {
        /// What was attempted.
        what: String,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

/// Why the sandbox's network, or a pod, cannot be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The kernel refused it.
    #[error("{what}")]
    Io {
        /// What was attempted.
        what: String,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// Packet rules were refused.
    #[error("write packet rules")]
    Nft(#[from] leno_nft::Error),
    /// A pod's redirect rules were refused.
    #[error("redirect the traffic of pod {pod}")]
    Redirect {
        /// The pod, `namespace/name`.
        pod: String,
        /// Why.
        #[source]
        source: leno_proxy::redirect::RedirectError,
    },
}

/// Says what failed.
pub(super) trait Doing<T> {
    /// With what was attempted.
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, SandboxError>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, SandboxError> {
        self.map_err(|error| SandboxError::Io { what: what(), source: error.into() })
    }
}

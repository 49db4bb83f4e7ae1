//! What can go wrong with the authority's own key, certificate and files.

use std::path::PathBuf;

/// What went wrong with the authority's own key, certificate and files.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// The root could not be made.
    #[error("making the root certificate")]
    Generate(#[source] rcgen::Error),
    /// The root's key cannot be read.
    #[error("the root's key is not a PKCS#8 private key in PEM")]
    Key(#[source] rcgen::Error),
    /// The root's certificate cannot be read or used.
    #[error("the root's certificate cannot be used: {0}")]
    Certificate(String),
    /// A certificate could not be signed.
    #[error("signing a certificate")]
    Sign(#[source] rcgen::Error),
    /// A file or directory could not be read or written.
    #[error("cannot {action} {path}")]
    File {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// Others may read what is secret.
    #[error(
        "{path} has mode {mode:04o}, expected {expected:04o}: others could read the mesh's root key; run chmod {expected:o} {path}"
    )]
    Mode {
        /// The file or directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// What they should be.
        expected: u32,
    },
    /// One of the two files is missing.
    #[error(
        "{there} is there but {missing} is not; restore it, or remove {there} to start a new authority (every workload then needs a new certificate)"
    )]
    Half {
        /// The file that is there.
        there: PathBuf,
        /// The file that is not.
        missing: PathBuf,
    },
}

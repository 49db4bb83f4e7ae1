//! A configuration file in Envoy's format ([`envoy.config.bootstrap.v3.Bootstrap`], YAML or JSON): listeners with sockets
//! of their own, clusters, and the secrets that their TLS refers to. The same file runs under Envoy.
//!
//! ```text
//! text ─► tree that knows its lines ─► protobuf message ─► the converters of xDS ─► Bootstrap
//! ```
//!
//! [`envoy.config.bootstrap.v3.Bootstrap`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/bootstrap/v3/bootstrap.proto

mod data_source;
mod fixed;
mod read;
mod resource;
mod secret;

use std::{net::SocketAddr, path::Path};

use leno_model::Invalid;
use leno_proto::{json::Descriptions, v3::core::Node};

pub use self::fixed::Fixed;
pub(crate) use self::resource::bound;
use crate::{config::source::Dynamic, identity::Credentials};

/// What a file asks for.
#[derive(Debug)]
pub struct Bootstrap {
    /// Who this process is, for telemetry.
    pub node: Node,
    /// Where the admin interface listens; nowhere when there is none.
    pub admin: Option<SocketAddr>,
    /// The resources, held for as long as the process runs.
    pub fixed: Fixed,
    /// Where more of them come from.
    pub dynamic: Dynamic,
    /// The certificate and roots of mesh TLS, if the file has them.
    pub credentials: Credentials,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Something in it is wrong, or not supported.
    #[error("{}", .0.iter().map(Invalid::to_string).collect::<Vec<_>>().join("\n"))]
    Invalid(Vec<Invalid>),
}

/// Reads a file.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(path: &Path) -> Result<Bootstrap, LoadError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| LoadError::Read { path: path.display().to_string(), source })?;
    parse(&path.display().to_string(), &text).map_err(LoadError::Invalid)
}

/// Reads the text of a file; `file` names it in errors.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(file: &str, text: &str) -> Result<Bootstrap, Vec<Invalid>> {
    let _known = Descriptions::hold();
    let (node, message) = read::message(file, text)?;
    let place = read::Place { file, node: &node };
    resource::convert(message).map_err(|wrong| wrong.into_iter().map(|one| place.locate(one)).collect())
}

#[cfg(test)]
mod tests;

//! For whom resources are compiled.

use leno_model::WorkloadName;

/// For whom resources are compiled.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The workload that the client stands beside.
    pub workload: WorkloadName,
    /// What it is.
    pub client: Client,
}

/// The data planes that are served. They differ in who holds the workload's key: only Leno's own proxy makes one and
/// can speak mesh TLS; the others are for development and call their peers in plaintext.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Client {
    /// Leno's proxy: asks by name, speaks mesh TLS.
    #[default]
    Leno,
    /// Envoy: wants every listener and cluster.
    Envoy,
    /// A gRPC library: asks for `xds:///` names.
    Grpc,
}

impl Client {
    /// The client with this `user_agent_name` of an xDS node.
    #[must_use]
    pub fn of_user_agent(name: &str) -> Self {
        match name {
            "leno-proxy" => Self::Leno,
            "envoy" => Self::Envoy,
            _ => Self::Grpc,
        }
    }
}

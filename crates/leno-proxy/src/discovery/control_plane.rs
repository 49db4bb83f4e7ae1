//! Connections to the control plane: TLS with its DNS name verified, marked so that they are not redirected.

use std::{
    future::Future,
    io,
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::Uri;
use hyper_util::rt::TokioIo;
use leno_tls::{Identity, config::dns_client};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::{
    codegen::Service,
    transport::{Channel, Endpoint},
};

use crate::dial;

/// Where the control plane is and how it is known.
#[derive(Clone, Debug)]
pub struct ControlPlane {
    /// `host:port`.
    pub address: String,
    /// The DNS name that its certificate must have.
    pub name: String,
    /// The file (PEM) with the roots that it is verified against; read at each connection, so that it may be replaced.
    pub ca_file: PathBuf,
    /// The mark of the connections.
    pub mark: Option<u32>,
}

/// Why there is no connection.
pub type ConnectError = Box<dyn std::error::Error + Send + Sync>;

impl ControlPlane {
    /// A channel that connects when it is used, and again when it breaks; `identity` is shown if given.
    ///
    /// # Errors
    /// When the roots cannot be read.
    pub fn channel(&self, identity: Option<&Identity>) -> Result<Channel, ConnectError> {
        let pem = std::fs::read_to_string(&self.ca_file)
            .map_err(|error| format!("read the control plane's roots {}: {error}", self.ca_file.display()))?;
        let tls = dns_client(&pem, identity, &["h2"])?;
        let name = ServerName::try_from(self.name.clone())?;
        let connector =
            Connector { to: Arc::new(Target { address: self.address.clone(), name, mark: self.mark, tls }) };
        // The connector does TLS itself; tonic would refuse "https" without its own.
        let endpoint = Endpoint::from_shared(format!("http://{}", self.name))?
            .origin(Uri::try_from(format!("https://{}", self.name))?);
        Ok(leno_xds::client::tune(endpoint).connect_with_connector_lazy(connector))
    }
}

/// Everything that a connection needs.
struct Target {
    address: String,
    name: ServerName<'static>,
    mark: Option<u32>,
    tls: Arc<ClientConfig>,
}

impl Target {
    async fn connect(&self) -> io::Result<TlsStream<TcpStream>> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, format!("{} has no address", self.address));
        for address in lookup_host(&self.address).await? {
            match dial::marked(self.mark, address).await {
                Ok(stream) => {
                    return TlsConnector::from(Arc::clone(&self.tls)).connect(self.name.clone(), stream).await;
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// Makes connections for a channel.
#[derive(Clone)]
struct Connector {
    to: Arc<Target>,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let to = Arc::clone(&self.to);
        Box::pin(async move { to.connect().await.map(TokioIo::new) })
    }
}

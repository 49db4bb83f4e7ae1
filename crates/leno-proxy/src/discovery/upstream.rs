//! Channels to control planes that are clusters of a file.

use std::{
    future::{Ready, ready},
    io,
    net::SocketAddr,
    task::{Context, Poll},
};

use http::Uri;
use hyper_util::rt::TokioIo;
use leno_xds::client::{self, ConnectError};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tonic::{
    codegen::Service,
    transport::{Channel, Endpoint},
};

use crate::{
    bootstrap::Upstream,
    config::{Cluster, ClusterKind, Security, Transport},
    dial, dns,
};

/// A channel to the first of these that can be reached.
///
/// # Errors
/// Why the last of them could not.
pub async fn connect(upstreams: &[Upstream]) -> Result<Channel, ConnectError> {
    let mut last: ConnectError = "there is no server".into();
    for upstream in upstreams {
        match to(upstream).await {
            Ok(channel) => return Ok(channel),
            Err(error) => last = format!("{}: {error}", upstream.cluster.name()).into(),
        }
    }
    Err(last)
}

/// A channel to one of a cluster's endpoints: the first that can be reached.
async fn to(upstream: &Upstream) -> Result<Channel, ConnectError> {
    let cluster = upstream.cluster.get().ok_or("the cluster is not there")?;
    let mut last: ConnectError = "the cluster has no endpoints".into();
    let endpoints = match &cluster.kind {
        ClusterKind::Static(set) => set.endpoints.clone(),
        ClusterKind::Dns(names) => dns::endpoints(names).await?,
        ClusterKind::Eds(_) | ClusterKind::OriginalDst(_) => {
            return Err("expected a cluster with its own endpoints".into());
        }
    };
    for endpoint in endpoints.iter().filter(|endpoint| endpoint.is_healthy()) {
        match cluster.transport(endpoint) {
            Transport { header: None, security: Security::Plain } => {}
            Transport { .. } => return Err("expected plaintext: this channel has no mesh identity".into()),
        }
        match channel(&cluster, endpoint.address, &upstream.authority).await {
            Ok(channel) => return Ok(channel),
            Err(error) => last = format!("{}: {error}", endpoint.address).into(),
        }
    }
    Err(last)
}

/// A channel over one connection. When that breaks the stream on it ends, and a new channel is made.
async fn channel(cluster: &Cluster, address: SocketAddr, authority: &str) -> Result<Channel, ConnectError> {
    let stream = timeout(cluster.connect_timeout, TcpStream::connect(address)).await??;
    dial::tune(&stream);
    let endpoint = Endpoint::from_shared(format!("http://{authority}"))?;
    Ok(client::tune(endpoint).connect_with_connector(Once(Some(stream))).await?)
}

/// A connector that has its connection already.
struct Once<S>(Option<S>);

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Service<Uri> for Once<S> {
    type Response = TokioIo<S>;
    type Error = io::Error;
    type Future = Ready<io::Result<TokioIo<S>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        ready(self.0.take().map(TokioIo::new).ok_or_else(|| io::ErrorKind::NotConnected.into()))
    }
}

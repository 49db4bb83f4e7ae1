//! Channels to control planes that are clusters of a file.

use std::{
    future::{Ready, ready},
    io,
    task::{Context, Poll},
};

use http::Uri;
use hyper_util::rt::TokioIo;
use leno_xds::client::{self, ConnectError};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::{
    codegen::Service,
    transport::{Channel, channel},
};

use crate::{
    config::{Cluster, ClusterKind, Endpoint, Security, Transport, source::Upstream, tls::ClientContext},
    connection::Payload,
    dial, dns, tls,
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
        match timeout(cluster.connect_timeout, channel(&cluster, endpoint, &upstream.authority)).await {
            Ok(Ok(channel)) => return Ok(channel),
            Ok(Err(error)) => last = format!("{}: {error}", endpoint.address).into(),
            Err(_) => {
                let text = format!("{}: no connection within {:?}", endpoint.address, cluster.connect_timeout);
                last = text.into();
            }
        }
    }
    Err(last)
}

/// A channel over one connection. When that breaks the stream on it ends, and a new channel is made, with the certificates
/// of its day.
async fn channel(cluster: &Cluster, endpoint: &Endpoint, authority: &str) -> Result<Channel, ConnectError> {
    let mut stream = TcpStream::connect(endpoint.address).await?;
    dial::tune(&stream);
    let Transport { header, security } = cluster.transport(endpoint);
    if let Some(header) = header {
        stream.write_all(&header.own(stream.local_addr()?, stream.peer_addr()?)).await?;
    }
    let scheme = match security {
        Security::Plain => "http",
        Security::Tls(_) | Security::MeshTls(_) | Security::Named(_) => "https",
    };
    // The connection is there, with its TLS: tonic would refuse "https" without its own.
    let to = channel::Endpoint::from_shared(format!("http://{authority}"))?
        .origin(Uri::try_from(format!("{scheme}://{authority}"))?);
    let to = client::tune(to);
    Ok(match security {
        Security::Plain => to.connect_with_connector(Once(Some(stream))).await?,
        Security::Tls(context) => {
            let server = context.server(&endpoint.standing.hostname, endpoint.address.ip());
            let stream = secure(context, server, stream).await?;
            to.connect_with_connector(Once(Some(stream))).await?
        }
        Security::MeshTls(_) | Security::Named(_) => {
            return Err("expected TLS of the file's own: this channel has no mesh identity".into());
        }
    })
}

/// Shakes hands as the cluster asks for it.
async fn secure(
    context: &ClientContext,
    server: ServerName<'static>,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, ConnectError> {
    let ready = context.ready()?;
    let connector = TlsConnector::from(ready.config(Payload::Http2.into()));
    let stream = connector.connect(server.clone(), stream).await.map_err(|error| tls::failure(&error).detail)?;
    let state = stream.get_ref().1;
    if tls::is_resumed(state) {
        ready.dialling.verify(state.peer_certificates().unwrap_or_default(), &server)?;
    }
    // A server that agrees to nothing is taken at the file's word that it speaks HTTP/2.
    match state.alpn_protocol() {
        None | Some(b"h2") => Ok(stream),
        Some(other) => {
            let other = String::from_utf8_lossy(other);
            Err(format!("expected h2 by ALPN, and the server agreed to {other:?}").into())
        }
    }
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

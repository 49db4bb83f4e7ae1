//! HTTP/2 through the sidecar, with the `h2` crate on both sides.

mod auto;
mod cancel;
mod failure;
mod flow;
mod framed;
mod from_http1;
mod keepalive;
mod message;
mod stream;
mod translate;

use std::{cell::Cell, future::Future, net::SocketAddr, rc::Rc, sync::Arc};

use bytes::Bytes;
use h2::{
    RecvStream, SendStream,
    client::{ResponseFuture, SendRequest},
    server::{self, SendResponse},
};
use http::{Request, Response, StatusCode};
use leno_proxy::{config::HttpConnectionManager, connection::Direction};
use tokio::{net::TcpStream, task::spawn_local};

use crate::{
    http1::{chain, manager},
    support::{Authority, Sidecar, listener, plain, serve},
};

/// A request as the backend gets it, with the place for its answer.
pub struct Asked {
    pub request: Request<RecvStream>,
    pub respond: SendResponse<Bytes>,
}

/// A backend that handles each stream by itself; the count is of its connections.
pub async fn backend<F>(handle: impl Fn(Asked) -> F + Clone + 'static) -> (SocketAddr, Rc<Cell<u32>>)
where
    F: Future<Output = ()> + 'static,
{
    tuned(server::Builder::new(), handle).await
}

/// A backend whose HTTP/2 is set up so.
pub async fn tuned<F>(
    builder: server::Builder,
    handle: impl Fn(Asked) -> F + Clone + 'static,
) -> (SocketAddr, Rc<Cell<u32>>)
where
    F: Future<Output = ()> + 'static,
{
    let connections: Rc<Cell<u32>> = Rc::default();
    let counted = Rc::clone(&connections);
    let address = serve(move |stream| {
        counted.set(counted.get() + 1);
        let (builder, handle) = (builder.clone(), handle.clone());
        async move {
            // The sidecar may go away at any time.
            let Ok(mut streams) = builder.handshake(stream).await else { return };
            while let Some(Ok((request, respond))) = streams.accept().await {
                spawn_local(handle(Asked { request, respond }));
            }
        }
    });
    (address.await, connections)
}

/// A sidecar with this connection manager; the address to dial.
pub async fn with(manager: HttpConnectionManager) -> (Sidecar, SocketAddr) {
    let sidecar = Sidecar::new(&Authority::new(), "client");
    let destination = SocketAddr::from(([10, 96, 0, 1], 80));
    sidecar.set_destination(destination, listener(chain(manager)));
    let address = sidecar.open(Direction::Outbound, destination).await;
    (sidecar, address)
}

/// A sidecar in front of this backend.
pub async fn before(backend: SocketAddr) -> (Sidecar, SocketAddr) {
    with(manager(&plain(&[backend]), None)).await
}

/// A caller's connection.
pub async fn dial(address: SocketAddr) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (send, connection) = h2::client::handshake(stream).await.unwrap();
    spawn_local(async move { drop(connection.await) });
    send
}

pub fn get(path: &str) -> Request<()> {
    Request::get(format!("http://x{path}")).body(()).unwrap()
}

pub fn post(path: &str) -> Request<()> {
    Request::post(format!("http://x{path}")).body(()).unwrap()
}

/// Begins a request without a body.
pub async fn ask(send: &SendRequest<Bytes>, request: Request<()>) -> ResponseFuture {
    send.clone().ready().await.unwrap().send_request(request, true).unwrap().0
}

/// Begins a request whose body is to come.
pub async fn begin(send: &SendRequest<Bytes>, request: Request<()>) -> (ResponseFuture, SendStream<Bytes>) {
    send.clone().ready().await.unwrap().send_request(request, false).unwrap()
}

/// A body as text, to its end, its window opened as it is read.
pub async fn text(body: &mut RecvStream) -> String {
    let mut all = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece.unwrap();
        body.flow_control().release_capacity(piece.len()).unwrap();
        all.extend_from_slice(&piece);
    }
    String::from_utf8(all).unwrap()
}

/// The next piece of a body.
pub async fn piece(body: &mut RecvStream) -> String {
    let piece = body.data().await.unwrap().unwrap();
    body.flow_control().release_capacity(piece.len()).unwrap();
    String::from_utf8(piece.to_vec()).unwrap()
}

/// Answers with this status and text.
pub fn answer(respond: &mut SendResponse<Bytes>, status: u16, body: &'static str) {
    let head = Response::builder().status(status).body(()).unwrap();
    let mut stream = respond.send_response(head, body.is_empty()).unwrap();
    if !body.is_empty() {
        stream.send_data(Bytes::from_static(body.as_bytes()), true).unwrap();
    }
}

/// Status and text of an answer.
pub async fn answered(response: ResponseFuture) -> (StatusCode, String) {
    let (parts, mut body) = response.await.unwrap().into_parts();
    (parts.status, text(&mut body).await)
}

/// The connection manager of a sidecar in front of this backend.
pub fn manager_of(backend: SocketAddr) -> HttpConnectionManager {
    manager(&plain(&[backend]), None)
}

/// The same with a policy of when to send again.
pub fn retrying(backend: SocketAddr, policy: leno_engine::resilience::RetryPolicy) -> HttpConnectionManager {
    use leno_engine::route::Action;
    use leno_proxy::config::{RouteSource, Routes};
    let mut manager = manager_of(backend);
    let RouteSource::Inline(routes) = &manager.routes else { panic!("routes are inline") };
    let mut table = routes.table.clone();
    let Action::Forward(forward) = &mut table.hosts[0].routes[0].action else { panic!("it goes on") };
    forward.retry = Some(policy.into());
    let routes = Routes { name: routes.name.clone(), table, clusters: routes.clusters.clone() };
    manager.routes = RouteSource::Inline(Arc::new(routes));
    manager
}

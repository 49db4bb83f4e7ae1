//! As little HTTP as the roles need, on hyper.

use std::{convert::Infallible, future::Future, net::SocketAddr, time::Duration};

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::{
    client::legacy::{Client as PooledClient, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use tokio::net::TcpListener;

/// More than any answer in this scene.
const MAX_BODY: usize = 64 * 1024;

/// Serves HTTP/1.1 on every address, for ever.
pub(crate) async fn serve<H, F>(port: u16, handler: H) -> anyhow::Result<()>
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let address = SocketAddr::from(([0, 0, 0, 0], port));
    let listener = TcpListener::bind(address).await.with_context(|| format!("listen on {address}"))?;
    loop {
        let (stream, _) = listener.accept().await?;
        let handler = handler.clone();
        let service = service_fn(move |request| {
            let answer = handler(request);
            async move { Ok::<_, Infallible>(answer.await) }
        });
        let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        spawn(async move {
            if let Err(error) = connection.await {
                say(&format!("connection ended: {error}"));
            }
        });
    }
}

/// A client with its pool of connections.
#[derive(Clone)]
pub(crate) struct Client {
    client: PooledClient<HttpConnector, Full<Bytes>>,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Which store served it: header `identity`.
    pub(crate) identity: String,
    pub(crate) body: String,
}

impl Client {
    pub(crate) fn new() -> Self {
        Self { client: PooledClient::builder(TokioExecutor::new()).build_http() }
    }

    /// Sends one request with extra headers and reads the whole answer, within five seconds.
    pub(crate) async fn send(&self, method: &str, url: &str, headers: &[(&str, &str)]) -> anyhow::Result<Answer> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::default())?;
        let exchange = async {
            let response = self.client.request(request).await?;
            let status = response.status().as_u16();
            let identity = response.headers().get("identity").and_then(|value| value.to_str().ok());
            let identity = identity.unwrap_or_default().to_owned();
            let body = Limited::new(response.into_body(), MAX_BODY).collect().await;
            let body = body.map_err(|error| anyhow::anyhow!("{error}"))?.to_bytes();
            Ok(Answer { status, identity, body: String::from_utf8_lossy(&body).into_owned() })
        };
        tokio::time::timeout(Duration::from_secs(5), exchange).await.context("no answer within 5 s")?
    }
}

/// An answer with a text.
pub(crate) fn answer(status: u16, identity: &str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    if let Ok(value) = identity.parse() {
        response.headers_mut().insert("identity", value);
    }
    response
}

/// Runs something beside the rest of the role.
#[expect(clippy::disallowed_methods, reason = "an application, not the mesh: it has nothing to drain")]
pub(crate) fn spawn(work: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(work);
}

/// One line on standard output: what `leno logs` shows.
#[expect(clippy::print_stdout, reason = "the application's log")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}

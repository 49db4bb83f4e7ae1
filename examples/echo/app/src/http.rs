//! HTTP requests come back as JSON.
//!
//! | path | answers |
//! |---|---|
//! | `/ws` | a WebSocket that returns every message |
//! | `/status/503` | that status |
//! | `/delay/250` | after that many milliseconds |
//! | `/bytes/1000` | that many bytes |
//! | `/stream` | the request's body as it comes, and its trailers |
//! | anything else | what was seen: pod, method, path, version, headers, body |

use std::{collections::BTreeMap, convert::Infallible, net::SocketAddr, time::Duration};

use anyhow::Context as _;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::{BodyExt as _, Empty, Full, Limited, combinators::BoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body as _, Incoming},
    header::{self, HeaderMap, HeaderValue},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::net::TcpListener;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{handshake::derive_accept_key, protocol::Role},
};

/// The largest body that is shown; `/stream` has no limit.
const MAX_SHOWN: usize = 4 * 1024 * 1024;

pub(crate) type Body = BoxBody<Bytes, hyper::Error>;

/// How every request is answered.
#[derive(Clone, Debug)]
pub(crate) struct Says {
    /// Who answers.
    pub(crate) name: String,
    /// How long it thinks before.
    pub(crate) delay: Duration,
    /// The status, where the request asks for none.
    pub(crate) status: StatusCode,
}

/// Serves HTTP/1.1 and HTTP/2 on one port, for ever.
pub(crate) async fn serve(address: SocketAddr, says: Says) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("listen on {address}"))?;
    loop {
        let (stream, peer) = listener.accept().await?;
        let says = says.clone();
        let service = service_fn(move |request| {
            let says = says.clone();
            async move {
                tokio::time::sleep(says.delay).await;
                Ok::<_, Infallible>(handle(request, &says, peer).await)
            }
        });
        crate::spawn(async move {
            let connection = auto::Builder::new(TokioExecutor::new());
            if let Err(error) = connection.serve_connection_with_upgrades(TokioIo::new(stream), service).await {
                crate::say(&format!("http: {error}"));
            }
        });
    }
}

async fn handle(request: Request<Incoming>, says: &Says, peer: SocketAddr) -> Response<Body> {
    let head = *request.method() == Method::HEAD;
    let mut response = match dispatch(request, &says.name, peer).await {
        Ok(mut response) => {
            if response.status() == StatusCode::OK {
                *response.status_mut() = says.status;
            }
            response
        }
        Err(error) => text(StatusCode::BAD_REQUEST, format!("{error:#}\n")),
    };
    if let Ok(value) = HeaderValue::from_str(&says.name) {
        response.headers_mut().insert("x-pod", value);
    }
    // Over HTTP/1 hyper leaves a body out, over HTTP/2 it would be sent.
    if head {
        if let Some(length) = response.body().size_hint().exact() {
            response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        *response.body_mut() = Empty::new().map_err(|never| match never {}).boxed();
    }
    response
}

async fn dispatch(request: Request<Incoming>, name: &str, peer: SocketAddr) -> anyhow::Result<Response<Body>> {
    let content_type = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    if content_type.is_some_and(|value| value.starts_with(b"application/grpc")) {
        return Ok(crate::grpc::echo(request));
    }
    let path = request.uri().path().to_owned();
    match path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), "")) {
        ("ws", _) => websocket(request),
        ("status", code) => Ok(text(code.parse().context("the path is /status/<code>")?, format!("{code}\n"))),
        ("delay", millis) => {
            tokio::time::sleep(Duration::from_millis(millis.parse().context("the path is /delay/<ms>")?)).await;
            seen(request, name, peer).await
        }
        ("bytes", count) => {
            let count: usize = count.parse().context("the path is /bytes/<count>")?;
            Ok(text(StatusCode::OK, vec![b'x'; count.min(1 << 30)]))
        }
        ("stream", _) => Ok(Response::new(request.into_body().boxed())),
        _ => seen(request, name, peer).await,
    }
}

async fn seen(request: Request<Incoming>, name: &str, peer: SocketAddr) -> anyhow::Result<Response<Body>> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, MAX_SHOWN).collect().await.map_err(|error| anyhow::anyhow!("{error}"))?;
    let trailers = body.trailers().map(listed).unwrap_or_default();
    let json = serde_json::json!({
        "pod": name,
        "peer": peer.to_string(),
        "method": parts.method.as_str(),
        "path": parts.uri.path_and_query().map_or("", |path| path.as_str()),
        "authority": parts.uri.authority().map(|authority| authority.as_str()),
        "version": format!("{:?}", parts.version),
        "headers": listed(&parts.headers),
        "trailers": trailers,
        "body": String::from_utf8_lossy(&body.to_bytes()),
    });
    let mut response = text(StatusCode::OK, format!("{json}\n"));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

fn listed(headers: &HeaderMap) -> BTreeMap<String, Vec<String>> {
    let mut listed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        listed.entry(name.to_string()).or_default().push(String::from_utf8_lossy(value.as_bytes()).into_owned());
    }
    listed
}

fn websocket(mut request: Request<Incoming>) -> anyhow::Result<Response<Body>> {
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY).context("this path speaks WebSocket")?;
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes()))?;
    let upgrade = hyper::upgrade::on(&mut request);
    crate::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
        let (mut write, mut read) = socket.split();
        while let Some(Ok(message)) = read.next().await {
            let data = message.is_text() || message.is_binary();
            if data && write.send(message).await.is_err() {
                return;
            }
        }
    });
    let mut response = text(StatusCode::SWITCHING_PROTOCOLS, Bytes::new());
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    Ok(response)
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Full::new(body.into()).map_err(|never| match never {}).boxed());
    *response.status_mut() = status;
    response
}

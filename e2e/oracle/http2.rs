//! Both ends of HTTP/2: a backend, and a caller.

use std::{net::TcpStream, time::Duration};

use bytes::Bytes;
use h2::{RecvStream, client, ext::Protocol, server};
use http::{Method, Request as HttpRequest, Response};
use tokio::runtime::{Builder, Runtime};

use crate::{
    case::Request,
    exchange::{Answer, answer_of},
    upstream::{Arrived, Backend, Plan},
};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn asynchronous(stream: TcpStream) -> tokio::net::TcpStream {
    stream.set_nonblocking(true).expect("it can wait");
    tokio::net::TcpStream::from_std(stream).expect("a stream")
}

/// Serves a connection that begins with the preface of HTTP/2.
pub(crate) fn serve(backend: &Backend, stream: TcpStream) {
    runtime().block_on(async {
        let mut builder = server::Builder::new();
        builder.enable_connect_protocol();
        let Ok(mut connection) = builder.handshake::<_, Bytes>(asynchronous(stream)).await else { return };
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            let (parts, body) = request.into_parts();
            let protocol = parts.extensions.get::<Protocol>().map(|protocol| protocol.as_str().to_owned());
            let tunnels = parts.method == Method::CONNECT;
            let mut headers =
                vec![(":authority".to_owned(), parts.uri.authority().map_or("", |a| a.as_str()).to_owned())];
            headers.extend(parts.uri.scheme_str().map(|scheme| (":scheme".to_owned(), scheme.to_owned())));
            headers.extend(protocol.map(|protocol| (":protocol".to_owned(), protocol)));
            let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            headers.extend(parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))));
            let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
            // Read beside the connection, which must go on meanwhile.
            let sent = async { if tunnels { Vec::new() } else { read(body).await } };
            let sent = tokio::select! { sent = sent => sent, _ = connection.accept() => Vec::new() };
            let line = format!("{} {path} HTTP/2", parts.method);
            let Plan { status, body, more, closes, delay } = backend.plan(&Arrived { line, headers, body: sent });
            if closes {
                respond.send_reset(h2::Reason::INTERNAL_ERROR);
                continue;
            }
            tokio::time::sleep(delay.unwrap_or_default()).await;
            let mut head = Response::builder().status(u16::try_from(status).unwrap_or(500));
            if let Some((name, value)) = more {
                head = head.header(name, value);
            }
            let Ok(mut stream) = respond.send_response(head.body(()).expect("a head"), body.is_empty()) else {
                continue;
            };
            if !body.is_empty() {
                stream.send_data(body.into(), true).ok();
            }
        }
    });
}

/// All of a body; its trailers as lines at its end.
async fn read(mut body: RecvStream) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(Ok(piece)) = body.data().await {
        body.flow_control().release_capacity(piece.len()).ok();
        all.extend_from_slice(&piece);
    }
    if let Ok(Some(trailers)) = body.trailers().await {
        for (name, value) in &trailers {
            all.extend_from_slice(format!("\n{name}: {}", String::from_utf8_lossy(value.as_bytes())).as_bytes());
        }
    }
    all
}

/// Asks by HTTP/2.
pub(crate) fn ask(port: u16, request: &Request, id: &str) -> Answer {
    let asked = async {
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        let (mut send, mut connection) = client::handshake(stream).await.ok()?;
        if request.protocol.is_some() {
            // What the other side takes is known with its first settings.
            let known = async {
                while !send.is_extended_connect_protocol_enabled() {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                _ = &mut connection => return None,
                known = tokio::time::timeout(Duration::from_secs(5), known) => known.ok()?,
            }
        }
        let answer = answer(&mut send, request, id);
        tokio::select! { answer = answer => answer, _ = &mut connection => None }
    };
    let waited = async { tokio::time::timeout(Duration::from_secs(20), asked).await.ok().flatten() };
    runtime().block_on(waited).unwrap_or_default()
}

async fn answer(send: &mut client::SendRequest<Bytes>, request: &Request, id: &str) -> Option<Answer> {
    let header = |wanted: &str| request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
    let host = header("host").map_or("example.com", |(_, value)| value);
    let connect = request.method == "CONNECT" && request.protocol.is_none();
    let uri = if connect { request.target.clone() } else { format!("http://{host}{}", request.target) };
    let mut head = HttpRequest::builder().method(request.method.as_str()).uri(uri).header("x-case", id);
    if let Some(protocol) = &request.protocol {
        head = head.extension(Protocol::from(protocol.as_str()));
    }
    for (name, value) in request.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("host")) {
        head = head.header(name, value);
    }
    let tunnels = request.method == "CONNECT";
    let ends = request.body.is_empty() && !tunnels;
    let (response, mut up) = send.send_request(head.body(()).ok()?, ends).ok()?;
    if !ends && !tunnels {
        up.send_data(request.body.clone().into(), true).ok()?;
    }
    let (parts, body) = response.await.ok()?.into_parts();
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    Some(answer_of(parts.status.as_u16(), headers, &read(body).await))
}

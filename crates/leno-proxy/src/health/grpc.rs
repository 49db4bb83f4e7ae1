//! gRPC's health service ([protocol]), of which two fields are needed: the service asked for, and the answered status.
//!
//! [protocol]: https://github.com/grpc/grpc/blob/master/doc/health-checking.md

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::RecvStream;
use http::{HeaderValue, Request, header};
use leno_engine::resilience::health::CheckResult;
use prost::Message;
use tokio::task::spawn_local;

use crate::io::Io;

/// How much of an answer is looked at.
const ANSWER: usize = 1024;

/// `grpc.health.v1.HealthCheckRequest`.
#[derive(Clone, PartialEq, Eq, Message)]
struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

/// `grpc.health.v1.HealthCheckResponse`.
#[derive(Clone, PartialEq, Eq, Message)]
struct HealthCheckResponse {
    /// 1: `SERVING`.
    #[prost(int32, tag = "1")]
    status: i32,
}

pub(super) async fn ask(io: Io, service: &str, authority: &str) -> CheckResult {
    match status(io, service, authority).await {
        Some(1) => CheckResult::Passed,
        Some(_) => CheckResult::Immediate,
        None => CheckResult::Failed,
    }
}

/// The answered status; `None` when it was not answered.
async fn status(io: Io, service: &str, authority: &str) -> Option<i32> {
    let (send, connection) = h2::client::handshake(io).await.ok()?;
    let connection = spawn_local(connection);
    let uri = http::Uri::builder().scheme("http").authority(authority);
    let mut request = Request::post(uri.path_and_query("/grpc.health.v1.Health/Check").build().ok()?);
    let headers = request.headers_mut()?;
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    let (answer, mut body) = send.ready().await.ok()?.send_request(request.body(()).ok()?, false).ok()?;
    body.send_data(framed(&HealthCheckRequest { service: service.to_owned() }), true).ok()?;
    let message = read(answer.await.ok()?.into_body()).await;
    connection.abort();
    // A flag that says that it is not compressed, and the length.
    Some(HealthCheckResponse::decode(message.get(5..)?).ok()?.status)
}

fn framed(message: &impl Message) -> Bytes {
    let bytes = message.encode_to_vec();
    let mut framed = BytesMut::with_capacity(bytes.len() + 5);
    framed.put_u8(0);
    framed.put_u32(u32::try_from(bytes.len()).unwrap_or_default());
    framed.put_slice(&bytes);
    framed.freeze()
}

async fn read(mut body: RecvStream) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(Ok(piece)) = body.data().await
        && all.len() + piece.len() <= ANSWER
    {
        all.extend_from_slice(&piece);
    }
    all
}

//! Heads that are written: the caller's passed on, the endpoint's passed back, and our own.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri, header, request::Parts};

use super::super::{
    decide::Routed,
    header::{self as changes, Change, Ids},
    reply::{self, Reply},
};
use crate::connection::Connection;

/// Fields that HTTP/2 has no use for ([RFC 9113, 8.2.2]).
///
/// [RFC 9113, 8.2.2]: https://www.rfc-editor.org/rfc/rfc9113#section-8.2.2
const CONNECTION_FIELDS: [HeaderName; 4] =
    [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE, HeaderName::from_static("keep-alive")];

/// The request that goes on, and what the proxy set. `None` when a rewrite makes no legal target.
pub(super) fn request(connection: &Connection, parts: &Parts, routed: &Routed) -> Option<(Request<()>, Ids)> {
    let header = |name: &str| parts.headers.get(name).map(HeaderValue::as_bytes);
    let ids = Ids::missing(header);
    let changes = changes::request(connection, routed, &ids, header);
    let mut headers = parts.headers.clone();
    for name in &CONNECTION_FIELDS {
        headers.remove(name);
    }
    apply(&mut headers, &changes);
    let mut request = Request::new(());
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = uri(parts, routed)?;
    *request.version_mut() = http::Version::HTTP_2;
    *request.headers_mut() = headers;
    // Extended CONNECT (RFC 8441) names its protocol here.
    if let Some(protocol) = parts.extensions.get::<h2::ext::Protocol>() {
        request.extensions_mut().insert(protocol.clone());
    }
    Some((request, ids))
}

fn uri(parts: &Parts, routed: &Routed) -> Option<Uri> {
    if routed.target.is_none() && routed.host.is_none() {
        return Some(parts.uri.clone());
    }
    let mut uri = parts.uri.clone().into_parts();
    if let Some(target) = &routed.target {
        uri.path_and_query = Some(target.parse().ok()?);
    }
    if let Some(host) = &routed.host {
        uri.authority = Some(host.parse().ok()?);
    }
    Uri::from_parts(uri).ok()
}

/// The answer that is passed back.
pub(super) fn response(parts: http::response::Parts, routed: &Routed) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = parts.status;
    *response.headers_mut() = parts.headers;
    let headers = response.headers_mut();
    let own = headers.clone();
    let changes = changes::response(&routed.response_edits, parts.status.as_u16(), |name| {
        own.get(name).map(HeaderValue::as_bytes)
    });
    apply(headers, &changes);
    response
}

fn apply(headers: &mut HeaderMap, changes: &[Change<'_>]) {
    for change in changes {
        let Ok(name) = HeaderName::from_bytes(change.name().as_bytes()) else {
            continue;
        };
        match change {
            Change::Remove(_) => drop(headers.remove(name)),
            Change::Set(_, value) => {
                if let Ok(value) = HeaderValue::from_str(value) {
                    headers.insert(name, value);
                }
            }
            Change::Append(_, value) => {
                if let Ok(value) = HeaderValue::from_str(value) {
                    headers.append(name, value);
                }
            }
        }
    }
}

/// Our own answer with its body; gRPC clients get it as the status that they understand.
pub(super) fn reply(reply: &Reply, grpc: bool) -> (Response<()>, Bytes) {
    let as_grpc = grpc.then(|| reply.for_grpc()).flatten();
    let reply = as_grpc.as_ref().unwrap_or(reply);
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let headers = response.headers_mut();
    for (name, value) in &reply.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            headers.append(name, value);
        }
    }
    if as_grpc.is_none() {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(reply.body.len()));
    }
    (response, reply.body.clone())
}

/// How long a body says to be.
pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whether a request is gRPC.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| reply::is_grpc(value.as_bytes()))
}

/// The status of HTTP that a gRPC status stands for ([Envoy's table]).
///
/// [Envoy's table]: https://cloud.google.com/apis/design/errors#generating_errors
pub(super) fn http_status(grpc: u32) -> u16 {
    match grpc {
        0 => 200,
        1 => 499,
        3 | 9 | 11 => 400,
        4 => 504,
        5 => 404,
        6 | 10 => 409,
        7 => 403,
        8 => 429,
        12 => 501,
        14 => 503,
        16 => 401,
        _ => 500,
    }
}

//! gRPC messages come back: unary and streaming alike, whatever the method, as raw frames.

use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body_util::{BodyExt, BodyStream, StreamBody};
use hyper::{
    Request, Response,
    body::{Frame, Incoming},
    header::{self, HeaderMap, HeaderValue},
};

use crate::http::Body;

/// Returns the request's messages as they come and ends with `grpc-status: 0`. The request's `x-echo` metadata is
/// returned, and `x-grpc-status` asks for another final status.
pub(crate) fn echo(request: Request<Incoming>) -> Response<Body> {
    let status = request.headers().get("x-grpc-status").cloned().unwrap_or(HeaderValue::from_static("0"));
    let returned = request.headers().get("x-echo").cloned();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", status);
    trailers.insert("x-echo-trailer", HeaderValue::from_static("end"));
    let messages = BodyStream::new(request.into_body())
        .filter(|frame| std::future::ready(!frame.as_ref().is_ok_and(Frame::is_trailers)));
    let end =
        futures_util::stream::once(std::future::ready(Ok::<Frame<Bytes>, hyper::Error>(Frame::trailers(trailers))));
    let mut response = Response::new(BodyExt::boxed(StreamBody::new(messages.chain(end))));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    if let Some(value) = returned {
        response.headers_mut().insert("x-echo", value);
    }
    response
}

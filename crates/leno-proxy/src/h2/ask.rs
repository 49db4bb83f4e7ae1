//! A whole request and its whole answer, for who has no use for pieces.

use std::{
    future::poll_fn,
    rc::Rc,
    task::{Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::Request;
use leno_http2::{Expected, Head, StreamError, Writer};

use super::{Link, Over, Stream};

/// An answer.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) head: Head,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<Head>,
}

/// Why there is none.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(crate) enum Unanswered {
    /// The request was not sent.
    #[error("HTTP/2: {0}")]
    Unsent(StreamError),
    /// The stream was reset, or its connection broke.
    #[error("HTTP/2: {0}")]
    Over(Over),
    /// The body is larger than allowed.
    #[error("the answer is too large")]
    TooLarge,
}

/// Sends a request with its body, and reads the answer, whose body has `most` bytes at most.
///
/// # Errors
/// Why there is no answer.
pub(crate) async fn ask(
    link: &Rc<Link>,
    request: &Request<()>,
    mut body: Bytes,
    most: usize,
) -> Result<Answered, Unanswered> {
    let expected = if request.method() == http::Method::HEAD { Expected::Nothing } else { Expected::Body };
    let kind = (body.is_empty(), expected);
    let opened = poll_fn(|cx| link.poll_open(cx, kind, &mut |writer| write(writer, request))).await;
    let stream = opened.map_err(Unanswered::Unsent)?;
    let mut sent = kind.0;
    let head = poll_fn(|cx| {
        // What the endpoint does not want to read does not matter once it answers.
        sent = sent || stream.poll_send(cx, &mut body, true).is_ready();
        loop {
            let head = ready!(stream.poll_answer(cx))?;
            if head.status() >= 200 {
                return Poll::Ready(Ok(head));
            }
        }
    });
    let head = head.await.map_err(Unanswered::Over)?;
    let body = read(&stream, most).await?;
    Ok(Answered { head, body, trailers: stream.trailers() })
}

async fn read(stream: &Stream, most: usize) -> Result<Bytes, Unanswered> {
    let mut all = BytesMut::new();
    while let Some(piece) = poll_fn(|cx| stream.poll_data(cx)).await.map_err(Unanswered::Over)? {
        if all.len() + piece.len() > most {
            return Err(Unanswered::TooLarge);
        }
        all.extend_from_slice(&piece);
        stream.release(piece.len());
    }
    Ok(all.freeze())
}

fn write(writer: &mut Writer<'_>, request: &Request<()>) {
    let uri = request.uri();
    writer.method(request.method().as_str());
    writer.scheme(uri.scheme_str().unwrap_or("http"));
    writer.authority(uri.authority().map_or("", http::uri::Authority::as_str));
    writer.path(uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str));
    for (name, value) in request.headers() {
        writer.field(name.as_str().as_bytes(), value.as_bytes());
    }
}

//! Questions in gRPC: one message there, one back ([protocol]).
//!
//! [protocol]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md

use std::{fmt::Write as _, rc::Rc, time::Duration};

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::{Reason, RecvStream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use leno_engine::{
    request::RequestHead,
    resilience::outlier::{LocalOrigin, Outcome},
    route::{Facts, HeaderEdits, HeaderWrite},
};
use prost::Message;

use super::{ANSWER, AskError, Asked, Failed, choose, cluster, within};
use crate::{
    config::{Cluster, Slot},
    connection::Direction,
    upstream::Http2,
    worker::Worker,
};

/// A question.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// Service and method: `/package.Service/Method`.
    pub(crate) path: &'static str,
    /// The host that it is asked as.
    pub(crate) authority: &'a str,
    /// Further headers.
    pub(crate) metadata: Vec<(HeaderName, HeaderValue)>,
    /// How long an answer may take.
    pub(crate) timeout: Option<Duration>,
}

/// Headers of a question, with what is known of the request filled in; what is no header is left out.
pub(crate) fn metadata<R: RequestHead>(writes: &[HeaderWrite], facts: &Facts<'_, R>) -> Vec<(HeaderName, HeaderValue)> {
    let bound = HeaderEdits { remove: Vec::new(), add: writes.to_vec() }.bind(facts);
    let pair = |write: HeaderWrite| {
        let value = HeaderValue::from_str(&write.value.text(0, |_| None)?).ok()?;
        Some((HeaderName::from_bytes(write.name.as_bytes()).ok()?, value))
    };
    bound.add.into_iter().filter_map(pair).collect()
}

/// Asks, and reads the answer.
///
/// # Errors
/// Why there is no answer, or that it is a failure.
pub(crate) async fn unary<A: Message + Default>(
    worker: &Rc<Worker>,
    slot: &Slot<Cluster>,
    call: &Call<'_>,
    question: &impl Message,
) -> Result<A, AskError> {
    let framed = framed(question);
    let bytes = within(call.timeout, async |_| {
        let cluster = cluster(slot).await.map_err(Failed::Read)?;
        let _admitted = cluster.breaker.request().map_err(|error| Failed::Read(error.into()))?;
        let asked = choose(worker, &cluster).await.map_err(Failed::Read)?;
        ask(worker, &asked, call, framed.clone()).await
    });
    let bytes = bytes.await?;
    A::decode(bytes).map_err(|error| AskError::Broken(format!("the answer is no {}: {error}", call.path)))
}

/// Asks one endpoint.
async fn ask(worker: &Rc<Worker>, asked: &Asked, call: &Call<'_>, question: Bytes) -> Result<Bytes, Failed> {
    let Asked { cluster, endpoint, .. } = asked;
    let connected = Http2::to(worker, Direction::Outbound, cluster, endpoint).await;
    let lease = connected.map_err(|error| match error.retryable {
        true => Failed::Unread(error.into()),
        false => Failed::Read(error.into()),
    })?;
    let broken = |error: &h2::Error| {
        let answer = AskError::Broken(format!("{}: HTTP/2: {error}", endpoint.address));
        let unread = error.reason() == Some(Reason::REFUSED_STREAM) || error.is_go_away();
        if unread { Failed::Unread(answer) } else { Failed::Read(answer) }
    };
    let mut send = lease.send().ready().await.map_err(|error| {
        lease.retire();
        Failed::Unread(AskError::Broken(format!("{}: HTTP/2: {error}", endpoint.address)))
    })?;
    let request = request(call).ok_or(Failed::Read(AskError::Question))?;
    let sent = send.send_request(request, false).and_then(|(answer, mut body)| {
        body.send_data(question, true)?;
        Ok(answer)
    });
    let answered = match sent {
        Ok(answer) => answer.await,
        Err(error) => Err(error),
    };
    let answer = answered.map_err(|error| {
        if error.is_io() || error.is_go_away() {
            lease.retire();
        }
        cluster.report(worker, endpoint, Outcome::LocalOrigin(LocalOrigin::Reset));
        broken(&error)
    })?;
    cluster.report(worker, endpoint, Outcome::Status(answer.status().as_u16()));
    let (head, mut body) = answer.into_parts();
    if head.status != 200 {
        return Err(Failed::Read(AskError::Broken(format!("{} answered with {}", endpoint.address, head.status))));
    }
    // Without a message the status stands in the head.
    if let Some(status) = status(&head.headers).filter(|_| body.is_end_stream()) {
        return Err(Failed::Read(status.err().unwrap_or_else(|| AskError::Broken("no message".to_owned()))));
    }
    let message = read(&mut body).await.map_err(Failed::Read)?;
    let trailers = body.trailers().await.map_err(|error| broken(&error))?;
    trailers.as_ref().and_then(status).unwrap_or(Ok(())).map_err(Failed::Read)?;
    unframed(message).map_err(Failed::Read)
}

fn request(call: &Call<'_>) -> Option<Request<()>> {
    let uri = http::Uri::builder().scheme("http").authority(call.authority).path_and_query(call.path).build().ok()?;
    let mut request = Request::post(uri);
    let headers = request.headers_mut()?;
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    if let Some(time) = call.timeout {
        headers.insert(HeaderName::from_static("grpc-timeout"), timeout_value(time)?);
    }
    headers.extend(call.metadata.iter().cloned());
    request.body(()).ok()
}

/// A time of at most eight digits.
fn timeout_value(time: Duration) -> Option<HeaderValue> {
    let mut text = String::new();
    match time.as_millis() {
        millis @ 0..100_000_000 => write!(text, "{millis}m").ok()?,
        _ => write!(text, "{}S", time.as_secs().min(99_999_999)).ok()?,
    }
    HeaderValue::from_str(&text).ok()
}

/// The status in headers or trailers, if it is there.
fn status(headers: &HeaderMap) -> Option<Result<(), AskError>> {
    let status = headers.get("grpc-status")?.to_str().ok().and_then(|status| status.parse().ok()).unwrap_or(2);
    let message = || headers.get("grpc-message").and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned();
    Some(if status == 0 { Ok(()) } else { Err(AskError::Status(status, message())) })
}

/// A message behind a flag that says that it is not compressed, and its length.
pub(crate) fn framed(message: &impl Message) -> Bytes {
    let bytes = message.encode_to_vec();
    let mut framed = BytesMut::with_capacity(bytes.len() + 5);
    framed.put_u8(0);
    framed.put_u32(u32::try_from(bytes.len()).unwrap_or_default());
    framed.put_slice(&bytes);
    framed.freeze()
}

/// The message in a frame, which must be all there is.
fn unframed(mut bytes: Bytes) -> Result<Bytes, AskError> {
    let length = bytes.get(1..5).and_then(|length| length.try_into().ok()).map(u32::from_be_bytes);
    let plain = bytes.first() == Some(&0);
    if !plain || length.and_then(|length| usize::try_from(length).ok()) != bytes.len().checked_sub(5) {
        return Err(AskError::Broken("the answer is compressed, or not one message".to_owned()));
    }
    Ok(bytes.split_off(5))
}

/// All that comes.
async fn read(body: &mut RecvStream) -> Result<Bytes, AskError> {
    let mut all = BytesMut::new();
    while let Some(piece) = body.data().await {
        let piece = piece.map_err(|error| AskError::Broken(format!("HTTP/2: {error}")))?;
        if all.len() + piece.len() > ANSWER {
            return Err(AskError::Broken(format!("the answer has more than {ANSWER} bytes")));
        }
        all.extend_from_slice(&piece);
        // A stream that is gone says so when it is read.
        body.flow_control().release_capacity(piece.len()).ok();
    }
    Ok(all.freeze())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_have_eight_digits() {
        let value = |time| timeout_value(time).unwrap().to_str().unwrap().to_owned();
        assert_eq!(value(Duration::from_millis(200)), "200m");
        assert_eq!(value(Duration::from_secs(100_000)), "100000S");
        assert_eq!(value(Duration::from_secs(u64::MAX)), "99999999S");
    }

    #[test]
    fn a_status_is_found_and_told() {
        let mut headers = HeaderMap::new();
        assert!(status(&headers).is_none());
        headers.insert("grpc-status", HeaderValue::from_static("0"));
        assert!(matches!(status(&headers), Some(Ok(()))));
        headers.insert("grpc-status", HeaderValue::from_static("x"));
        assert!(matches!(status(&headers), Some(Err(AskError::Status(2, _)))));
    }

    proptest! {
        #[test]
        fn a_frame_is_one_message(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut right = vec![0, 0, 0, 0, u8::try_from(bytes.len()).unwrap()];
            right.extend(&bytes);
            prop_assert_eq!(unframed(right.into()).unwrap(), bytes.clone());
            let is_frame = bytes.len() >= 5 && bytes[..4] == [0; 4] && usize::from(bytes[4]) == bytes.len() - 5;
            prop_assert_eq!(unframed(bytes.into()).is_ok(), is_frame);
        }
    }
}

//! Questions in gRPC: one message there, one back ([protocol]).
//!
//! [protocol]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md

use std::{fmt::Write as _, rc::Rc, time::Duration};

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Request, header};
use leno_engine::{
    request::RequestHead,
    resilience::outlier::{LocalOrigin, Outcome},
    route::{Facts, HeaderEdits, HeaderWrite},
};
use leno_http2::{Code, Head};
use prost::Message;

use super::{ANSWER, AskError, Asked, Failed, choose, cluster, within};
use crate::{
    config::{Cluster, Slot},
    dial::OnBehalf,
    h2::{self, Answered, Over, Unanswered},
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
    let connected = Http2::to(OnBehalf::Proxy(worker), cluster, endpoint).await;
    let lease = connected.map_err(|error| match error.retryable {
        true => Failed::Unread(error.into()),
        false => Failed::Read(error.into()),
    })?;
    let request = request(call).ok_or(Failed::Read(AskError::Question))?;
    let answered = h2::ask(lease.link(), &request, question, ANSWER).await.map_err(|unanswered| {
        let error = AskError::Broken(format!("{}: {unanswered}", endpoint.address));
        match unanswered {
            Unanswered::Unsent(_) => return Failed::Unread(error),
            Unanswered::TooLarge => return Failed::Read(error),
            Unanswered::Over(_) => cluster.report(worker, endpoint, Outcome::LocalOrigin(LocalOrigin::Reset)),
        }
        match unanswered {
            Unanswered::Over(Over::Reset(Code::REFUSED_STREAM)) => Failed::Unread(error),
            Unanswered::Over(_) | Unanswered::Unsent(_) | Unanswered::TooLarge => Failed::Read(error),
        }
    })?;
    let Answered { head, body, trailers } = answered;
    cluster.report(worker, endpoint, Outcome::Status(head.status()));
    if head.status() != 200 {
        return Err(Failed::Read(AskError::Broken(format!("{} answered with {}", endpoint.address, head.status()))));
    }
    let status = |head: &Head| status(head.value("grpc-status"), head.value("grpc-message"));
    // Without a message the status stands in the head.
    if let Some(status) = status(&head).filter(|_| body.is_empty() && trailers.is_none()) {
        return Err(Failed::Read(status.err().unwrap_or_else(|| AskError::Broken("no message".to_owned()))));
    }
    trailers.as_ref().and_then(status).unwrap_or(Ok(())).map_err(Failed::Read)?;
    unframed(body).map_err(Failed::Read)
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

/// The status and message of headers or trailers, if they are there.
fn status(status: Option<&[u8]>, message: Option<&[u8]>) -> Option<Result<(), AskError>> {
    let status = std::str::from_utf8(status?).ok().and_then(|status| status.parse().ok()).unwrap_or(2);
    let message = || String::from_utf8_lossy(message.unwrap_or_default()).into_owned();
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
    let message = length.and_then(|length| bytes.get(5..5_usize.checked_add(usize::try_from(length).ok()?)?));
    if bytes.first() != Some(&0) || message.is_none_or(|message| message.len() + 5 != bytes.len()) {
        return Err(AskError::Broken("the answer is compressed, or not one message".to_owned()));
    }
    Ok(bytes.split_off(5))
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
        assert!(status(None, None).is_none());
        assert!(matches!(status(Some(b"0"), None), Some(Ok(()))));
        assert!(matches!(status(Some(b"x"), None), Some(Err(AskError::Status(2, _)))));
    }

    #[test]
    fn half_a_frame_is_none() {
        for length in 0..5 {
            assert!(unframed(vec![0; length].into()).is_err(), "{length}");
        }
        assert!(unframed(vec![0; 5].into()).is_ok_and(|message| message.is_empty()));
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

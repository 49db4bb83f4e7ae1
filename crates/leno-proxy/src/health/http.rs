//! A question in HTTP.

use std::ops::Range;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use leno_engine::resilience::health::CheckResult;
use tokio::task::spawn_local;

use crate::{config::health_check::HttpQuestion, io::Io};

/// Who asks.
const AGENT: HeaderValue = HeaderValue::from_static("leno-health-check");

/// Asks; `host` is the endpoint's own, if it has one.
pub(super) async fn ask(io: Io, question: &HttpQuestion, host: Option<&str>) -> CheckResult {
    let host = host.unwrap_or(&question.host);
    let status = match question.http2 {
        true => http2(io, question, host).await,
        false => http1(io, question, host).await,
    };
    match status {
        Some(status) => judge(question, status),
        None => CheckResult::Failed,
    }
}

/// What a status says.
fn judge(question: &HttpQuestion, status: u16) -> CheckResult {
    let among = |ranges: &[Range<u16>]| ranges.iter().any(|range| range.contains(&status));
    if among(&question.expected) {
        CheckResult::Passed
    } else if among(&question.retriable) {
        CheckResult::Failed
    } else {
        CheckResult::Immediate
    }
}

async fn http1(io: Io, question: &HttpQuestion, host: &str) -> Option<u16> {
    let (mut send, connection) = hyper::client::conn::http1::handshake(TokioIo::new(io)).await.ok()?;
    let connection = spawn_local(connection);
    let mut request = Request::builder().method(question.method.clone()).uri(&*question.path);
    let headers = request.headers_mut()?;
    headers.insert(header::HOST, HeaderValue::from_str(host).ok()?);
    headers.insert(header::USER_AGENT, AGENT);
    headers.extend(question.headers.clone());
    let answer = send.send_request(request.body(Empty::<Bytes>::new()).ok()?).await;
    connection.abort();
    answer.ok().as_ref().map(Response::status).map(|status| status.as_u16())
}

async fn http2(io: Io, question: &HttpQuestion, host: &str) -> Option<u16> {
    let (send, connection) = h2::client::handshake(io).await.ok()?;
    let connection = spawn_local(connection);
    let uri = http::Uri::builder().scheme("http").authority(host).path_and_query(&*question.path);
    let mut request = Request::builder().method(question.method.clone()).uri(uri.build().ok()?);
    let headers = request.headers_mut()?;
    headers.insert(header::USER_AGENT, AGENT);
    headers.extend(question.headers.clone());
    let (answer, _) = send.ready().await.ok()?.send_request(request.body(()).ok()?, true).ok()?;
    let answer = answer.await;
    connection.abort();
    answer.ok().as_ref().map(Response::status).map(|status| status.as_u16())
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    #[test]
    fn statuses_are_expected_or_retriable_or_the_end() {
        let question = HttpQuestion {
            method: Method::GET,
            host: "a".into(),
            path: "/".into(),
            headers: http::HeaderMap::new(),
            http2: false,
            expected: vec![200..201, 204..206],
            retriable: vec![500..501, 504..505],
        };
        assert_eq!(judge(&question, 200), CheckResult::Passed);
        assert_eq!(judge(&question, 205), CheckResult::Passed);
        assert_eq!(judge(&question, 500), CheckResult::Failed);
        assert_eq!(judge(&question, 503), CheckResult::Immediate);
    }
}

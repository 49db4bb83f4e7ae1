//! Questions in HTTP: by HTTP/1.1 or HTTP/2, as the cluster says.

use std::{future::poll_fn, rc::Rc, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use leno_engine::resilience::outlier::{LocalOrigin, Outcome};
use leno_http1::{Body, Limits, Parsed, ResponseHead, write};
use tokio::io::AsyncWriteExt as _;

use super::{ANSWER, AskError, Asked, Failed, choose, cluster, within};
use crate::{
    config::{Cluster, HttpProtocol, Slot},
    dial::OnBehalf,
    error::ProxyError,
    h2::{self, Unanswered},
    upstream::{self, Connected, Http1, Http2, Key, Lease},
    worker::Worker,
};

/// A question.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// The method.
    pub(crate) method: String,
    /// The path with its query.
    pub(crate) target: String,
    /// The host.
    pub(crate) host: String,
    /// Further headers, neither `host` nor any that frames the body.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub(crate) body: Bytes,
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// The headers, names in lower case.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

/// Asks, and reads the answer.
///
/// # Errors
/// Why there is no answer.
pub(crate) async fn ask(
    worker: &Rc<Worker>,
    slot: &Slot<Cluster>,
    time: Option<Duration>,
    question: &Question,
) -> Result<Answer, AskError> {
    within(time, async |fresh| {
        let cluster = cluster(slot).await.map_err(Failed::Read)?;
        let _admitted = cluster.breaker.request().map_err(|error| Failed::Read(error.into()))?;
        let asked = choose(worker, &cluster).await.map_err(Failed::Read)?;
        let answered = match cluster.protocol {
            HttpProtocol::Http1 | HttpProtocol::AsCaller => match connect(worker, &asked, fresh).await {
                Ok(upstream) => http1(worker, &asked, upstream, question).await,
                Err(error) => Err(Failed::Unread(error.into())),
            },
            HttpProtocol::Http2 => match Http2::to(OnBehalf::Proxy(worker), &cluster, &asked.endpoint).await {
                Ok(lease) => http2(lease, question).await,
                Err(error) => Err(Failed::Unread(error.into())),
            },
            HttpProtocol::Auto => {
                match upstream::either(OnBehalf::Proxy(worker), &cluster, &asked.endpoint, fresh, None).await {
                    Ok(Connected::Http1 { upstream, turn: _turn }) => http1(worker, &asked, upstream, question).await,
                    Ok(Connected::Http2(lease)) => http2(lease, question).await,
                    Err(error) => Err(Failed::Unread(error.into())),
                }
            }
        };
        let outcome = match &answered {
            Ok(answer) => Outcome::Status(answer.status),
            // A connection that could not be made has been reported.
            Err(Failed::Unread(_)) => return answered,
            Err(Failed::Read(_)) => Outcome::LocalOrigin(LocalOrigin::Reset),
        };
        cluster.report(worker, &asked.endpoint, outcome);
        answered
    })
    .await
}

fn broken(why: impl std::fmt::Display) -> Failed {
    Failed::Read(AskError::Broken(why.to_string()))
}

/// A connection by HTTP/1.1.
async fn connect(worker: &Rc<Worker>, asked: &Asked, fresh: bool) -> Result<Http1, ProxyError> {
    let Asked { cluster, endpoint, .. } = asked;
    let for_whom = OnBehalf::Proxy(worker);
    let key = Key::new(for_whom, cluster, endpoint);
    match if fresh { None } else { Http1::waited(worker, &key) } {
        Some(waited) => Ok(waited),
        None => Http1::dial(for_whom, cluster, endpoint, key).await,
    }
}

async fn http1(worker: &Rc<Worker>, asked: &Asked, mut upstream: Http1, question: &Question) -> Result<Answer, Failed> {
    let endpoint = &asked.endpoint;
    let stale = |reused: bool, why: String| {
        let error = AskError::Broken(format!("{}: {why}", endpoint.address));
        if reused { Failed::Unread(error) } else { Failed::Read(error) }
    };
    let reused = upstream.reused;
    let written = async {
        upstream.io.write_all(&question.http1()).await?;
        upstream.io.flush().await
    };
    written.await.map_err(|error| stale(reused, error.to_string()))?;
    let to_head = question.method == "HEAD";
    let mut head = ResponseHead::default();
    let (length, answer) = loop {
        match head.parse(upstream.input.filled(), Limits::default(), to_head, false) {
            // What is said in between means nothing here.
            Ok(Parsed::Complete(length)) if (100..200).contains(&head.status) => upstream.input.consume(length),
            Ok(Parsed::Complete(length)) => {
                let bytes = upstream.input.filled().get(..length).unwrap_or_default();
                let fields = head.fields.iter().map(|field| {
                    let name = String::from_utf8_lossy(field.name.of_bytes(bytes)).to_ascii_lowercase();
                    (name, field.value.of_bytes(bytes).to_vec())
                });
                break (length, Answer { status: head.status, headers: fields.collect(), body: Vec::new() });
            }
            Ok(Parsed::Partial) => {
                let read = poll_fn(|cx| upstream.input.poll_read(&mut upstream.io, cx)).await;
                match read {
                    Ok(1..) => {}
                    // A kept connection that was closed: the question was not read, or will not be answered.
                    Ok(0) => return Err(stale(reused && upstream.input.is_empty(), "closed".to_owned())),
                    Err(error) => return Err(stale(reused && upstream.input.is_empty(), error.to_string())),
                }
            }
            Err(error) => return Err(broken(format!("{}: {error}", endpoint.address))),
        }
    };
    upstream.input.consume(length);
    let answer = read(&mut upstream, &head, answer).await?;
    if head.keep_alive {
        upstream.put_back(worker);
    }
    Ok(answer)
}

/// Reads the body.
async fn read(upstream: &mut Http1, head: &ResponseHead, mut answer: Answer) -> Result<Answer, Failed> {
    let mut body = Body::new(head.framing);
    while !body.is_complete() {
        let advanced = body.advance(upstream.input.filled(), |content| answer.body.extend_from_slice(content));
        let advanced = advanced.map_err(broken)?;
        upstream.input.consume(advanced.framed);
        if answer.body.len() > ANSWER {
            return Err(broken(format!("the answer has more than {ANSWER} bytes")));
        }
        if advanced.complete {
            break;
        }
        match poll_fn(|cx| upstream.input.poll_read(&mut upstream.io, cx)).await {
            Ok(1..) => {}
            Ok(0) if body.ends_with_connection() => break,
            Ok(0) => return Err(broken("closed in the middle of the answer")),
            Err(error) => return Err(broken(error)),
        }
    }
    Ok(answer)
}

async fn http2(lease: Lease, question: &Question) -> Result<Answer, Failed> {
    let request = question.http2().ok_or(Failed::Read(AskError::Question))?;
    let answered = h2::ask(lease.link(), &request, question.body.clone(), ANSWER).await;
    let answered = answered.map_err(|unanswered| match unanswered {
        Unanswered::Unsent(error) => Failed::Unread(AskError::Broken(error.to_string())),
        Unanswered::Over(_) | Unanswered::TooLarge => broken(unanswered),
    })?;
    let fields = answered.head.fields();
    let headers = fields.map(|(name, value)| (String::from_utf8_lossy(name).into_owned(), value.to_vec()));
    Ok(Answer { status: answered.head.status(), headers: headers.collect(), body: answered.body.to_vec() })
}

impl Question {
    fn http1(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512 + self.body.len());
        write::request_line(&mut out, self.method.as_bytes(), self.target.as_bytes());
        write::field(&mut out, b"host", self.host.as_bytes());
        for (name, value) in &self.headers {
            write::field(&mut out, name.as_bytes(), value);
        }
        write::field(&mut out, b"content-length", self.body.len().to_string().as_bytes());
        write::end(&mut out);
        out.extend_from_slice(&self.body);
        out
    }

    fn http2(&self) -> Option<http::Request<()>> {
        let uri = http::Uri::builder().scheme("http").authority(&*self.host).path_and_query(&*self.target);
        let mut request = http::Request::builder().method(&*self.method).uri(uri.build().ok()?);
        let headers = request.headers_mut()?;
        for (name, value) in &self.headers {
            headers.append(HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_bytes(value).ok()?);
        }
        headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from(self.body.len()));
        request.body(()).ok()
    }
}

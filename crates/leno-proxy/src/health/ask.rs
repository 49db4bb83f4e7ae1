//! One question to one endpoint.

use std::rc::Rc;

use leno_engine::resilience::health::CheckResult;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use super::{grpc, http};
use crate::{
    config::{Cluster, Endpoint, HealthChecker, Question},
    connection::Payload,
    dial::{self, OnBehalf},
    io::Io,
    worker::Worker,
};

/// How much of what bytes are answered with is looked at.
const ANSWER: usize = 64 * 1024;

/// Asks an endpoint, on a connection of its own.
pub(super) async fn ask(
    worker: &Rc<Worker>,
    cluster: &Cluster,
    checker: &HealthChecker,
    endpoint: &Endpoint,
) -> CheckResult {
    let payload = match &checker.question {
        Question::Http(question) if question.http2 => Payload::Http2,
        Question::Http(_) => Payload::Http1,
        Question::Grpc { .. } => Payload::Http2,
        Question::Tcp { .. } => Payload::Tcp,
    };
    let asked = async {
        let mut to = endpoint.address;
        to.set_port(endpoint.health.port.unwrap_or(to.port()));
        let host = endpoint.health.host.as_deref();
        let Ok(dialed) = dial::reach(OnBehalf::Proxy(worker), cluster, (endpoint, to), payload).await else {
            return CheckResult::Failed;
        };
        match &checker.question {
            Question::Http(question) => http::ask(dialed.io, question, host).await,
            Question::Grpc { service, authority } => grpc::ask(dialed.io, service, host.unwrap_or(authority)).await,
            Question::Tcp { send, receive } => bytes(dialed.io, send, receive).await,
        }
    };
    timeout(checker.settings.timeout, asked).await.unwrap_or(CheckResult::TimedOut)
}

/// Sends bytes and waits for others.
async fn bytes(mut io: Io, send: &[u8], receive: &[Box<[u8]>]) -> CheckResult {
    if !send.is_empty() && (io.write_all(send).await.is_err() || io.flush().await.is_err()) {
        return CheckResult::Failed;
    }
    let mut came = Vec::new();
    while !contains(&came, receive) {
        let mut piece = [0; 4096];
        match io.read(&mut piece).await {
            Ok(count @ 1..) if came.len() + count <= ANSWER => {
                came.extend_from_slice(piece.get(..count).unwrap_or_default());
            }
            Ok(_) | Err(_) => return CheckResult::Failed,
        }
    }
    CheckResult::Passed
}

/// Whether all of these are there, one after the other, with anything in between.
fn contains(bytes: &[u8], wanted: &[Box<[u8]>]) -> bool {
    let mut rest = bytes;
    wanted.iter().all(|wanted| {
        let found = rest.windows(wanted.len().max(1)).position(|part| part == &**wanted);
        rest = found.and_then(|at| rest.get(at + wanted.len()..)).unwrap_or_default();
        found.is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_must_come_in_its_order() {
        let wanted = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().into()).collect::<Vec<Box<[u8]>>>();
        assert!(contains(b"", &[]));
        assert!(contains(b"+PONG\r\n", &wanted(&["PONG"])));
        assert!(contains(b"a1b2c", &wanted(&["1", "2"])));
        assert!(!contains(b"a1b2c", &wanted(&["2", "1"])));
        assert!(!contains(b"aa", &wanted(&["aa", "a"])));
    }
}

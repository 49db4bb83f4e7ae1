//! Requests that others get as well. Their answers are thrown away, and whatever becomes of them, the caller does not
//! feel it: a mirror is sent once the request is there wholly, by a task of its own.

use std::{rc::Rc, sync::Arc, time::Duration};

use leno_engine::route::{Facts, HeaderEdits, MirrorHost};
use leno_http1::{Limits, Parsed, RequestHead, field::same, write};
use leno_http2::Head;

use super::{
    decide::Routed,
    header::{self, Change},
};
use crate::{
    config::{Cluster, Slot},
    service::http::{self, Question},
    worker::Worker,
};

/// How many bytes the body of a request may have that others get as well; larger ones are not mirrored.
pub(super) const MAX_BODY: usize = 256 * 1024;

/// Who gets a request as well.
#[derive(Clone, Debug)]
pub(super) struct Mirrored {
    /// Where.
    pub(super) cluster: Arc<Slot<Cluster>>,
    /// The host that it is asked for.
    pub(super) host: MirrorHost,
    /// Changes to the headers, bound to the request.
    pub(super) edits: Vec<HeaderEdits>,
}

/// A request that others get as well, until all of it is there.
#[derive(Debug)]
pub(super) struct Mirroring {
    worker: Rc<Worker>,
    to: Vec<Mirrored>,
    question: Question,
    time: Option<Duration>,
    body: Vec<u8>,
    too_large: bool,
}

impl Mirroring {
    /// Of a request with this head, as it goes to its endpoint.
    pub(super) fn new(worker: &Rc<Worker>, to: &[Mirrored], question: Question, time: Option<Duration>) -> Self {
        let worker = Rc::clone(worker);
        Self { worker, to: to.to_vec(), question, time, body: Vec::new(), too_large: false }
    }

    /// Of a request whose head was written in HTTP/1.1, if others get it.
    pub(super) fn of_head(worker: &Rc<Worker>, routed: &Routed, bytes: &[u8]) -> Option<Self> {
        if routed.mirrors.is_empty() {
            return None;
        }
        Some(Self::new(worker, &routed.mirrors, question_of_head(bytes)?, routed.timeout))
    }

    /// Notes a piece of the body.
    pub(super) fn take(&mut self, content: &[u8]) {
        self.too_large |= self.body.len() + content.len() > MAX_BODY;
        if self.too_large {
            self.body = Vec::new();
        } else {
            self.body.extend_from_slice(content);
        }
    }

    /// Sends it, now that it is there wholly.
    pub(super) fn send(self) {
        if self.too_large {
            return tracing::debug!(target = self.question.target, "too large to be mirrored");
        }
        let Self { worker, to, question, time, body, .. } = self;
        let body = bytes::Bytes::from(body);
        for Mirrored { cluster, host, edits } in to {
            let mut mirrored = Question { body: body.clone(), ..question.clone() };
            mirrored.host = host.of(&question.host);
            edit(&mut mirrored, &edits);
            let asked = Rc::clone(&worker);
            // Not a task of the worker: a drain does not wait for it.
            tokio::task::spawn_local(async move {
                if let Err(error) = http::ask(&asked, &cluster, time, &mirrored).await {
                    tracing::debug!(cluster = &**cluster.name(), %error, "a mirror");
                }
            });
        }
    }
}

/// Changes the headers of a request.
fn edit(question: &mut Question, edits: &[HeaderEdits]) {
    let own = question.headers.clone();
    let value = |name: &str| own.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_slice());
    for change in header::response(edits, 0, value) {
        if change.removes() {
            question.headers.retain(|(name, _)| !name.eq_ignore_ascii_case(change.name()));
        }
        match change {
            Change::Remove(_) => {}
            Change::Set(name, value) | Change::Append(name, value) => {
                question.headers.push((name.to_owned(), value.as_bytes().to_vec()));
            }
        }
    }
}

/// The question that repeats a request whose head was written in HTTP/1.1; `None` when it is no plain request.
fn question_of_head(bytes: &[u8]) -> Option<Question> {
    let mut head = RequestHead::default();
    let Ok(Parsed::Complete(_)) = head.parse(bytes, Limits::default()) else { return None };
    if head.connect || head.upgrade.is_some() {
        return None;
    }
    let fields = head.fields.iter().map(|field| (field.name.of_bytes(bytes), field.value.of_bytes(bytes)));
    let fields = fields.filter(|(name, _)| !is_framing(name));
    let fields = fields.map(|(name, value)| (String::from_utf8_lossy(name).to_ascii_lowercase(), value.to_vec()));
    Some(Question {
        method: head.method.text(bytes).to_owned(),
        target: head.target.text(bytes).to_owned(),
        host: head.authority.text(bytes).to_owned(),
        headers: fields.collect(),
        body: bytes::Bytes::new(),
    })
}

/// The question that repeats a request of HTTP/2.
pub(super) fn question_of_request(head: &Head, routed: &Routed, changes: &[Change<'_>]) -> Option<Question> {
    let host = routed.host.as_deref().unwrap_or(head.authority());
    if head.method() == "CONNECT" || host.is_empty() {
        return None;
    }
    let removed = |name: &[u8]| changes.iter().any(|change| change.removes() && same(name, change.name()));
    let kept = head.fields().filter(|(name, _)| !is_framing(name) && !removed(name));
    let mut headers: Vec<_> =
        kept.map(|(name, value)| (String::from_utf8_lossy(name).into_owned(), value.to_vec())).collect();
    for change in changes {
        match change {
            Change::Remove(_) => {}
            Change::Set(name, value) | Change::Append(name, value) => {
                headers.push((name.to_ascii_lowercase(), value.as_bytes().to_vec()));
            }
        }
    }
    Some(Question {
        method: head.method().to_owned(),
        target: routed.target.as_deref().unwrap_or(head.path()).to_owned(),
        host: host.to_owned(),
        headers,
        body: bytes::Bytes::new(),
    })
}

/// Headers that are written anew, or belong to one connection.
fn is_framing(name: &[u8]) -> bool {
    let own = ["host", "content-length", "transfer-encoding", "expect"];
    write::is_hop_by_hop(name) || own.iter().any(|own| same(name, own))
}

/// Fills in what the changes of a mirror ask of a request.
pub(super) fn bound<R: leno_engine::request::RequestHead>(
    edits: &[HeaderEdits],
    facts: &Facts<'_, R>,
) -> Vec<HeaderEdits> {
    edits.iter().map(|edits| edits.bind(facts)).collect()
}

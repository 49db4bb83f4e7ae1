//! Requests as `leno_engine` sees them.

use leno_engine::{request::RequestHead, resilience::AnswerHead};
use leno_http1::field::same;
use leno_http2::Head;

/// An HTTP/1 head with the bytes that it was parsed from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Http1<'a> {
    pub(super) head: &'a leno_http1::RequestHead,
    pub(super) bytes: &'a [u8],
}

impl RequestHead for Http1<'_> {
    fn method(&self) -> &str {
        self.head.method.text(self.bytes)
    }

    fn target(&self) -> &str {
        // An absolute target without a path means its root.
        if self.head.target.is_empty() && !self.head.connect { "/" } else { self.head.target.text(self.bytes) }
    }

    fn authority(&self) -> &str {
        self.head.authority.text(self.bytes)
    }

    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let fields = self.head.fields.iter().filter(move |field| same(field.name.of_bytes(self.bytes), name));
        fields.map(|field| field.value.of_bytes(self.bytes))
    }

    fn all(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let fields = self.head.fields.iter();
        fields.map(|field| (field.name.of_bytes(self.bytes), field.value.of_bytes(self.bytes)))
    }
}

/// An HTTP/2 head. An extended CONNECT is seen as the upgrade that it is, as Envoy does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Http2<'a>(pub(super) &'a Head);

impl<'a> Http2<'a> {
    /// The fields of an upgrade.
    fn upgrade(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let fields = |protocol: &'a str| [(&b"connection"[..], &b"upgrade"[..]), (b"upgrade", protocol.as_bytes())];
        self.0.protocol().into_iter().flat_map(fields)
    }
}

impl RequestHead for Http2<'_> {
    fn method(&self) -> &str {
        if self.0.protocol().is_some() { "GET" } else { self.0.method() }
    }

    fn target(&self) -> &str {
        self.0.path()
    }

    fn authority(&self) -> &str {
        self.0.authority()
    }

    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let upgrade = self.upgrade().filter(move |(own, _)| *own == name.as_bytes()).map(|(_, value)| value);
        upgrade.chain(self.0.values(name))
    }

    fn all(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.upgrade().chain(self.0.fields())
    }
}

/// The head of an HTTP/1 answer with the bytes that it was parsed from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer1<'a> {
    pub(super) head: &'a leno_http1::ResponseHead,
    pub(super) bytes: &'a [u8],
}

impl AnswerHead for Answer1<'_> {
    fn status(&self) -> u16 {
        self.head.status
    }

    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let fields = self.head.fields.iter().filter(move |field| same(field.name.of_bytes(self.bytes), name));
        fields.map(|field| field.value.of_bytes(self.bytes))
    }
}

/// The head of an HTTP/2 answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer2<'a>(pub(super) &'a Head);

impl AnswerHead for Answer2<'_> {
    fn status(&self) -> u16 {
        self.0.status()
    }

    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0.values(name)
    }
}

//! Changes to headers ([`HeaderValueOption`]).
//!
//! [`HeaderValueOption`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/base.proto#config-core-v3-headervalueoption

/// Changes to the headers of a request or of an answer. Removals come first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderEdits {
    /// Headers to take away, in lower case.
    pub remove: Vec<Box<str>>,
    /// Headers to write, in order.
    pub add: Vec<HeaderWrite>,
}

/// One header to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderWrite {
    /// Its name, in lower case.
    pub name: Box<str>,
    /// Its value.
    pub value: Box<str>,
    /// What happens to one that is there already.
    pub append: HeaderAppend,
}

/// What happens to a header that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HeaderAppend {
    /// The new value is added beside it (`APPEND_IF_EXISTS_OR_ADD`).
    Append,
    /// It stays, and the new value is written only where there is none (`ADD_IF_ABSENT`).
    IfAbsent,
    /// It is replaced (`OVERWRITE_IF_EXISTS_OR_ADD`).
    Overwrite,
    /// It is replaced, and nothing is written where there is none (`OVERWRITE_IF_EXISTS`).
    OverwriteIfPresent,
}

impl HeaderEdits {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.add.is_empty()
    }
}

//! Changes to headers ([`HeaderValueOption`]).
//!
//! [`HeaderValueOption`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/base.proto#config-core-v3-headervalueoption

use super::{Facts, Format};
use crate::request::RequestHead;

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
    pub value: HeaderText,
    /// What happens to one that is there already.
    pub append: HeaderAppend,
}

/// The value of a header to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderText {
    /// This.
    Plain(Box<str>),
    /// This, once it is filled in; nothing is written where that leaves nothing.
    Format(Format),
}

impl HeaderText {
    /// The value, with what is known of the answer filled in; `None`: nothing is to be written.
    #[must_use]
    pub fn text<'v>(&self, status: u16, header: impl Fn(&str) -> Option<&'v [u8]>) -> Option<String> {
        match self {
            Self::Plain(text) => Some(text.to_string()),
            Self::Format(format) => Some(format.text(status, header)).filter(|text| !text.is_empty()),
        }
    }
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
    /// The same with what is known of the request filled in.
    #[must_use]
    pub fn bind<R: RequestHead>(&self, facts: &Facts<'_, R>) -> Self {
        let bind = |write: &HeaderWrite| {
            let value = match &write.value {
                HeaderText::Plain(_) => write.value.clone(),
                HeaderText::Format(format) => {
                    let bound = format.bind(facts);
                    match bound.plain() {
                        Some(text) if text.is_empty() => return None,
                        Some(text) => HeaderText::Plain(text.into()),
                        None => HeaderText::Format(bound),
                    }
                }
            };
            Some(HeaderWrite { name: write.name.clone(), value, append: write.append })
        };
        Self { remove: self.remove.clone(), add: self.add.iter().filter_map(bind).collect() }
    }

    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.add.is_empty()
    }
}

//! What becomes of answers that the proxy gives itself ([`LocalReplyConfig`]).
//!
//! ```text
//! answer ─► the first mapper whose condition holds: body, headers, status ─► body in the mapper's form, or that of all
//! ```
//!
//! [`LocalReplyConfig`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto#extensions-filters-network-http-connection-manager-v3-localreplyconfig

mod body;
mod condition;

pub use body::{BodyForm, BodyFormat, JsonTemplate};
pub use condition::{Comparison, Condition};

use crate::{request::RequestHead, route::HeaderEdits};

/// What becomes of answers that the proxy gives itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LocalReplies {
    /// Changes to some of them: those of the first that fits are made.
    pub mappers: Vec<Mapper>,
    /// The form of their bodies; `None`: as they are.
    pub format: Option<BodyFormat>,
}

/// Changes to some answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapper {
    /// To which.
    pub condition: Condition,
    /// Another status.
    pub status: Option<u16>,
    /// Another body, before it gets its form.
    pub body: Option<Box<str>>,
    /// Another form than that of all.
    pub format: Option<BodyFormat>,
    /// Changes to headers.
    pub headers: HeaderEdits,
}

impl LocalReplies {
    /// The changes to an answer of this status and with these response flags (`-` for none).
    pub fn mapper(&self, request: &impl RequestHead, status: u16, flags: &str) -> Option<&Mapper> {
        self.mappers.iter().find(|mapper| mapper.condition.holds(request, status, flags))
    }
}

//! The session of a request that goes on: with whom it wants to be, and what its answer tells of who it is with.

use std::{borrow::Cow, cell::RefCell};

use leno_engine::{filter::Session, route::HeaderEdits};

use crate::{
    clock,
    config::{Endpoint, Preferred},
};

/// A session, and what the answer gets for it.
#[derive(Debug)]
pub(super) struct Sticky {
    session: Session,
    /// Changes to the answer of the endpoint that was chosen last.
    told: RefCell<Option<HeaderEdits>>,
}

impl Sticky {
    pub(super) fn new(session: Session) -> Self {
        Self { session, told: RefCell::new(None) }
    }

    /// The endpoint that it is with.
    pub(super) fn preferred(&self) -> Option<Preferred> {
        self.session.endpoint.map(|address| Preferred { address, strict: self.session.strict })
    }

    /// An endpoint was chosen.
    pub(super) fn chose(&self, endpoint: &Endpoint) {
        self.told.replace(self.session.tell(endpoint.address, clock::epoch()));
    }

    /// These changes to the answer, and those for the session.
    pub(super) fn with<'e>(&self, edits: &'e [HeaderEdits]) -> Cow<'e, [HeaderEdits]> {
        match &*self.told.borrow() {
            Some(told) => Cow::Owned(edits.iter().chain([told]).cloned().collect()),
            None => Cow::Borrowed(edits),
        }
    }
}

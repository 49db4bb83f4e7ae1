//! What a request wants of an endpoint, and those that it was sent to already.

use std::{net::SocketAddr, sync::Arc};

use leno_engine::{
    balance::Criteria,
    resilience::{Failure, HostSelection},
};

use super::super::Endpoint;

/// What a request wants of an endpoint.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// What it is kept together with others by.
    pub hash: Option<u64>,
    /// What must be noted about the endpoint.
    pub criteria: Option<&'a Criteria>,
    /// Those that it was sent to.
    pub tried: Option<&'a Tried>,
    /// What its retry policy says of another endpoint; `None`: nothing.
    pub selection: Option<&'a HostSelection>,
    /// The endpoint that it is to go to, as long as it is there and not unhealthy.
    pub preferred: Option<Preferred>,
}

/// An endpoint that is to be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preferred {
    /// Where it is.
    pub address: SocketAddr,
    /// Whether no other will do.
    pub strict: bool,
}

/// The endpoints that a request was sent to in vain.
#[derive(Debug, Default)]
pub struct Tried {
    /// All, as often as they were tried.
    endpoints: Vec<Arc<Endpoint>>,
    /// Those that could not be reached, or did not take it.
    lost: Vec<SocketAddr>,
}

impl Tried {
    /// Notes one, and how it failed. Whoever could not be reached is not tried again while another is left; whoever
    /// answered is, unless the retry policy says otherwise.
    pub fn note(&mut self, endpoint: &Arc<Endpoint>, failure: Option<Failure>) {
        match failure {
            Some(Failure::Connect | Failure::NotProcessed) => self.lost.push(endpoint.address),
            Some(Failure::Reset | Failure::PerTryTimeout | Failure::Answer(_)) | None => {}
        }
        self.endpoints.push(Arc::clone(endpoint));
    }

    /// Has all tried again.
    pub fn forget(&mut self) {
        self.lost.clear();
    }

    /// Whether none was tried yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
    }

    /// Whether some are left out.
    #[must_use]
    pub fn leaves_out(&self) -> bool {
        !self.lost.is_empty()
    }
}

impl<'a> Wanted<'a> {
    /// Whether an address is not known to be out of reach.
    pub(crate) fn may_reach(&self, address: SocketAddr) -> bool {
        self.tried.is_none_or(|tried| !tried.lost.contains(&address))
    }

    /// The endpoints that were tried; empty the first time.
    pub(super) fn before(&self) -> &'a [Arc<Endpoint>] {
        self.tried.map_or(&[], |tried| &tried.endpoints)
    }

    /// What the retry policy says, when it is a retry.
    pub(super) fn retrying(&self) -> Option<&'a HostSelection> {
        self.selection.filter(|_| !self.before().is_empty())
    }

    /// Whether the retry policy wants another than this one.
    pub(super) fn rejects(&self, endpoint: &Endpoint) -> bool {
        self.retrying().is_some_and(|selection| {
            (selection.other_than_before && self.before().iter().any(|before| before.address == endpoint.address))
                || (selection.no_canaries && endpoint.is_canary())
                || selection.not_labelled.iter().any(|labels| labels.are_in(&endpoint.standing.labels, false))
        })
    }
}

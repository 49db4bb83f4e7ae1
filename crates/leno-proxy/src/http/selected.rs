//! The route of a request, with the cluster that chance chose of it.

use leno_engine::{
    filter::{Levels, Overrides},
    request::RequestHead,
    route::{Action, ClusterWeight, Facts, HeaderEdits, Route, RouteTable, VirtualHost},
};

use rand::RngExt as _;

use crate::config::Routes;

/// The route of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Selected<'a> {
    table: &'a RouteTable,
    host: &'a VirtualHost,
    pub(super) route: &'a Route,
    /// The cluster that it goes to; `None` where it does not go on, or no cluster has a weight.
    pub(super) cluster: Option<(&'a str, Option<&'a ClusterWeight>)>,
}

impl<'a> Selected<'a> {
    /// The route for a request, if there is one.
    pub(super) fn of<R: RequestHead>(routes: &'a Routes, request: &R) -> Option<Self> {
        let table = &routes.table;
        let number = rand::rng().random();
        let (host, route) = table.select(request, number)?;
        let cluster = match &route.action {
            Action::Forward(forward) => forward.clusters.choose(number),
            Action::Redirect(_) | Action::DirectResponse(_) => None,
        };
        Some(Self { table, host, route, cluster })
    }

    /// What it says for filters, and the cluster that they are told.
    pub(super) fn for_filters(&self) -> (Levels<'a>, Option<&'a str>) {
        let weighted = self.weighted().map_or(Overrides::NONE, |weighted| &weighted.filters);
        let levels = [weighted, &self.route.filters, &self.host.filters, &self.table.filters];
        (levels, self.cluster.map(|(name, _)| name))
    }

    /// Whether requests go on.
    pub(super) fn forwards(&self) -> bool {
        matches!(self.route.action, Action::Forward(_))
    }

    /// Changes to the request's headers. Innermost first, as Envoy does: a wider one may overwrite.
    pub(super) fn request_edits<R: RequestHead>(&self, facts: &Facts<'_, R>) -> Vec<HeaderEdits> {
        let weighted = self.weighted().map(|weighted| &weighted.request_headers);
        let wider = [&self.route.request_headers, &self.host.request_headers, &self.table.request_headers];
        edits(weighted, wider, facts)
    }

    /// Changes to the answer's headers, in the same order.
    pub(super) fn response_edits<R: RequestHead>(&self, facts: &Facts<'_, R>) -> Vec<HeaderEdits> {
        let weighted = self.weighted().map(|weighted| &weighted.response_headers);
        let wider = [&self.route.response_headers, &self.host.response_headers, &self.table.response_headers];
        edits(weighted, wider, facts)
    }

    fn weighted(&self) -> Option<&'a ClusterWeight> {
        self.cluster.and_then(|(_, weighted)| weighted)
    }
}

/// Those that change something, with what is known of the request filled in.
fn edits<R: RequestHead>(
    weighted: Option<&HeaderEdits>,
    wider: [&HeaderEdits; 3],
    facts: &Facts<'_, R>,
) -> Vec<HeaderEdits> {
    let all = weighted.into_iter().chain(wider).filter(|edits| !edits.is_empty());
    all.map(|edits| edits.bind(facts)).collect()
}

//! The route of a request, with the cluster that chance chose of it.

use leno_engine::{
    filter::{Levels, Overrides, rate_limit::RateLimitRule},
    request::RequestHead,
    route::{Action, ClusterWeight, Facts, HeaderEdits, Mirror, Route, RouteTable, VirtualHost},
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

/// The rules of route and virtual host, and whether both count.
type Limits<'a> = (&'a [RateLimitRule], &'a [RateLimitRule], bool);

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

    /// The same for each cluster that chance may choose, with its share in per cent; what does not go on is one of all.
    pub(super) fn branches(&self) -> Vec<(Self, f64)> {
        let weighted: Vec<_> = match &self.route.action {
            Action::Forward(forward) => forward.clusters.weighted().filter(|weighted| weighted.weight > 0).collect(),
            Action::Redirect(_) | Action::DirectResponse(_) => Vec::new(),
        };
        if weighted.is_empty() {
            return vec![(*self, 100.0)];
        }
        let sum: f64 = weighted.iter().map(|weighted| f64::from(weighted.weight)).sum();
        let branch = |weighted: &'a ClusterWeight| {
            let selected = Self { cluster: Some((&weighted.cluster, Some(weighted))), ..*self };
            (selected, f64::from(weighted.weight) * 100.0 / sum)
        };
        weighted.into_iter().map(branch).collect()
    }

    /// The name of its virtual host.
    pub(super) fn host(&self) -> &'a str {
        &self.host.name
    }

    /// What it says for filters.
    pub(super) fn for_filters(&self) -> Levels<'a> {
        let weighted = self.weighted().map_or(Overrides::NONE, |weighted| &weighted.filters);
        [weighted, &self.route.filters, &self.host.filters, &self.table.filters]
    }

    /// How requests are counted: by the route, by the virtual host, and whether both count.
    pub(super) fn rate_limits(&self) -> Limits<'a> {
        let host = &self.host.rate_limits;
        match &self.route.action {
            Action::Forward(forward) => (&forward.rate_limits, host, forward.host_rate_limits),
            Action::Redirect(_) | Action::DirectResponse(_) => (&[], host, false),
        }
    }

    /// Who else gets requests: the closest place that names anybody decides.
    pub(super) fn mirrors(&self) -> &'a [Mirror] {
        let own = match &self.route.action {
            Action::Forward(forward) => &forward.mirrors[..],
            Action::Redirect(_) | Action::DirectResponse(_) => &[],
        };
        let wider = [own, &self.host.mirrors, &self.table.mirrors];
        wider.into_iter().find(|mirrors| !mirrors.is_empty()).unwrap_or_default()
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

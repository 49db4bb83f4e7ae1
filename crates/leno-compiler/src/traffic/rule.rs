//! What policies say of the traffic of a route's rule. It holds where the rule is chosen, at the callers' sidecars.
//!
//! Settings of actions (retries, timeouts, mirrors) are what all policies say together, those of the route before those of
//! the service. Filters stand in the listener and do what the service's policies say, or nothing; the route tells them
//! otherwise for its requests.

use std::collections::HashMap;

use leno_model::{
    ObjectRef, Route, Service, Snapshot, SpiffeId,
    policy::{
        TrafficSettings,
        traffic::{GlobalRateLimit, deciders, merged},
    },
    resource_name,
};
use leno_proto::{
    any,
    google::protobuf::Any,
    v3::{fault::HttpFault, http_connection_manager::HttpFilter, local_ratelimit::LocalRateLimit},
};

use super::{fault, global_rate_limit, rate_limit};
use crate::{Client, Scope, message::http_filter, route::table::Entry};

/// The sections of policies of routes of requests.
pub(crate) const OF_RULES: &[&str] = &["retries", "timeouts", "mirror", "fault", "localRateLimit", "globalRateLimit"];
/// The sections of policies of routes of connections.
pub(crate) const OF_STREAMS: &[&str] = &["timeouts", "localRateLimit"];

/// Who is counted for while the mesh does not know the client: empty text would be refused.
const UNKNOWN: &str = "unknown";

/// The policies of one rule, for one client, at one service port.
pub(crate) struct Rule<'a> {
    snapshot: &'a Snapshot,
    scope: &'a Scope,
    service: &'a Service,
    port: u16,
    route: &'a Route,
    rule: &'a str,
}

impl<'a> Rule<'a> {
    pub(crate) fn new(
        snapshot: &'a Snapshot,
        scope: &'a Scope,
        service: &'a Service,
        port: u16,
        (route, rule): (&'a Route, &'a str),
    ) -> Self {
        Self { snapshot, scope, service, port, route, rule }
    }

    fn words(&self) -> impl Iterator<Item = (&'a ObjectRef, &'a TrafficSettings)> + use<'a> {
        self.route.words(self.rule, super::caller(self.snapshot, self.scope))
    }

    fn of_service(&self) -> impl Iterator<Item = (&'a ObjectRef, &'a TrafficSettings)> + use<'a> {
        let caller = super::caller(self.snapshot, self.scope);
        self.snapshot.traffic_words(&self.service.name, self.port, caller)
    }

    /// What the route's policies say.
    pub(crate) fn own(&self) -> TrafficSettings {
        merged(self.words())
    }

    /// What holds: what the route's policies say, then what the service's do.
    pub(crate) fn settings(&self) -> TrafficSettings {
        merged(self.words().chain(self.of_service()))
    }

    /// The policies that decide: of the route by these sections, of the service by those.
    pub(crate) fn origins(&self, of_route: &[&str], of_service: &[&str]) -> Vec<String> {
        let own: Vec<_> = self.words().map(|(origin, _)| origin).collect();
        let deciders = deciders(self.words().chain(self.of_service()));
        let (own, rest): (Vec<_>, Vec<_>) = deciders.into_iter().partition(|(origin, _)| own.contains(origin));
        super::told(own, of_route).into_iter().chain(super::told(rest, of_service)).collect()
    }

    /// What the route says for filters of the listener.
    pub(crate) fn overrides(&self) -> HashMap<String, Any> {
        let mut said = HashMap::new();
        let own = self.own();
        if let Some(fault) = &own.fault {
            said.insert(fault::FILTER.to_owned(), fault::filter(fault));
        }
        if self.scope.client == Client::Grpc {
            // gRPC libraries know no limits, and refuse what is said for filters that they do not know.
            return said;
        }
        let name = resource_name::service_port(&self.service.name, self.port);
        if let Some(rate) = own.rate_limit.as_ref().and_then(|limit| limit.http.as_ref()?.rate.as_ref()) {
            said.insert(rate_limit::FILTER.to_owned(), rate_limit::limited(rate, &name));
        }
        if let Some((policy, limit)) = self.counted() {
            let (name, config) = global_rate_limit::of_rule(policy, limit, &self.caller());
            said.insert(name, config);
        }
        said
    }

    /// The limit that a service counts, and the policy that says so.
    fn counted(&self) -> Option<(&'a ObjectRef, &'a GlobalRateLimit)> {
        self.words().find_map(|(origin, said)| Some((origin, said.global_rate_limit.as_ref()?)))
    }

    /// The identity of the client.
    fn caller(&self) -> String {
        let account = super::caller(self.snapshot, self.scope);
        let id = account.map(|it| SpiffeId::new(self.snapshot.mesh.trust_domain.clone(), it.clone()));
        id.map_or_else(|| UNKNOWN.to_owned(), |id| id.to_string())
    }

    /// Whether the route's policies have a section.
    fn says(&self, section: impl Fn(&TrafficSettings) -> bool) -> bool {
        self.words().any(|(_, said)| section(said))
    }
}

/// The filters of a listener that these rules tell something, each once; `fault` is what the service's policies say.
pub(crate) fn filters<'a>(
    snapshot: &'a Snapshot,
    scope: &'a Scope,
    (service, port): (&'a Service, u16),
    entries: &[Entry<'a>],
    fault: Option<HttpFilter>,
) -> Vec<HttpFilter> {
    let rules = || entries.iter().map(|it| Rule::new(snapshot, scope, service, port, (it.route, it.rule)));
    let idle_fault = || http_filter(fault::FILTER, any::pack(&HttpFault::default()));
    let faults = rules().any(|rule| rule.says(|said| said.fault.is_some()));
    let mut filters: Vec<_> = fault.or_else(|| faults.then(idle_fault)).into_iter().collect();
    if scope.client == Client::Grpc {
        return filters;
    }
    if rules().any(|rule| rule.says(|said| said.rate_limit.is_some())) {
        let stat_prefix = resource_name::service_port(&service.name, port);
        let config = LocalRateLimit { stat_prefix, ..Default::default() };
        filters.push(http_filter(rate_limit::FILTER, any::pack(&config)));
    }
    for filter in
        rules().filter_map(|rule| rule.counted().map(|(it, limit)| global_rate_limit::filter_of_rules(it, limit)))
    {
        if !filters.iter().any(|known| known.name == filter.name) {
            filters.push(filter);
        }
    }
    filters
}

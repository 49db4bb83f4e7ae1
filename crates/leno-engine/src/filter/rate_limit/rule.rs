//! Rules, and the descriptors that they make of requests ([`RateLimit`]).
//!
//! [`RateLimit`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-ratelimit

use std::net::IpAddr;

use super::RateLimitAction;
use crate::{metadata::Metadata, request::RequestHead};

/// A rule: how a request is counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RateLimitRule {
    /// The stage that it belongs to.
    pub stage: u32,
    /// What it is counted by, in order.
    pub actions: Vec<RateLimitAction>,
    /// Another limit than the service's.
    pub limit: Option<LimitOverride>,
    /// As how many it counts; `None`: as the service says.
    pub hits: Option<u64>,
    /// Whether its limit is told; `None`: as the filter says. Only limits that the proxy keeps itself ask.
    pub tells: Option<bool>,
}

/// Another limit than the service's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitOverride {
    /// So many.
    pub requests: u32,
    /// In this time.
    pub unit: LimitUnit,
}

/// A time that limits are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LimitUnit {
    /// Not said.
    #[default]
    Unknown,
    /// A second.
    Second,
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A week.
    Week,
    /// A month of 30 days.
    Month,
    /// A year of 365 days.
    Year,
}

impl LimitUnit {
    /// In seconds; 0 when it is not said.
    #[must_use]
    pub fn seconds(self) -> u32 {
        match self {
            Self::Unknown => 0,
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
            Self::Day => 86_400,
            Self::Week => 604_800,
            Self::Month => 2_592_000,
            Self::Year => 31_536_000,
        }
    }
}

/// What a request is counted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Keys and values, in order.
    pub entries: Vec<(String, String)>,
    /// Another limit than the service's.
    pub limit: Option<LimitOverride>,
    /// As how many it counts.
    pub hits: Option<u64>,
    /// Whether its limit is told.
    pub tells: Option<bool>,
}

/// What is known of a request that is counted.
#[derive(Clone, Copy, Debug)]
pub struct RateLimitFacts<'a, R> {
    /// The request.
    pub request: &'a R,
    /// The caller's address.
    pub source: IpAddr,
    /// The cluster that this proxy belongs to; may be empty.
    pub own_cluster: &'a str,
    /// The cluster that it goes to.
    pub cluster: &'a str,
    /// What filters found out.
    pub metadata: &'a Metadata,
}

/// Whether rules of the virtual host count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VirtualHostLimits {
    /// Where the route has none.
    #[default]
    Override,
    /// Beside the route's.
    Include,
    /// No.
    Ignore,
}

impl RateLimitRule {
    /// What a request is counted by; `None`: it does not count.
    pub fn descriptor<R: RequestHead>(&self, facts: &RateLimitFacts<'_, R>) -> Option<Descriptor> {
        let mut entries = Vec::with_capacity(self.actions.len());
        for action in &self.actions {
            entries.extend(action.entry(facts)?);
        }
        Some(Descriptor { entries, limit: self.limit, hits: self.hits, tells: self.tells })
    }
}

/// The rules of route and virtual host that count.
pub fn applicable<'a>(
    route: &'a [RateLimitRule],
    host: &'a [RateLimitRule],
    option: VirtualHostLimits,
    stage: u32,
) -> impl Iterator<Item = &'a RateLimitRule> {
    let of_stage = move |rule: &&RateLimitRule| rule.stage == stage;
    let host = match option {
        VirtualHostLimits::Include => host,
        VirtualHostLimits::Override if route.is_empty() => host,
        VirtualHostLimits::Override | VirtualHostLimits::Ignore => &[],
    };
    route.iter().filter(of_stage).chain(host.iter().filter(of_stage))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{filter::rate_limit::AddressPart, request::SimpleRequest};

    fn rule(actions: Vec<RateLimitAction>) -> RateLimitRule {
        RateLimitRule { actions, ..RateLimitRule::default() }
    }

    #[test]
    fn an_action_without_its_entry_ends_the_rule_or_is_skipped() {
        let request = SimpleRequest::new("GET", "/?q=1", "a").with("x-user", "me");
        let metadata = Metadata::default();
        let facts = RateLimitFacts {
            request: &request,
            source: "10.0.0.1".parse().unwrap(),
            own_cluster: "mine",
            cluster: "theirs",
            metadata: &metadata,
        };
        let header = |name: &str, skips| RateLimitAction::Header { name: name.into(), key: "user".into(), skips };
        let shown = |actions: Vec<RateLimitAction>| {
            let descriptor = rule(actions).descriptor(&facts)?;
            Some(descriptor.entries.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(","))
        };
        let address = RateLimitAction::Address(AddressPart::Whole);
        assert_eq!(shown(vec![header("x-user", false), address.clone()]).unwrap(), "user=me,remote_address=10.0.0.1");
        assert_eq!(shown(vec![header("x-none", false), address.clone()]), None);
        assert_eq!(shown(vec![header("x-none", true), address]).unwrap(), "remote_address=10.0.0.1");
        let clusters = vec![RateLimitAction::SourceCluster, RateLimitAction::DestinationCluster];
        assert_eq!(shown(clusters).unwrap(), "source_cluster=mine,destination_cluster=theirs");
        let query = RateLimitAction::Query { name: "q".into(), key: "k".into(), skips: false };
        assert_eq!(shown(vec![query]).unwrap(), "k=1");
    }

    #[test]
    fn rules_of_the_virtual_host_count_as_said() {
        let (one, two) = (rule(vec![]), RateLimitRule { stage: 1, ..rule(vec![]) });
        let (route, host) = ([one.clone(), two.clone()], [one, two]);
        let count = |route: &[RateLimitRule], option| applicable(route, &host, option, 0).count();
        assert_eq!(count(&route, VirtualHostLimits::Override), 1);
        assert_eq!(count(&[], VirtualHostLimits::Override), 1);
        assert_eq!(count(&route, VirtualHostLimits::Include), 2);
        assert_eq!(count(&[], VirtualHostLimits::Ignore), 0);
    }
}

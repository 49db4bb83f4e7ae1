//! What one action finds in a request ([`RateLimit.Action`]).
//!
//! [`RateLimit.Action`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-ratelimit-action

use std::net::IpAddr;

use super::RateLimitFacts;
use crate::{
    authorization::Cidr,
    matcher::{HeaderMatcher, QueryMatcher},
    request::RequestHead,
};

/// What a request is counted by.
#[derive(Clone, Debug, PartialEq)]
pub enum RateLimitAction {
    /// The cluster that this proxy belongs to: `source_cluster`.
    SourceCluster,
    /// The cluster that it goes to: `destination_cluster`.
    DestinationCluster,
    /// The value of a header.
    Header {
        /// Its name, in lower case.
        name: Box<str>,
        /// The entry's key.
        key: Box<str>,
        /// Whether a request without it is counted without this entry; else the rule does not count.
        skips: bool,
    },
    /// The value of a query parameter.
    Query {
        /// Its name.
        name: Box<str>,
        /// The entry's key.
        key: Box<str>,
        /// As for headers.
        skips: bool,
    },
    /// The caller's address, or a part of it.
    Address(AddressPart),
    /// Always the same.
    Generic {
        /// The entry's key.
        key: Box<str>,
        /// The entry's value.
        value: Box<str>,
    },
    /// Whether headers fit.
    HeaderMatch {
        /// The entry's key.
        key: Box<str>,
        /// The entry's value.
        value: Box<str>,
        /// Whether they must fit, or must not.
        expect: bool,
        /// All of these.
        headers: Vec<HeaderMatcher>,
    },
    /// Whether query parameters fit.
    QueryMatch {
        /// The entry's key.
        key: Box<str>,
        /// The entry's value.
        value: Box<str>,
        /// Whether they must fit, or must not.
        expect: bool,
        /// All of these.
        parameters: Vec<QueryMatcher>,
    },
    /// Whether the caller's address is in a range.
    AddressMatch {
        /// The entry's key.
        key: Box<str>,
        /// The entry's value.
        value: Box<str>,
        /// One of these.
        ranges: Vec<Cidr>,
        /// Or none of them.
        invert: bool,
    },
    /// What a filter found out: a text.
    Metadata {
        /// The entry's key.
        key: Box<str>,
        /// The filter.
        namespace: Box<str>,
        /// The keys on the way to the text.
        path: Vec<Box<str>>,
        /// What counts where there is none.
        default: Option<Box<str>>,
        /// As for headers.
        skips: bool,
    },
}

/// A part of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressPart {
    /// All of it: `remote_address`.
    Whole,
    /// So many bits, by its kind: `masked_remote_address`.
    Masked {
        /// Of an IPv4 address; at most 32.
        v4: u8,
        /// Of an IPv6 address; at most 128.
        v6: u8,
    },
}

impl RateLimitAction {
    /// The entry for a request: `Some(None)` for none, `None` when the rule does not count for it.
    #[expect(clippy::option_option, reason = "no entry is something else than no descriptor")]
    pub(super) fn entry<R: RequestHead>(&self, facts: &RateLimitFacts<'_, R>) -> Option<Option<(String, String)>> {
        let entry = |key: &str, value: String| Some(Some((key.to_owned(), value)));
        let there = |key: &str, value: Option<String>, skips: bool| match value {
            Some(value) => entry(key, value),
            None => skips.then_some(None),
        };
        let when = |fits: bool, key: &str, value: &str| if fits { entry(key, value.to_owned()) } else { None };
        let request = facts.request;
        match self {
            Self::SourceCluster => entry("source_cluster", facts.own_cluster.to_owned()),
            Self::DestinationCluster => entry("destination_cluster", facts.cluster.to_owned()),
            Self::Header { name, key, skips } => {
                let value = request.fields(name).next().map(|value| String::from_utf8_lossy(value).into_owned());
                there(key, value, *skips)
            }
            Self::Query { name, key, skips } => there(key, request.query(name).map(str::to_owned), *skips),
            Self::Address(AddressPart::Whole) => entry("remote_address", facts.source.to_canonical().to_string()),
            Self::Address(AddressPart::Masked { v4, v6 }) => {
                entry("masked_remote_address", masked(facts.source.to_canonical(), *v4, *v6))
            }
            Self::Generic { key, value } => entry(key, value.to_string()),
            Self::HeaderMatch { key, value, expect, headers } => {
                when(headers.iter().all(|header| header.matches(request)) == *expect, key, value)
            }
            Self::QueryMatch { key, value, expect, parameters } => {
                when(parameters.iter().all(|parameter| parameter.matches(request)) == *expect, key, value)
            }
            Self::AddressMatch { key, value, ranges, invert } => {
                let source = facts.source.to_canonical();
                when(ranges.iter().any(|range| range.contains(source)) != *invert, key, value)
            }
            Self::Metadata { key, namespace, path, default, skips } => {
                let found = facts.metadata.find(namespace, path).and_then(|value| value.as_str());
                let found = found.filter(|value| !value.is_empty()).or(default.as_deref());
                there(key, found.map(str::to_owned), *skips)
            }
        }
    }
}

/// The first bits of an address, with their number.
fn masked(address: IpAddr, v4: u8, v6: u8) -> String {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(v4)).unwrap_or(0);
            format!("{}/{v4}", std::net::Ipv4Addr::from(u32::from(address) & mask))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(v6)).unwrap_or(0);
            format!("{}/{v6}", std::net::Ipv6Addr::from(u128::from(address) & mask))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_cut_to_their_first_bits() {
        let v4 = "192.168.1.77".parse().unwrap();
        assert_eq!(masked(v4, 32, 128), "192.168.1.77/32");
        assert_eq!(masked(v4, 24, 128), "192.168.1.0/24");
        assert_eq!(masked(v4, 0, 128), "0.0.0.0/0");
        assert_eq!(masked("2001:db8:1::1".parse().unwrap(), 32, 32), "2001:db8::/32");
    }
}

//! EndpointSlices.

use std::net::IpAddr;

use crate::{
    core::{EndpointSlice, endpoint_slice::AddressType},
    problem::Problems,
    syntax::name,
};

pub(super) fn check(slice: &EndpointSlice, problems: &mut Problems<'_>) {
    let expected = match slice.address_type {
        AddressType::IPv4 => "an IPv4 address",
        AddressType::IPv6 => "an IPv6 address",
        AddressType::FQDN => "a domain name",
    };
    for (index, endpoint) in slice.endpoints.iter().enumerate() {
        if endpoint.addresses.is_empty() {
            problems.add(&format!("endpoints[{index}].addresses"), "at least one address", "");
        }
        for (place, text) in endpoint.addresses.iter().enumerate() {
            let address = text.parse::<IpAddr>().ok();
            let sound = match slice.address_type {
                AddressType::IPv4 => address.is_some_and(|it| it.is_ipv4()),
                AddressType::IPv6 => address.is_some_and(|it| it.is_ipv6()),
                AddressType::FQDN => name::dns_subdomain(text).is_ok(),
            };
            if !sound {
                problems.add(&format!("endpoints[{index}].addresses[{place}]"), expected, "");
            }
        }
    }
    for (index, port) in slice.ports.iter().enumerate() {
        if port.port == Some(0) {
            problems.add(&format!("ports[{index}].port"), "an integer from 1 to 65535", "");
        }
    }
}

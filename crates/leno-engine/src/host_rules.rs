//! What is done with the host of a request before anything is decided by it ([`strip_any_host_port`] and its like).
//!
//! [`strip_any_host_port`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto

use std::borrow::Cow;

/// Which ports are taken off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StripPort {
    /// None.
    #[default]
    None,
    /// That of the listener (`strip_matching_host_port`).
    Matching,
    /// Every one (`strip_any_host_port`), but for CONNECT, which is nothing without.
    Any,
}

/// What is done with hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostRules {
    /// Which ports are taken off.
    pub port: StripPort,
    /// Whether the dot at the end of the name is taken off (`strip_trailing_host_dot`).
    pub dot: bool,
}

impl HostRules {
    /// The host that a request is judged by and goes on with. `connect`: whether it is CONNECT; `local`: the port that the
    /// caller dialled.
    #[must_use]
    pub fn apply<'a>(&self, host: &'a str, connect: bool, local: u16) -> Cow<'a, str> {
        let (mut name, mut port) = split(host);
        let strips = match self.port {
            StripPort::None => false,
            StripPort::Matching => port.is_some_and(|port| port.parse() == Ok(local)),
            StripPort::Any => port.is_some_and(|port| port.parse::<u16>().is_ok()) && !connect,
        };
        if strips {
            port = None;
        }
        if self.dot {
            name = name.strip_suffix('.').unwrap_or(name);
        }
        match port {
            None => Cow::Borrowed(name),
            Some(port) if name.len() + 1 + port.len() == host.len() => Cow::Borrowed(host),
            Some(port) => Cow::Owned(format!("{name}:{port}")),
        }
    }
}

/// Name and port of a host; the brackets of an IPv6 address are part of its name.
fn split(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        Some(_) | None => (host, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_dots_are_taken_off() {
        let of = |port, dot, host: &str| HostRules { port, dot }.apply(host, false, 80).into_owned();
        assert_eq!(of(StripPort::None, false, "a.:80"), "a.:80");
        assert_eq!(of(StripPort::None, true, "a.:80"), "a:80");
        assert_eq!(of(StripPort::None, true, "a."), "a");
        assert_eq!(of(StripPort::Matching, false, "a:80"), "a");
        assert_eq!(of(StripPort::Matching, false, "a:81"), "a:81");
        assert_eq!(of(StripPort::Any, true, "a.:81"), "a");
        assert_eq!(of(StripPort::Any, false, "[::1]:81"), "[::1]");
        assert_eq!(of(StripPort::Any, false, "[::1]"), "[::1]");
        assert_eq!(of(StripPort::Any, false, "a:b"), "a:b");
        assert_eq!(HostRules { port: StripPort::Any, dot: false }.apply("a:443", true, 80), "a:443");
    }
}

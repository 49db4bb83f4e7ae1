//! The annotations and labels that Leno understands, in one table: reading checks values by it, the sidecar's injector and
//! the local runner take the names from it, and the reference is printed from it.

use crate::{
    Kind,
    syntax::{ip_range, name},
};

/// Whether pods get a sidecar.
pub const INJECT: &str = "leno.dev/inject";
/// Ports of the pod that callers reach directly.
pub const EXCLUDE_INBOUND_PORTS: &str = "leno.dev/exclude-inbound-ports";
/// Destination ports that the application reaches directly.
pub const EXCLUDE_OUTBOUND_PORTS: &str = "leno.dev/exclude-outbound-ports";
/// Destination ranges that the application reaches directly.
pub const EXCLUDE_OUTBOUND_RANGES: &str = "leno.dev/exclude-outbound-ip-ranges";
/// The only destination ranges that go through the sidecar.
pub const INCLUDE_OUTBOUND_RANGES: &str = "leno.dev/include-outbound-ip-ranges";
/// Network interfaces whose traffic is left alone.
pub const EXCLUDE_INTERFACES: &str = "leno.dev/exclude-interfaces";
/// User ids whose traffic is left alone.
pub const EXCLUDE_UIDS: &str = "leno.dev/exclude-uids";
/// Ports of the host that lead to a service.
pub const PUBLISH: &str = "leno.dev/publish";
/// Whether policies may have callers show the pair of a Secret.
pub const CLIENT_CERTIFICATE: &str = "leno.dev/client-certificate";
/// The port of the application's own metrics.
pub const METRICS_PORT: &str = "prometheus.io/port";
/// The path of the application's own metrics.
pub const METRICS_PATH: &str = "prometheus.io/path";

/// One annotation.
#[derive(Clone, Copy, Debug)]
pub struct Annotation {
    /// Its name.
    pub name: &'static str,
    /// The kinds of objects that it is read from. [`Kind::Pod`] stands for templates of pods too.
    pub on: &'static [Kind],
    /// Whether a label of the same name counts as well.
    pub or_label: bool,
    /// What its value must look like.
    pub format: Format,
    /// What holds without it.
    pub default: &'static str,
    /// A value.
    pub example: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

/// What the value of an annotation must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `enabled` or `disabled`.
    Switch,
    /// Port numbers.
    Ports,
    /// Ranges of addresses.
    Ranges,
    /// Names of network interfaces.
    Interfaces,
    /// User ids.
    Uids,
    /// Ports of the host, each with the port of a service that it leads to.
    Publish,
    /// One port number.
    Port,
    /// The path of a URL.
    Path,
}

const POD: &[Kind] = &[Kind::Pod];

/// Every annotation.
pub const ANNOTATIONS: &[Annotation] = &[
    Annotation {
        name: INJECT,
        on: &[Kind::Namespace, Kind::Pod],
        or_label: true,
        format: Format::Switch,
        default: "no sidecar",
        example: "enabled",
        meaning: "Whether pods get a sidecar. The pod's own word wins over its namespace's, an annotation over a label. \
                  Pods that run already stay as they are.",
    },
    Annotation {
        name: CLIENT_CERTIFICATE,
        on: &[Kind::Secret],
        or_label: true,
        format: Format::Switch,
        default: "no sidecar gets it",
        example: "enabled",
        meaning: "Whether policies of the Secret's namespace may have callers' sidecars show its certificate, for which they \
                  get its key. Whoever may write policies there could read every Secret otherwise.",
    },
    Annotation {
        name: EXCLUDE_INBOUND_PORTS,
        on: POD,
        or_label: false,
        format: Format::Ports,
        default: "none",
        example: "9090",
        meaning: "Ports of the pod that callers reach directly, past the sidecar.",
    },
    Annotation {
        name: EXCLUDE_OUTBOUND_PORTS,
        on: POD,
        or_label: false,
        format: Format::Ports,
        default: "none",
        example: "5432, 6379",
        meaning: "Destination ports that the application reaches directly, past the sidecar.",
    },
    Annotation {
        name: EXCLUDE_OUTBOUND_RANGES,
        on: POD,
        or_label: false,
        format: Format::Ranges,
        default: "none",
        example: "192.168.0.0/16",
        meaning: "Destination addresses that the application reaches directly, past the sidecar.",
    },
    Annotation {
        name: INCLUDE_OUTBOUND_RANGES,
        on: POD,
        or_label: false,
        format: Format::Ranges,
        default: "everything",
        example: "10.96.0.0/16, 10.244.0.0/16",
        meaning: "When given, only these destination addresses go through the sidecar.",
    },
    Annotation {
        name: EXCLUDE_INTERFACES,
        on: POD,
        or_label: false,
        format: Format::Interfaces,
        default: "none",
        example: "eth1",
        meaning: "Network interfaces of the pod whose traffic is left alone.",
    },
    Annotation {
        name: EXCLUDE_UIDS,
        on: POD,
        or_label: false,
        format: Format::Uids,
        default: "none",
        example: "1337",
        meaning: "Users whose traffic is left alone.",
    },
    Annotation {
        name: PUBLISH,
        on: &[Kind::Service],
        or_label: false,
        format: Format::Publish,
        default: "none",
        example: "8080:http",
        meaning: "Under `leno up`: ports of this machine's loopback that lead to the service's pods, past their sidecars. \
                  The port of the service is given by name or number, and may be left out when there is just one.",
    },
    Annotation {
        name: METRICS_PORT,
        on: POD,
        or_label: false,
        format: Format::Port,
        default: "none",
        example: "9102",
        meaning: "Where the application has metrics of its own; the sidecar shows them beside its own.",
    },
    Annotation {
        name: METRICS_PATH,
        on: POD,
        or_label: false,
        format: Format::Path,
        default: "/metrics",
        example: "/stats",
        meaning: "The path of the application's own metrics.",
    },
];

impl Annotation {
    /// The annotation of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        ANNOTATIONS.iter().find(|annotation| annotation.name == name)
    }

    /// Whether it is Leno's own, not another tool's that Leno understands.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.name.starts_with("leno.dev/")
    }
}

impl Format {
    /// The format in words, for messages and the reference.
    #[must_use]
    pub fn expected(self) -> &'static str {
        match self {
            Self::Switch => "enabled or disabled",
            Self::Ports => "port numbers from 1 to 65535 with commas between them",
            Self::Ranges => "ranges of addresses such as 10.0.0.0/8 with commas between them",
            Self::Interfaces => "names of network interfaces with commas between them",
            Self::Uids => "user ids with commas between them",
            Self::Publish => {
                "a port number of the host, or that, ':' and the name or number of a port of the service; several with \
                 commas between them"
            }
            Self::Port => "a port number from 1 to 65535",
            Self::Path => "a path that begins with /",
        }
    }

    /// Whether a value is of this format.
    #[must_use]
    pub fn accepts(self, value: &str) -> bool {
        let each = |sound: &dyn Fn(&str) -> bool| items(value).all(sound);
        match self {
            Self::Switch => matches!(value, "enabled" | "disabled"),
            Self::Ports => each(&|item| port(item).is_some()),
            Self::Ranges => each(&|item| ip_range::parse(item).is_some()),
            Self::Interfaces => each(&|item| name::interface(item).is_ok()),
            Self::Uids => each(&|item| item.parse::<u32>().is_ok()),
            Self::Publish => items(value).next().is_some() && each(&|item| published(item).is_some()),
            Self::Port => port(value).is_some(),
            Self::Path => value.starts_with('/'),
        }
    }
}

/// The items of a list with commas between them.
pub fn items(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// One item of [`PUBLISH`]: the port of the host, and the name or number of the service's port if it is given.
#[must_use]
pub fn published(item: &str) -> Option<(u16, Option<&str>)> {
    let (host, service) = item.split_once(':').map_or((item, None), |(host, service)| (host, Some(service)));
    let named = service.is_none_or(|name| name::dns_label(name).is_ok());
    Some((port(host).filter(|_| named)?, service))
}

fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_of_their_format_and_names_are_their_own() {
        for (index, annotation) in ANNOTATIONS.iter().enumerate() {
            assert!(annotation.format.accepts(annotation.example), "{}", annotation.name);
            assert!(name::label_key(annotation.name).is_ok(), "{}", annotation.name);
            let first = ANNOTATIONS.iter().position(|it| it.name == annotation.name);
            assert_eq!(first, Some(index), "{}", annotation.name);
        }
    }

    #[test]
    fn what_means_nothing_is_not_accepted() {
        for (format, values) in [
            (Format::Switch, &["", "true", "Enabled"] as &[_]),
            (Format::Ports, &["0", "65536", "80;81", "http"]),
            (Format::Ranges, &["10.0.0.0/33", "everywhere"]),
            (Format::Interfaces, &["eth0/1", "a-name-that-is-too-long"]),
            (Format::Uids, &["-1", "root"]),
            (Format::Publish, &["", ",", "0", "http", "8080:", "8080:http:tcp", "8080, x:http"]),
            (Format::Port, &["", "0", "80,81"]),
            (Format::Path, &["", "metrics"]),
        ] {
            for value in values {
                assert!(!format.accepts(value), "{format:?} {value:?}");
            }
        }
        assert!(Format::Publish.accepts("8080, 8081:81,8082:http"));
        assert_eq!(published("8081:81"), Some((8081, Some("81"))));
    }
}

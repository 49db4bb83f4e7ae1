//! What of a pod's traffic bypasses its sidecar: what MeshConfig says for every pod, and what the pod's annotations add.

use std::{collections::BTreeMap, str::FromStr};

use leno_manifest::{
    annotation::{
        self, EXCLUDE_INBOUND_PORTS, EXCLUDE_INTERFACES, EXCLUDE_OUTBOUND_PORTS, EXCLUDE_OUTBOUND_RANGES, EXCLUDE_UIDS,
        INCLUDE_OUTBOUND_RANGES,
    },
    syntax::{ip_range, name},
};
use leno_model::mesh::Interception;

/// What of a pod's traffic bypasses its sidecar. Lists are joined, sorted and without repeats. (Reading refuses
/// annotations that mean nothing; here such items are passed over.)
#[must_use]
pub fn interception(mesh: &Interception, annotations: &BTreeMap<String, String>) -> Interception {
    let ports = |of_mesh: &[u16], key| {
        let own = items(annotations, key).filter_map(|item| u16::from_str(item).ok());
        joined(of_mesh, own.filter(|port| *port > 0))
    };
    let ranges = |of_mesh: &[String], key| joined(of_mesh, items(annotations, key).filter_map(ip_range::normal));
    let interfaces = items(annotations, EXCLUDE_INTERFACES).filter(|item| name::interface(item).is_ok());
    let uids = items(annotations, EXCLUDE_UIDS).filter_map(|item| u32::from_str(item).ok());
    Interception {
        exclude_inbound_ports: ports(&mesh.exclude_inbound_ports, EXCLUDE_INBOUND_PORTS),
        exclude_outbound_ports: ports(&mesh.exclude_outbound_ports, EXCLUDE_OUTBOUND_PORTS),
        exclude_outbound_ranges: ranges(&mesh.exclude_outbound_ranges, EXCLUDE_OUTBOUND_RANGES),
        include_outbound_ranges: ranges(&mesh.include_outbound_ranges, INCLUDE_OUTBOUND_RANGES),
        exclude_interfaces: joined(&mesh.exclude_interfaces, interfaces.map(str::to_owned)),
        exclude_uids: joined(&mesh.exclude_uids, uids),
    }
}

fn items<'a>(annotations: &'a BTreeMap<String, String>, key: &str) -> impl Iterator<Item = &'a str> {
    annotation::items(annotations.get(key).map(String::as_str).unwrap_or_default())
}

fn joined<T: Ord + Clone>(of_mesh: &[T], own: impl Iterator<Item = T>) -> Vec<T> {
    let mut all: Vec<T> = of_mesh.iter().cloned().chain(own).collect();
    all.sort();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_add_to_what_holds_for_every_pod() {
        let mesh = Interception {
            exclude_outbound_ports: vec![5432],
            exclude_outbound_ranges: vec!["192.168.0.0/16".into()],
            ..Interception::default()
        };
        let annotations = [
            (EXCLUDE_INBOUND_PORTS, "9090"),
            (EXCLUDE_OUTBOUND_PORTS, "6379, 5432,,0,x"),
            (EXCLUDE_OUTBOUND_RANGES, "10.1.2.3/8"),
            (INCLUDE_OUTBOUND_RANGES, "10.96.0.0/16"),
            (EXCLUDE_INTERFACES, "eth1"),
            (EXCLUDE_UIDS, "0,1337"),
        ];
        let annotations = annotations.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let expected = Interception {
            exclude_inbound_ports: vec![9090],
            exclude_outbound_ports: vec![5432, 6379],
            exclude_outbound_ranges: vec!["10.0.0.0/8".into(), "192.168.0.0/16".into()],
            include_outbound_ranges: vec!["10.96.0.0/16".into()],
            exclude_interfaces: vec!["eth1".into()],
            exclude_uids: vec![0, 1337],
        };
        assert_eq!(interception(&mesh, &annotations), expected);
        assert_eq!(interception(&Interception::default(), &BTreeMap::new()), Interception::default());
    }
}

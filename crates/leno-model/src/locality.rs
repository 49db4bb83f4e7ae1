//! Where things run: regions and the zones in them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The label of a node, or pod, that names its region ([well-known labels]).
///
/// [well-known labels]: https://kubernetes.io/docs/reference/labels-annotations-taints/#topologykubernetesioregion
pub const REGION_LABEL: &str = "topology.kubernetes.io/region";
/// The label of a node, or pod, that names its zone.
pub const ZONE_LABEL: &str = "topology.kubernetes.io/zone";

/// Where something runs; empty parts are not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Locality {
    /// The region.
    pub region: String,
    /// The zone, of which every region has its own.
    pub zone: String,
}

impl Locality {
    /// What labels say of it.
    #[must_use]
    pub fn of_labels(labels: &BTreeMap<String, String>) -> Self {
        let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
        Self { region: label(REGION_LABEL), zone: label(ZONE_LABEL) }
    }

    /// How far away it is from here: the same zone, the same region, anywhere else. What is not known is anywhere else.
    #[must_use]
    pub fn distance(&self, here: &Self) -> Distance {
        let same = |one: &str, other: &str| !one.is_empty() && one == other;
        let same_region = same(&self.region, &here.region);
        // Zones are named apart from each other in practice, and many say no region.
        let regions_differ = !self.region.is_empty() && !here.region.is_empty() && !same_region;
        if same(&self.zone, &here.zone) && !regions_differ {
            Distance::SameZone
        } else if same_region {
            Distance::SameRegion
        } else {
            Distance::Elsewhere
        }
    }
}

/// How far away something is; the nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Distance {
    /// In the same zone.
    SameZone,
    /// In another zone of the same region.
    SameRegion,
    /// In another region, or nobody knows where.
    Elsewhere,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(region: &str, zone: &str) -> Locality {
        Locality { region: region.into(), zone: zone.into() }
    }

    #[test]
    fn what_is_not_known_is_far_away() {
        let here = at("eu", "eu-a");
        assert_eq!(at("eu", "eu-a").distance(&here), Distance::SameZone);
        assert_eq!(at("", "eu-a").distance(&here), Distance::SameZone);
        assert_eq!(at("us", "eu-a").distance(&here), Distance::Elsewhere);
        assert_eq!(at("eu", "eu-b").distance(&here), Distance::SameRegion);
        assert_eq!(at("", "eu-b").distance(&here), Distance::Elsewhere);
        assert_eq!(at("", "").distance(&at("", "")), Distance::Elsewhere);
    }
}

//! Virtual addresses of services: as requested, else given out; a service keeps its address for the life of the mesh.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use leno_model::ServiceName;

/// The first address that is given out; those before are for the DNS server and for people to request.
const FIRST: u32 = u32::from_be_bytes([10, 96, 1, 0]);
/// How many addresses there are to give out.
const COUNT: u32 = 0xfe00;

/// Which service has which address.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServiceAddresses {
    by_service: BTreeMap<ServiceName, Ipv4Addr>,
}

impl ServiceAddresses {
    /// The address of a service: the one it requests, else the one it had, else a new one that depends on nothing but
    /// its name, so that the next run of the same manifests gives it the same again. `None` when all are taken.
    pub(crate) fn assign(
        &mut self,
        service: &ServiceName,
        requested: Option<Ipv4Addr>,
        all_requested: &BTreeSet<Ipv4Addr>,
    ) -> Option<Ipv4Addr> {
        if let Some(requested) = requested {
            self.by_service.insert(service.clone(), requested);
            return Some(requested);
        }
        if let Some(known) = self.by_service.get(service).filter(|known| !all_requested.contains(known)) {
            return Some(*known);
        }
        let taken: BTreeSet<Ipv4Addr> = self.by_service.values().chain(all_requested).copied().collect();
        let start = super::hash(service.to_string().as_bytes()) % u64::from(COUNT);
        let start = u32::try_from(start).unwrap_or_default();
        let candidates = (0..COUNT).map(|step| Ipv4Addr::from(FIRST + (start + step) % COUNT));
        let free = candidates.into_iter().find(|address| !taken.contains(address))?;
        self.by_service.insert(service.clone(), free);
        Some(free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_stable_distinct_and_respect_requests() {
        let mut addresses = ServiceAddresses::default();
        let names: Vec<_> = (0..500).map(|n| ServiceName::new("shop", format!("s{n}"))).collect();
        let first: Vec<_> = names.iter().map(|name| addresses.assign(name, None, &BTreeSet::new()).unwrap()).collect();
        assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 500);
        let again: Vec<_> = names.iter().map(|name| addresses.assign(name, None, &BTreeSet::new()).unwrap()).collect();
        assert_eq!(first, again);
        let wanted: Ipv4Addr = "10.96.0.77".parse().unwrap();
        assert_eq!(addresses.assign(&names[0], Some(wanted), &BTreeSet::from([wanted])), Some(wanted));
        let moved = addresses.assign(&names[1], None, &BTreeSet::from([first[1]])).unwrap();
        assert_ne!(moved, first[1]);
    }
}

//! What the client wants, what it holds, and what the server does not know of that yet.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use leno_proto::v3::discovery::DeltaDiscoveryRequest;
use tokio::time::Instant;

use super::{Refused, Update};
use crate::{ResourceType, resource::WILDCARD};

/// Every name of every type.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    types: BTreeMap<ResourceType, Names>,
}

/// The names of one type.
#[derive(Debug, Default)]
struct Names {
    wanted: BTreeSet<String>,
    /// The versions in use.
    held: BTreeMap<String, Arc<str>>,
    /// To be told to the server; empty while it knows nothing of the type.
    subscribe: BTreeSet<String>,
    unsubscribe: BTreeSet<String>,
    /// Whether this stream has spoken of the type.
    introduced: bool,
    /// Let go of on this stream: the server may think that they are held.
    dropped: BTreeSet<String>,
    /// Asked for again on this stream, since then, and not answered.
    again: BTreeMap<String, Instant>,
}

/// How many names are remembered that were let go of: more are forgotten, as if the server knew.
const DROPPED: usize = 10_000;

/// A name with its new version, or without when it was removed.
pub(crate) type Change = (Arc<str>, Option<Arc<str>>);

impl Names {
    fn wants(&self, name: &str) -> bool {
        self.wanted.contains(name) || self.wanted.contains(WILDCARD)
    }
}

impl Wanted {
    /// Holds this version of a name, from before.
    pub(crate) fn hold(&mut self, resource_type: ResourceType, name: String, version: &str) {
        self.types.entry(resource_type).or_default().held.insert(name, version.into());
    }

    /// Wants these names. One that is wanted already is asked for again: whoever wants it anew has forgotten what was
    /// held of it, and the protocol has the server answer such a request with the resource.
    pub(crate) fn subscribe(&mut self, resource_type: ResourceType, names: Vec<String>) {
        let of_type = self.types.entry(resource_type).or_default();
        for name in names {
            let is_known = !of_type.wanted.insert(name.clone());
            if is_known {
                of_type.held.remove(&name);
            }
            if of_type.introduced {
                if is_known || of_type.dropped.remove(&name) {
                    of_type.again.insert(name.clone(), Instant::now());
                }
                of_type.unsubscribe.remove(&name);
                of_type.subscribe.insert(name);
            }
        }
    }

    pub(crate) fn unsubscribe(&mut self, resource_type: ResourceType, names: Vec<String>) {
        let Some(of_type) = self.types.get_mut(&resource_type) else {
            return;
        };
        for name in names {
            if !of_type.wanted.remove(&name) {
                continue;
            }
            if name == WILDCARD {
                let Names { wanted, held, .. } = of_type;
                held.retain(|name, _| wanted.contains(name));
            }
            let was_held = of_type.held.remove(&name).is_some();
            if was_held && of_type.introduced && of_type.dropped.len() < DROPPED {
                of_type.dropped.insert(name.clone());
            }
            of_type.again.remove(&name);
            // To a name that the server has not heard of a farewell does no harm.
            of_type.subscribe.remove(&name);
            if of_type.introduced {
                of_type.unsubscribe.insert(name);
            }
        }
    }

    /// The names that are wanted.
    pub(crate) fn names(&self, resource_type: ResourceType) -> Vec<String> {
        self.types.get(&resource_type).map_or_else(Vec::new, |names| names.wanted.iter().cloned().collect())
    }

    /// The names that are held.
    pub(crate) fn held(&self, resource_type: ResourceType) -> impl Iterator<Item = &str> {
        self.types.get(&resource_type).into_iter().flat_map(|names| names.held.keys().map(String::as_str))
    }

    /// The version that is held of a name.
    pub(crate) fn held_version(&self, resource_type: ResourceType, name: &str) -> Option<&str> {
        self.types.get(&resource_type)?.held.get(name).map(|version| &**version)
    }

    /// Since when a name that was asked for again has not been answered.
    pub(crate) fn unanswered(&self) -> Option<Instant> {
        self.types.values().flat_map(|names| names.again.values()).min().copied()
    }

    /// A new stream: the server knows nothing.
    pub(crate) fn restart(&mut self) {
        for names in self.types.values_mut() {
            names.introduced = false;
            names.subscribe.clear();
            names.unsubscribe.clear();
            names.dropped.clear();
            names.again.clear();
        }
    }

    /// What is still to be said to the server; `None` when it knows all.
    pub(crate) fn request(&mut self) -> Option<DeltaDiscoveryRequest> {
        self.types.iter_mut().find_map(|(resource_type, names)| names.request(*resource_type))
    }

    /// Whether [`Wanted::request`] has something to say.
    pub(crate) fn has_request(&self) -> bool {
        self.types.values().any(Names::has_request)
    }

    /// Leaves in an update what is (still) wanted.
    pub(crate) fn relevant(&self, mut update: Update) -> Update {
        let Some(names) = self.types.get(&update.resource_type) else {
            update.resources.clear();
            update.removed.clear();
            return update;
        };
        update.resources.retain(|resource| names.wants(&resource.name));
        update.removed.retain(|name| names.wants(name));
        update
    }

    /// Notes what is held once an update was applied: `changes` are its names with their versions, or without when
    /// they were removed.
    pub(crate) fn applied(&mut self, resource_type: ResourceType, changes: Vec<Change>, refused: Option<&Refused>) {
        let names = self.types.entry(resource_type).or_default();
        let is_refused =
            |name: &str| refused.is_some_and(|refused| refused.resources.iter().any(|(n, _)| &**n == name));
        for (name, version) in changes {
            names.again.remove(&*name);
            if is_refused(&name) {
                continue;
            }
            match version {
                Some(version) => drop(names.held.insert(name.to_string(), version)),
                None => drop(names.held.remove(&*name)),
            }
        }
    }
}

impl Names {
    fn has_request(&self) -> bool {
        if self.introduced {
            !self.subscribe.is_empty() || !self.unsubscribe.is_empty()
        } else {
            // A first request without names would ask for everything.
            !self.wanted.is_empty()
        }
    }

    fn request(&mut self, resource_type: ResourceType) -> Option<DeltaDiscoveryRequest> {
        if !self.has_request() {
            return None;
        }
        let mut request = DeltaDiscoveryRequest { type_url: resource_type.url().to_owned(), ..Default::default() };
        if self.introduced {
            request.resource_names_subscribe = std::mem::take(&mut self.subscribe).into_iter().collect();
            request.resource_names_unsubscribe = std::mem::take(&mut self.unsubscribe).into_iter().collect();
        } else {
            self.introduced = true;
            // To ask for everything and nothing besides, every server understands a first request without names.
            if !self.wanted.iter().eq([WILDCARD]) {
                request.resource_names_subscribe = self.wanted.iter().cloned().collect();
            }
            request.initial_resource_versions = self.versions();
        }
        Some(request)
    }

    fn versions(&self) -> HashMap<String, String> {
        let held = self.held.iter().filter(|(name, _)| self.wants(name));
        held.map(|(name, version)| (name.clone(), version.to_string())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ResourceType::Cluster;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_new_stream_starts_with_all_names_and_the_versions_held() {
        let mut wanted = Wanted::default();
        assert!(!wanted.has_request());
        wanted.subscribe(Cluster, names(&["a", "b"]));
        let request = wanted.request().unwrap();
        assert_eq!(request.resource_names_subscribe, ["a", "b"]);
        assert!(request.initial_resource_versions.is_empty());
        assert!(wanted.request().is_none());

        let changes = vec![("a".into(), Some("1".into())), ("b".into(), Some("2".into()))];
        let refused = Refused { resources: vec![("b".into(), "no".into())] };
        wanted.applied(Cluster, changes, Some(&refused));
        wanted.restart();
        let request = wanted.request().unwrap();
        assert_eq!(request.resource_names_subscribe, ["a", "b"]);
        assert_eq!(request.initial_resource_versions, HashMap::from([("a".to_owned(), "1".to_owned())]));
    }

    #[test]
    fn later_requests_say_only_what_changed() {
        let mut wanted = Wanted::default();
        wanted.subscribe(Cluster, names(&["a"]));
        wanted.request().unwrap();
        wanted.subscribe(Cluster, names(&["a", "b", "c"]));
        wanted.unsubscribe(Cluster, names(&["a", "c", "never"]));
        let request = wanted.request().unwrap();
        assert_eq!(request.resource_names_subscribe, ["b"]);
        assert_eq!(request.resource_names_unsubscribe, ["a", "c"]);
        assert!(wanted.request().is_none());
    }

    #[test]
    fn a_name_dropped_and_wanted_again_is_asked_for_anew() {
        let mut wanted = Wanted::default();
        wanted.subscribe(Cluster, names(&["a"]));
        wanted.request().unwrap();
        wanted.applied(Cluster, vec![("a".into(), Some("1".into()))], None);
        wanted.unsubscribe(Cluster, names(&["a"]));
        wanted.subscribe(Cluster, names(&["a"]));
        let request = wanted.request().unwrap();
        assert_eq!(request.resource_names_subscribe, ["a"]);
        assert!(request.resource_names_unsubscribe.is_empty());
    }

    #[test]
    fn a_name_wanted_again_is_asked_for_again_without_what_was_held() {
        let mut wanted = Wanted::default();
        wanted.subscribe(Cluster, names(&["a"]));
        wanted.request().unwrap();
        wanted.applied(Cluster, vec![("a".into(), Some("1".into()))], None);
        wanted.subscribe(Cluster, names(&["a"]));
        assert_eq!(wanted.request().unwrap().resource_names_subscribe, ["a"]);
        wanted.restart();
        assert!(wanted.request().unwrap().initial_resource_versions.is_empty());
    }

    #[test]
    fn a_name_asked_for_again_waits_for_its_answer() {
        let mut wanted = Wanted::default();
        let is_there = |wanted: &mut Wanted| wanted.applied(Cluster, vec![("a".into(), Some("1".into()))], None);
        wanted.subscribe(Cluster, names(&["a"]));
        wanted.request().unwrap();
        assert_eq!(wanted.unanswered(), None, "a first time is no question of patience: it may not be there");
        is_there(&mut wanted);
        wanted.unsubscribe(Cluster, names(&["a"]));
        wanted.subscribe(Cluster, names(&["a"]));
        assert!(wanted.unanswered().is_some());
        is_there(&mut wanted);
        assert_eq!(wanted.unanswered(), None);
        wanted.subscribe(Cluster, names(&["a"]));
        assert!(wanted.unanswered().is_some());
        wanted.restart();
        assert_eq!(wanted.unanswered(), None);
    }

    #[test]
    fn a_type_without_names_is_never_introduced() {
        let mut wanted = Wanted::default();
        wanted.subscribe(Cluster, names(&["a"]));
        wanted.unsubscribe(Cluster, names(&["a"]));
        assert!(wanted.request().is_none(), "no names would mean all names");
    }
}

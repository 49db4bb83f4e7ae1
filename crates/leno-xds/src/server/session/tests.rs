//! Whatever happens in whatever order, the client ends up with what the source has.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use leno_proto::google::protobuf::Any;
use proptest::prelude::*;

use super::*;

const TYPES: [ResourceType; 3] = [ResourceType::Cluster, ResourceType::Endpoint, ResourceType::Listener];
const NAMES: [&str; 4] = ["a", "b", "c", "d"];

#[derive(Clone, Copy, Debug)]
enum Op {
    Put(ResourceType, &'static str, u8),
    Delete(ResourceType, &'static str),
    Subscribe(ResourceType, &'static str),
    Unsubscribe(ResourceType, &'static str),
    /// The client reads the oldest answer on its way and acknowledges or refuses it.
    Read {
        refuse: bool,
    },
    Reconnect,
}

fn op() -> impl Strategy<Value = Op> {
    let resource_type = || prop::sample::select(TYPES.to_vec());
    let name = || prop::sample::select(NAMES.to_vec());
    let wish = || prop::sample::select([&NAMES[..], &["*"]].concat());
    prop_oneof![
        4 => (resource_type(), name(), 0..3_u8).prop_map(|(of, name, version)| Op::Put(of, name, version)),
        2 => (resource_type(), name()).prop_map(|(of, name)| Op::Delete(of, name)),
        4 => (resource_type(), wish()).prop_map(|(of, name)| Op::Subscribe(of, name)),
        2 => (resource_type(), wish()).prop_map(|(of, name)| Op::Unsubscribe(of, name)),
        6 => any::<bool>().prop_map(|refuse| Op::Read { refuse }),
        1 => Just(Op::Reconnect),
    ]
}

#[derive(Default)]
struct Source(BTreeMap<(ResourceType, &'static str), u8>);

impl Resources for Source {
    fn resource(&self, resource_type: ResourceType, name: &str) -> Option<Resource> {
        let (_, version) = self.0.iter().find(|((of, it), _)| *of == resource_type && *it == name)?;
        Some(Resource { name: name.into(), version: version.to_string().into(), body: Arc::new(Any::default()) })
    }

    fn names(&self, resource_type: ResourceType) -> Vec<Arc<str>> {
        self.0.keys().filter(|(of, _)| *of == resource_type).map(|(_, name)| Arc::from(*name)).collect()
    }
}

struct One(ResourceType, &'static str);

impl Touched for One {
    fn touches(&self, resource_type: ResourceType, name: &str) -> bool {
        self.0 == resource_type && self.1 == name
    }

    fn touches_names(&self, resource_type: ResourceType) -> bool {
        self.0 == resource_type
    }
}

/// A client that does all by the book.
#[derive(Default)]
struct Peer {
    wanted: BTreeMap<ResourceType, BTreeSet<String>>,
    held: BTreeMap<(ResourceType, String), String>,
    /// The last nonce read of each type.
    nonces: BTreeMap<ResourceType, String>,
    /// Types that this stream has spoken of.
    introduced: BTreeSet<ResourceType>,
    on_the_way: VecDeque<Answer>,
}

impl Peer {
    fn wants(&self, resource_type: ResourceType, name: &str) -> bool {
        self.wanted.get(&resource_type).is_some_and(|names| names.contains(name) || names.contains("*"))
    }

    fn prune(&mut self) {
        let held = std::mem::take(&mut self.held);
        self.held = held.into_iter().filter(|((of, name), _)| self.wants(*of, name)).collect();
    }
}

struct Run {
    flavour: Flavour,
    source: Source,
    session: Session,
    peer: Peer,
}

impl Run {
    fn new(flavour: Flavour) -> Self {
        Self { flavour, source: Source::default(), session: Session::new(flavour, false), peer: Peer::default() }
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Put(of, name, version) => {
                self.source.0.insert((of, name), version);
                self.session.changed(&One(of, name), Instant::now());
            }
            Op::Delete(of, name) => {
                self.source.0.remove(&(of, name));
                self.session.changed(&One(of, name), Instant::now());
            }
            Op::Subscribe(of, name) => {
                if self.peer.wanted.entry(of).or_default().insert(name.into()) {
                    self.say(of, &[name], &[], String::new(), None);
                }
            }
            Op::Unsubscribe(of, name) => {
                if self.peer.wanted.entry(of).or_default().remove(name) {
                    // Incrementally it drops a name even while "*" covers it, and is to be told of it again.
                    if self.flavour == Flavour::Delta {
                        self.peer.held.remove(&(of, name.to_owned()));
                    }
                    self.peer.prune();
                    self.say(of, &[], &[name], String::new(), None);
                }
            }
            Op::Read { refuse } => self.read(refuse),
            Op::Reconnect => self.reconnect(),
        }
        self.send();
    }

    /// The server sends all it may.
    fn send(&mut self) {
        while let Some(answer) = self.session.next(&self.source, "1") {
            let of = answer.resource_type;
            assert!(self.peer.on_the_way.iter().all(|other| other.resource_type != of), "two answers of one type");
            self.peer.on_the_way.push_back(answer);
        }
    }

    fn read(&mut self, refuse: bool) {
        let Some(answer) = self.peer.on_the_way.pop_front() else {
            return;
        };
        let of = answer.resource_type;
        let whole = self.flavour == Flavour::StateOfTheWorld && of.is_whole_state();
        if whole {
            self.peer.held.retain(|(other, _), _| *other != of);
        }
        for resource in answer.resources {
            if self.peer.wants(of, &resource.name) {
                self.peer.held.insert((of, resource.name.to_string()), resource.version.to_string());
            }
        }
        for name in answer.removed {
            self.peer.held.remove(&(of, name.to_string()));
        }
        self.peer.nonces.insert(of, answer.nonce.clone());
        let error = refuse.then(|| "no".to_owned());
        self.say(of, &[], &[], answer.nonce, error);
    }

    fn reconnect(&mut self) {
        self.session = Session::new(self.flavour, false);
        self.peer.on_the_way.clear();
        self.peer.nonces.clear();
        self.peer.introduced.clear();
        for of in TYPES {
            let names: Vec<String> = self.peer.wanted.get(&of).into_iter().flatten().cloned().collect();
            if !names.is_empty() {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                self.say(of, &names, &[], String::new(), None);
            }
        }
    }

    fn say(
        &mut self,
        of: ResourceType,
        subscribe: &[&str],
        unsubscribe: &[&str],
        nonce: String,
        error: Option<String>,
    ) {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let first = self.peer.introduced.insert(of);
        let ask = match self.flavour {
            Flavour::Delta => {
                let held = self.peer.held.iter().filter(|((other, _), _)| first && *other == of);
                let initial: HashMap<_, _> = held.map(|((_, name), v)| (name.clone(), v.clone())).collect();
                let names = Names::Delta { subscribe: owned(subscribe), unsubscribe: owned(unsubscribe), initial };
                Ask { resource_type: of, names, nonce, error }
            }
            Flavour::StateOfTheWorld => {
                let names = self.peer.wanted.get(&of).into_iter().flatten().cloned().collect();
                let nonce = self.peer.nonces.get(&of).cloned().unwrap_or_default();
                Ask { resource_type: of, names: Names::Whole(names), nonce, error }
            }
        };
        self.session.ask(ask);
    }

    fn settle(&mut self) {
        for _ in 0..100 {
            self.send();
            if self.peer.on_the_way.is_empty() {
                return;
            }
            self.read(false);
        }
        panic!("the session never comes to rest");
    }

    /// What the client should have in the end.
    fn expected(&self) -> BTreeMap<(ResourceType, String), String> {
        let wanted = self.source.0.iter().filter(|((of, name), _)| self.peer.wants(*of, name));
        wanted.map(|((of, name), version)| ((*of, (*name).to_owned()), version.to_string())).collect()
    }
}

/// An answer that is on its way while everything is unwanted and wanted again names what is not there any more.
#[test]
fn what_was_on_its_way_is_taken_back_when_it_is_gone() {
    use Op::{Delete, Put, Subscribe, Unsubscribe};
    let mut run = Run::new(Flavour::Delta);
    run.apply(Put(ResourceType::Cluster, "d", 0));
    run.apply(Subscribe(ResourceType::Cluster, "*"));
    run.apply(Unsubscribe(ResourceType::Cluster, "*"));
    run.apply(Delete(ResourceType::Cluster, "d"));
    run.apply(Subscribe(ResourceType::Cluster, "*"));
    run.settle();
    assert_eq!(run.peer.held, run.expected());
}

proptest! {
    #[test]
    fn an_incremental_client_ends_up_with_what_the_source_has(ops in prop::collection::vec(op(), 0..60)) {
        let mut run = Run::new(Flavour::Delta);
        for op in ops {
            run.apply(op);
        }
        run.settle();
        prop_assert_eq!(&run.peer.held, &run.expected());
        prop_assert!(run.session.status().iter().all(|status| !status.pending));
    }

    #[test]
    fn what_a_reconnecting_client_has_is_not_sent_again(ops in prop::collection::vec(op(), 0..40)) {
        let mut run = Run::new(Flavour::Delta);
        for op in ops {
            run.apply(op);
        }
        run.settle();
        run.reconnect();
        run.send();
        prop_assert!(run.peer.on_the_way.iter().all(|answer| answer.resources.is_empty()));
    }

    /// Of types whose answers list only what changed, this protocol cannot say what is gone.
    #[test]
    fn a_state_of_the_world_client_ends_up_with_what_the_source_has(ops in prop::collection::vec(op(), 0..60)) {
        let mut run = Run::new(Flavour::StateOfTheWorld);
        for op in ops {
            run.apply(op);
        }
        run.settle();
        let unsayable = |of: &ResourceType| !of.is_whole_state();
        for (key, version) in run.expected() {
            prop_assert_eq!(run.peer.held.get(&key), Some(&version));
        }
        for key in run.peer.held.keys().filter(|(of, _)| !unsayable(of)) {
            prop_assert!(run.expected().contains_key(key), "{key:?} should be gone");
        }
    }
}

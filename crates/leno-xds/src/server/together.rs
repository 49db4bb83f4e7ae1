//! Our client and our server, without a network: requests and answers take any time, streams break, some versions are
//! refused; in the end the client uses what the source has.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Instant,
};

use leno_proto::{
    google::{protobuf::Any, rpc},
    v3::discovery::{DeltaDiscoveryRequest, DeltaDiscoveryResponse},
};
use proptest::prelude::*;

use super::{
    render::{Delta, Wire as _},
    session::{Session, Touched},
    status::Flavour,
    subscription::Resources,
};
use crate::{
    Resource, ResourceType,
    client::{Refused, Update, wanted::Wanted},
};

const TYPES: [ResourceType; 2] = [ResourceType::Cluster, ResourceType::Listener];
const NAMES: [&str; 3] = ["a", "b", "c"];
/// The version that the client cannot use.
const BAD: u8 = 3;

type Key = (ResourceType, &'static str);

#[derive(Clone, Copy, Debug)]
enum Op {
    Put(Key, u8),
    Delete(Key),
    Subscribe(Key),
    Unsubscribe(Key),
    /// The oldest message on its way to the server arrives.
    ToServer,
    /// The oldest message on its way to the client arrives.
    ToClient,
    Reconnect,
}

fn op() -> impl Strategy<Value = Op> {
    let key = || (prop::sample::select(TYPES.to_vec()), prop::sample::select(NAMES.to_vec()));
    prop_oneof![
        4 => (key(), 0..=BAD).prop_map(|(key, version)| Op::Put(key, version)),
        2 => key().prop_map(Op::Delete),
        4 => key().prop_map(Op::Subscribe),
        2 => key().prop_map(Op::Unsubscribe),
        6 => Just(Op::ToServer),
        6 => Just(Op::ToClient),
        1 => Just(Op::Reconnect),
    ]
}

#[derive(Default)]
struct Source(BTreeMap<Key, u8>);

impl Resources for Source {
    fn resource(&self, resource_type: ResourceType, name: &str) -> Option<Resource> {
        let ((_, name), version) = self.0.iter().find(|((of, it), _)| *of == resource_type && *it == name)?;
        let body = Any { type_url: resource_type.url().into(), value: vec![*version] };
        Some(Resource { name: (*name).into(), version: version.to_string().into(), body: Arc::new(body) })
    }

    fn names(&self, _: ResourceType) -> Vec<Arc<str>> {
        Vec::new()
    }
}

struct One(Key);

impl Touched for One {
    fn touches(&self, resource_type: ResourceType, name: &str) -> bool {
        self.0 == (resource_type, name)
    }

    fn touches_names(&self, _: ResourceType) -> bool {
        false
    }
}

struct Run {
    source: Source,
    session: Session,
    wanted: Wanted,
    /// What the test wants, to compare with.
    wishes: BTreeSet<Key>,
    /// What the client uses.
    in_use: BTreeMap<(ResourceType, String), u8>,
    to_server: VecDeque<DeltaDiscoveryRequest>,
    to_client: VecDeque<DeltaDiscoveryResponse>,
}

impl Run {
    fn new() -> Self {
        Self {
            source: Source::default(),
            session: Session::new(Flavour::Delta, false),
            wanted: Wanted::default(),
            wishes: BTreeSet::new(),
            in_use: BTreeMap::new(),
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
        }
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Put(key, version) => {
                self.source.0.insert(key, version);
                self.session.changed(&One(key), Instant::now());
            }
            Op::Delete(key) => {
                self.source.0.remove(&key);
                self.session.changed(&One(key), Instant::now());
            }
            Op::Subscribe(key) => {
                self.wishes.insert(key);
                self.wanted.subscribe(key.0, vec![key.1.into()]);
            }
            Op::Unsubscribe(key) => {
                self.wishes.remove(&key);
                self.in_use.remove(&(key.0, key.1.to_owned()));
                self.wanted.unsubscribe(key.0, vec![key.1.into()]);
            }
            Op::ToServer => {
                if let Some(request) = self.to_server.pop_front() {
                    self.session.ask(Delta::ask(request).unwrap());
                }
            }
            Op::ToClient => {
                if let Some(answer) = self.to_client.pop_front() {
                    self.take(answer);
                }
            }
            Op::Reconnect => {
                self.session = Session::new(Flavour::Delta, false);
                self.to_server.clear();
                self.to_client.clear();
                self.wanted.restart();
            }
        }
        while let Some(request) = self.wanted.request() {
            self.to_server.push_back(request);
        }
        while let Some(answer) = self.session.next(&self.source, "1") {
            self.to_client.push_back(Delta::response(answer));
        }
    }

    /// As `Client::take` does.
    fn take(&mut self, answer: DeltaDiscoveryResponse) {
        let resource_type = ResourceType::from_url(&answer.type_url).unwrap();
        let resource = |it: leno_proto::v3::discovery::Resource| Resource {
            name: it.name.into(),
            version: it.version.into(),
            body: Arc::new(it.resource.unwrap()),
        };
        let update = self.wanted.relevant(Update {
            resource_type,
            version: String::new(),
            resources: answer.resources.into_iter().map(resource).collect(),
            removed: answer.removed_resources.into_iter().map(Arc::from).collect(),
        });
        let mut refused = Refused::default();
        let mut changes = Vec::new();
        for resource in update.resources {
            let version = resource.body.value[0];
            if version == BAD {
                refused.resources.push((Arc::clone(&resource.name), "bad".into()));
            } else {
                self.in_use.insert((resource_type, resource.name.to_string()), version);
            }
            changes.push((resource.name, Some(resource.version)));
        }
        for name in update.removed {
            self.in_use.remove(&(resource_type, name.to_string()));
            changes.push((name, None));
        }
        self.wanted.applied(resource_type, changes, Some(&refused));
        let error =
            (!refused.resources.is_empty()).then(|| rpc::Status { message: refused.to_string(), ..Default::default() });
        let reply = DeltaDiscoveryRequest {
            type_url: answer.type_url,
            response_nonce: answer.nonce,
            error_detail: error,
            ..Default::default()
        };
        self.to_server.push_back(reply);
    }

    fn settle(&mut self) {
        for _ in 0..200 {
            self.apply(Op::ToServer);
            self.apply(Op::ToClient);
            if self.to_server.is_empty() && self.to_client.is_empty() {
                return;
            }
        }
        panic!("client and server never come to rest");
    }
}

proptest! {
    #[test]
    fn the_client_ends_up_with_what_the_source_has(ops in prop::collection::vec(op(), 0..80)) {
        let mut run = Run::new();
        for op in ops {
            run.apply(op);
        }
        run.settle();
        for (of, name) in TYPES.into_iter().flat_map(|of| NAMES.map(|name| (of, name))) {
            let used = run.in_use.get(&(of, name.to_owned()));
            match run.source.0.get(&(of, name)) {
                _ if !run.wishes.contains(&(of, name)) => prop_assert_eq!(used, None),
                Some(&BAD) => prop_assert_ne!(used, Some(&BAD)),
                there => prop_assert_eq!(used, there),
            }
        }
    }
}

//! A source whose resources the tests write, a server of it, and clients.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use leno_proto::{google::protobuf::Any, v3::core::Node};
use leno_xds::{
    Resource, ResourceType,
    client::{self, Backoff, Client, Config, Handle, Refused, Update},
    server::{Ads, Change, ChangeFeed, Limits, Observer, ResourceSource, View},
};
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Extensions, Status, transport::Endpoint};

type Contents = BTreeMap<(ResourceType, String), Resource>;

/// Resources in memory.
#[derive(Default)]
pub(crate) struct Memory {
    contents: Mutex<Arc<Contents>>,
    feed: ChangeFeed<Names>,
    pub(crate) counts: Mutex<Counts>,
}

#[derive(Default, Debug)]
pub(crate) struct Counts {
    pub(crate) sent: usize,
    pub(crate) acknowledged: usize,
    pub(crate) refused: Vec<String>,
}

pub(crate) struct Moment(Arc<Contents>);

impl Memory {
    pub(crate) fn put(&self, resource_type: ResourceType, name: &str, text: &str) {
        self.change(resource_type, &[name], |contents| {
            contents.insert((resource_type, name.to_owned()), resource(resource_type, name, text));
        });
    }

    pub(crate) fn delete(&self, resource_type: ResourceType, name: &str) {
        self.change(resource_type, &[name], |contents| {
            contents.remove(&(resource_type, name.to_owned()));
        });
    }

    pub(crate) fn change(&self, resource_type: ResourceType, names: &[&str], change: impl FnOnce(&mut Contents)) {
        change(Arc::make_mut(&mut self.contents.lock().unwrap()));
        let names = names.iter().map(|name| (resource_type, (*name).to_owned())).collect();
        self.feed.publish(Names(names));
    }
}

pub(crate) fn resource(resource_type: ResourceType, name: &str, text: &str) -> Resource {
    Resource::new(name, Any { type_url: resource_type.url().to_owned(), value: text.as_bytes().to_vec() })
}

impl ResourceSource for Memory {
    type Client = ();
    type View = Moment;
    type Change = Names;

    fn admit(&self, node: &Node, _: &Extensions) -> Result<(), Status> {
        if node.id == "stranger" { Err(Status::permission_denied("who?")) } else { Ok(()) }
    }

    fn view(&self) -> Moment {
        Moment(Arc::clone(&self.contents.lock().unwrap()))
    }

    fn feed(&self) -> &ChangeFeed<Names> {
        &self.feed
    }
}

/// The names that a change was of.
pub(crate) struct Names(BTreeSet<(ResourceType, String)>);

impl Change<()> for Names {
    fn touches(&self, (): &(), resource_type: ResourceType, name: &str) -> bool {
        self.0.contains(&(resource_type, name.to_owned()))
    }

    fn touches_names(&self, (): &(), resource_type: ResourceType) -> bool {
        self.0.iter().any(|(of, _)| *of == resource_type)
    }
}

impl View<()> for Moment {
    fn version(&self) -> String {
        "now".into()
    }

    fn resource(&self, (): &(), resource_type: ResourceType, name: &str) -> Option<Resource> {
        self.0.get(&(resource_type, name.to_owned())).cloned()
    }

    fn names(&self, (): &(), resource_type: ResourceType) -> Vec<Arc<str>> {
        self.0.keys().filter(|(of, _)| *of == resource_type).map(|(_, name)| name.as_str().into()).collect()
    }
}

struct Counting(Arc<Memory>);

impl Observer for Counting {
    fn sent(&self, _: ResourceType, resources: usize, _: usize) {
        self.0.counts.lock().unwrap().sent += resources;
    }

    fn acknowledged(&self, _: ResourceType, _: Option<Duration>) {
        self.0.counts.lock().unwrap().acknowledged += 1;
    }

    fn refused(&self, _: ResourceType, message: &str) {
        self.0.counts.lock().unwrap().refused.push(message.to_owned());
    }
}

/// A server on a port of its own.
pub(crate) struct Server {
    pub(crate) memory: Arc<Memory>,
    pub(crate) ads: Ads<Memory>,
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(Arc::default(), "127.0.0.1:0".parse().unwrap()).await
    }

    /// With these resources, at this address.
    #[expect(clippy::disallowed_methods, reason = "the test's own runtime")]
    pub(crate) async fn start_with(memory: Arc<Memory>, address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let observer = Arc::new(Counting(Arc::clone(&memory)));
        let ads = Ads::new(Arc::clone(&memory), observer, Limits::default());
        let router = tonic::transport::Server::builder().add_service(ads.service());
        let task = tokio::spawn(async move {
            router.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap();
        });
        Self { memory, ads, address, task }
    }

    /// Ends the process, as it were.
    pub(crate) async fn kill(self) -> Arc<Memory> {
        self.ads.close();
        self.task.abort();
        drop(self.task.await);
        self.memory
    }
}

/// A client whose updates are seen by the test and refused when their text is `bad`.
pub(crate) struct Follower {
    pub(crate) handle: Handle,
    pub(crate) updates: mpsc::Receiver<Update>,
}

impl Follower {
    pub(crate) fn start(address: SocketAddr, node: &str) -> Self {
        let (updates_in, updates) = mpsc::channel(100_000);
        let handler = move |update: Update| {
            let bad = update.resources.iter().filter(|resource| resource.body.value == b"bad");
            let refused: Vec<_> = bad.map(|resource| (Arc::clone(&resource.name), "it is bad".to_owned())).collect();
            updates_in.try_send(update).unwrap();
            if refused.is_empty() { Ok(()) } else { Err(Refused { resources: refused }) }
        };
        let (handle, client) = client::client(config(address, node), handler);
        spawn(client);
        Self { handle, updates }
    }

    pub(crate) async fn subscribe(&self, resource_type: ResourceType, names: &[&str]) {
        self.handle.subscribe(resource_type, names.iter().copied()).await.unwrap();
    }

    pub(crate) async fn next(&mut self) -> Update {
        tokio::time::timeout(Duration::from_secs(20), self.updates.recv()).await.expect("an update in time").unwrap()
    }

    /// Names and texts of the next update, and what it removes.
    pub(crate) async fn texts(&mut self) -> (Vec<(String, String)>, Vec<String>) {
        let update = self.next().await;
        let text = |resource: &Resource| String::from_utf8(resource.body.value.clone()).unwrap();
        (
            update.resources.iter().map(|resource| (resource.name.to_string(), text(resource))).collect(),
            update.removed.iter().map(ToString::to_string).collect(),
        )
    }
}

#[expect(clippy::disallowed_methods, reason = "the test's own runtime")]
fn spawn<H: client::Handler>(client: Client<H>) {
    tokio::spawn(client.run());
}

fn config(address: SocketAddr, node: &str) -> Config {
    Config {
        node: Node { id: node.into(), ..Node::default() },
        connector: Arc::new(move || {
            Box::pin(
                async move { Ok(client::tune(Endpoint::from_shared(format!("http://{address}"))?).connect().await?) },
            )
        }),
        backoff: Backoff::new(Duration::from_millis(10), Duration::from_millis(100)),
        held: Vec::new(),
        manner: client::Manner::default(),
    }
}

/// Waits until a condition holds.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    within(what, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.unwrap_or_else(|_| panic!("in time: {what}"))
}

pub(crate) fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

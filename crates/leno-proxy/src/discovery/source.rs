//! Where a proxy from a file gets the resources that the file does not have: each source feeds the same store.
//!
//! ```text
//! ads_config ──────────────────► stream: all types ──┐
//! lds_config, cds_config ──────► stream: one type ───┼──► Discovery::apply ──► store
//!                          └───► file, looked at ────┤
//! rds, eds_config, sds_config ─► either, when first needed
//! ```

use std::{
    collections::{BTreeMap, HashMap},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use leno_proto::{
    google::protobuf::Any,
    json::{self, Descriptions},
    resource,
    v3::core::Node,
};
use leno_runtime::task;
use leno_xds::{
    Resource, ResourceType,
    client::{self, Config, Gone, Handle, Refused, Update},
    resource::WILDCARD,
};
use serde_json::Value;
use tokio::{sync::Notify, task::JoinHandle};

use super::{run::Discovery, upstream};
use crate::config::source::{Dynamic, Server, Source, SourceId};

/// What resources are asked for by name: a stream, or a file that lists them.
#[derive(Clone, Debug)]
pub(super) enum Feed {
    /// A stream.
    Stream(Handle),
    /// A file; it is read again when more is wanted of it.
    File(Arc<Looking>),
}

/// A file that is looked at for as long as this is there.
#[derive(Debug)]
pub(super) struct Looking {
    again: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Drop for Looking {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Feed {
    /// Asks for these names.
    pub(super) async fn subscribe(&self, kind: ResourceType, names: Vec<String>) -> Result<(), Gone> {
        match self {
            Self::Stream(handle) => handle.subscribe(kind, names).await,
            Self::File(looking) => {
                looking.again.notify_one();
                Ok(())
            }
        }
    }

    /// Lets go of these names.
    pub(super) async fn unsubscribe(&self, kind: ResourceType, names: Vec<String>) -> Result<(), Gone> {
        match self {
            Self::Stream(handle) => handle.unsubscribe(kind, names).await,
            Self::File(_) => Ok(()),
        }
    }
}

/// Who asks, and who is told the answers.
#[derive(Clone, Debug)]
struct Asker {
    node: Node,
    discovery: Discovery,
}

/// The streams that types are asked for on; a type without one cannot be asked for.
#[derive(Debug, Default)]
pub struct Streams {
    by_type: BTreeMap<ResourceType, Handle>,
    /// Those of sources of their own, made when they are first needed.
    own: HashMap<SourceId, Feed>,
    asker: Option<Asker>,
}

impl Streams {
    /// One for all types.
    #[must_use]
    pub fn all(handle: &Handle) -> Self {
        let by_type = ResourceType::ALL.into_iter().map(|of| (of, handle.clone())).collect();
        Self { by_type, ..Self::default() }
    }

    /// The one of a type from this source; a new one is begun where `find` knows the source.
    pub(super) fn of(
        &mut self,
        kind: ResourceType,
        source: SourceId,
        find: impl FnOnce() -> Option<Arc<Source>>,
    ) -> Option<Feed> {
        if let Some(known) = self.known(kind, source) {
            return Some(known);
        }
        if source == SourceId::COMMON {
            return None;
        }
        let asker = self.asker.as_ref()?;
        let feed = match &*find()? {
            Source::Server(server) => Feed::Stream(stream(server.clone(), asker, source)),
            Source::File(path, every) => {
                let file = Looked { path: path.clone(), of: kind, source };
                let again = Arc::<Notify>::default();
                let task = task::spawn(look(file, *every, Arc::clone(&again), asker.discovery.clone()));
                Feed::File(Arc::new(Looking { again, task }))
            }
            Source::Aggregated => return None,
        };
        self.own.insert(source, feed.clone());
        Some(feed)
    }

    /// The one of a type from this source, if there is one.
    pub(super) fn known(&self, kind: ResourceType, source: SourceId) -> Option<Feed> {
        if source == SourceId::COMMON {
            return self.by_type.get(&kind).cloned().map(Feed::Stream);
        }
        self.own.get(&source).cloned()
    }

    /// Ends the one of a source of its own, so that it is begun anew; `false` for the common one, which there is once.
    pub(super) fn forget(&mut self, source: SourceId) -> bool {
        self.own.remove(&source).is_some()
    }

    /// Ends those of sources that are not needed any more.
    pub(super) fn retain(&mut self, is_needed: impl Fn(SourceId) -> bool) {
        self.own.retain(|source, _| is_needed(*source));
    }

    /// One of each, to watch.
    pub(super) fn watched(&self) -> Vec<tokio::sync::watch::Receiver<client::ClientState>> {
        self.by_type.values().map(Handle::state).collect()
    }
}

/// Starts to ask all sources, for every listener and cluster where there is a source of them.
pub async fn start(dynamic: Dynamic, node: &Node, discovery: &Discovery) -> Streams {
    let asker = Asker { node: node.clone(), discovery: discovery.clone() };
    let mut streams = match dynamic.aggregated {
        Some(server) => Streams::all(&stream(server, &asker, SourceId::COMMON)),
        None => Streams::default(),
    };
    for (of, source) in [(ResourceType::Cluster, dynamic.clusters), (ResourceType::Listener, dynamic.listeners)] {
        match source {
            None => continue,
            Some(Source::Aggregated) => {}
            Some(Source::Server(server)) => {
                drop(streams.by_type.insert(of, stream(server, &asker, SourceId::COMMON)));
            }
            Some(Source::File(path, every)) => {
                let file = Looked { path, of, source: SourceId::COMMON };
                task::spawn(look(file, every, Arc::default(), discovery.clone()));
                continue;
            }
        }
        if let Some(handle) = streams.by_type.get(&of)
            && handle.subscribe(of, [WILDCARD]).await.is_err()
        {
            tracing::error!(kind = %of, "its stream has ended");
        }
    }
    streams.asker = Some(asker);
    streams
}

/// Starts a stream.
fn stream(server: Server, asker: &Asker, source: SourceId) -> Handle {
    let Server { manner, backoff, upstreams } = server;
    let upstreams: Arc<[_]> = upstreams.into();
    let connector = move || -> futures_util::future::BoxFuture<'static, _> {
        let upstreams = Arc::clone(&upstreams);
        Box::pin(async move { upstream::connect(&upstreams).await })
    };
    let (node, connector) = (asker.node.clone(), Arc::new(connector));
    let config = Config { node, connector, backoff, held: Vec::new(), manner };
    let handler = asker.discovery.clone();
    let (handle, client) = client::client(config, move |update| handler.apply_from(source, update));
    task::spawn(client.run());
    handle
}

/// A file with resources of a type.
#[derive(Debug)]
struct Looked {
    path: PathBuf,
    of: ResourceType,
    source: SourceId,
}

/// Looks at a file for ever, and takes it when it has changed, or when it is asked to.
async fn look(file: Looked, every: Duration, again: Arc<Notify>, discovery: Discovery) {
    let (mut seen, mut held) = (None, Vec::new());
    loop {
        let mark = mark(&file.path);
        if seen != Some(mark) {
            seen = Some(mark);
            match take(&file, &mut held, &discovery) {
                Ok(()) => tracing::info!(path = %file.path.display(), resources = held.len(), "file taken"),
                Err(error) => {
                    tracing::warn!(path = %file.path.display(), error, "file refused; what was taken before serves")
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = again.notified() => seen = None,
        }
    }
}

/// What changes with a file: which one it is, how long, and when it was written.
fn mark(path: &Path) -> Option<(u64, u64, i64, i64)> {
    let data = std::fs::metadata(path).ok()?;
    Some((data.ino(), data.len(), data.mtime(), data.mtime_nsec()))
}

/// Takes a file. `held` is what it listed before: of listeners and clusters it lists all that there are.
fn take(file: &Looked, held: &mut Vec<Arc<str>>, discovery: &Discovery) -> Result<(), String> {
    let text = std::fs::read_to_string(&file.path).map_err(|error| error.to_string())?;
    let update = read(&text, file.of)?;
    let names: Vec<_> = update.resources.iter().map(|resource| Arc::clone(&resource.name)).collect();
    let gone = held.iter().filter(|name| file.of.is_whole_state() && !names.contains(name));
    let removed = gone.cloned().collect();
    *held = names;
    let update = Update { removed, ..update };
    discovery.apply_from(file.source, update).map_err(|refused: Refused| refused.to_string())
}

/// The text of a `DiscoveryResponse`, in YAML or JSON.
fn read(text: &str, of: ResourceType) -> Result<Update, String> {
    let _known = Descriptions::hold();
    let mut documents = leno_yaml::documents(text);
    let errors: Vec<_> = documents.iter().flat_map(|document| &document.errors).collect();
    if let Some(error) = errors.first() {
        return Err(format!("{}: {} is {}, expected {}", error.mark.line, error.field, error.found, error.expected));
    }
    let root = documents.pop().and_then(|document| document.root).ok_or("it is empty")?;
    let Value::Object(mut fields) = root.to_json() else { return Err("expected a DiscoveryResponse".into()) };
    let version = fields.remove("version_info").and_then(|it| it.as_str().map(str::to_owned)).unwrap_or_default();
    let resources = fields.remove("resources").unwrap_or(Value::Array(Vec::new()));
    if let Some(other) = fields.keys().next() {
        return Err(format!("{other} is there, expected only version_info and resources"));
    }
    let Value::Array(resources) = resources else { return Err("resources is no list".into()) };
    let resources = resources.iter().enumerate().map(|(index, one)| {
        let body: Any = json::read(one).map_err(|error| format!("resources[{index}].{error}"))?;
        if body.type_url != of.url() {
            return Err(format!("resources[{index}].@type is {:?}, expected {:?}", body.type_url, of.url()));
        }
        Ok(Resource::new(&resource::name(&body), body))
    });
    let resources = resources.collect::<Result<_, String>>()?;
    Ok(Update { resource_type: of, version, resources, removed: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_lists_resources_of_its_type() {
        let text = "version_info: '1'\nresources:\n- '@type': type.googleapis.com/envoy.config.cluster.v3.Cluster\n  name: a\n";
        let update = read(text, ResourceType::Cluster).unwrap();
        assert_eq!(&*update.resources[0].name, "a");
        assert!(read(text, ResourceType::Listener).unwrap_err().starts_with("resources[0].@type is"));
        assert!(read("resuorces: []\n", ResourceType::Cluster).unwrap_err().starts_with("resuorces is there"));
        assert!(read("a: [\n", ResourceType::Cluster).is_err());
    }
}

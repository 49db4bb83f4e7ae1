//! Where a proxy from a file gets the resources that the file does not have: each source feeds the same store.
//!
//! ```text
//! ads_config ──────────────────► stream: all types ──┐
//! lds_config, cds_config ──────► stream: one type ───┼──► Discovery::apply ──► store
//!                          └───► file, looked at ────┘
//! ```

use std::{
    collections::BTreeMap,
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
    client::{self, Config, Handle, Refused, Update},
    resource::WILDCARD,
};
use serde_json::Value;

use super::{run::Discovery, upstream};
use crate::bootstrap::{Dynamic, Server, Source};

/// The streams that types are asked for on; a type without one cannot be asked for.
#[derive(Clone, Debug, Default)]
pub struct Streams {
    by_type: BTreeMap<ResourceType, Handle>,
}

impl Streams {
    /// One for all types.
    #[must_use]
    pub fn all(handle: &Handle) -> Self {
        Self { by_type: ResourceType::ALL.into_iter().map(|of| (of, handle.clone())).collect() }
    }

    /// The one of a type.
    pub(super) fn of(&self, resource_type: ResourceType) -> Option<&Handle> {
        self.by_type.get(&resource_type)
    }

    /// One of each, to watch.
    pub(super) fn watched(&self) -> Vec<tokio::sync::watch::Receiver<client::ClientState>> {
        self.by_type.values().map(Handle::state).collect()
    }
}

/// Starts to ask all sources, for every listener and cluster where there is a source of them.
pub async fn start(dynamic: Dynamic, node: &Node, discovery: &Discovery) -> Streams {
    let mut streams = match dynamic.aggregated {
        Some(server) => Streams::all(&stream(server, node, discovery)),
        None => Streams::default(),
    };
    for (of, source) in [(ResourceType::Cluster, dynamic.clusters), (ResourceType::Listener, dynamic.listeners)] {
        match source {
            None => continue,
            Some(Source::Aggregated) => {}
            Some(Source::Server(server)) => drop(streams.by_type.insert(of, stream(server, node, discovery))),
            Some(Source::File(path, every)) => {
                task::spawn(look(path, every, of, discovery.clone()));
                continue;
            }
        }
        if let Some(handle) = streams.of(of)
            && handle.subscribe(of, [WILDCARD]).await.is_err()
        {
            tracing::error!(kind = %of, "its stream has ended");
        }
    }
    streams
}

/// Starts a stream.
fn stream(server: Server, node: &Node, discovery: &Discovery) -> Handle {
    let Server { manner, backoff, upstreams } = server;
    let upstreams: Arc<[_]> = upstreams.into();
    let connector = move || -> futures_util::future::BoxFuture<'static, _> {
        let upstreams = Arc::clone(&upstreams);
        Box::pin(async move { upstream::connect(&upstreams).await })
    };
    let config = Config { node: node.clone(), connector: Arc::new(connector), backoff, held: Vec::new(), manner };
    let handler = discovery.clone();
    let (handle, client) = client::client(config, move |update| handler.apply(update));
    task::spawn(client.run());
    handle
}

/// Looks at a file for ever, and takes it when it has changed.
async fn look(path: PathBuf, every: Duration, of: ResourceType, discovery: Discovery) {
    let mut seen = None;
    let mut held = Vec::new();
    loop {
        let mark = mark(&path);
        if seen != Some(mark) {
            seen = Some(mark);
            match take(&path, of, &mut held, &discovery) {
                Ok(()) => tracing::info!(path = %path.display(), resources = held.len(), "file taken"),
                Err(error) => {
                    tracing::warn!(path = %path.display(), error, "file refused; what was taken before serves")
                }
            }
        }
        tokio::time::sleep(every).await;
    }
}

/// What changes with a file: which one it is, how long, and when it was written.
fn mark(path: &Path) -> Option<(u64, u64, i64, i64)> {
    let data = std::fs::metadata(path).ok()?;
    Some((data.ino(), data.len(), data.mtime(), data.mtime_nsec()))
}

/// Takes a file: it lists all that there is of its type. `held` is what it listed before.
fn take(path: &Path, of: ResourceType, held: &mut Vec<Arc<str>>, discovery: &Discovery) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let update = read(&text, of)?;
    let names: Vec<_> = update.resources.iter().map(|resource| Arc::clone(&resource.name)).collect();
    let removed = held.iter().filter(|name| !names.contains(name)).cloned().collect();
    *held = names;
    discovery.apply(Update { removed, ..update }).map_err(|refused: Refused| refused.to_string())
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

//! Text to objects.

use std::{collections::HashMap, sync::Arc};

use leno_model::{Invalid, Location, ObjectRef};

use crate::{
    Ignored, Kind, Object, ObjectKey,
    check::Checked,
    gateway,
    problem::{Problems, location, nearest},
    schema,
    shape::{self, Unknown},
    smi::upgrade,
    yaml::{self, Content, Mark, Node},
};

/// The namespace of objects that name none.
pub const DEFAULT_NAMESPACE: &str = "default";

/// Kinds of Kubernetes that are neither used nor wrong in a manifest for Leno, so that no near word is suggested.
const FOREIGN_KINDS: &[&str] = &[
    "Binding",
    "ClusterRole",
    "ClusterRoleBinding",
    "ComponentStatus",
    "CronJob",
    "CustomResourceDefinition",
    "DaemonSet",
    "Endpoints",
    "Event",
    "HorizontalPodAutoscaler",
    "Ingress",
    "IngressClass",
    "Job",
    "Lease",
    "LimitRange",
    "NetworkPolicy",
    "Node",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "PodDisruptionBudget",
    "PodTemplate",
    "PriorityClass",
    "ReplicaSet",
    "ReplicationController",
    "ResourceQuota",
    "Role",
    "RoleBinding",
    "StorageClass",
];

/// Kinds of the Gateway API that only gateways, or proxies of datagrams, have a use for.
const FOREIGN_GATEWAY_KINDS: &[&str] = &["Gateway", "GatewayClass", "ListenerSet", "UDPRoute"];

/// An object and where it was written.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The object.
    pub object: Arc<Object>,
    /// Where it begins; the file is empty when the object did not come from one.
    pub location: Location,
    /// The text as a tree, for the places of its fields; `None` when the object did not come from a text.
    source: Option<Arc<Node>>,
}

/// Equal objects at equal places are equal; how they were written does not count.
impl PartialEq for Manifest {
    fn eq(&self, other: &Self) -> bool {
        self.object == other.object && self.location == other.location
    }
}

impl From<Object> for Manifest {
    fn from(object: Object) -> Self {
        Self { object: Arc::new(object), location: Location::default(), source: None }
    }
}

impl Manifest {
    /// What tells the object from every other.
    #[must_use]
    pub fn key(&self) -> ObjectKey {
        self.object.key()
    }

    /// What is wrong with a field (path such as `spec.rules[0].name`; empty for the whole object), with its place and
    /// its value as they were written.
    #[must_use]
    pub fn invalid(&self, field: &str, expected: impl Into<String>, fix: impl Into<String>) -> Invalid {
        let found = self.source.as_ref().map(|source| source.find(field));
        let value = found.and_then(|found| found.node).map_or_else(|| "missing".to_owned(), Node::shown);
        Invalid {
            location: self.place(found.map(|found| found.mark)),
            object: Some(ObjectRef::from(&self.key())),
            field: field.to_owned(),
            value,
            expected: expected.into(),
            fix: fix.into(),
        }
    }

    fn place(&self, mark: Option<Mark>) -> Option<Location> {
        if self.location.file.is_empty() {
            return None;
        }
        Some(mark.map_or_else(|| self.location.clone(), |mark| location(&self.location.file, mark)))
    }

    /// What keeps the local runner from running it, though Kubernetes would: a container without `command` (there is
    /// no image to take one from), the host's network, values that only a node has.
    #[must_use]
    pub fn check_local(&self) -> Vec<Invalid> {
        let nothing = Node { mark: Mark::default(), content: Content::Null };
        let root = self.source.as_deref().unwrap_or(&nothing);
        let mut problems = Problems::new(&self.location.file, ObjectRef::from(&self.key()), root);
        crate::check::local(&self.object, &mut problems);
        if self.location.file.is_empty() {
            problems.invalid.iter_mut().for_each(|invalid| invalid.location = None);
        }
        problems.invalid
    }
}

/// What a text holds.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// The objects that are sound, in the order written.
    pub manifests: Vec<Manifest>,
    /// Everything that is wrong. One without an object means that a document could not be read at all.
    pub invalid: Vec<Invalid>,
    /// What has no effect.
    pub ignored: Vec<Ignored>,
}

/// Reads every object of a text in YAML or JSON. `file` names it in messages.
#[must_use]
pub fn read(file: &str, text: &str) -> Reading {
    let mut reading = Reading::default();
    for document in yaml::documents(text) {
        let object = document.root.as_ref().and_then(whose);
        // A key given twice leaves open which was meant: nothing of such a document is used.
        let broken = !document.errors.is_empty();
        for error in document.errors {
            reading.invalid.push(Invalid {
                location: Some(location(file, error.mark)),
                object: object.clone(),
                field: error.field,
                value: error.found,
                expected: error.expected,
                fix: String::new(),
            });
        }
        if let Some(root) = document.root.filter(|_| !broken) {
            read_node(file, root, &mut reading);
        }
    }
    refuse_repeats(&mut reading);
    let place = |location: &Location| (location.line, location.column);
    reading.invalid.sort_by_key(|it| it.location.as_ref().map(place));
    reading.ignored.sort_by_key(|it| place(&it.location));
    reading
}

/// Reads an object that did not come from a text, but from an API server. What it says about a kind that is not Leno's own
/// beyond what Leno uses is nothing to remark on there.
#[must_use]
pub fn read_json(object: serde_json::Value) -> Reading {
    let mut reading = Reading::default();
    read_object("", Node::from_json(object), &mut reading);
    // Of kinds that are not Leno's own there are many objects, and what is wrong with them is not said by their fields' values.
    for manifest in reading.manifests.iter_mut().filter(|manifest| !is_ours(manifest.object.kind())) {
        manifest.source = None;
    }
    reading.invalid.iter_mut().for_each(|invalid| invalid.location = None);
    reading.ignored.clear();
    reading
}

/// The first object of a key is taken; a second one of the same file is refused.
fn refuse_repeats(reading: &mut Reading) {
    let mut lines: HashMap<ObjectKey, u32> = HashMap::new();
    let invalid = &mut reading.invalid;
    reading.manifests.retain(|manifest| match lines.get(&manifest.key()) {
        None => {
            lines.insert(manifest.key(), manifest.location.line);
            true
        }
        Some(line) => {
            let again = format!("the same object again as in line {line}");
            let mut repeat = manifest.invalid("", "an object once", "remove one of the two, or name it otherwise");
            repeat.value = again;
            invalid.push(repeat);
            false
        }
    });
}

/// The object that a tree is about, as far as can be told.
fn whose(root: &Node) -> Option<ObjectRef> {
    let text = |node: Option<&Node>| node.and_then(Node::as_str).map(str::to_owned);
    let metadata = root.get("metadata");
    let kind = text(root.get("kind"))?;
    let name = text(metadata.and_then(|it| it.get("name")))?;
    let (group, _) = group_and_version(root.get("apiVersion").and_then(Node::as_str).unwrap_or_default());
    let mut alike = Kind::ALL.iter().filter(|known| known.as_str() == kind);
    // Two groups have a TCPRoute; a group that is not known leaves the first that is called so.
    let known = alike.clone().find(|known| known.group() == group).or_else(|| alike.next());
    let namespace = match known {
        Some(kind) if !kind.is_namespaced() => String::new(),
        _ => text(metadata.and_then(|it| it.get("namespace"))).unwrap_or_else(|| DEFAULT_NAMESPACE.into()),
    };
    Some(ObjectRef { kind: known.map_or(kind, |known| known.unique_name().to_owned()), namespace, name })
}

fn group_and_version(api_version: &str) -> (&str, &str) {
    api_version.rsplit_once('/').unwrap_or(("", api_version))
}

fn read_node(file: &str, node: Node, reading: &mut Reading) {
    let kind = node.get("kind").and_then(Node::as_str).unwrap_or_default();
    let is_list = kind.ends_with("List") && node.get("items").is_some_and(|items| items.items().is_some());
    if !is_list {
        read_object(file, node, reading);
        return;
    }
    let Content::Map(entries) = node.content else {
        return;
    };
    for entry in entries {
        if let (true, Content::List(items)) = (entry.key == "items", entry.value.content) {
            items.into_iter().for_each(|item| read_object(file, item, reading));
        }
    }
}

fn read_object(file: &str, node: Node, reading: &mut Reading) {
    let object = whose(&node);
    let header = match header(&node) {
        Ok(header) => header,
        Err(wrong) => {
            if let Some(ignored) = wrong.ignored(file, &node) {
                reading.ignored.push(ignored);
                return;
            }
            reading.invalid.push(wrong.invalid(file, &node, object));
            return;
        }
    };
    let (node, errors) = upgrade::upgrade(header.kind, &header.version, node);
    let object = object.unwrap_or_else(|| ObjectRef::new(header.kind.as_str(), "", ""));
    let mut problems = Problems::new(file, object, &node);
    for error in errors {
        problems.add(&error.field, error.expected, error.fix);
    }
    let unknown = if is_ours(header.kind) { Unknown::Refuse } else { Unknown::Report };
    let value = shape::compare(schema::of(header.kind), &node, unknown, &mut problems);
    let typed = value.and_then(|value| typed(header.kind, value, &mut problems));
    let checked = typed.map(|object| Checked::new(object, &mut problems));
    let Problems { invalid, ignored, .. } = problems;
    let sound = invalid.is_empty();
    reading.invalid.extend(invalid);
    reading.ignored.extend(ignored);
    if let Some(checked) = checked.filter(|_| sound) {
        let location = location(file, node.mark);
        let object = Arc::new(checked.into_object());
        reading.manifests.push(Manifest { object, location, source: Some(Arc::new(node)) });
    }
}

/// Kinds whose every field is known here: a field that is not is a mistake.
fn is_ours(kind: Kind) -> bool {
    kind.group().ends_with("smi-spec.io") || kind.group().ends_with("leno.dev") || kind.group() == gateway::GROUP
}

fn typed(kind: Kind, value: serde_json::Value, problems: &mut Problems<'_>) -> Option<Object> {
    match kind.decode(value) {
        Ok(object) => Some(object),
        Err(error) => {
            // The comparison with the schema has found nothing, so this tells of a gap between schema and type.
            let path = error.path().to_string();
            let path = if path == "." { String::new() } else { path };
            problems.add(&path, error.inner().to_string(), "");
            None
        }
    }
}

/// What an object says that it is.
struct Header {
    kind: Kind,
    version: String,
}

/// Why an object cannot be told what it is.
enum Unclear {
    NoMap,
    Missing(&'static str),
    /// A kind of a group that Leno reads nothing of, or that it does not use.
    Foreign(String),
    Kind(Option<&'static str>),
    Version(Kind),
}

fn header(node: &Node) -> Result<Header, Unclear> {
    if node.entries().is_none() {
        return Err(Unclear::NoMap);
    }
    let text = |field| node.get(field).and_then(Node::as_str).ok_or(Unclear::Missing(field));
    let (api_version, kind) = (text("apiVersion")?, text("kind")?);
    let (group, version) = group_and_version(api_version);
    let known = Kind::ALL.iter().copied().find(|known| known.group() == group && known.as_str() == kind);
    if let Some(kind) = known {
        let sound = version == kind.version() || upgrade::older_versions(kind).contains(&version);
        return if sound { Ok(Header { kind, version: version.to_owned() }) } else { Err(Unclear::Version(kind)) };
    }
    if group == gateway::GROUP && FOREIGN_GATEWAY_KINDS.contains(&kind) {
        return Err(Unclear::Foreign(kind.to_owned()));
    }
    // `apiVersion: v1` with `kind: Deployment`: the kind is known by another group.
    if let Some(known) = Kind::ALL.iter().copied().find(|known| known.as_str() == kind) {
        return Err(Unclear::Version(known));
    }
    let of_group: Vec<_> = Kind::ALL.iter().copied().filter(|known| known.group() == group).collect();
    let near = nearest(kind, of_group.iter().map(|known| known.as_str()));
    let ours = of_group.iter().copied().any(is_ours);
    if !ours && (near.is_none() || FOREIGN_KINDS.contains(&kind)) {
        return Err(Unclear::Foreign(kind.to_owned()));
    }
    Err(Unclear::Kind(near))
}

impl Unclear {
    fn ignored(&self, file: &str, node: &Node) -> Option<Ignored> {
        match self {
            Self::Foreign(kind) => Some(Ignored {
                location: location(file, node.mark),
                object: whose(node).unwrap_or_else(|| ObjectRef::new(kind, "", "")),
                field: String::new(),
                nearest: None,
            }),
            Self::NoMap | Self::Missing(_) | Self::Kind(_) | Self::Version(_) => None,
        }
    }

    fn invalid(&self, file: &str, node: &Node, object: Option<ObjectRef>) -> Invalid {
        let (field, expected, fix) = match self {
            Self::NoMap | Self::Foreign(_) => {
                ("", "an object with apiVersion, kind and metadata".to_owned(), String::new())
            }
            Self::Missing("kind") => ("kind", "the kind of the object".into(), "write e.g. kind: Service".into()),
            Self::Missing(field) => {
                (*field, "the version of the object's kind".into(), "write e.g. apiVersion: v1".into())
            }
            Self::Kind(near) => {
                let fix = near.map(|near| format!("did you mean {near}?")).unwrap_or_default();
                ("kind", "a kind of this apiVersion".into(), fix)
            }
            Self::Version(kind) => {
                let group = match kind.group() {
                    "" => String::new(),
                    group => format!("{group}/"),
                };
                let mut versions = vec![kind.version()];
                versions.extend(upgrade::older_versions(*kind));
                let expected: Vec<_> = versions.iter().map(|version| format!("{group}{version}")).collect();
                ("apiVersion", expected.join(" or "), String::new())
            }
        };
        let found = node.find(field);
        Invalid {
            location: Some(location(file, found.mark)),
            object,
            field: field.to_owned(),
            value: found.node.map_or_else(|| "missing".into(), Node::shown),
            expected,
            fix,
        }
    }
}

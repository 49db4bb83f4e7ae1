//! The API of a running local mesh, which `leno ps`, `leno get`, `leno apply`… speak over the mesh's control socket.
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/mesh` | [`MeshView`] |
//! | `GET /v1/objects?kind=&namespace=&name=` | a list of objects as Kubernetes writes them |
//! | `POST /v1/apply` [`Manifests`] | [`Changes`] or, status 422, [`Refused`] |
//! | `POST /v1/replace` an object | [`Replaced`] or, status 404/409/422, [`Refused`] |
//! | `POST /v1/delete` [`Deletion`] | [`Changes`] or, status 404/422, [`Refused`] |
//! | `GET /v1/calls/{namespace}/{service}` | [`Calls`] |
//! | `GET /v1/events?follow=&since=` | one [`Event`] a line |
//! | `GET /v1/logs/{namespace}/{pod}?container=&follow=&previous=&tail=` | the container's output |
//! | `POST /v1/exec/{namespace}/{pod}?container=` | 101, then an [`ExecContext`] line with the namespaces' file descriptors |
//! | `GET /v1/control/{path}` | what the control plane's own API says |
//! | `GET /v1/admin/{namespace}/{pod}/{path}` | what that pod's sidecar says |
//! | `POST /v1/explain/{namespace}/{pod}` [`Question`](crate::explain::Question) | [`Explanation`](crate::explain::Explanation) by that pod's sidecar |
//! | `GET /v1/resolve/{namespace}/{host}` | [`Resolved`] |
//! | `POST /v1/shutdown` | 202; the mesh stops in order |

use std::{collections::BTreeMap, net::Ipv4Addr};

use leno_model::{Invalid, ObjectRef};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A mesh at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MeshView {
    /// Its name (`--mesh`).
    pub name: String,
    /// The version of `leno` that runs it.
    pub version: String,
    /// How long it runs, in seconds.
    pub uptime_seconds: u64,
    /// Whether every pod that is wanted is ready.
    pub ready: bool,
    /// Whether the control plane answers.
    pub control_ready: bool,
    /// Its pods, sorted by namespace and name.
    pub pods: Vec<PodView>,
    /// Its services, sorted by namespace and name.
    pub services: Vec<ServiceView>,
    /// What is wrong now with what was written; empty when all is well.
    pub invalid: Vec<String>,
}

/// A pod at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodView {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What made it, e.g. `Deployment/cart`; empty for a pod of its own.
    pub owner: String,
    /// Its address; empty until it has one.
    pub ip: String,
    /// The one word that `kubectl get pods` shows, e.g. `Running`, `CrashLoopBackOff`.
    pub status: String,
    /// Why, when it is not well; empty otherwise.
    pub message: String,
    /// How many of its containers (the sidecar included) are ready.
    pub ready: u32,
    /// How many containers it has (the sidecar included).
    pub containers: u32,
    /// How often containers were started again.
    pub restarts: u32,
    /// Seconds since it was made.
    pub age_seconds: u64,
    /// Whether it has a sidecar.
    pub meshed: bool,
    /// Why it has one or has none.
    pub mesh_reason: String,
}

/// A service at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServiceView {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its virtual address, or `None`.
    pub cluster_ip: String,
    /// Its ports as text, e.g. `80→14001`.
    pub ports: Vec<String>,
    /// How many of its instances are ready.
    pub ready: u32,
    /// How many instances it has.
    pub instances: u32,
    /// Where it can be reached from the host, e.g. `http://127.0.0.1:8080`.
    pub published: Vec<String>,
    /// What its sidecars counted lately; `None` when none of its instances has one.
    pub traffic: Option<Traffic>,
}

/// What the sidecars of a service's instances counted over the last seconds, inbound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Traffic {
    /// Requests a second.
    pub requests_per_second: f64,
    /// The share of requests that did not fail (status below 500), 0 to 1; `None` without requests.
    pub success_rate: Option<f64>,
    /// Median duration in milliseconds; `None` without requests.
    pub p50_ms: Option<f64>,
    /// 99th percentile of the duration in milliseconds; `None` without requests.
    pub p99_ms: Option<f64>,
    /// The share of requests that came over mutual TLS, 0 to 1; `None` without requests.
    pub mtls_share: Option<f64>,
    /// Requests and connections that policy refused, a second.
    pub denied_per_second: f64,
    /// Open TCP connections made a second, of ports that are not HTTP.
    pub connections_per_second: f64,
}

/// What the sidecars of everyone who may call a service counted of their calls to it, each since its start: the difference
/// of two of these is what happened between.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Calls {
    /// By pod, `namespace/name`; `None` for a sidecar that did not answer.
    pub callers: BTreeMap<String, Option<CallCounts>>,
}

/// What one sidecar counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CallCounts {
    /// Requests.
    pub requests: f64,
    /// Those that failed: status 500 and above, or the caller went away before the answer.
    pub failed: f64,
    /// How long they took, as a histogram that is added up from below.
    pub durations: Vec<DurationBucket>,
}

/// Requests up to a duration.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DurationBucket {
    /// The longest duration, in seconds; `None` for any.
    pub at_most: Option<f64>,
    /// How many there were.
    pub requests: f64,
}

/// What a host's name means to the pods of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// The whole name, without the final dot.
    pub name: String,
    /// Its addresses; none: there is no such name.
    pub addresses: Vec<Ipv4Addr>,
}

/// Manifests to apply.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifests {
    /// The files, each with its text.
    pub files: Vec<ManifestFile>,
}

/// One file of manifests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestFile {
    /// Its absolute path, or `-` for standard input.
    pub path: String,
    /// Its text.
    pub text: String,
    /// The folder that its containers run in.
    pub folder: String,
}

/// What to delete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deletion {
    /// The objects that these manifests name.
    Manifests(Manifests),
    /// One object.
    Object(ObjectRef),
}

/// What became of objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// Each object and what happened to it.
    pub changes: Vec<ObjectChange>,
}

/// What became of one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectChange {
    /// The object.
    pub object: ObjectRef,
    /// What happened to it.
    pub change: Change,
}

/// An object that took the place of the version that it was made from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Replaced {
    /// As it is now, with its new `metadata.resourceVersion`.
    pub object: Value,
    /// Whether it stands in the watched files, whose next change puts back what is written there.
    pub in_files: bool,
}

/// What happened to an object, in kubectl's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is new.
    Created,
    /// It is different now.
    Configured,
    /// It was so already.
    Unchanged,
    /// It is gone, or on its way.
    Deleted,
}

impl Change {
    /// The word that people are shown.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
            Self::Deleted => "deleted",
        }
    }
}

/// Why a request was refused; nothing of it took effect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Why, in one line.
    pub message: String,
    /// Everything that is wrong with what was written.
    pub invalid: Vec<Invalid>,
}

/// Something that happened in a mesh.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Counts up from 1.
    pub sequence: u64,
    /// When: milliseconds since 1970.
    pub time_ms: u64,
    /// What.
    #[serde(flatten)]
    pub what: Happening,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Happening {
    /// A pod's status changed.
    Pod(PodView),
    /// Every wanted pod is ready. Said once at start, and again whenever that becomes true anew.
    Ready {
        /// How many pods there are.
        pods: u32,
        /// Seconds since the start of the mesh.
        seconds: f64,
    },
    /// A service can be reached from the host.
    Published {
        /// The service, `namespace/name`.
        service: String,
        /// Where.
        url: String,
    },
    /// An object of a manifest was made, changed or deleted.
    Object(ObjectChange),
    /// What was written cannot take effect; the previous state keeps running.
    Invalid {
        /// What is wrong, one text each.
        errors: Vec<String>,
    },
    /// All that was wrong has been mended.
    Mended,
    /// The control plane started, ended or was started again.
    Control {
        /// What happened.
        message: String,
        /// Whether it answers.
        ready: bool,
    },
    /// Something a person should know.
    Warning {
        /// What.
        message: String,
    },
    /// The mesh is stopping.
    Stopping,
    /// The mesh has stopped.
    Stopped,
}

/// All that a process needs to run beside a container: the first line after the upgrade of an `exec` request. The
/// namespaces follow as file descriptors in the order of [`ExecContext::namespaces`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecContext {
    /// Which namespaces the passed descriptors are: `user`, `pid`, `net`, `mnt`, `uts`, to be entered in this order.
    pub namespaces: Vec<String>,
    /// The environment, whole.
    pub environment: Vec<(String, String)>,
    /// The working directory.
    pub directory: String,
}

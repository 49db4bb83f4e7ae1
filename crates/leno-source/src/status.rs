//! What people are told about their objects.

use std::fmt;

use leno_manifest::{Ignored, Manifest, gateway::RouteStatus};
use leno_model::{Invalid, Location, ObjectRef};
use serde::{Deserialize, Serialize};

use crate::Attachment;

/// Something about an object that is not wrong, but probably not what was meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The object.
    pub object: ObjectRef,
    /// Where it was written, if it came from a file.
    pub location: Option<Location>,
    /// What sort of remark it is.
    pub reason: NoteReason,
    /// The remark.
    pub text: String,
}

/// What sort of remark a [`Note`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NoteReason {
    /// Another object says otherwise and wins.
    Conflict,
    /// It names something that is not there (yet).
    Unresolved,
    /// It changes nothing.
    NoEffect,
}

impl NoteReason {
    /// Every sort.
    pub const ALL: [Self; 3] = [Self::Conflict, Self::Unresolved, Self::NoEffect];

    /// What it means, and what to do: the reference's text.
    #[must_use]
    pub fn explained(self) -> (&'static str, &'static str) {
        match self {
            Self::Conflict => ("Another object says otherwise and wins.", "Keep one of the two."),
            Self::Unresolved => (
                "It names something that is not there (yet).",
                "Nothing, if the object is about to come; else mend the name.",
            ),
            Self::NoEffect => ("It changes nothing.", "Take it away, or look whether it names what was meant."),
        }
    }
}

impl Note {
    pub(crate) fn new(manifest: &Manifest, reason: NoteReason, text: impl Into<String>) -> Self {
        let location = Some(manifest.location.clone()).filter(|location| !location.file.is_empty());
        Self { object: ObjectRef::from(&manifest.key()), location, reason, text: text.into() }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(location) = &self.location {
            write!(f, "{location} ")?;
        }
        write!(f, "{}: {}", self.object, self.text)
    }
}

/// What people are told about all objects, at one version of the snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The version of the snapshot that this is about.
    pub version: u64,
    /// Everything that is wrong: what could not be read (its last good version is kept), and what names something that
    /// is not there and so lets nothing through.
    pub invalid: Vec<Invalid>,
    /// What is probably not what was meant.
    pub notes: Vec<Note>,
    /// How policies stand towards what they are attached to.
    pub attachments: Vec<Attachment>,
    /// Fields and objects that have no effect.
    pub ignored: Vec<Ignored>,
    /// Every object.
    pub objects: Vec<ObjectStatus>,
    /// What became of each route of the Gateway API that has to do with the mesh, and of each BackendTLSPolicy.
    #[serde(default)]
    pub routes: Vec<RouteCondition>,
}

/// What became of a route or a BackendTLSPolicy of the Gateway API: what its `status` is to say, but for the times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteCondition {
    /// The route, or the policy.
    pub object: ObjectRef,
    /// What became of it at each of its parents that is a Service; of a policy, at each of its targets.
    pub status: RouteStatus,
}

/// How one object stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectStatus {
    /// The object.
    pub object: ObjectRef,
    /// Where it was written, if it came from a file.
    pub location: Option<Location>,
    /// Whether it is in force as it is written now.
    pub state: ObjectState,
}

/// Whether an object is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ObjectState {
    /// As it is written.
    InForce,
    /// As it was written before: what is written now is wrong.
    LastGood,
    /// In part, or not at all: it names something that is not there, or another object wins.
    Limited,
    /// Not at all: it was never right.
    Refused,
}

impl ObjectState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::InForce, Self::LastGood, Self::Limited, Self::Refused];

    /// What it means, and what to do: the reference's text.
    #[must_use]
    pub fn explained(self) -> (&'static str, &'static str) {
        match self {
            Self::InForce => ("It is in force as it is written.", "Nothing."),
            Self::LastGood => (
                "What is written now is wrong; what was written before stays in force.",
                "Mend what the message names.",
            ),
            Self::Limited => (
                "In force in part, or not at all: it names something that is not there, or another object wins.",
                "See the message: write what is missing, or decide between the two objects.",
            ),
            Self::Refused => ("Not in force: it was never right.", "Mend what the message names."),
        }
    }
}

impl Status {
    /// How each object stands: those in force, and those that were never right. `stale` tells objects whose last good
    /// version is kept.
    pub(crate) fn objects<'a>(
        manifests: impl Iterator<Item = (&'a Manifest, bool)>,
        invalid: &[Invalid],
        notes: &[Note],
    ) -> Vec<ObjectStatus> {
        use std::collections::BTreeMap;
        let mut objects: BTreeMap<ObjectRef, ObjectStatus> = BTreeMap::new();
        for (manifest, stale) in manifests {
            let object = ObjectRef::from(&manifest.key());
            let location = Some(manifest.location.clone()).filter(|location| !location.file.is_empty());
            let state = if stale { ObjectState::LastGood } else { ObjectState::InForce };
            objects.insert(object.clone(), ObjectStatus { object, location, state });
        }
        for wrong in invalid {
            let Some(object) = &wrong.object else {
                continue;
            };
            let refused =
                ObjectStatus { object: object.clone(), location: wrong.location.clone(), state: ObjectState::Refused };
            let status = objects.entry(object.clone()).or_insert(refused);
            if status.state == ObjectState::InForce {
                status.state = ObjectState::Limited;
            }
        }
        let limiting = notes.iter().filter(|note| note.reason != NoteReason::NoEffect);
        for note in limiting {
            if let Some(status) = objects.get_mut(&note.object).filter(|it| it.state == ObjectState::InForce) {
                status.state = ObjectState::Limited;
            }
        }
        objects.into_values().collect()
    }
}

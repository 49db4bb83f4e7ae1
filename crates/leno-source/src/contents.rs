//! What a source holds at one moment.

use std::collections::HashSet;

use leno_manifest::{Ignored, ObjectKey};
use leno_model::Invalid;

use crate::Objects;

/// All that a source says.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// Every object; of a broken one its last good version.
    pub objects: Objects,
    /// The objects whose last good version is kept.
    pub stale: HashSet<ObjectKey>,
    /// Everything that is wrong.
    pub invalid: Vec<Invalid>,
    /// What has no effect.
    pub ignored: Vec<Ignored>,
}

//! What one client wants of one type, what it was told, and so what it lacks.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{Resource, ResourceType, resource::WILDCARD};

/// The resources that a subscription is compared with.
pub(super) trait Resources {
    fn resource(&self, resource_type: ResourceType, name: &str) -> Option<Resource>;
    fn names(&self, resource_type: ResourceType) -> Vec<Arc<str>>;
}

/// One client's subscription to one type.
#[derive(Debug)]
pub(super) struct Subscription {
    resource_type: ResourceType,
    wildcard: bool,
    entries: BTreeMap<Arc<str>, Entry>,
    /// Names to be compared with the source. Only these are looked up, so a change costs what it touches.
    dirty: BTreeSet<Arc<str>>,
    /// The names of the wildcard have to be listed anew.
    relist: bool,
    /// The client waits for an answer even if there is nothing to say.
    answer_due: bool,
    /// Told once, not there any more: to be removed when nothing can refer to it.
    gone: BTreeSet<Arc<str>>,
}

#[derive(Debug, Default)]
struct Entry {
    /// Asked for by its name, not just by the wildcard.
    explicit: bool,
    told: Known,
}

/// What a client knows of a resource.
#[derive(Clone, Debug, Default)]
pub(super) enum Known {
    /// Nothing; it waits.
    #[default]
    Nothing,
    /// That there is none.
    Absent,
    /// This version, from an earlier stream.
    Version(Arc<str>),
    /// This resource.
    Resource(Resource),
}

impl Known {
    pub(super) fn version(&self) -> Option<&Arc<str>> {
        match self {
            Self::Nothing | Self::Absent => None,
            Self::Version(version) => Some(version),
            Self::Resource(resource) => Some(&resource.version),
        }
    }
}

/// What to tell a client next.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// New or changed.
    pub(super) updated: Vec<Resource>,
    /// Asked for, and there is none.
    pub(super) absent: Vec<Arc<str>>,
    /// There is no more.
    pub(super) removed: Vec<Arc<str>>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.updated.is_empty() && self.absent.is_empty() && self.removed.is_empty()
    }
}

impl Subscription {
    pub(super) fn new(resource_type: ResourceType) -> Self {
        Self {
            resource_type,
            wildcard: false,
            entries: BTreeMap::new(),
            dirty: BTreeSet::new(),
            relist: false,
            answer_due: false,
            gone: BTreeSet::new(),
        }
    }

    /// The client wants this name. Wanting it again asks for it again: it "may have forgotten".
    pub(super) fn subscribe(&mut self, name: &str) {
        if name == WILDCARD {
            self.wildcard = true;
            self.relist = true;
            self.answer_due = true;
            return;
        }
        let name: Arc<str> = name.into();
        self.gone.remove(&name);
        self.entries.insert(Arc::clone(&name), Entry { explicit: true, told: Known::Nothing });
        self.dirty.insert(name);
    }

    /// The client does not want this name any more.
    pub(super) fn unsubscribe(&mut self, name: &str) {
        if name == WILDCARD {
            self.wildcard = false;
            self.relist = false;
            self.entries.retain(|_, entry| entry.explicit);
            let Self { entries, dirty, gone, .. } = self;
            dirty.retain(|name| entries.contains_key(name));
            gone.retain(|name| entries.contains_key(name));
            return;
        }
        self.gone.remove(name);
        self.dirty.remove(name);
        let Some((name, _)) = self.entries.remove_entry(name) else {
            return;
        };
        if self.wildcard {
            // The client has dropped it, but the wildcard may hold it.
            self.compare_anew(&name);
        }
    }

    /// The client has this version from an earlier stream.
    pub(super) fn resume(&mut self, name: &str, version: &str) {
        let known = Known::Version(version.into());
        if let Some(entry) = self.entries.get_mut(name) {
            entry.told = known;
        } else if self.wildcard {
            let name: Arc<str> = name.into();
            self.entries.insert(Arc::clone(&name), Entry { explicit: false, told: known });
            self.dirty.insert(name);
        }
    }

    /// It is not known whether the client has this name, which it does not ask for by name: it is to be told either way.
    pub(super) fn compare_anew(&mut self, name: &Arc<str>) {
        self.entries.entry(Arc::clone(name)).or_default();
        self.dirty.insert(Arc::clone(name));
    }

    /// The client has lost what it was told of this name.
    pub(super) fn forget(&mut self, name: &str) {
        if let Some((name, _)) = self.entries.get_key_value(name) {
            let name = Arc::clone(name);
            if let Some(entry) = self.entries.get_mut(&name)
                && !matches!(entry.told, Known::Absent)
            {
                entry.told = Known::Nothing;
                self.dirty.insert(name);
            }
        }
    }

    /// The names that this finds may have changed.
    pub(super) fn mark(&mut self, touches: impl Fn(&str) -> bool) {
        let touched = self.entries.keys().filter(|name| touches(name)).cloned();
        self.dirty.extend(touched);
    }

    /// What there is may have changed.
    pub(super) fn mark_names(&mut self) {
        self.relist = self.wildcard;
    }

    /// Anything may have changed.
    pub(super) fn mark_all(&mut self) {
        self.dirty.extend(self.entries.keys().cloned());
        self.relist = self.wildcard;
    }

    /// Whether something has to be looked at, or an answer is due.
    pub(super) fn is_pending(&self) -> bool {
        self.relist || self.answer_due || !self.dirty.is_empty()
    }

    /// Whether something is to be removed.
    pub(super) fn has_gone(&self) -> bool {
        !self.gone.is_empty()
    }

    /// Compares what is pending with the source, up to about `max_bytes`, and says what to tell; `None` when there is
    /// nothing to say. What is returned counts as told.
    pub(super) fn updates(&mut self, source: &impl Resources, max_bytes: usize) -> Option<Batch> {
        if self.relist {
            self.relist = false;
            self.list(source);
        }
        let mut batch = Batch::default();
        let mut bytes = 0;
        while bytes < max_bytes
            && let Some(name) = self.dirty.pop_first()
        {
            bytes += self.compare(name, source, &mut batch);
        }
        if batch.is_empty() && !(self.answer_due && self.dirty.is_empty()) {
            return None;
        }
        self.answer_due = false;
        Some(batch)
    }

    /// Takes what is to be removed, unless it has come back.
    pub(super) fn removals(&mut self, source: &impl Resources) -> Option<Batch> {
        let mut batch = Batch::default();
        for name in std::mem::take(&mut self.gone) {
            if source.resource(self.resource_type, &name).is_some() {
                self.dirty.insert(name);
                continue;
            }
            self.tell_absent(&name);
            batch.removed.push(name);
        }
        (!batch.is_empty()).then_some(batch)
    }

    /// Everything that the client has now, for answers that list the whole state. What is gone but not removed yet is
    /// among it.
    pub(super) fn told(&self) -> impl Iterator<Item = (&Arc<str>, &Known)> {
        self.entries.iter().filter(|(_, entry)| entry.told.version().is_some()).map(|(name, entry)| (name, &entry.told))
    }

    /// The names asked for by name.
    pub(super) fn explicit(&self) -> impl Iterator<Item = &Arc<str>> {
        self.entries.iter().filter(|(_, entry)| entry.explicit).map(|(name, _)| name)
    }

    pub(super) fn is_wildcard(&self) -> bool {
        self.wildcard
    }

    /// How many names it holds.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    fn list(&mut self, source: &impl Resources) {
        let names: BTreeSet<Arc<str>> = source.names(self.resource_type).into_iter().collect();
        for (name, entry) in &self.entries {
            if !entry.explicit && !names.contains(name) {
                self.dirty.insert(Arc::clone(name));
            }
        }
        for name in names {
            if !self.entries.contains_key(&name) {
                self.entries.insert(Arc::clone(&name), Entry::default());
                self.dirty.insert(name);
            }
        }
    }

    /// Compares one name; returns about how many bytes that adds to the answer.
    fn compare(&mut self, name: Arc<str>, source: &impl Resources, batch: &mut Batch) -> usize {
        let Some(entry) = self.entries.get_mut(&name) else {
            return 0;
        };
        let found = source.resource(self.resource_type, &name);
        match (found, &entry.told) {
            (Some(resource), known) => {
                self.gone.remove(&name);
                if known.version() == Some(&resource.version) {
                    return 0;
                }
                let size = resource.size();
                entry.told = Known::Resource(resource.clone());
                batch.updated.push(resource);
                size
            }
            (None, Known::Nothing) => {
                let size = name.len();
                self.tell_absent(&name);
                batch.absent.push(name);
                size
            }
            (None, Known::Absent) => 0,
            (None, Known::Version(_) | Known::Resource(_)) => {
                self.gone.insert(name);
                0
            }
        }
    }

    fn tell_absent(&mut self, name: &str) {
        match self.entries.get_mut(name) {
            Some(entry) if entry.explicit => entry.told = Known::Absent,
            Some(_) | None => drop(self.entries.remove(name)),
        }
    }
}

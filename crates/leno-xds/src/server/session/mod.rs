//! One client's stream: what it has been told of each type, and which answer may go next.
//!
//! ```text
//!             ask ──► Lane(Secret) Lane(Cluster) Lane(Endpoint) Lane(Listener) Lane(Route)
//!                       │ free ──answer──► in flight ──ACK or NACK──► free
//! updates go left to right; a type waits while one before it still has updates that cannot go
//! removals go right to left, once nothing is in flight and nothing is left to update
//! ```

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::{Instant, SystemTime},
};

use super::{
    status::{Acknowledged, Flavour, Refusal, Sent, Told, TypeStatus},
    subscription::{Batch, Known, Resources, Subscription},
};
use crate::{Resource, ResourceType, resource::WILDCARD};

/// About how many bytes one incremental answer holds; more goes into further answers.
const ANSWER_BYTES: usize = 1 << 20;

/// A request of either protocol.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) resource_type: ResourceType,
    pub(super) names: Names,
    /// The answer that this acknowledges or refuses; empty when it does neither.
    pub(super) nonce: String,
    /// Why the answer is refused.
    pub(super) error: Option<String>,
}

/// How a request says what it wants.
#[derive(Debug)]
pub(super) enum Names {
    /// What is wanted from now on and what is not (incremental), and what the client has from an earlier stream.
    Delta { subscribe: Vec<String>, unsubscribe: Vec<String>, initial: HashMap<String, String> },
    /// All that is wanted (state of the world).
    Whole(Vec<String>),
}

impl Names {
    /// Every name that the request makes the server remember.
    pub(super) fn iter(&self) -> impl Iterator<Item = &String> {
        let (names, initial) = match self {
            Self::Delta { subscribe, initial, .. } => (subscribe, Some(initial)),
            Self::Whole(names) => (names, None),
        };
        names.iter().chain(initial.into_iter().flat_map(HashMap::keys))
    }
}

/// What became of the answer that a request speaks of.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// It speaks of none.
    None,
    /// It is in use; the oldest change in it was published at this time.
    Acknowledged(Option<Instant>),
    /// It was refused, with this message.
    Refused(String),
}

/// What to send next.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) resource_type: ResourceType,
    pub(super) version: String,
    pub(super) nonce: String,
    pub(super) resources: Vec<Resource>,
    pub(super) removed: Vec<Arc<str>>,
}

/// What may have changed for the client of a stream.
pub(super) trait Touched {
    fn touches(&self, resource_type: ResourceType, name: &str) -> bool;
    fn touches_names(&self, resource_type: ResourceType) -> bool;
}

/// The state of one stream.
#[derive(Debug)]
pub(super) struct Session {
    flavour: Flavour,
    /// Envoy warms a changed cluster until its endpoints are sent (again).
    rewarm: bool,
    lanes: BTreeMap<ResourceType, Lane>,
    nonces: u64,
}

/// One type of a stream.
#[derive(Debug)]
struct Lane {
    subscription: Subscription,
    /// An empty first list means everything; this says that there was a list with names.
    named: bool,
    in_flight: Option<InFlight>,
    /// The last nonce sent; later requests repeat it.
    last_nonce: String,
    /// When the oldest change that has not been sent yet was published.
    changed_at: Option<Instant>,
    sent: Option<Sent>,
    acknowledged: Option<Acknowledged>,
    refused: Option<Refusal>,
}

#[derive(Debug)]
struct InFlight {
    nonce: String,
    version: String,
    changed_at: Option<Instant>,
    /// The names of the resources it carries.
    names: Vec<Arc<str>>,
}

impl Session {
    pub(super) fn new(flavour: Flavour, rewarm: bool) -> Self {
        Self { flavour, rewarm, lanes: BTreeMap::new(), nonces: 0 }
    }

    /// Takes in a request.
    pub(super) fn ask(&mut self, ask: Ask) -> Verdict {
        let first = !self.lanes.contains_key(&ask.resource_type);
        let lane = self.lanes.entry(ask.resource_type).or_insert_with(|| Lane::new(ask.resource_type));
        match ask.names {
            Names::Delta { subscribe, unsubscribe, initial } => {
                let verdict = lane.verdict(&ask.nonce, ask.error);
                lane.delta(first, &subscribe, &unsubscribe, &initial);
                verdict
            }
            // An answer is on its way that the client has not seen: what it says is out of date.
            Names::Whole(names) if !ask.nonce.is_empty() && ask.nonce != lane.last_nonce => {
                lane.doubt(&names);
                Verdict::None
            }
            Names::Whole(names) => {
                let verdict = lane.verdict(&ask.nonce, ask.error);
                lane.whole(first, ask.resource_type, &names);
                verdict
            }
        }
    }

    /// Takes in what may have changed: the names of a type, and whether there may be others. It was published `since`.
    pub(super) fn changed(&mut self, touched: &impl Touched, since: Instant) {
        for (resource_type, lane) in &mut self.lanes {
            lane.subscription.mark(|name| touched.touches(*resource_type, name));
            if touched.touches_names(*resource_type) {
                lane.subscription.mark_names();
            }
            if lane.subscription.is_pending() {
                lane.changed_at.get_or_insert(since);
            }
        }
    }

    /// The next answer that may go now. `version` is that of the source.
    pub(super) fn next(&mut self, source: &impl Resources, version: &str) -> Option<Answer> {
        loop {
            if let Some(answer) = self.next_update(source, version) {
                return Some(answer);
            }
            if self.lanes.values().any(|lane| lane.in_flight.is_some()) {
                return None;
            }
            if let Some(answer) = self.next_removal(source, version) {
                return Some(answer);
            }
            // What was to be removed may have come back.
            if !self.lanes.values().any(|lane| lane.subscription.is_pending()) {
                return None;
            }
        }
    }

    /// How many names the client subscribes to, of all types.
    pub(super) fn names(&self) -> usize {
        self.lanes.values().map(|lane| lane.subscription.len()).sum()
    }

    pub(super) fn status(&self) -> Vec<TypeStatus> {
        self.lanes.iter().map(|(resource_type, lane)| lane.status(*resource_type)).collect()
    }

    pub(super) fn told(&self) -> Vec<Told> {
        let of = |(resource_type, lane): (&ResourceType, &Lane)| {
            let resource_type = *resource_type;
            let told = lane.subscription.told().filter_map(move |(name, known)| Told::new(resource_type, name, known));
            told.collect::<Vec<_>>()
        };
        self.lanes.iter().flat_map(of).collect()
    }

    fn next_update(&mut self, source: &impl Resources, version: &str) -> Option<Answer> {
        let flavour = self.flavour;
        let mut found = None;
        for (resource_type, lane) in &mut self.lanes {
            if !lane.subscription.is_pending() {
                continue;
            }
            if lane.in_flight.is_some() {
                return None;
            }
            let whole = flavour == Flavour::StateOfTheWorld && resource_type.is_whole_state();
            let max_bytes = if whole { usize::MAX } else { ANSWER_BYTES };
            let batch = lane.subscription.updates(source, max_bytes);
            if let Some(batch) = batch.filter(|batch| sayable(flavour, *resource_type, batch)) {
                found = Some((*resource_type, batch));
                break;
            }
            if !lane.subscription.is_pending() {
                lane.changed_at = None;
            }
        }
        let (resource_type, batch) = found?;
        self.rewarm(resource_type, &batch);
        self.answer(resource_type, batch, version)
    }

    fn next_removal(&mut self, source: &impl Resources, version: &str) -> Option<Answer> {
        let flavour = self.flavour;
        let mut gone = self.lanes.iter_mut().rev().filter(|(_, lane)| lane.subscription.has_gone());
        let (resource_type, batch) = gone.find_map(|(resource_type, lane)| {
            let batch = lane.subscription.removals(source)?;
            sayable(flavour, *resource_type, &batch).then_some((*resource_type, batch))
        })?;
        self.answer(resource_type, batch, version)
    }

    fn answer(&mut self, resource_type: ResourceType, batch: Batch, version: &str) -> Option<Answer> {
        let lane = self.lanes.get_mut(&resource_type)?;
        self.nonces += 1;
        let nonce = self.nonces.to_string();
        let changed_at = lane.changed_at.take();
        lane.last_nonce.clone_from(&nonce);
        lane.sent = Some(Sent { version: version.to_owned(), nonce: nonce.clone(), at: SystemTime::now() });
        let whole = self.flavour == Flavour::StateOfTheWorld && resource_type.is_whole_state();
        let resources = if whole { lane.everything() } else { batch.updated };
        let names = resources.iter().map(|resource| Arc::clone(&resource.name)).collect();
        lane.in_flight = Some(InFlight { nonce: nonce.clone(), version: version.to_owned(), changed_at, names });
        let mut removed = batch.absent;
        removed.extend(batch.removed);
        Some(Answer { resource_type, version: version.to_owned(), nonce, resources, removed })
    }

    /// A changed cluster of Envoy's waits for its endpoints, which have the cluster's name, even if they are unchanged.
    fn rewarm(&mut self, resource_type: ResourceType, batch: &Batch) {
        if !self.rewarm || resource_type != ResourceType::Cluster {
            return;
        }
        if let Some(endpoints) = self.lanes.get_mut(&ResourceType::Endpoint) {
            batch.updated.iter().for_each(|cluster| endpoints.subscription.forget(&cluster.name));
        }
    }
}

/// Whether the protocol has words for this. Lists of the whole state say what is gone by leaving it out; the other
/// types of that protocol cannot say it at all.
fn sayable(flavour: Flavour, resource_type: ResourceType, batch: &Batch) -> bool {
    match flavour {
        Flavour::Delta => true,
        Flavour::StateOfTheWorld => resource_type.is_whole_state() || !batch.updated.is_empty(),
    }
}

impl Lane {
    fn new(resource_type: ResourceType) -> Self {
        Self {
            subscription: Subscription::new(resource_type),
            named: false,
            in_flight: None,
            last_nonce: String::new(),
            changed_at: None,
            sent: None,
            acknowledged: None,
            refused: None,
        }
    }

    fn verdict(&mut self, nonce: &str, error: Option<String>) -> Verdict {
        if self.in_flight.as_ref().is_none_or(|in_flight| in_flight.nonce != nonce) {
            return Verdict::None;
        }
        let Some(InFlight { version, changed_at, nonce, .. }) = self.in_flight.take() else {
            return Verdict::None;
        };
        let at = SystemTime::now();
        match error {
            None => {
                self.refused = None;
                self.acknowledged = Some(Acknowledged { version, at });
                Verdict::Acknowledged(changed_at)
            }
            Some(message) => {
                self.refused = Some(Refusal { version, nonce, message: message.clone(), at });
                Verdict::Refused(message)
            }
        }
    }

    /// The client that wants everything, again perhaps, will also take in what an answer on its way carries.
    fn subscribe(&mut self, name: &str) {
        self.subscription.subscribe(name);
        if name == WILDCARD {
            self.in_flight.iter().flat_map(|it| &it.names).for_each(|name| self.subscription.compare_anew(name));
        }
    }

    fn delta(&mut self, first: bool, subscribe: &[String], unsubscribe: &[String], initial: &HashMap<String, String>) {
        // Without names the first request of a type asks for everything; so it was before there was "*".
        if first && subscribe.is_empty() {
            self.subscribe(WILDCARD);
        }
        for name in unsubscribe {
            self.subscription.unsubscribe(name);
        }
        for name in subscribe {
            self.subscribe(name);
        }
        if first {
            for (name, version) in initial {
                self.subscription.resume(name, version);
            }
        }
    }

    /// Of a list that is out of date it still holds that the client has dropped what is not in it. Should it want that
    /// by its next list, it is to be told again.
    fn doubt(&mut self, names: &[String]) {
        let names: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        if names.contains(WILDCARD) || (names.is_empty() && !self.named) {
            return;
        }
        let told = self.subscription.told().map(|(name, _)| Arc::clone(name));
        let dropped: Vec<Arc<str>> = told.filter(|name| !names.contains(&**name)).collect();
        dropped.iter().for_each(|name| self.subscription.forget(name));
    }

    fn whole(&mut self, first: bool, resource_type: ResourceType, names: &[String]) {
        self.named |= !names.is_empty();
        let wanted: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        let everything = wanted.contains(WILDCARD) || (!self.named && resource_type.is_whole_state());
        match (everything, self.subscription.is_wildcard()) {
            (true, false) => self.subscribe(WILDCARD),
            (false, true) => self.subscription.unsubscribe(WILDCARD),
            (true, true) | (false, false) => {}
        }
        let had: BTreeSet<Arc<str>> = self.subscription.explicit().cloned().collect();
        for name in had.iter().filter(|name| !wanted.contains(&***name)) {
            self.subscription.unsubscribe(name);
        }
        for name in wanted.into_iter().filter(|name| *name != WILDCARD && !had.contains(*name)) {
            self.subscribe(name);
        }
        // A client that asked by name for what is not there learns it from a list without it.
        if first && resource_type.is_whole_state() && !self.subscription.is_pending() {
            self.subscription.mark_all();
        }
    }

    /// All that the client has, for an answer that lists the whole state.
    fn everything(&self) -> Vec<Resource> {
        let resource = |(_, known): (&Arc<str>, &Known)| match known {
            Known::Resource(resource) => Some(resource.clone()),
            Known::Nothing | Known::Absent | Known::Version(_) => None,
        };
        self.subscription.told().filter_map(resource).collect()
    }

    fn status(&self, resource_type: ResourceType) -> TypeStatus {
        TypeStatus {
            resource_type,
            names: self.subscription.len(),
            wildcard: self.subscription.is_wildcard(),
            pending: self.in_flight.is_some() || self.subscription.is_pending() || self.subscription.has_gone(),
            sent: self.sent.clone(),
            acknowledged: self.acknowledged.clone(),
            refused: self.refused.clone(),
        }
    }
}

#[cfg(test)]
mod tests;

//! What there is to choose from at the moment, laid out so that choosing is quick: made anew when endpoints or their
//! health change.
//!
//! ```text
//! Plan ─► Level (a priority) ─► Pool (of it, who is healthy or degraded) ─► Group (of a place) ─► endpoint
//! ```

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use super::{
    Availability, Balancing, HealthRules, Locality, LocalityRules, Presence, Share, Strength, Target, TargetHealth,
    ZoneRouting, locality::effective_weight, priority, table::Table,
};

/// Endpoints and what is said of them together.
#[derive(Debug)]
pub struct Known<'a, T> {
    /// The endpoints, as they are listed.
    pub targets: &'a [Arc<T>],
    /// By how many per cent the healthy ones are thought to be more than they are.
    pub overprovisioning: u32,
    /// Whether what a priority can take goes by weights (`weighted_priority_health`).
    pub weighted_health: bool,
    /// The caller's own place.
    pub here: &'a Locality,
    /// The callers, for zone-aware routing.
    pub callers: Option<&'a [Arc<T>]>,
}

/// What there is to choose from.
#[derive(Debug)]
pub struct Plan<T> {
    pub(super) rules: HealthRules,
    pub(super) shares: Vec<Share>,
    pub(super) weights: Vec<Strength>,
    pub(super) levels: Vec<Level<T>>,
    /// Of all endpoints, whatever their health.
    pub(super) size: usize,
}

/// A priority.
#[derive(Debug)]
pub(super) struct Level<T> {
    pub(super) healthy: Pool<T>,
    pub(super) degraded: Pool<T>,
    /// Where hashes lead among the healthy ones; made when it is first wanted.
    pub(super) table: OnceLock<Table<T>>,
    /// What a table is made of: endpoints with their parts of all requests.
    pub(super) hashed: Vec<(Arc<T>, f64)>,
}

/// Endpoints that are as good as each other.
#[derive(Debug)]
pub(super) enum Pool<T> {
    /// Places do not count.
    Flat(Group<T>),
    /// Each place gets its part.
    Weighted { groups: Vec<Group<T>>, weights: Vec<f64>, number: usize },
    /// The caller's own place first; for a part of the requests only.
    Nearest { flat: Group<T>, groups: Vec<Group<T>>, routing: ZoneRouting, enabled: f64 },
}

/// Endpoints among which the policy decides alone.
#[derive(Debug)]
pub(super) struct Group<T> {
    pub(super) targets: Vec<Arc<T>>,
    /// Under which number a worker remembers whose turn it is.
    pub(super) number: usize,
    /// Whether all have the same weight.
    pub(super) equal: bool,
    /// When none is new any more.
    pub(super) settled: Duration,
}

/// A place's endpoints in a priority.
struct Place<T> {
    targets: Vec<Arc<T>>,
    weight: u32,
}

/// Gives numbers.
struct Numbers(usize);

impl Numbers {
    fn next(&mut self) -> usize {
        self.0 += 1;
        self.0 - 1
    }
}

impl<T: Target> Plan<T> {
    /// The plan for endpoints. `subset`: the numbers of those that it is for, and how their places' weights count; `None`:
    /// all.
    #[must_use]
    pub fn new(balancing: &Balancing, known: &Known<'_, T>, subset: Option<&[usize]>) -> Self {
        let mut members: Vec<Vec<Arc<T>>> = Vec::new();
        let numbers = |number: &usize| known.targets.get(*number);
        let targets: Vec<_> = match subset {
            Some(subset) => subset.iter().filter_map(numbers).collect(),
            None => known.targets.iter().collect(),
        };
        let levels = known.targets.iter().map(|target| target.priority() + 1).max().unwrap_or(1);
        members.resize_with(usize::try_from(levels).unwrap_or(1), Vec::new);
        for target in targets {
            if let Some(level) = usize::try_from(target.priority()).ok().and_then(|level| members.get_mut(level)) {
                level.push(Arc::clone(target));
            }
        }
        let strengths: Vec<_> = members.iter().map(|members| strength(members, |_| 1)).collect();
        let weights = match known.weighted_health {
            true => members.iter().map(|members| strength(members, |target| target.weight().max(1).into())).collect(),
            false => strengths.clone(),
        };
        let rules =
            HealthRules { overprovisioning: known.overprovisioning, panic_threshold: balancing.panic_threshold };
        let shares = rules.shares(&strengths, &weights);
        let size = members.iter().map(Vec::len).sum();
        let mut numbers = Numbers(0);
        let levels = members.into_iter().zip(&shares).enumerate();
        let levels = levels
            .map(|(number, (members, share))| {
                let making =
                    Making { balancing, known, is_subset: subset.is_some(), rules, number, panic: share.panic };
                making.level(members, &mut numbers)
            })
            .collect();
        Self { rules, shares, weights, levels, size }
    }

    /// Whether there is no endpoint, in whatever health.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// The shares of priorities after attempts at endpoints of these, where those that were tried are left out after
    /// every so many; `None`: as ever.
    pub fn shares_after(&self, every: u32, tried: impl Iterator<Item = u32>) -> Option<Vec<Share>> {
        let every = usize::try_from(every.max(1)).unwrap_or(usize::MAX);
        let mut shares = None;
        let mut attempts: Vec<usize> = Vec::new();
        for priority in tried {
            attempts.push(usize::try_from(priority).unwrap_or(usize::MAX));
            // Once all have been left out, it begins anew.
            if attempts.len() == 1 && every > 1 {
                shares = None;
            }
            if attempts.len().is_multiple_of(every) {
                shares = self.rules.shares_without(&self.weights, |number| attempts.contains(&number));
                if shares.is_none() {
                    attempts.clear();
                    shares = self.rules.shares_without(&self.weights, |_| false);
                }
            }
        }
        shares
    }

    /// The endpoints that may be chosen.
    pub fn candidates(&self) -> impl Iterator<Item = &Arc<T>> {
        let only = self.levels.len() == 1;
        let pools = self.levels.iter().zip(&self.shares).flat_map(move |(level, share)| {
            let healthy = (share.healthy > 0 || only).then(|| level.pool(Availability::Healthy));
            let degraded = (share.degraded > 0).then(|| level.pool(Availability::Degraded));
            healthy.into_iter().chain(degraded)
        });
        pools.flat_map(Pool::groups).flat_map(|group| &group.targets)
    }

    /// The shares of priorities.
    #[must_use]
    pub fn shares(&self) -> &[Share] {
        &self.shares
    }
}

fn strength<T: Target>(targets: &[Arc<T>], worth: impl Fn(&T) -> u64) -> Strength {
    let mut strength = Strength::default();
    for target in targets {
        let worth = worth(target);
        strength.total += worth;
        match target.health() {
            TargetHealth::Healthy => strength.healthy += worth,
            TargetHealth::Degraded => strength.degraded += worth,
            TargetHealth::Unhealthy => {}
            TargetHealth::Unknown => continue,
        }
        strength.counted += worth;
    }
    strength
}

/// What a priority is made with.
struct Making<'a, T> {
    balancing: &'a Balancing,
    known: &'a Known<'a, T>,
    is_subset: bool,
    rules: HealthRules,
    /// The priority.
    number: usize,
    panic: bool,
}

impl<T: Target> Making<'_, T> {
    fn level(&self, members: Vec<Arc<T>>, numbers: &mut Numbers) -> Level<T> {
        let places = self.places(&members);
        let hashed = if self.balancing.policy.is_by_hash() { self.hashed(&members, &places) } else { Vec::new() };
        let fails = matches!(&self.balancing.localities, LocalityRules::Nearest(rules) if rules.fail_on_panic);
        let (healthy, degraded) = if self.panic {
            let members = if fails { Vec::new() } else { members };
            (Pool::Flat(self.group(members, numbers)), Pool::Flat(self.group(Vec::new(), numbers)))
        } else {
            let pool = |wanted, numbers: &mut Numbers| self.pool(&members, &places, wanted, numbers);
            (pool(TargetHealth::Healthy, numbers), pool(TargetHealth::Degraded, numbers))
        };
        Level { healthy, degraded, table: OnceLock::new(), hashed }
    }

    fn group(&self, targets: Vec<Arc<T>>, numbers: &mut Numbers) -> Group<T> {
        let weight = targets.first().map(|target| target.weight());
        let equal = targets.iter().all(|target| Some(target.weight()) == weight);
        let settled = self.balancing.policy.slow_start().and_then(|slow_start| {
            let newest = targets.iter().map(|target| target.well_since()).max();
            newest.map(|newest| newest.saturating_add(slow_start.window))
        });
        Group { targets, number: numbers.next(), equal, settled: settled.unwrap_or_default() }
    }

    /// The endpoints by place: the caller's own first, the others in their order. Empty where places do not count.
    fn places(&self, members: &[Arc<T>]) -> Vec<Place<T>> {
        if self.balancing.localities == LocalityRules::Ignore {
            return Vec::new();
        }
        let mut by_place: BTreeMap<(bool, &Locality), Place<T>> = BTreeMap::new();
        // Places that a subset has nobody of still have their order; without endpoints they have no part.
        for target in members {
            let locality = target.locality();
            let is_other = locality != self.known.here || *locality == Locality::default();
            let place = by_place
                .entry((is_other, locality))
                .or_insert_with(|| Place { targets: Vec::new(), weight: target.locality_weight() });
            place.targets.push(Arc::clone(target));
        }
        let scale = self.balancing.subsets.as_ref().filter(|_| self.is_subset);
        let places = by_place.into_iter().map(|((_, locality), mut place)| {
            if let Some(subsets) = scale {
                place.weight = match (subsets.locality_weights, subsets.scale_locality_weights) {
                    (false, _) => 0,
                    (true, false) => place.weight,
                    (true, true) => self.scaled(locality, &place),
                };
            }
            place
        });
        places.collect()
    }

    /// A place's weight by the part of its endpoints that is in the subset.
    fn scaled(&self, locality: &Locality, place: &Place<T>) -> u32 {
        let is_of = |target: &&Arc<T>| {
            target.locality() == locality && usize::try_from(target.priority()).ok() == Some(self.number)
        };
        let all = self.known.targets.iter().filter(is_of).count();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "rounded"
        )]
        let weight = (f64::from(place.weight) * place.targets.len() as f64 / all.max(1) as f64).round() as u32;
        weight
    }

    fn pool(&self, members: &[Arc<T>], places: &[Place<T>], wanted: TargetHealth, numbers: &mut Numbers) -> Pool<T> {
        let of = |targets: &[Arc<T>]| -> Vec<_> {
            targets.iter().filter(|target| target.health() == wanted).cloned().collect()
        };
        let flat = self.group(of(members), numbers);
        if let LocalityRules::Weighted = self.balancing.localities {
            let weights: Vec<_> = places.iter().map(|place| self.weight(place, wanted)).collect();
            if weights.iter().any(|weight| *weight > 0.0) {
                let groups = places.iter().map(|place| self.group(of(&place.targets), numbers)).collect();
                return Pool::Weighted { groups, weights, number: numbers.next() };
            }
        }
        let LocalityRules::Nearest(rules) = &self.balancing.localities else { return Pool::Flat(flat) };
        match self.routing(places) {
            Routing::Nobody => Pool::Flat(self.group(Vec::new(), numbers)),
            Routing::Anywhere => Pool::Flat(flat),
            Routing::ByPlace(routing) => {
                let groups = places.iter().map(|place| self.group(of(&place.targets), numbers)).collect();
                Pool::Nearest { flat, groups, routing, enabled: rules.enabled }
            }
        }
    }

    /// What a place's weight comes to.
    fn weight(&self, place: &Place<T>, wanted: TargetHealth) -> f64 {
        let count = |wanted| place.targets.iter().filter(|target| target.health() == wanted).count();
        let counted = place.targets.len() - count(TargetHealth::Unknown);
        effective_weight(place.weight, count(wanted), counted, self.rules.overprovisioning)
    }

    /// How requests are kept near.
    fn routing(&self, places: &[Place<T>]) -> Routing {
        let (LocalityRules::Nearest(rules), Some(callers), 0) =
            (&self.balancing.localities, self.known.callers, self.number)
        else {
            return Routing::Anywhere;
        };
        let here = self.known.here;
        let caller_places: std::collections::BTreeSet<_> = callers.iter().map(|caller| caller.locality()).collect();
        let is_known = *here != Locality::default() && caller_places.contains(here);
        let healthy = |target: &&Arc<T>| target.health() == TargetHealth::Healthy;
        let count: usize = places.iter().map(|place| place.targets.iter().filter(healthy).count()).sum();
        let enough = u64::try_from(count).is_ok_and(|count| count >= rules.min_cluster_size);
        if places.len() < 2 || (caller_places.len() < 2 && rules.force_from.is_none()) || !is_known || !enough {
            return Routing::Anywhere;
        }
        if self.rules.panics(strength(callers, |_| 1)) {
            return if rules.fail_on_panic { Routing::Nobody } else { Routing::Anywhere };
        }
        let worth = |target: &Arc<T>| if rules.by_weight { u64::from(target.weight()) } else { 1 };
        let presence = |place: &Place<T>| {
            let endpoints = place.targets.iter().filter(healthy).map(worth).sum();
            let locality = place.targets.first().map(|target| target.locality());
            let callers = callers.iter().filter(healthy).filter(|caller| Some(caller.locality()) == locality);
            Presence { callers: callers.map(worth).sum(), endpoints }
        };
        let has_own = places.first().and_then(|place| place.targets.first()).is_some_and(|it| it.locality() == here);
        let own = places.first().filter(|_| has_own).map(|place| place.targets.iter().filter(healthy).count());
        let forced =
            rules.force_from.zip(own).is_some_and(|(least, own)| u32::try_from(own).is_ok_and(|own| own >= least));
        let places: Vec<_> = places.iter().map(presence).collect();
        Routing::ByPlace(ZoneRouting::new(&places, has_own, forced))
    }

    /// The endpoints that hashes lead to, with their parts.
    fn hashed(&self, members: &[Arc<T>], places: &[Place<T>]) -> Vec<(Arc<T>, f64)> {
        let mut hashed = Vec::new();
        let mut add = |targets: &[Arc<T>], part: f64| {
            let targets: Vec<_> =
                targets.iter().filter(|target| self.panic || target.health() == TargetHealth::Healthy).collect();
            let sum: u64 = targets.iter().map(|target| u64::from(target.weight().max(1))).sum();
            #[expect(clippy::cast_precision_loss, reason = "sums of weights are below 2^32")]
            let sum = sum as f64;
            for target in targets {
                hashed.push((Arc::clone(target), f64::from(target.weight().max(1)) * part / sum));
            }
        };
        let sum: f64 = places.iter().map(|place| f64::from(place.weight)).sum();
        // In a subset whose places do not count nobody has a weight, and in a cluster where nobody has one there is nobody.
        let by_place = self.balancing.localities == LocalityRules::Weighted
            && (!self.is_subset || self.balancing.subsets.as_ref().is_some_and(|subsets| subsets.locality_weights));
        if by_place {
            for place in places.iter().filter(|place| place.weight > 0) {
                add(&place.targets, f64::from(place.weight) / sum);
            }
        } else {
            add(members, 1.0);
        }
        hashed
    }
}

/// How requests are kept near.
enum Routing {
    /// They are not.
    Anywhere,
    /// They are not sent at all.
    Nobody,
    /// By place.
    ByPlace(ZoneRouting),
}

impl<T> Pool<T> {
    /// All endpoints, by groups.
    pub(super) fn groups(&self) -> &[Group<T>] {
        match self {
            Self::Flat(group) => std::slice::from_ref(group),
            Self::Nearest { flat, .. } => std::slice::from_ref(flat),
            Self::Weighted { groups, .. } => groups,
        }
    }
}

impl<T> Level<T> {
    pub(super) fn pool(&self, availability: Availability) -> &Pool<T> {
        match availability {
            Availability::Healthy => &self.healthy,
            Availability::Degraded => &self.degraded,
        }
    }
}

impl<T: Target> Plan<T> {
    /// The priority that a number falls on.
    pub(super) fn level(&self, shares: Option<&[Share]>, number: u64) -> Option<(&Level<T>, Availability)> {
        let shares = shares.unwrap_or(&self.shares);
        if let [only] = self.levels.as_slice()
            && shares.first().is_none_or(|share| share.degraded == 0)
        {
            return Some((only, Availability::Healthy));
        }
        let (number, availability) = priority::choose(shares, number)?;
        self.levels.get(number).map(|level| (level, availability))
    }
}

//! Choosing: what a worker remembers of whose turn it is, and the choice itself. Nothing is allocated for a choice but what
//! is kept for the next ones.

use std::{sync::Arc, time::Duration};

use rand::{Rng, RngExt as _};

use super::{
    Compared, LoadBalancer, Share, Target,
    edf::Edf,
    least_request,
    plan::{Group, Level, Plan, Pool},
    table::Table,
};

/// What a worker remembers of a [`Plan`].
#[derive(Debug, Default)]
pub struct Turns {
    groups: Vec<Turn>,
    /// Room for an order of endpoints.
    order: Vec<u32>,
}

/// Whose turn it is in a group.
#[derive(Debug, Default)]
struct Turn {
    /// The next, where all weigh the same; begins anywhere.
    next: Option<usize>,
    /// The order by weight; made when it is first wanted.
    by_weight: Option<Edf>,
}

/// A request that wants an endpoint.
#[derive(Debug)]
pub struct Asking<'a> {
    /// What it is kept together with others by, or anything.
    pub hash: u64,
    /// How often another endpoint was asked for, as the one that was chosen would not do.
    pub attempt: u32,
    /// The shares of priorities, if they are not the usual ones.
    pub shares: Option<&'a [Share]>,
    /// The time.
    pub now: Duration,
}

impl Turns {
    /// The endpoint for a request.
    pub fn choose<'a, T: Target>(
        &mut self,
        plan: &'a Plan<T>,
        policy: &LoadBalancer,
        asking: &Asking<'_>,
        random: &mut impl Rng,
    ) -> Option<&'a Arc<T>> {
        if let LoadBalancer::RingHash(_, hashing) | LoadBalancer::Maglev(_, hashing) = policy {
            // The hash decides on the priority as well.
            let (level, _) = plan.level(None, asking.hash)?;
            let table = table(level, policy)?;
            return table.choose(asking.hash, asking.attempt, hashing.bound, &mut self.order);
        }
        let (level, availability) = plan.level(asking.shares, random.next_u64())?;
        let group = self.group(level.pool(availability), random)?;
        self.of_group(group, policy, asking.now, random)
    }

    /// Another endpoint that will do, where the one that was chosen would not.
    pub fn choose_other<'a, T: Target>(
        &mut self,
        plan: &'a Plan<T>,
        policy: &LoadBalancer,
        asking: &Asking<'_>,
        will_do: impl Fn(&T) -> bool,
    ) -> Option<&'a Arc<T>> {
        if policy.is_by_hash() {
            let (level, _) = plan.level(None, asking.hash)?;
            let table = table(level, policy)?;
            if let Some(target) = table.next(asking.hash, &will_do) {
                return Some(target);
            }
        }
        // The others in turn, the most wanted priority first.
        let pools = plan.levels.iter().map(|level| &level.healthy);
        let pools = pools.chain(plan.levels.iter().map(|level| &level.degraded));
        pools.flat_map(Pool::groups).find_map(|group| {
            let fits = |target: &&Arc<T>| will_do(target);
            let count = group.targets.iter().filter(fits).count();
            let turn = self.turn(group.number)?;
            let place = turn.next.unwrap_or_default();
            turn.next = Some(place.wrapping_add(1));
            group.targets.iter().filter(fits).nth(place.checked_rem(count)?)
        })
    }

    /// What is remembered of a group or pool: always something.
    fn turn(&mut self, number: usize) -> Option<&mut Turn> {
        if self.groups.len() <= number {
            self.groups.resize_with(number + 1, Turn::default);
        }
        self.groups.get_mut(number)
    }

    /// The group of a pool that takes the request.
    fn group<'a, T: Target>(&mut self, pool: &'a Pool<T>, random: &mut impl Rng) -> Option<&'a Group<T>> {
        match pool {
            Pool::Flat(group) => Some(group),
            Pool::Weighted { groups, weights, number } => {
                let weight = |place: usize| weights.get(place).copied().unwrap_or_default();
                let turn = self.turn(*number)?;
                let order = turn.by_weight.get_or_insert_with(|| Edf::new(weights.iter().copied(), random));
                groups.get(order.next(weight)?)
            }
            Pool::Nearest { flat, groups, routing, enabled } => {
                if *enabled < 1.0 && random.random::<f64>() >= *enabled {
                    return Some(flat);
                }
                groups.get(routing.choose(random))
            }
        }
    }

    fn of_group<'a, T: Target>(
        &mut self,
        group: &'a Group<T>,
        policy: &LoadBalancer,
        now: Duration,
        random: &mut impl Rng,
    ) -> Option<&'a Arc<T>> {
        let targets = group.targets.as_slice();
        let (first, count) = match targets {
            [] => return None,
            [only] => return Some(only),
            [first, ..] => (first, targets.len()),
        };
        let alike = group.equal && now >= group.settled;
        match policy {
            LoadBalancer::RoundRobin { .. } if alike => {
                let turn = self.turn(group.number)?;
                let place = turn.next.unwrap_or_else(|| random.random_range(0..count));
                turn.next = Some((place + 1) % count);
                targets.get(place).or(Some(first))
            }
            LoadBalancer::LeastRequest { compared: Compared::Some(choices), .. } if alike => {
                least_request::of_some(targets, *choices, random, |target| target.active())
            }
            LoadBalancer::LeastRequest { compared: Compared::All, .. } if alike => {
                least_request::of_all(targets, random)
            }
            LoadBalancer::RoundRobin { slow_start } => {
                let new =
                    |target: &T| slow_start.map_or(1.0, |slow| slow.part(now.saturating_sub(target.well_since())));
                self.by_weight(group, random, |target| f64::from(target.weight().max(1)) * new(target))
            }
            LoadBalancer::LeastRequest { bias, slow_start, .. } => {
                let new =
                    |target: &T| slow_start.map_or(1.0, |slow| slow.part(now.saturating_sub(target.well_since())));
                self.by_weight(group, random, |target| least_request::weight(target, *bias) * new(target))
            }
            LoadBalancer::PeakEwma(settings) => {
                least_request::of_some(targets, 2, random, |target| settings.cost(target, now))
            }
            // Without a table, by chance.
            LoadBalancer::Random | LoadBalancer::RingHash(..) | LoadBalancer::Maglev(..) => {
                targets.get(random.random_range(0..count))
            }
        }
    }

    fn by_weight<'a, T: Target>(
        &mut self,
        group: &'a Group<T>,
        random: &mut impl Rng,
        weight: impl Fn(&T) -> f64,
    ) -> Option<&'a Arc<T>> {
        let turn = self.turn(group.number)?;
        let order =
            turn.by_weight.get_or_insert_with(|| Edf::new(group.targets.iter().map(|target| weight(target)), random));
        let place = order.next(|place| group.targets.get(place).map_or(1.0, |target| weight(target)))?;
        group.targets.get(place)
    }
}

/// The table of a level, made when it is first wanted.
fn table<'a, T: Target>(level: &'a Level<T>, policy: &LoadBalancer) -> Option<&'a Table<T>> {
    if let Some(table) = level.table.get() {
        return Some(table);
    }
    let table = Table::new(policy, &level.hashed)?;
    Some(level.table.get_or_init(|| table))
}

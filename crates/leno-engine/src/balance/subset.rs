//! Subsets of a cluster's endpoints by what is noted about them, and which one a request is for ([load balancer subsets]).
//!
//! ```text
//! criteria of the route ─► selector with the same keys ─► subset with the same values ─► an endpoint of it
//!                                  └─► its fallback ──────────► the cluster's fallback ──────┘
//! ```
//!
//! [load balancer subsets]: https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/subsets

use std::cmp::Ordering;

use crate::label::{Labels, Value};

/// The key of further criteria to be tried ([`FALLBACK_LIST`]).
///
/// [`FALLBACK_LIST`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/cluster/v3/cluster.proto#enum-config-cluster-v3-cluster-lbsubsetconfig-lbsubsetmetadatafallbackpolicy
const FALLBACKS: &str = "fallback_list";

/// What a route wants of endpoints (`metadata_match`, `envoy.lb`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Criteria {
    /// What must be noted about them.
    labels: Labels,
    /// The same for clusters that take variants, in the order in which they are tried.
    variants: Box<[Labels]>,
}

impl Criteria {
    /// These labels; `fallback_list` among them holds the variants.
    #[must_use]
    pub fn new(labels: Labels) -> Self {
        let bare = labels.without(FALLBACKS);
        let variants = match labels.value(FALLBACKS) {
            Some(Value::List(variants)) if !variants.is_empty() => variants
                .iter()
                .map(|variant| match variant {
                    Value::Labels(over) => bare.merged(over),
                    _ => bare.clone(),
                })
                .collect(),
            _ => [bare].into(),
        };
        Self { labels, variants }
    }

    /// These, and those of a part of the route, which count more.
    #[must_use]
    pub fn merged(&self, others: &Self) -> Self {
        Self::new(self.labels.merged(&others.labels))
    }
}

/// What to do where no subset is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fallback {
    /// There is no endpoint (`NO_FALLBACK`).
    #[default]
    Nobody,
    /// Any endpoint of the cluster (`ANY_ENDPOINT`).
    Any,
    /// One of the default subset (`DEFAULT_SUBSET`).
    Default,
}

/// What to do where a selector's subset is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SelectorFallback {
    /// What the cluster says.
    Cluster,
    /// This.
    Own(Fallback),
    /// As if the criteria had only these of the keys (`KEYS_SUBSET`).
    Keys(Box<[Box<str>]>),
}

/// Endpoints that have the same values for some keys are a subset ([`LbSubsetSelector`]).
///
/// [`LbSubsetSelector`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/cluster/v3/cluster.proto#config-cluster-v3-cluster-lbsubsetconfig-lbsubsetselector
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// The keys, in order, each once; at least one.
    pub keys: Box<[Box<str>]>,
    /// What to do where there is no such subset.
    pub fallback: SelectorFallback,
    /// Whether a subset has a single endpoint, which is chosen whatever its priority and health.
    pub single: bool,
}

/// How subsets are made and chosen ([`LbSubsetConfig`]).
///
/// [`LbSubsetConfig`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/cluster/v3/cluster.proto#config-cluster-v3-cluster-lbsubsetconfig
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SubsetRules {
    /// What makes a subset; at least one.
    pub selectors: Vec<Selector>,
    /// What to do where there is no subset.
    pub fallback: Fallback,
    /// What is noted about the endpoints of the default subset.
    pub default: Labels,
    /// Whether places' weights count in a subset.
    pub locality_weights: bool,
    /// Whether they shrink with the part of a place's endpoints that is in the subset.
    pub scale_locality_weights: bool,
    /// Whether any endpoint will do where the cluster's fallback has none.
    pub panic_any: bool,
    /// Whether an endpoint with a list of values is in the subset of each.
    pub list_as_any: bool,
    /// Whether criteria may have keys that no selector has.
    pub redundant_keys: bool,
    /// Whether variants of the criteria are tried one after the other.
    pub variants: bool,
}

/// Endpoints that are chosen among.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subset {
    /// The subset of this number.
    Of(usize),
    /// All.
    Any,
    /// The default subset.
    Default,
}

/// The subsets of a selector by number, in the order of their values.
type ByValues = Vec<(Box<[Value]>, usize)>;

/// The subsets that there are.
#[derive(Clone, Debug, Default)]
pub struct SubsetIndex {
    /// The subsets of each selector.
    by_selector: Vec<ByValues>,
    /// The endpoints of each subset, by number.
    pub members: Vec<Vec<usize>>,
    /// Whether that is always a single one.
    single: Vec<bool>,
}

impl SubsetIndex {
    /// The subsets of endpoints with these labels.
    #[must_use]
    pub fn new<'a>(rules: &SubsetRules, endpoints: impl Iterator<Item = &'a Labels>) -> Self {
        let mut index = Self { by_selector: vec![Vec::new(); rules.selectors.len()], ..Self::default() };
        for (endpoint, labels) in endpoints.enumerate() {
            for (number, selector) in rules.selectors.iter().enumerate() {
                for values in values_of(selector, labels, rules.list_as_any) {
                    index.add(number, values, endpoint, selector.single);
                }
            }
        }
        index
    }

    /// Whether a subset always has a single endpoint, which is chosen whatever its health.
    #[must_use]
    pub fn is_single(&self, subset: usize) -> bool {
        self.single.get(subset).copied().unwrap_or_default()
    }

    fn add(&mut self, selector: usize, values: Vec<Value>, endpoint: usize, single: bool) {
        let Some(subsets) = self.by_selector.get_mut(selector) else { return };
        let subset = match subsets.binary_search_by(|(known, _)| known.iter().cmp(&values)) {
            Ok(place) => subsets.get(place).map_or(0, |(_, number)| *number),
            Err(place) => {
                subsets.insert(place, (values.into(), self.members.len()));
                self.members.push(Vec::new());
                self.single.push(single);
                self.members.len() - 1
            }
        };
        let Some(members) = self.members.get_mut(subset) else { return };
        if members.last() != Some(&endpoint) && (members.is_empty() || !single) {
            members.push(endpoint);
        }
    }

    fn find(&self, selector: usize, keys: &[Box<str>], labels: &Labels) -> Option<usize> {
        let subsets = self.by_selector.get(selector)?;
        let compare =
            |known: &[Value]| -> Ordering { known.iter().cmp(keys.iter().filter_map(|key| labels.value(key))) };
        let place = subsets.binary_search_by(|(known, _)| compare(known)).ok()?;
        subsets.get(place).map(|(_, number)| *number)
    }
}

/// The values of a selector's keys; several where a list stands for any of its values, none where a key is missing.
fn values_of(selector: &Selector, labels: &Labels, list_as_any: bool) -> Vec<Vec<Value>> {
    /// So many subsets one endpoint may be in by one selector.
    const MOST: usize = 1024;
    let mut all: Vec<Vec<Value>> = vec![Vec::new()];
    for key in &selector.keys {
        let found = match labels.value(key) {
            None => return Vec::new(),
            Some(Value::List(values)) if list_as_any => values,
            Some(value) => std::slice::from_ref(value),
        };
        let longer = |values: Vec<Value>| {
            found.iter().map(move |value| values.iter().chain([value]).cloned().collect()).collect::<Vec<_>>()
        };
        all = all.into_iter().flat_map(longer).take(MOST).collect();
    }
    all
}

impl SubsetRules {
    /// The first endpoint that `choose` gives of the subsets that a request with these criteria is for.
    pub fn choose<R>(
        &self,
        index: &SubsetIndex,
        criteria: Option<&Criteria>,
        mut choose: impl FnMut(Subset) -> Option<R>,
    ) -> Option<R> {
        match criteria {
            None => self.by_fallback(&mut choose),
            Some(criteria) if self.variants => {
                criteria.variants.iter().find_map(|labels| self.by_labels(index, labels, &mut choose))
            }
            Some(criteria) => self.by_labels(index, &criteria.labels, &mut choose),
        }
    }

    fn by_labels<R>(
        &self,
        index: &SubsetIndex,
        labels: &Labels,
        choose: &mut impl FnMut(Subset) -> Option<R>,
    ) -> Option<R> {
        let mut selector = self.selector(labels);
        // Every step has fewer keys.
        while let Some((number, found)) = selector {
            if let Some(subset) = index.find(number, &found.keys, labels) {
                return choose(Subset::Of(subset));
            }
            selector = match &found.fallback {
                SelectorFallback::Cluster => None,
                SelectorFallback::Own(Fallback::Nobody) => return None,
                SelectorFallback::Own(Fallback::Any) => return choose(Subset::Any),
                SelectorFallback::Own(Fallback::Default) => return choose(Subset::Default),
                SelectorFallback::Keys(keys) => self.selectors().find(|(_, other)| other.keys == *keys),
            };
        }
        self.by_fallback(choose)
    }

    fn selectors(&self) -> impl Iterator<Item = (usize, &Selector)> {
        self.selectors.iter().enumerate()
    }

    /// The selector for criteria: the one with their keys, or with the most of them.
    fn selector(&self, labels: &Labels) -> Option<(usize, &Selector)> {
        let has_all = |selector: &Selector| selector.keys.iter().all(|key| labels.value(key).is_some());
        let fitting = self.selectors().filter(|(_, selector)| has_all(selector));
        if self.redundant_keys {
            // The first of those with as many.
            return fitting.reduce(|best, other| if other.1.keys.len() > best.1.keys.len() { other } else { best });
        }
        fitting.into_iter().find(|(_, selector)| selector.keys.len() == labels.len())
    }

    fn by_fallback<R>(&self, choose: &mut impl FnMut(Subset) -> Option<R>) -> Option<R> {
        let found = match self.fallback {
            Fallback::Nobody => return None,
            Fallback::Any => choose(Subset::Any),
            Fallback::Default => choose(Subset::Default),
        };
        found.or_else(|| if self.panic_any { choose(Subset::Any) } else { None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::new(pairs.iter().map(|(key, value)| ((*key).into(), Value::Text((*value).into()))).collect())
    }

    fn selector(keys: &[&str], fallback: SelectorFallback) -> Selector {
        Selector { keys: keys.iter().map(|key| (*key).into()).collect(), fallback, single: false }
    }

    fn endpoints() -> Vec<Labels> {
        vec![
            labels(&[("stage", "prod"), ("version", "1")]),
            labels(&[("stage", "prod"), ("version", "2")]),
            labels(&[("stage", "dev"), ("version", "2")]),
            Labels::new(vec![("version".into(), Value::List(["3", "4"].map(|text| Value::Text(text.into())).into()))]),
        ]
    }

    /// The endpoints that a request with these criteria may go to.
    fn chosen(rules: &SubsetRules, criteria: &[(&str, &str)]) -> Option<Vec<usize>> {
        let endpoints = endpoints();
        let index = SubsetIndex::new(rules, endpoints.iter());
        let criteria = Criteria::new(labels(criteria));
        rules.choose(&index, Some(&criteria), |subset| match subset {
            Subset::Of(number) => Some(index.members[number].clone()),
            Subset::Any => Some(vec![9]),
            Subset::Default => None,
        })
    }

    #[test]
    fn criteria_choose_the_subset_with_their_keys_and_values() {
        let keys = SelectorFallback::Keys(["version".into()].into());
        let mut rules = SubsetRules {
            selectors: vec![
                selector(&["version"], SelectorFallback::Cluster),
                selector(&["stage", "version"], keys),
                selector(&["stage"], SelectorFallback::Own(Fallback::Nobody)),
            ],
            fallback: Fallback::Any,
            ..SubsetRules::default()
        };
        assert_eq!(chosen(&rules, &[("version", "2")]), Some(vec![1, 2]));
        assert_eq!(chosen(&rules, &[("stage", "prod"), ("version", "2")]), Some(vec![1]));
        assert_eq!(chosen(&rules, &[("stage", "dev"), ("version", "1")]), Some(vec![0]), "with fewer keys");
        assert_eq!(chosen(&rules, &[("stage", "dev"), ("version", "7")]), Some(vec![9]), "the fewer keys' fallback");
        assert_eq!(chosen(&rules, &[("stage", "test")]), None);
        assert_eq!(chosen(&rules, &[("colour", "red")]), Some(vec![9]));
        assert_eq!(chosen(&rules, &[]), Some(vec![9]));
        assert_eq!(chosen(&rules, &[("version", "4")]), Some(vec![9]));
        rules.list_as_any = true;
        assert_eq!(chosen(&rules, &[("version", "4")]), Some(vec![3]));
        rules.fallback = Fallback::Default;
        assert_eq!(chosen(&rules, &[("colour", "red")]), None);
        rules.panic_any = true;
        assert_eq!(chosen(&rules, &[("colour", "red")]), Some(vec![9]));
        assert_eq!(chosen(&rules, &[("colour", "red"), ("stage", "dev"), ("version", "2")]), Some(vec![9]));
        rules.redundant_keys = true;
        assert_eq!(chosen(&rules, &[("colour", "red"), ("stage", "dev"), ("version", "2")]), Some(vec![2]));
    }

    #[test]
    fn variants_are_tried_in_their_order() {
        let rules = SubsetRules {
            selectors: vec![selector(&["stage", "version"], SelectorFallback::Cluster)],
            variants: true,
            ..SubsetRules::default()
        };
        let endpoints = endpoints();
        let index = SubsetIndex::new(&rules, endpoints.iter());
        let variant = |version: &str| Value::Labels(labels(&[("version", version)]));
        let all = labels(&[("stage", "prod")]).merged(&Labels::new(vec![(
            FALLBACKS.into(),
            Value::List([variant("7"), variant("2"), variant("1")].into()),
        )]));
        let members = |subset| match subset {
            Subset::Of(number) => Some(index.members[number].clone()),
            Subset::Any | Subset::Default => None,
        };
        assert_eq!(rules.choose(&index, Some(&Criteria::new(all)), members), Some(vec![1]));
    }
}

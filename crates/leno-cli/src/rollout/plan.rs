//! Which weights of an object a rollout shifts, and what they are at each step. Pure.

use std::{fmt, str::FromStr};

use anyhow::{bail, ensure};
use leno_manifest::Kind;
use leno_model::ServiceName;
use serde_json::Value;

use super::event::{Share, Weights};

/// A backend as it is named on the command line: `[NAMESPACE/]NAME[:PORT]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BackendName {
    namespace: Option<String>,
    name: String,
    port: Option<u64>,
}

impl FromStr for BackendName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (namespace, rest) = text.split_once('/').map_or((None, text), |(namespace, rest)| (Some(namespace), rest));
        let (name, port) = match rest.split_once(':') {
            Some((name, port)) => (name, Some(port.parse().map_err(|_| "the port is a number".to_owned())?)),
            None => (rest, None),
        };
        if name.is_empty() || namespace.is_some_and(str::is_empty) {
            return Err("expected [NAMESPACE/]NAME[:PORT]".into());
        }
        Ok(Self { namespace: namespace.map(str::to_owned), name: name.to_owned(), port })
    }
}

impl fmt::Display for BackendName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// What is to be shifted.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    /// The backend that gets more.
    pub(crate) to: BackendName,
    /// The backend that gets less; the only other one that gets anything when not given.
    pub(crate) from: Option<BackendName>,
    /// The rules of an HTTPRoute, by name or number; the only one that has `to` when not given.
    pub(crate) rules: Vec<String>,
}

/// A target of a list of backends.
#[derive(Clone, Debug)]
struct Backend {
    service: ServiceName,
    port: Option<u64>,
    weight: u64,
}

impl Backend {
    fn is(&self, wanted: &BackendName, own_namespace: &str) -> bool {
        self.service.name == wanted.name
            && self.service.namespace == wanted.namespace.as_deref().unwrap_or(own_namespace)
            && (wanted.port.is_none() || wanted.port == self.port)
    }

    fn shown(&self, own_namespace: &str) -> String {
        let ServiceName { namespace, name } = &self.service;
        if namespace == own_namespace { name.clone() } else { format!("{namespace}/{name}") }
    }
}

/// A list of backends of which two share differently from step to step.
#[derive(Clone, Debug)]
struct Division {
    /// The field that has the list, as a JSON pointer.
    pointer: String,
    /// The same for people: `spec.rules[0]`.
    place: String,
    names: Vec<String>,
    /// What the weights are before the rollout.
    weights: Vec<u64>,
    to: usize,
    from: usize,
}

/// The weights that a rollout shifts.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The canary.
    pub(crate) canary: ServiceName,
    /// The canary's name beside its object.
    pub(crate) to: String,
    /// The name of the backend that gets less.
    pub(crate) from: String,
    divisions: Vec<Division>,
}

impl Plan {
    /// Finds in an object what is to be shifted.
    ///
    /// # Errors
    /// When it is not there, or not clear, in words for people.
    pub(crate) fn new(kind: Kind, object: &Value, choice: &Choice) -> anyhow::Result<Self> {
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
        let lists = lists(kind, object, namespace, choice)?;
        let mut divisions = Vec::new();
        let mut found = None;
        for List { pointer, place, backends } in lists {
            let to = find(&backends, &choice.to, namespace, &place)?;
            let from = match &choice.from {
                Some(from) => find(&backends, from, namespace, &place)?,
                None => other(&backends, to, namespace, &place)?,
            };
            ensure!(to != from, "--to and --from are the same backend");
            found = Some((backends[to].clone(), backends[from].clone()));
            let division = Division {
                pointer,
                place,
                names: backends.iter().map(|it| it.shown(namespace)).collect(),
                weights: backends.iter().map(|it| it.weight).collect(),
                to,
                from,
            };
            division.check(kind)?;
            divisions.push(division);
        }
        let Some((to, from)) = found else { bail!("no rule has the backend {}", choice.to) };
        Ok(Self { canary: to.service.clone(), to: to.shown(namespace), from: from.shown(namespace), divisions })
    }

    /// The steps that are still ahead: those at which the canary gets no less than now.
    pub(crate) fn ahead(&self, steps: &[u8]) -> Vec<u8> {
        let is_ahead = |step: &&u8| self.divisions.iter().any(|division| !division.is_past(**step));
        steps.iter().filter(is_ahead).copied().collect()
    }

    /// The weights at a step; those before the rollout without one.
    pub(crate) fn weights(&self, step: Option<u8>) -> Vec<Weights> {
        let shown = |division: &Division| {
            let weights = division.at(step);
            let share = |(backend, weight): (&String, u64)| Share { backend: backend.clone(), weight };
            Weights { place: division.place.clone(), backends: division.names.iter().zip(weights).map(share).collect() }
        };
        self.divisions.iter().map(shown).collect()
    }

    /// Writes the weights of a step into the object; those before the rollout without one.
    pub(crate) fn write(&self, step: Option<u8>, object: &mut Value) {
        for division in &self.divisions {
            let backends = object.pointer_mut(&division.pointer).and_then(Value::as_array_mut);
            for (backend, weight) in backends.into_iter().flatten().zip(division.at(step)) {
                backend["weight"] = weight.into();
            }
        }
    }
}

impl Division {
    /// What both have together, which they share out.
    fn both(&self) -> u64 {
        self.weights[self.to] + self.weights[self.from]
    }

    /// Whether the canary gets more than at this step already.
    fn is_past(&self, step: u8) -> bool {
        self.weights[self.to] * 100 > self.both() * u64::from(step)
    }

    /// The factor by which all weights are multiplied so that hundredths of what both have are whole numbers: it keeps
    /// everybody's share.
    fn scale(&self) -> u64 {
        100 / gcd(self.both(), 100)
    }

    fn at(&self, step: Option<u8>) -> Vec<u64> {
        let Some(step) = step.filter(|step| !self.is_past(*step)) else { return self.weights.clone() };
        let scale = if step == 100 { 1 } else { self.scale() };
        let both = self.both() * scale;
        let to = both * u64::from(step) / 100;
        let mut weights: Vec<u64> = self.weights.iter().map(|weight| weight * scale).collect();
        weights[self.to] = to;
        weights[self.from] = both - to;
        weights
    }

    /// Refuses weights that cannot be shared out.
    fn check(&self, kind: Kind) -> anyhow::Result<()> {
        let Self { place, names, .. } = self;
        let (to, from) = (&names[self.to], &names[self.from]);
        ensure!(self.both() > 0, "{place}: {to} and {from} have weight 0 both, so there is nothing to shift");
        let most = match kind {
            Kind::HttpRoute => 1_000_000,
            _ => u64::from(u32::MAX),
        };
        let largest = self.weights.iter().copied().max().unwrap_or(0).max(self.both());
        ensure!(
            largest * self.scale() <= most,
            "{place}: the weights of {to} and {from} add up to {}, of which hundredths are not whole numbers and would be \
             above {most} when multiplied; let them add up to a multiple of 100",
            self.both()
        );
        Ok(())
    }
}

fn gcd(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { gcd(other, one % other) }
}

/// A list of backends of an object.
struct List {
    pointer: String,
    place: String,
    backends: Vec<Backend>,
}

/// The lists of backends that are meant.
fn lists(kind: Kind, object: &Value, namespace: &str, choice: &Choice) -> anyhow::Result<Vec<List>> {
    if kind == Kind::TrafficSplit {
        ensure!(choice.rules.is_empty(), "--rule is for HTTPRoutes; a TrafficSplit has no rules");
        let pointer = "/spec/backends".to_owned();
        let backends = backends(object, &pointer, "service", namespace);
        return Ok(vec![List { pointer, place: "spec".into(), backends }]);
    }
    let rules = object["spec"]["rules"].as_array().map_or(&[][..], Vec::as_slice);
    let list = |index: usize| {
        let pointer = format!("/spec/rules/{index}/backendRefs");
        let backends = backends(object, &pointer, "name", namespace);
        List { pointer, place: format!("spec.rules[{index}]"), backends }
    };
    if !choice.rules.is_empty() {
        let named = |word: &String| {
            let by_name = rules.iter().position(|rule| rule["name"] == **word);
            let by_number = || word.parse().ok().filter(|index| *index < rules.len());
            by_name.or_else(by_number).map(list).ok_or_else(|| {
                anyhow::anyhow!("there is no rule {word:?}; there are {}", shown_rules(rules, 0..rules.len()))
            })
        };
        return choice.rules.iter().map(named).collect();
    }
    let has = |index: &usize| list(*index).backends.iter().any(|backend| backend.is(&choice.to, namespace));
    let found: Vec<usize> = (0..rules.len()).filter(has).collect();
    match found.as_slice() {
        [one] => Ok(vec![list(*one)]),
        [] => bail!("no rule has the backend {}", choice.to),
        _ => {
            let names = shown_rules(rules, found.iter().copied());
            bail!("several rules have the backend {}: {names}; name those that are meant with --rule", choice.to)
        }
    }
}

/// Rules by number, with their names.
fn shown_rules(rules: &[Value], which: impl Iterator<Item = usize>) -> String {
    let name = |index: usize| match rules[index]["name"].as_str() {
        Some(name) => format!("{index} ({name})"),
        None => index.to_string(),
    };
    which.map(name).collect::<Vec<_>>().join(", ")
}

fn backends(object: &Value, pointer: &str, name: &str, namespace: &str) -> Vec<Backend> {
    let items = object.pointer(pointer).and_then(Value::as_array);
    let backend = |item: &Value| Backend {
        service: ServiceName::new(
            item["namespace"].as_str().unwrap_or(namespace),
            item[name].as_str().unwrap_or_default(),
        ),
        port: item["port"].as_u64(),
        weight: item["weight"].as_u64().unwrap_or(1),
    };
    items.into_iter().flatten().map(backend).collect()
}

fn find(backends: &[Backend], wanted: &BackendName, namespace: &str, place: &str) -> anyhow::Result<usize> {
    let is = |(_, backend): &(usize, &Backend)| backend.is(wanted, namespace);
    let found: Vec<usize> = backends.iter().enumerate().filter(is).map(|(index, _)| index).collect();
    match found.as_slice() {
        [one] => Ok(*one),
        [] => {
            let names: Vec<_> = backends.iter().map(|it| it.shown(namespace)).collect();
            bail!("{place} has no backend {wanted}; it has {}", names.join(", "))
        }
        _ => bail!("{place} has the backend {wanted} {} times; name one by its port: {wanted}:PORT", found.len()),
    }
}

/// The backend that gives: the only other one that gets anything, or the only other one.
fn other(backends: &[Backend], to: usize, namespace: &str, place: &str) -> anyhow::Result<usize> {
    let others: Vec<usize> = (0..backends.len()).filter(|index| *index != to).collect();
    let taking: Vec<usize> = others.iter().copied().filter(|index| backends[*index].weight > 0).collect();
    match (taking.as_slice(), others.as_slice()) {
        ([one], _) | ([], [one]) => Ok(*one),
        ([], []) => bail!("{place} has no other backend to take requests from"),
        _ => {
            let names: Vec<_> = others.iter().map(|index| backends[*index].shown(namespace)).collect();
            bail!("{place} has several other backends: {}; name with --from the one that gives", names.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn split(weights: &[(&str, u64)]) -> Value {
        let backends: Vec<_> =
            weights.iter().map(|(name, weight)| json!({"service": name, "weight": weight})).collect();
        json!({"metadata": {"namespace": "shop"}, "spec": {"service": "shop", "backends": backends}})
    }

    fn choice(to: &str, from: Option<&str>) -> Choice {
        Choice { to: to.parse().unwrap(), from: from.map(|it| it.parse().unwrap()), rules: Vec::new() }
    }

    fn at(plan: &Plan, step: u8) -> Vec<u64> {
        plan.weights(Some(step))[0].backends.iter().map(|share| share.weight).collect()
    }

    fn error(object: &Value, choice: &Choice, kind: Kind) -> String {
        Plan::new(kind, object, choice).unwrap_err().to_string()
    }

    #[test]
    fn two_share_what_they_have_and_the_others_keep_theirs() {
        let object = split(&[("v1", 40), ("v2", 10), ("old", 50)]);
        let plan = Plan::new(Kind::TrafficSplit, &object, &choice("v2", Some("v1"))).unwrap();
        assert_eq!(at(&plan, 50), [50, 50, 100], "hundredths of 50 need a factor of 2");
        assert_eq!(at(&plan, 100), [0, 50, 50]);
        assert_eq!(at(&plan, 5), [40, 10, 50], "it has more already");
        assert_eq!(plan.ahead(&[5, 20, 50]), [20, 50]);
        let mut written = object.clone();
        plan.write(Some(100), &mut written);
        assert_eq!(written["spec"]["backends"][1]["weight"], 50);
        plan.write(None, &mut written);
        assert_eq!(written, object);
    }

    #[test]
    fn small_weights_become_hundredths_on_the_way() {
        let plan = Plan::new(Kind::TrafficSplit, &split(&[("v1", 1), ("v2", 0)]), &choice("v2", None)).unwrap();
        assert_eq!([5, 25, 100].map(|step| at(&plan, step)), [[95, 5], [75, 25], [0, 1]]);
        let thousand = Plan::new(Kind::TrafficSplit, &split(&[("v1", 1000), ("v2", 0)]), &choice("v2", None)).unwrap();
        assert_eq!(at(&thousand, 5), [950, 50]);
    }

    #[test]
    fn what_cannot_be_shifted_is_refused_with_the_reason() {
        let split = split(&[("v1", 0), ("v2", 0), ("v3", 1), ("v4", 1)]);
        let error = |choice: &Choice| error(&split, choice, Kind::TrafficSplit);
        assert!(error(&choice("v9", None)).contains("no backend v9; it has v1, v2, v3, v4"));
        assert!(error(&choice("v2", None)).contains("several other backends"));
        assert!(error(&choice("v2", Some("v1"))).contains("weight 0 both"));
        assert!(error(&choice("v2", Some("v2"))).contains("same backend"));
        let ruled = Choice { rules: vec!["0".into()], ..choice("v2", Some("v3")) };
        assert!(error(&ruled).contains("has no rules"));
    }

    fn route() -> Value {
        let both = json!([{"name": "v1", "port": 80, "weight": 9}, {"name": "v2", "port": 80}]);
        json!({"metadata": {"namespace": "shop"}, "spec": {"rules": [
            {"name": "api", "backendRefs": both},
            {"backendRefs": both},
            {"backendRefs": [{"name": "v2", "namespace": "other", "port": 80}, {"name": "v2", "namespace": "other", "port": 81}]},
        ]}})
    }

    #[test]
    fn rules_are_named_by_name_or_number() {
        let route = route();
        let ruled =
            |rules: &[&str]| Choice { rules: rules.iter().map(ToString::to_string).collect(), ..choice("v2", None) };
        assert!(error(&route, &choice("v2", None), Kind::HttpRoute).contains("0 (api), 1; name those"));
        assert!(error(&route, &ruled(&["7"]), Kind::HttpRoute).contains("there is no rule \"7\""));
        let plan = Plan::new(Kind::HttpRoute, &route, &ruled(&["api", "1"])).unwrap();
        let weights = plan.weights(Some(50));
        assert_eq!(weights.iter().map(|it| it.place.as_str()).collect::<Vec<_>>(), ["spec.rules[0]", "spec.rules[1]"]);
        assert_eq!(at(&plan, 50), [50, 50]);
    }

    #[test]
    fn backends_of_other_namespaces_and_ports_are_told_apart() {
        let route = route();
        assert!(error(&route, &choice("other/v2", None), Kind::HttpRoute).contains("2 times"));
        let plan = Plan::new(Kind::HttpRoute, &route, &choice("other/v2:81", None)).unwrap();
        assert_eq!((plan.canary, plan.to.as_str()), (ServiceName::new("other", "v2"), "other/v2"));
        assert_eq!(BackendName::from_str("a/b:80").unwrap().to_string(), "a/b:80");
        assert!(BackendName::from_str("/b").is_err() && BackendName::from_str("b:x").is_err());
    }

    #[test]
    fn weights_stay_within_what_the_kind_may_say() {
        let object = json!({"metadata": {"namespace": "shop"}, "spec": {"rules": [
            {"backendRefs": [{"name": "v1", "weight": 999_999}, {"name": "v2", "weight": 0}]}]}});
        assert!(error(&object, &choice("v2", None), Kind::HttpRoute).contains("multiple of 100"));
    }
}

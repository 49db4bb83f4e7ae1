//! Cases that leave to chance which backend answers: both proxies are asked many times, and about as many requests must
//! come to each backend.

use std::collections::BTreeMap;

use crate::{
    case::{Case, Request},
    exchange::Answer,
    proxy::Pair,
    upstream::Upstream,
};

/// How many standard deviations two counts may be apart: of a hundred thousand comparisons of what is the same, fewer than
/// one is further.
const APART: f64 = 4.5;

/// How often each outcome came, by status and backend.
type Counts = BTreeMap<String, u32>;

/// What differs between both, when a request is asked so often.
pub(crate) fn compare(
    pair: &Pair,
    index: usize,
    case: &Case,
    request: &Request,
    times: u32,
    upstream: &Upstream,
) -> Option<String> {
    let (mut envoy, mut leno) = (Counts::new(), Counts::new());
    for _ in 0..times {
        let answers = pair.ask(index, request, upstream);
        for (counts, answer) in [&mut envoy, &mut leno].into_iter().zip(answers) {
            *counts.entry(outcome(&answer)).or_default() += 1;
        }
    }
    let count = |counts: &Counts, outcome: &String| f64::from(counts.get(outcome).copied().unwrap_or_default());
    let differs = |outcome: &String| {
        let (one, other) = (count(&envoy, outcome), count(&leno, outcome));
        // Two binomial counts of as many draws.
        let share = (one + other) / (2.0 * f64::from(times));
        let deviation = (2.0 * f64::from(times) * share * (1.0 - share)).sqrt();
        // Where turns are taken in order a round may be begun and not ended.
        (one - other).abs() > (APART * deviation).max(3.0)
    };
    let wrong = envoy.keys().chain(leno.keys()).any(differs);
    wrong.then(|| format!("{} / {request}, {times} times\n  envoy: {envoy:?}\n  leno:  {leno:?}", case.name))
}

/// What is told apart: which backend answered, or what the proxy said itself.
fn outcome(answer: &Answer) -> String {
    let backend = answer.saw.as_ref().and_then(|saw| saw["backend"].as_str()).unwrap_or("nobody");
    format!("{} {backend}", answer.status)
}

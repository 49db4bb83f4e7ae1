//! The oracle: the same configuration file given to Envoy and to Leno must behave the same.
//!
//! Every case becomes a listener of one file, which both run from. Each request goes to both; what the caller gets and
//! what the backend saw are compared. `differences.yaml` lists what may differ, each with its reason.

mod admin;
mod case;
mod compare;
mod config;
mod coverage;
mod exchange;
mod generate;
mod http2;
mod minimise;
mod proxy;
mod report;
mod server_name;
mod service;
mod share;
mod transport;
mod upstream;

use self::{
    case::{Case, Request},
    compare::Differences,
    proxy::Pair,
    upstream::Upstream,
};

/// Route tables by chance; each is asked 40 times.
const SEEDS: u64 = 300;

/// A request that was answered differently.
struct Wrong<'a> {
    case: &'a Case,
    request: &'a Request,
    how: String,
}

/// Runs cases through both and gives what differs.
fn run(cases: &[Case]) -> Vec<Wrong<'_>> {
    let upstream = Upstream::start();
    let pair = Pair::start(cases, &upstream);
    let known = Differences::read();
    let mut wrong = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        if case.settles {
            pair.settle();
        }
        for request in &case.requests {
            if let Some(times) = case.share {
                let how = share::compare(&pair, index, case, request, times, &upstream);
                wrong.extend(how.map(|how| Wrong { case, request, how }));
                continue;
            }
            let [envoy, leno] = pair.ask(index, request, &upstream);
            let how = known.compare(case, request, &envoy, &leno);
            wrong.extend(how.map(|how| Wrong { case, request, how }));
            if case.settles {
                pair.settle();
            }
        }
    }
    wrong
}

fn report(wrong: &[Wrong<'_>], requests: usize) {
    let shown = wrong.iter().take(20).map(|wrong| wrong.how.as_str()).collect::<Vec<_>>().join("\n\n");
    assert!(wrong.is_empty(), "{} of {requests} requests differ:\n\n{shown}", wrong.len());
}

/// As [`report`], with the first difference of each of a few cases made as small as can be.
fn report_small(wrong: &[Wrong<'_>], requests: usize) {
    let mut seen = Vec::new();
    let first = wrong.iter().filter(|wrong| {
        let is_new = !seen.contains(&wrong.case.name);
        seen.push(wrong.case.name.clone());
        is_new
    });
    let small = first.take(3).map(|wrong| {
        let (case, how) = minimise::minimise(wrong.case, wrong.request);
        format!("{}\nmade small: {how}\nto be kept in cases/kept.yaml:\n{}", wrong.how, minimise::yaml(&case))
    });
    let small: Vec<_> = small.collect();
    assert!(wrong.is_empty(), "{} of {requests} requests differ:\n\n{}", wrong.len(), small.join("\n\n"));
}

#[test]
#[ignore = "needs Envoy: cargo xtask test"]
fn written_cases_behave_alike() {
    let cases = case::written();
    let requests = cases.iter().map(|case| case.requests.len()).sum();
    assert!(requests >= 300, "{requests} requests are fewer than there were");
    report::write(&cases, &coverage::missing(&cases));
    report(&run(&cases), requests);
}

#[test]
#[ignore = "needs Envoy: cargo xtask test"]
fn generated_route_tables_behave_alike() {
    let cases: Vec<_> = (0..SEEDS).map(generate::case).collect();
    let requests = cases.iter().map(|case| case.requests.len()).sum();
    report_small(&run(&cases), requests);
}

//! The oracle: the same configuration file given to Envoy and to Leno must behave the same.
//!
//! Every case becomes a listener of one file, which both run from. Each request goes to both; what the caller gets and
//! what the backend saw are compared. `differences.yaml` lists what may differ, each with its reason.

mod admin;
mod case;
mod compare;
mod config;
mod exchange;
mod generate;
mod proxy;
mod server_name;
mod service;
mod share;
mod upstream;

use self::{case::Case, compare::Differences, proxy::Pair, upstream::Upstream};

/// Route tables by chance; each is asked 40 times.
const SEEDS: u64 = 300;

/// Runs cases through both and gives the reports of what differs.
fn run(cases: &[Case]) -> Vec<String> {
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
                wrong.extend(share::compare(&pair, index, case, request, times, &upstream));
                continue;
            }
            let [envoy, leno] = pair.ask(index, request, &upstream);
            wrong.extend(known.compare(case, request, &envoy, &leno));
            if case.settles {
                pair.settle();
            }
        }
    }
    wrong
}

fn report(wrong: &[String], requests: usize) {
    let shown = wrong.iter().take(20).cloned().collect::<Vec<_>>().join("\n\n");
    assert!(wrong.is_empty(), "{} of {requests} requests differ:\n\n{shown}", wrong.len());
}

#[test]
#[ignore = "needs Envoy: cargo xtask test"]
fn written_cases_behave_alike() {
    let cases = case::written();
    let requests = cases.iter().map(|case| case.requests.len()).sum();
    assert!(requests >= 300, "{requests} requests are fewer than there were");
    report(&run(&cases), requests);
}

#[test]
#[ignore = "needs Envoy: cargo xtask test"]
fn generated_route_tables_behave_alike() {
    let cases: Vec<_> = (0..SEEDS).map(generate::case).collect();
    let requests = cases.iter().map(|case| case.requests.len()).sum();
    report(&run(&cases), requests);
}

//! Requests that can be read in more than one way, through Leno and through nginx, HAProxy and Envoy: what two of them
//! read differently Leno does not pass on, and what it passes on it reads as they do.

mod backend;
mod case;
mod proxy;

use std::time::Duration;

use self::{
    backend::{Backend, Reading},
    case::Case,
    proxy::{OTHERS, Proxies},
};

/// What is wrong with how Leno read a case.
fn judge(case: &Case, leno: &Reading, others: &[(&str, Reading)]) -> Option<String> {
    let accepted: Vec<_> = others.iter().filter(|(_, reading)| !reading.is_empty()).collect();
    let agree = accepted.windows(2).all(|pair| pair[0].1 == pair[1].1);
    let same = accepted.iter().all(|(_, reading)| reading == leno);
    let wrong = match (leno.is_empty(), agree) {
        (true, _) => return None,
        (false, false) => "is passed on, though others read it differently",
        (false, true) if !same => "is read in another way than others read it",
        (false, true) => return None,
    };
    Some(format!("{} {wrong}\n  sent {:?}\n  leno read {leno:?}\n  others read {others:?}", case.name, case.text()))
}

/// How long a proxy may take to say something.
const SOON: Duration = Duration::from_millis(500);
/// The same, where it matters.
const LATE: Duration = Duration::from_secs(4);

/// What the others make of a case.
type Others = [(&'static str, Reading); 3];

/// What Leno and the others make of a case.
fn ask(proxies: &Proxies, case: &Case, patience: Duration) -> (Reading, Others) {
    let [leno, nginx, haproxy, envoy] = proxies.send(case, patience);
    (leno, [(OTHERS[0], nginx), (OTHERS[1], haproxy), (OTHERS[2], envoy)])
}

#[test]
#[ignore = "needs nginx, HAProxy and Envoy: cargo xtask test"]
fn what_others_read_differently_is_not_passed_on() {
    let proxies = Proxies::start();
    let (mut wrong, mut told_apart, mut passed) = (Vec::new(), 0, 0);
    let cases = case::all();
    for case in &cases {
        let (mut leno, mut others) = ask(&proxies, case, SOON);
        // On a busy machine the others may have been late.
        if judge(case, &leno, &others).is_some() {
            (leno, others) = ask(&proxies, case, LATE);
        }
        let readings: Vec<_> = others.iter().map(|(_, reading)| reading).filter(|it| !it.is_empty()).collect();
        told_apart += usize::from(readings.windows(2).any(|pair| pair[0] != pair[1]));
        passed += usize::from(!leno.is_empty());
        wrong.extend(judge(case, &leno, &others));
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n\n{}", wrong.len(), cases.len(), wrong.join("\n\n"));
    // What proves nothing any more would pass as well.
    assert!(told_apart > 0, "no case is read differently by anybody");
    assert!(passed >= 10, "{passed} legal requests were passed on, too few to say anything");
}

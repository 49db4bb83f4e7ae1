//! Limits that a service counts.

use super::{
    request::answer,
    value::{self, header_name, positive_time, request},
};
use crate::{
    leno::traffic_policy::{
        GlobalRateLimit,
        global_rate_limit::{CountBy, CountedLimit},
    },
    problem::Problems,
};

pub(super) fn check(limit: &GlobalRateLimit, problems: &mut Problems<'_>) {
    let at = "spec.globalRateLimit";
    if let Some(named) = &limit.service {
        value::service(named, &format!("{at}.service"), problems);
    }
    if limit.domain.as_ref().is_some_and(String::is_empty) {
        problems.add(&format!("{at}.domain"), "a name", "leave it out for the policy's namespace");
    }
    if limit.limits.is_empty() {
        problems.add(&format!("{at}.limits"), "at least one limit", "");
    }
    for (index, one) in limit.limits.iter().enumerate() {
        let at = format!("{at}.limits[{index}]");
        if limit.limits.iter().take(index).any(|earlier| earlier.name == one.name) {
            problems.add(&format!("{at}.name"), "a name that no other limit here has", "");
        }
        counted(one, &at, problems);
        if limit.service.is_none() && one.requests.is_none() {
            let hint = "the control plane, which counts as there is no service, has no rules of its own";
            problems.add(&format!("{at}.requests"), "a number", hint);
        }
    }
    positive_time(limit.timeout.as_ref(), &format!("{at}.timeout"), problems);
    answer(limit.response_status, &limit.response_headers, at, problems);
}

fn counted(limit: &CountedLimit, at: &str, problems: &mut Problems<'_>) {
    if limit.name.is_empty() {
        problems.add(&format!("{at}.name"), "a name", "");
    }
    if let Some(fits) = &limit.fits {
        request(fits, &format!("{at}.match"), problems);
    }
    if limit.requests.is_none() && limit.per.is_some() {
        problems.add(&format!("{at}.per"), "nothing, as there is no requests beside it", "");
    }
    counted_by(&limit.by, at, problems);
}

/// What is counted apart.
pub(super) fn counted_by(by: &[CountBy], at: &str, problems: &mut Problems<'_>) {
    for (index, by) in by.iter().enumerate() {
        let at = format!("{at}.by[{index}]");
        let all = "header, queryParameter, path, method, remoteAddress and caller (true)";
        problems.exactly_one(&by.given(), &at, all);
        if let Some(name) = &by.header {
            header_name(name, &format!("{at}.header"), problems);
        }
        if by.query_parameter.as_ref().is_some_and(String::is_empty) {
            problems.add(&format!("{at}.queryParameter"), "a name", "");
        }
    }
}

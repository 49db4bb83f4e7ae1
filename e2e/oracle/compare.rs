//! What may differ, and whether anything else does.

use serde_json::Value;

use crate::{
    case::{self, Case, Request},
    exchange::Answer,
};

/// The known differences.
#[derive(Debug)]
pub(crate) struct Differences {
    /// Headers of answers that are not compared.
    response_headers: Vec<String>,
    /// Headers of requests that are not compared.
    request_headers: Vec<String>,
    /// Headers of requests by the proxy itself that are not compared.
    own_request_headers: Vec<String>,
    /// Cases, by a part of their name, of which only the status is compared.
    status_only: Vec<String>,
    /// Requests, by case and text, that may be answered otherwise: they must be.
    requests: Vec<String>,
    /// Probes, by case and what is done, of which other things come: they must.
    probes: Vec<String>,
}

impl Differences {
    /// Those of `differences.yaml`.
    pub(crate) fn read() -> Self {
        let value = case::read(include_str!("differences.yaml"));
        let names = |key: &str| {
            let list = value[key].as_array().expect("a list");
            let name = |one: &Value| {
                assert!(one["why"].is_string(), "{one}: every difference has a reason");
                one["name"].as_str().expect("a name").to_owned()
            };
            list.iter().map(name).collect()
        };
        Self {
            response_headers: names("response_headers"),
            request_headers: names("request_headers"),
            own_request_headers: names("own_request_headers"),
            status_only: names("status_only"),
            requests: names("requests"),
            probes: names("probes"),
        }
    }

    /// How the answers differ; `None` when they do not.
    pub(crate) fn compare(&self, case: &Case, request: &Request, envoy: &Answer, leno: &Answer) -> Option<String> {
        let status_only = self.status_only.iter().any(|part| case.name.contains(part));
        let shown = |answer: &Answer| {
            if status_only { format!("status {}", answer.status) } else { self.show(answer, case.exact) }
        };
        let (envoy, leno) = (shown(envoy), shown(leno));
        let name = format!("{} / {request}", case.name);
        if self.requests.contains(&name) {
            let stale = || format!("{name}\n  no longer differs: take it out of differences.yaml\n  both: {leno}");
            return (envoy == leno).then(stale);
        }
        (envoy != leno).then(|| format!("{name}\n  envoy: {envoy}\n  leno:  {leno}"))
    }

    /// Whether something else comes of a probe.
    pub(crate) fn is_probe(&self, case: &str, probe: &Value) -> bool {
        let mut done = probe.clone();
        if let Some(fields) = done.as_object_mut() {
            fields.remove("expect");
        }
        self.probes.contains(&format!("{case} / {done}"))
    }

    /// What is compared of an answer. `exact`: whether what a proxy says itself is compared to the letter.
    fn show(&self, answer: &Answer, exact: bool) -> String {
        let is_compared = |name: &String| (exact && name == "content-type") || !self.response_headers.contains(name);
        let headers = answer.headers.iter().filter(|(name, _)| is_compared(name));
        // Leno names the character set of its own texts.
        let headers = headers.map(|(name, value)| format!("{name}: {}", value.trim_end_matches("; charset=utf-8")));
        let headers: Vec<_> = headers.collect();
        // What a proxy says itself about a failure is not compared word for word.
        let own = answer.saw.is_none() && answer.status >= 400 && !exact;
        let body = if own { "(own)" } else { &answer.body };
        let saw = answer.saw.as_ref().map(|saw| self.saw(saw)).unwrap_or_default();
        let mut others: Vec<_> = answer.arrivals.iter().map(|saw| self.saw(saw)).collect();
        others.sort();
        let others = others.concat();
        let Answer { status, attempts, .. } = answer;
        format!("status {status}, attempts {attempts}, headers {headers:?}, body {body:?}{saw}{others}")
    }

    fn saw(&self, saw: &Value) -> String {
        let pair = |pair: &Value| {
            let text = |at: usize| pair[at].as_str().unwrap_or_default().to_owned();
            (text(0), text(1))
        };
        let headers = saw["headers"].as_array().into_iter().flatten().map(pair);
        // What is sent by the proxy itself goes to this one.
        let own = saw["backend"] == "three";
        let ignored =
            |name: &String| self.request_headers.contains(name) || (own && self.own_request_headers.contains(name));
        let mut headers: Vec<_> = headers.filter(|(name, _)| !ignored(name)).collect();
        headers.sort();
        format!("; {} saw {} {headers:?} {}", saw["backend"], saw["line"], saw["body"])
    }
}

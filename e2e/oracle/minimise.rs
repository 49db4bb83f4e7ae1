//! A failing case is made smaller for as long as it fails: everything that can go goes, all ways at once. What is left is
//! printed as it stands in `cases/kept.yaml`, to be kept there once it is mended.

use serde_json::{Map, Value, json};

use crate::{
    case::{Case, Request},
    compare::Differences,
    proxy::Pair,
    upstream::Upstream,
};

/// Lists of which an element may be left out; those of the second column need one that stays.
const LISTS: [(&str, usize); 14] = [
    ("virtual_hosts", 1),
    ("routes", 1),
    ("clusters", 1),
    ("headers", 0),
    ("query_parameters", 0),
    ("request_headers_to_add", 0),
    ("request_headers_to_remove", 0),
    ("response_headers_to_add", 0),
    ("response_headers_to_remove", 0),
    ("hash_policy", 0),
    ("http_filters", 0),
    ("upgrade_configs", 0),
    ("retriable_status_codes", 0),
    ("domains", 1),
];

/// Fields without which a message is still legal.
const FIELDS: [&str; 43] = [
    "case_sensitive",
    "invert_match",
    "ignore_case",
    "append_action",
    "headers",
    "query_parameters",
    "request_headers_to_add",
    "request_headers_to_remove",
    "response_headers_to_add",
    "response_headers_to_remove",
    "prefix_rewrite",
    "regex_rewrite",
    "host_rewrite_literal",
    "append_x_forwarded_host",
    "timeout",
    "idle_timeout",
    "retry_policy",
    "num_retries",
    "per_try_timeout",
    "retry_back_off",
    "hash_policy",
    "terminal",
    "normalize_path",
    "merge_slashes",
    "path_with_escaped_slashes_action",
    "typed_per_filter_config",
    "strip_query",
    "https_redirect",
    "port_redirect",
    "host_redirect",
    "path_redirect",
    "response_code",
    "body",
    "string_match",
    "present_match",
    "runtime_fraction",
    "cluster_not_found_response_code",
    "delay",
    "abort",
    "lb_policy",
    "circuit_breakers",
    "response_headers",
    "allow_credentials",
];

/// The smallest case that was found to differ still, and how.
pub(crate) fn minimise(case: &Case, request: &Request) -> (Case, String) {
    let mut smallest = Case { requests: vec![request.clone()], ..case.clone() };
    let mut report = String::new();
    loop {
        // The first of the candidates is the case itself: what only differs beside others is not made smaller.
        let mut candidates = vec![smallest.clone()];
        candidates.extend(smaller(&smallest));
        candidates.truncate(150);
        let differing = differing(&candidates);
        let best = differing.into_iter().min_by_key(|(case, _)| weight(case));
        match best {
            Some((case, how)) if weight(&case) < weight(&smallest) || report.is_empty() => {
                let done = weight(&case) == weight(&smallest);
                (smallest, report) = (case, how);
                if done {
                    return (smallest, report);
                }
            }
            Some(_) => return (smallest, report),
            None => return (smallest, "it does not differ by itself".to_owned()),
        }
    }
}

/// How often a case has to differ in the same way: with less in it, it may be chance that chooses a backend.
const ASKED: usize = 5;

/// Those of the cases that differ, each with how.
fn differing(cases: &[Case]) -> Vec<(Case, String)> {
    let upstream = Upstream::start();
    let pair = Pair::start(cases, &upstream);
    let known = Differences::read();
    let of_case = |(index, case): (usize, &Case)| {
        let request = case.requests.first()?;
        let ask = || {
            let [envoy, leno] = pair.ask(index, request, &upstream);
            known.compare(case, request, &envoy, &leno)
        };
        let how = ask()?;
        let stays = (1..ASKED).all(|_| ask().as_ref() == Some(&how));
        stays.then(|| (case.clone(), how))
    };
    cases.iter().enumerate().filter_map(of_case).collect()
}

/// How large a case is.
fn weight(case: &Case) -> usize {
    let requests: usize = case.requests.iter().map(|it| it.to_string().len() + it.body.len()).sum();
    Value::Object(case.manager.clone()).to_string().len() + requests
}

/// Every way to leave something out.
fn smaller(case: &Case) -> Vec<Case> {
    let manager = Value::Object(case.manager.clone());
    let with = |manager: Value| Case { manager: manager.as_object().cloned().unwrap_or_default(), ..case.clone() };
    let mut all: Vec<_> = without(&manager).into_iter().map(with).collect();
    for request in case.requests.first().into_iter().flat_map(smaller_requests) {
        all.push(Case { requests: vec![request], ..case.clone() });
    }
    all
}

fn smaller_requests(request: &Request) -> Vec<Request> {
    let mut all: Vec<_> = (0..request.headers.len())
        .map(|index| {
            let mut smaller = request.clone();
            smaller.headers.remove(index);
            smaller
        })
        .collect();
    if !request.body.is_empty() {
        all.push(Request { body: String::new(), ..request.clone() });
    }
    if let Some((path, _)) = request.target.split_once('?') {
        all.push(Request { target: path.to_owned(), ..request.clone() });
    }
    if request.method != "GET" && request.body.is_empty() {
        all.push(Request { method: "GET".to_owned(), ..request.clone() });
    }
    all
}

/// Every value that is the given one without one of its parts; large parts first.
fn without(value: &Value) -> Vec<Value> {
    match value {
        Value::Object(fields) => fields.iter().flat_map(|(key, inside)| without_of(fields, key, inside)).collect(),
        Value::Array(items) => {
            let inside = items.iter().enumerate().flat_map(|(index, item)| {
                let replaced = move |smaller: Value| {
                    let mut items = items.clone();
                    items[index] = smaller;
                    Value::Array(items)
                };
                without(item).into_iter().map(replaced)
            });
            inside.collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// The ways to leave out a field, an element of it, or something inside of it.
fn without_of(fields: &Map<String, Value>, key: &str, inside: &Value) -> Vec<Value> {
    let with = |value: Value| {
        let mut fields = fields.clone();
        fields.insert(key.to_owned(), value);
        Value::Object(fields)
    };
    let mut all = Vec::new();
    if FIELDS.contains(&key) {
        let mut fields = fields.clone();
        fields.remove(key);
        all.push(Value::Object(fields));
    }
    let least = LISTS.iter().find(|(list, _)| *list == key).map(|(_, least)| *least);
    if let (Some(least), Value::Array(items)) = (least, inside)
        && items.len() > least
    {
        // Of weighted clusters those without a weight.
        let may_go = |item: &Value| key != "clusters" || item["weight"] == 0;
        all.extend((0..items.len()).filter(|index| may_go(&items[*index])).map(|index| {
            let mut items = items.clone();
            items.remove(index);
            with(Value::Array(items))
        }));
    }
    all.extend(without(inside).into_iter().map(with));
    all
}

/// A case as it stands in a file.
pub(crate) fn yaml(case: &Case) -> String {
    let requests: Vec<_> = case.requests.iter().map(written).collect();
    let mut value = json!({ "name": case.name, "requests": requests });
    let mut manager = case.manager.clone();
    if let Some(filters) = manager.remove("http_filters") {
        value["filters"] = filters;
    }
    if let Some(hosts) = manager.get_mut("route_config").and_then(Value::as_object_mut)
        && hosts.len() == 1
        && let Some(hosts) = hosts.remove("virtual_hosts")
    {
        manager.remove("route_config");
        value["virtual_hosts"] = hosts;
    }
    if !manager.is_empty() {
        value["manager"] = Value::Object(manager);
    }
    for (name, fields) in [("clusters", &case.clusters), ("assignments", &case.assignments)] {
        if !fields.is_empty() {
            value[name] = Value::Object(fields.clone());
        }
    }
    if case.settles {
        value["settles"] = json!(true);
    }
    if case.exact {
        value["exact"] = json!(true);
    }
    if let Some(times) = case.share {
        value["share"] = json!(times);
    }
    leno_yaml::write::document(&json!([value]))
}

fn written(request: &Request) -> Value {
    let headers: Map<_, _> = request.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({ "method": request.method, "path": request.target, "headers": headers, "body": request.body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_can_go_goes_once() {
        let routes = json!([{ "match": { "prefix": "/", "case_sensitive": false } }, { "match": { "prefix": "/a" } }]);
        let request = Request::read(&json!("GET /?q=1 x-one:1"));
        let case = Case::of_routes("c", &routes, vec![request]);
        let smaller = smaller(&case);
        // Either route, the one field that is not needed, the header, the query.
        assert_eq!(smaller.len(), 5, "{smaller:#?}");
        assert!(smaller.iter().all(|one| weight(one) < weight(&case)));
    }

    #[test]
    fn a_case_is_written_as_it_is_read() {
        let routes = json!([{ "match": { "prefix": "/" }, "route": { "cluster": "one" } }]);
        let case = Case::of_routes("seed 7", &routes, vec![Request::read(&json!("GET / x-one:1"))]);
        let again = crate::case::read(&yaml(&case));
        let again = Case::read("kept", &again[0]);
        assert_eq!(again.manager, case.manager);
        assert_eq!(again.requests[0].to_string(), case.requests[0].to_string());
    }
}

//! Route tables and requests by chance, the same for the same seed.

use serde_json::{Value, json};

use crate::case::{Case, Request};

/// A small random generator (xorshift): tests need no better one, and no dependency.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.next() % count as u64).expect("below a small number")
    }

    fn pick<'a>(&mut self, among: &[&'a str]) -> &'a str {
        among[self.below(among.len())]
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

const PATHS: [&str; 10] = ["/", "/a", "/a/", "/a/b", "/ab", "/A", "/a/b/c", "/b", "/a.b", "/c%20d"];
const VALUES: [&str; 5] = ["1", "2", "abc", "ABC", ""];
const NAMES: [&str; 3] = ["x-one", "x-two", "x-three"];
const HOSTS: [&str; 6] =
    ["example.com", "a.example.com", "b.a.example.com", "example.org", "EXAMPLE.com", "example.com:80"];

/// The case of a seed.
pub(crate) fn case(seed: u64) -> Case {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut left = vec!["example.com", "*.example.com", "*.a.example.com", "example.*", "example.org", "*"];
    let mut hosts = Vec::new();
    for number in 0..1 + random.below(3) {
        let domain = left.remove(random.below(left.len()));
        let routes: Vec<_> = (0..1 + random.below(5)).map(|_| route(&mut random)).collect();
        let mut host = json!({ "name": format!("host-{number}"), "domains": [domain], "routes": routes });
        edits(&mut random, &mut host);
        hosts.push(host);
    }
    let requests = (0..40).map(|_| request(&mut random)).collect();
    let mut case = Case::of_routes(&format!("seed {seed}"), &json!([]), requests);
    case.manager.insert("route_config".into(), json!({ "virtual_hosts": hosts }));
    if random.chance(50) {
        case.manager.insert("normalize_path".into(), json!(true));
    }
    if random.chance(20) {
        case.manager.insert("merge_slashes".into(), json!(true));
    }
    case.manager.insert("http_filters".into(), filters(&mut random));
    case.clusters.insert("many".into(), json!({ "lb_policy": random.pick(&["RING_HASH", "MAGLEV"]) }));
    case
}

fn route(random: &mut Random) -> Value {
    let path = random.pick(&PATHS);
    let mut fits = match random.below(4) {
        0 => json!({ "prefix": path }),
        1 => json!({ "path": path }),
        2 => json!({ "safe_regex": { "regex": random.pick(&["/a.*", "/[ab]", "/a/b/?c?", ".*", "/A|/b"]) } }),
        _ => json!({ "path_separated_prefix": random.pick(&["/a", "/a/b", "/b"]) }),
    };
    if random.chance(20) {
        fits["case_sensitive"] = json!(false);
    }
    if random.chance(40) {
        fits["headers"] = (0..1 + random.below(2)).map(|_| header(random)).collect();
    }
    if random.chance(25) {
        fits["query_parameters"] = json!([query(random)]);
    }
    let mut route = json!({ "match": fits });
    match random.below(10) {
        0 => {
            // With 201 and 3xx Envoy makes up a location.
            let status = [200, 202, 404, 503][random.below(4)];
            route["direct_response"] = json!({ "status": status, "body": { "inline_string": "direct" } });
        }
        1 => route["redirect"] = redirect(random),
        _ => route["route"] = forward(random),
    }
    edits(random, &mut route);
    if random.chance(5) {
        route["typed_per_filter_config"] = cors(random);
    }
    route
}

/// Changes to headers, of a route or a virtual host.
fn edits(random: &mut Random, of: &mut Value) {
    if random.chance(25) {
        of["request_headers_to_add"] = json!([write(random), write(random)]);
        of["request_headers_to_remove"] = json!([random.pick(&NAMES)]);
    }
    if random.chance(25) {
        of["response_headers_to_add"] = json!([write(random)]);
        of["response_headers_to_remove"] = json!([random.pick(&NAMES)]);
    }
}

fn header(random: &mut Random) -> Value {
    let mut matcher = json!({ "name": random.pick(&["x-one", "x-two", ":method", ":path"]) });
    let value = random.pick(&["1", "abc", "b", "GET", "/a"]);
    match random.below(6) {
        0 => matcher["present_match"] = json!(random.chance(70)),
        1 => matcher["string_match"] = json!({ "exact": value, "ignore_case": random.chance(30) }),
        2 => matcher["string_match"] = json!({ "prefix": value, "ignore_case": random.chance(30) }),
        3 => matcher["string_match"] = json!({ "suffix": value }),
        4 => matcher["string_match"] = json!({ "contains": value, "ignore_case": random.chance(30) }),
        _ => matcher["string_match"] = json!({ "safe_regex": { "regex": random.pick(&["[a-z]+", "[0-9]", ".*b.*"]) } }),
    }
    if random.chance(20) {
        matcher["invert_match"] = json!(true);
    }
    matcher
}

fn query(random: &mut Random) -> Value {
    let mut matcher = json!({ "name": random.pick(&["q", "r"]) });
    if random.chance(50) {
        matcher["present_match"] = json!(true);
    } else {
        matcher["string_match"] =
            json!({ random.pick(&["exact", "prefix", "suffix"]): random.pick(&["1", "abc", "b"]) });
    }
    matcher
}

fn redirect(random: &mut Random) -> Value {
    let mut redirect = json!({});
    match random.below(3) {
        0 => redirect["path_redirect"] = json!("/new"),
        1 => redirect["prefix_rewrite"] = json!(random.pick(&["/new", "/"])),
        _ => {}
    }
    if random.chance(50) {
        redirect["host_redirect"] = json!("other.example");
    }
    if random.chance(30) {
        redirect["https_redirect"] = json!(true);
    }
    if random.chance(30) {
        redirect["port_redirect"] = json!(8443);
    }
    if random.chance(30) {
        redirect["strip_query"] = json!(true);
    }
    if random.chance(50) {
        redirect["response_code"] =
            json!(random.pick(&["FOUND", "SEE_OTHER", "TEMPORARY_REDIRECT", "PERMANENT_REDIRECT"]));
    }
    redirect
}

fn forward(random: &mut Random) -> Value {
    let mut forward = target(random);
    if random.chance(10) {
        forward["timeout"] = json!(random.pick(&["0.15s", "5s", "0s"]));
    }
    if random.chance(20) {
        forward["retry_policy"] = retries(random);
    }
    match random.below(6) {
        0 => forward["prefix_rewrite"] = json!(random.pick(&["/", "/x", "/x/"])),
        1 => {
            let pattern = json!({ "regex": random.pick(&["^(/a)", "(b)", "/(.)"]) });
            let substitution = random.pick(&["/z", "/\\1", "y", "\\1\\0", "\\\\"]);
            forward["regex_rewrite"] = json!({ "pattern": pattern, "substitution": substitution });
        }
        _ => {}
    }
    if random.chance(15) {
        forward["host_rewrite_literal"] = json!("rewritten.example");
    }
    forward
}

/// Where requests go. Of weighted clusters only one has a weight: which of several it is would be chance.
fn target(random: &mut Random) -> Value {
    match random.below(8) {
        0 => {
            let clusters = ["one", "two", "three"].map(|name| json!({ "name": name, "weight": 0 }));
            let mut clusters = clusters.to_vec();
            let heavy = random.below(clusters.len());
            clusters[heavy]["weight"] = json!(1 + random.below(3));
            edits(random, &mut clusters[heavy]);
            json!({ "weighted_clusters": { "clusters": clusters } })
        }
        1 => json!({ "cluster": "many", "hash_policy": hash(random) }),
        _ => json!({ "cluster": random.pick(&["one", "two", "three", "one", "none"]) }),
    }
}

/// Something that every request has comes last, so that nothing is left to chance.
fn hash(random: &mut Random) -> Value {
    let mut first = match random.below(3) {
        0 => json!({ "header": { "header_name": random.pick(&NAMES) } }),
        1 => json!({ "query_parameter": { "name": random.pick(&["q", "r"]) } }),
        _ => json!({ "cookie": { "name": "c" } }),
    };
    if random.chance(30) {
        first["terminal"] = json!(true);
    }
    json!([first, { "header": { "header_name": ":path" } }])
}

fn retries(random: &mut Random) -> Value {
    let on = random.pick(&["5xx", "gateway-error", "retriable-status-codes", "reset", "5xx,retriable-4xx"]);
    let mut policy = json!({ "retry_on": on, "num_retries": random.below(4) });
    if on == "retriable-status-codes" {
        policy["retriable_status_codes"] = json!([404, 503]);
    }
    policy["retry_back_off"] = json!({ "base_interval": "0.001s", "max_interval": "0.002s" });
    policy
}

/// Filters whose outcome is no chance: shares are all or nothing.
fn filters(random: &mut Random) -> Value {
    let kind = "type.googleapis.com/envoy.extensions.filters.http";
    let all = json!({ "numerator": 100, "denominator": "HUNDRED" });
    let mut filters = Vec::new();
    if random.chance(15) {
        let status = [418, 503][random.below(2)];
        let fault = json!({
            "@type": format!("{kind}.fault.v3.HTTPFault"),
            "abort": { "http_status": status, "percentage": all },
            "headers": [header(random)],
        });
        filters.push(json!({ "name": "fault", "typed_config": fault }));
    }
    if random.chance(15) {
        let permissions = json!([{ "header": header(random) }]);
        let policy = json!({ "permissions": permissions, "principals": [{ "any": true }] });
        let rules = json!({ "action": random.pick(&["ALLOW", "DENY"]), "policies": { "p": policy } });
        let rbac = json!({ "@type": format!("{kind}.rbac.v3.RBAC"), "rules": rules });
        filters.push(json!({ "name": "rbac", "typed_config": rbac }));
    }
    if random.chance(10) {
        // None is let through, or all are: how many there were before does not matter.
        let tokens = [1, 1_000_000][random.below(2)];
        let share = json!({ "default_value": { "numerator": if tokens == 1 { 0 } else { 100 } } });
        let limit = json!({
            "@type": format!("{kind}.local_ratelimit.v3.LocalRateLimit"),
            "stat_prefix": "limit",
            "token_bucket": { "max_tokens": tokens, "fill_interval": "60s" },
            "filter_enabled": share, "filter_enforced": share,
        });
        filters.push(json!({ "name": "limit", "typed_config": limit }));
    }
    if random.chance(10) {
        filters.push(json!({ "name": "cors", "typed_config": { "@type": format!("{kind}.cors.v3.Cors") } }));
    }
    json!(filters)
}

fn cors(random: &mut Random) -> Value {
    json!({ "cors": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy",
        "allow_origin_string_match": [{ "exact": random.pick(&["http://a", "http://b"]) }],
        "allow_methods": "GET, POST",
        "max_age": "5",
        "allow_credentials": random.chance(50),
    } })
}

fn write(random: &mut Random) -> Value {
    let actions = ["APPEND_IF_EXISTS_OR_ADD", "ADD_IF_ABSENT", "OVERWRITE_IF_EXISTS_OR_ADD", "OVERWRITE_IF_EXISTS"];
    json!({
        "header": { "key": random.pick(&NAMES), "value": random.pick(&["added", "other"]) },
        "append_action": random.pick(&actions),
    })
}

fn request(random: &mut Random) -> Request {
    let mut target = random.pick(&PATHS).to_owned();
    if random.chance(10) {
        target.push_str(random.pick(&["/../a", "//b", "/./b", "%2e%2e"]));
    }
    if random.chance(40) {
        target.push_str(random.pick(&["?q=1", "?q", "?r=abc", "?q=abc&r=b", "?r=1&q=1", "?", "?q="]));
    }
    let mut headers = vec![("Host".to_owned(), random.pick(&HOSTS).to_owned())];
    for name in NAMES {
        if random.chance(35) {
            headers.push((name.to_owned(), random.pick(&VALUES).to_owned()));
        }
        if random.chance(5) {
            headers.push((name.to_owned(), "again".to_owned()));
        }
    }
    if random.chance(10) {
        headers.push(("Cookie".to_owned(), random.pick(&["c=1", "c=2; d=3", "d=4"]).to_owned()));
    }
    if random.chance(10) {
        headers.push(("Origin".to_owned(), random.pick(&["http://a", "http://b"]).to_owned()));
        headers.push(("Access-Control-Request-Method".to_owned(), "GET".to_owned()));
    }
    match random.below(12) {
        0 => headers.push(("X-Do-Fail".to_owned(), random.pick(&["1", "2", "9"]).to_owned())),
        1 => headers.push(("X-Do-Status".to_owned(), random.pick(&["404", "409", "500", "503"]).to_owned())),
        _ => {}
    }
    let method = random.pick(&["GET", "GET", "GET", "POST", "HEAD", "DELETE", "OPTIONS"]).to_owned();
    let body = if method == "POST" { "body".to_owned() } else { String::new() };
    Request { method, target, headers, body, http2: false, protocol: None }
}

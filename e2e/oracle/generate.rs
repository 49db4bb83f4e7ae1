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
    let mut forward = json!({ "cluster": random.pick(&["one", "two", "three"]) });
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
    let method = random.pick(&["GET", "GET", "GET", "POST", "HEAD", "DELETE", "OPTIONS"]).to_owned();
    let body = if method == "POST" { "body".to_owned() } else { String::new() };
    Request { method, target, headers, body }
}

//! An explanation in words.

use leno_api::explain::{Branch, Decider, Endpoint, Explanation, Payload, Refusal, Step};
use leno_proxy::error::ErrorKind;

use super::{Place, Report, Server};

/// The whole of it, a line each.
pub(crate) fn text(report: &Report) -> String {
    let mut lines = vec![format!("{} → {}   {}", report.from, report.to, payload(&report.request))];
    if let Some(address) = report.resolved.addresses.first().filter(|it| it.to_string() != report.resolved.name) {
        lines.push(format!("  {} is {address}", report.resolved.name));
    }
    lines.extend(report.notes.iter().map(|note| format!("  {note}")));
    if let Some(caller) = &report.caller {
        lines.push(String::new());
        lines.push(format!("sidecar of the caller, {}", caller.identity));
        lines.extend(caller.steps.iter().map(|it| indented(2, &step(it))));
    }
    lines.extend(report.refusals.iter().map(|it| indented(2, &refusal(it))));
    lines.extend(report.places.iter().flat_map(place));
    for server in report.places.iter().flat_map(|place| &place.servers) {
        lines.push(String::new());
        lines.extend(self::server(server));
    }
    lines.push(String::new());
    lines.push(verdict(report));
    lines.extend(advice(report).map(|advice| format!("  {advice}")));
    lines.join("\n") + "\n"
}

fn indented(columns: usize, text: &str) -> String {
    format!("{:columns$}{text}", "")
}

fn payload(payload: &Payload) -> String {
    match payload {
        Payload::Http(request) => format!("{} {}", request.method, request.path),
        Payload::Tls { server_name } => format!("TLS for {server_name}"),
        Payload::Bytes => "bytes".to_owned(),
    }
}

/// A line with a word at its begin.
fn labelled(label: &str, text: &str) -> String {
    format!("{label:<9}{text}")
}

fn step(step: &Step) -> String {
    let label = match step.what {
        Decider::Listener => "listener",
        Decider::FilterChain => "chain",
        Decider::VirtualHost => "host",
        Decider::Route => "route",
        Decider::Access => "access",
        Decider::Limit => "limit",
        Decider::Fault => "fault",
        Decider::Filter => "filter",
    };
    let objects = step.objects.join(", ");
    let said: Vec<&str> = [step.name.as_str(), step.says.as_str()].into_iter().filter(|it| !it.is_empty()).collect();
    let said = said.join(": ");
    let text = match (step.what, objects.is_empty(), said.is_empty()) {
        (Decider::Access, false, _) => format!("{said} by {objects}"),
        (Decider::Access, true, _) => format!("{said}: no policy allows it"),
        (_, true, _) => said,
        (_, false, true) => objects,
        (_, false, false) => format!("{said}   ({objects})"),
    };
    labelled(label, &text)
}

fn refusal(refusal: &Refusal) -> String {
    labelled("✗", &format!("{}{}", share(refusal.share), answer(refusal)))
}

/// What the caller gets.
fn answer(refusal: &Refusal) -> String {
    let flag = if refusal.flag == "-" { "" } else { refusal.flag.as_str() };
    let word = [flag, refusal.reason.as_str()].into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join(" ");
    let status = match (refusal.status, word.is_empty()) {
        (0, true) => String::new(),
        (0, false) => format!("the connection is closed ({word}): "),
        (status, true) => format!("{status}: "),
        (status, false) => format!("{status} ({word}): "),
    };
    format!("{status}{}", refusal.detail).trim_end_matches([':', ' ']).to_owned()
}

/// A share, where it is not all.
fn share(share: f64) -> String {
    if share > 99.999 { String::new() } else { format!("{} % ", number(share)) }
}

fn number(share: f64) -> String {
    let text = format!("{share:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn place(place: &Place) -> Vec<String> {
    let branch = &place.branch;
    let objects = if branch.objects.is_empty() { String::new() } else { format!("   ({})", branch.objects.join(", ")) };
    let mut lines = vec![indented(2, &labelled("→", &format!("{}{}{objects}", share(branch.share), called(branch))))];
    lines.extend(branch.steps.iter().map(|it| indented(4, &step(it))));
    lines.extend(branch.settings.iter().map(|setting| indented(11, setting)));
    lines.extend(branch.endpoints.iter().map(|it| indented(11, &endpoint(it))));
    lines.extend(branch.refusals.iter().map(|it| indented(4, &refusal(it))));
    lines
}

/// What a place is called.
fn called(branch: &Branch) -> String {
    match (branch.cluster.as_str(), branch.service.as_str()) {
        ("passthrough", _) => "passthrough: where it was meant to go, as it is".to_owned(),
        ("blackhole", _) => "blackhole: nowhere".to_owned(),
        ("", "") => "directly".to_owned(),
        ("", service) => service.to_owned(),
        (cluster, _) => cluster.to_owned(),
    }
}

fn endpoint(endpoint: &Endpoint) -> String {
    let mark = if endpoint.candidate { "•" } else { "-" };
    let pod = if endpoint.pod.is_empty() { String::new() } else { format!(" {}/{}", endpoint.namespace, endpoint.pod) };
    let tls = match endpoint.identities.as_slice() {
        [] if endpoint.own_tls => "TLS".to_owned(),
        [] => "plaintext".to_owned(),
        identities => format!("mesh TLS as {}", identities.join(" or ")),
    };
    let mut text = format!("{mark} {}{pod}, {}, {tls}", endpoint.address, endpoint.health);
    if endpoint.ejected {
        text += ", left out as an outlier";
    }
    if endpoint.priority > 0 {
        text += &format!(", priority {}", endpoint.priority);
    }
    if !endpoint.locality.is_empty() {
        text += &format!(", in {}", endpoint.locality);
    }
    text
}

fn server(server: &Server) -> Vec<String> {
    let alike = match server.instances {
        0 | 1 => String::new(),
        instances => format!(" (one of {instances} alike)"),
    };
    let Some(Explanation { identity, steps, refusals, .. }) = &server.explanation else {
        return vec![format!("{}{alike} {}", server.pod, server.note)];
    };
    let mut lines = vec![format!("sidecar of {}{alike}, {identity}", server.pod)];
    lines.extend(Some(&server.note).filter(|note| !note.is_empty()).map(|note| indented(2, note)));
    lines.extend(steps.iter().map(|it| indented(2, &step(it))));
    lines.extend(refusals.iter().chain(&server.refusals).map(|it| indented(2, &refusal(it))));
    lines
}

/// The sentence at the end.
fn verdict(report: &Report) -> String {
    let to = |place: &Place| {
        let called = if place.branch.service.is_empty() { called(&place.branch) } else { place.branch.service.clone() };
        format!("{called} ({} %)", number(place.branch.share))
    };
    if report.reaches_all() {
        return match report.places.as_slice() {
            [only] if only.branch.cluster == "passthrough" => {
                "Verdict: it is passed on as it is; the mesh does not know who answers there".to_owned()
            }
            [only] if only.branch.service.is_empty() => "Verdict: it reaches its destination".to_owned(),
            [only] => format!("Verdict: it reaches {}", only.branch.service),
            several => format!("Verdict: it reaches {}", several.iter().map(to).collect::<Vec<_>>().join(", ")),
        };
    }
    let first = all_refusals(report).next().map(answer).unwrap_or_default();
    match report.reaches > 0.001 {
        true => {
            format!("Verdict: {} % of such requests reach an endpoint; the others: {first}", number(report.reaches))
        }
        false => format!("Verdict: it does not get there; {first}"),
    }
}

fn all_refusals(report: &Report) -> impl Iterator<Item = &Refusal> {
    let places = report.places.iter().flat_map(|place| {
        let servers = place.servers.iter().flat_map(|server| {
            let own = server.explanation.iter();
            let own =
                own.flat_map(|it| it.refusals.iter().chain(it.branches.iter().flat_map(|branch| &branch.refusals)));
            server.refusals.iter().chain(own)
        });
        place.branch.refusals.iter().chain(servers)
    });
    report.refusals.iter().chain(places)
}

/// What to do about the first refusal.
fn advice(report: &Report) -> Option<&'static str> {
    let first = all_refusals(report).next()?;
    ErrorKind::ALL.iter().find(|kind| kind.label() == first.reason).map(|kind| kind.advice())
}

#[cfg(test)]
mod tests {
    use leno_api::runner::Resolved;

    use super::*;

    fn report() -> Report {
        let step = |what, name: &str, object: &str, says: &str| Step {
            what,
            name: name.into(),
            objects: if object.is_empty() { vec![] } else { vec![object.into()] },
            says: says.into(),
        };
        let denied = Refusal {
            share: 100.0,
            status: 403,
            flag: "UAEX".into(),
            reason: "access_denied".into(),
            detail: "no policy allows it".into(),
            policy: String::new(),
        };
        let server = Explanation {
            identity: "spiffe://cluster.local/ns/shop/sa/cart".into(),
            steps: vec![step(Decider::Access, "", "", "is denied")],
            refusals: vec![denied],
            branches: vec![],
        };
        let endpoint = Endpoint {
            address: "10.244.0.2:80".into(),
            namespace: "shop".into(),
            pod: "cart-1".into(),
            candidate: true,
            health: "healthy".into(),
            identities: vec![server.identity.clone()],
            ..Endpoint::default()
        };
        let branch = Branch {
            cluster: "outbound/shop/cart:80".into(),
            service: "shop/cart".into(),
            share: 100.0,
            endpoints: vec![endpoint],
            ..Branch::default()
        };
        let server = Server {
            pod: "shop/cart-1".into(),
            instances: 2,
            explanation: Some(server),
            refusals: vec![],
            note: String::new(),
        };
        let route = step(Decider::Route, "shop/cart/all", "HTTPRoute shop/cart", "");
        Report {
            from: "front/web-1".into(),
            to: "cart.shop:80".into(),
            resolved: Resolved { name: "cart.shop.svc.cluster.local".into(), addresses: vec![[10, 96, 0, 7].into()] },
            request: Payload::Bytes,
            notes: vec![],
            caller: Some(Explanation { steps: vec![route], ..Explanation::default() }),
            places: vec![Place { branch, servers: vec![server] }],
            refusals: vec![],
            reaches: 0.0,
        }
    }

    #[test]
    fn a_refusal_is_told_with_who_says_so_and_what_to_do() {
        let told = text(&report());
        for part in [
            "front/web-1 → cart.shop:80   bytes",
            "cart.shop.svc.cluster.local is 10.96.0.7",
            "route    shop/cart/all   (HTTPRoute shop/cart)",
            "→        outbound/shop/cart:80",
            "• 10.244.0.2:80 shop/cart-1, healthy, mesh TLS as spiffe://cluster.local/ns/shop/sa/cart",
            "sidecar of shop/cart-1 (one of 2 alike)",
            "access   is denied: no policy allows it",
            "Verdict: it does not get there; 403 (UAEX access_denied): no policy allows it",
            "Write a TrafficTarget or an AccessPolicy",
        ] {
            assert!(told.contains(part), "{part}\n{told}");
        }
    }

    #[test]
    fn shares_are_told_where_they_are_not_all() {
        let mut report = report();
        report.places[0].servers[0].explanation = None;
        report.places[0].branch.share = 90.0;
        report.reaches = 90.0;
        assert!(text(&report).contains("Verdict: 90 % of such requests reach an endpoint"), "{}", text(&report));
        report.reaches = 100.0;
        assert!(text(&report).contains("Verdict: it reaches shop/cart"), "{}", text(&report));
        assert_eq!((number(33.333), number(12.5), number(100.0)), ("33.33".into(), "12.5".into(), "100".into()));
    }
}

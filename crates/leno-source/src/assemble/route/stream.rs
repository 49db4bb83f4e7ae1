//! Rules of TCPRoutes and TLSRoutes.

use leno_manifest::gateway::{tcp_route::StreamRouteRule, tls_route::TlsRouteSpec};
use leno_model::{
    route::{Share, StreamRule, TlsRule},
    unit::Weight,
};

use super::{
    backend::{Payload, Resolver},
    rule::name,
};

pub(super) fn tcp(rules: &[StreamRouteRule], resolver: &mut Resolver<'_>) -> Vec<StreamRule> {
    rules.iter().enumerate().map(|(index, rule)| stream(rule, index, resolver)).collect()
}

pub(super) fn tls(spec: &TlsRouteSpec, resolver: &mut Resolver<'_>) -> TlsRule {
    let mut rules = tcp(&spec.rules, resolver);
    let rule =
        if rules.is_empty() { StreamRule { name: "0".into(), shares: Vec::new() } } else { rules.swap_remove(0) };
    TlsRule { hostnames: spec.hostnames.iter().map(|host| host.to_ascii_lowercase()).collect(), rule }
}

fn stream(rule: &StreamRouteRule, index: usize, resolver: &mut Resolver<'_>) -> StreamRule {
    let mut shares = Vec::new();
    for (number, share) in rule.backend_refs.iter().enumerate() {
        let at = format!("spec.rules[{index}].backendRefs[{number}]");
        let backend = resolver.backend(&share.backend, &at, Payload::Bytes);
        shares.push(Share { backend, weight: Weight(share.weight) });
    }
    StreamRule { name: name(rule.name.as_ref(), index), shares }
}

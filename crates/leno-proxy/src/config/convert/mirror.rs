//! Who else gets requests ([`RequestMirrorPolicy`]).
//!
//! [`RequestMirrorPolicy`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-routeaction-requestmirrorpolicy

use leno_engine::{
    fraction::Fraction,
    route::{Mirror, MirrorHost},
};
use leno_proto::v3::route::route_action::RequestMirrorPolicy;

use super::{
    check::{Check, at, join},
    filter, fraction,
};

/// Those of a route, a virtual host or a route table.
pub(super) fn convert(check: &mut Check, path: &str, protos: &mut Vec<RequestMirrorPolicy>) -> Vec<Mirror> {
    let protos = std::mem::take(protos).into_iter().enumerate();
    protos.filter_map(|(index, proto)| mirror(check, &at(path, "request_mirror_policies", index), proto)).collect()
}

fn mirror(check: &mut Check, path: &str, mut proto: RequestMirrorPolicy) -> Option<Mirror> {
    let cluster = std::mem::take(&mut proto.cluster);
    let share = proto.runtime_fraction.take();
    let share = fraction::runtime(check, &join(path, "runtime_fraction"), share, Fraction::ALL);
    // No spans are exported.
    proto.trace_sampled = None;
    let same = std::mem::take(&mut proto.disable_shadow_host_suffix_append);
    let fixed = std::mem::take(&mut proto.host_rewrite_literal);
    let edits = std::mem::take(&mut proto.request_headers_mutations);
    let edits = filter::header_edits(check, &join(path, "request_headers_mutations"), edits);
    check.rest(path, &proto);
    let host = match (fixed.is_empty(), same) {
        (false, _) => MirrorHost::Fixed(fixed.into()),
        (true, true) => MirrorHost::Same,
        (true, false) => MirrorHost::Marked,
    };
    Some(Mirror { cluster: check.name(&join(path, "cluster"), cluster)?.into(), share, host, edits })
}

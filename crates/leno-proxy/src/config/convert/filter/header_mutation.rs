//! Changes to headers ([`envoy.extensions.filters.http.header_mutation.v3.HeaderMutation`]).
//!
//! [`envoy.extensions.filters.http.header_mutation.v3.HeaderMutation`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/header_mutation/v3/header_mutation.proto

use leno_engine::{
    filter::{FilterConfig, HeaderMutation},
    route::HeaderEdits,
};
use leno_proto::v3::{
    header_mutation::{HeaderMutation as Proto, Mutations},
    mutation_rules::{HeaderMutation as MutationProto, header_mutation::Action},
};

use super::super::{
    check::{Check, join},
    header::{self, Known},
};

pub(super) fn convert(check: &mut Check, path: &str, mut proto: Proto) -> FilterConfig {
    let closest_wins = std::mem::take(&mut proto.most_specific_header_mutations_wins);
    let mutations = proto.mutations.take();
    check.rest(path, &proto);
    self::mutations(check, &join(path, "mutations"), mutations, closest_wins)
}

pub(super) fn mutations(check: &mut Check, path: &str, proto: Option<Mutations>, closest_wins: bool) -> FilterConfig {
    let mut proto = proto.unwrap_or_default();
    let of_request = std::mem::take(&mut proto.request_mutations);
    let request = all(check, &join(path, "request_mutations"), of_request, Known::Request);
    let of_response = std::mem::take(&mut proto.response_mutations);
    let response = all(check, &join(path, "response_mutations"), of_response, Known::Answer);
    check.rest(path, &proto);
    FilterConfig::HeaderMutation(HeaderMutation { request, response, closest_wins }.into())
}

/// Changes to the headers of a request.
pub(in super::super) fn of_request(check: &mut Check, path: &str, protos: Vec<MutationProto>) -> Vec<HeaderEdits> {
    all(check, path, protos, Known::Request)
}

/// Each is one step: what it does is seen by the next.
fn all(check: &mut Check, path: &str, protos: Vec<MutationProto>, known: Known) -> Vec<HeaderEdits> {
    let protos = protos.into_iter().enumerate();
    protos.filter_map(|(index, proto)| mutation(check, &format!("{path}[{index}]"), proto, known)).collect()
}

fn mutation(check: &mut Check, path: &str, proto: MutationProto, known: Known) -> Option<HeaderEdits> {
    match proto.action {
        Some(Action::Remove(name)) => {
            header::name(check, &join(path, "remove"), &name);
            Some(HeaderEdits { remove: vec![name.to_ascii_lowercase().into()], add: Vec::new() })
        }
        Some(Action::Append(option)) => {
            let write = header::write(check, &join(path, "append"), option, known)?;
            Some(HeaderEdits { remove: Vec::new(), add: vec![write] })
        }
        Some(Action::RemoveOnMatch(_)) => check.unsupported(path, "remove_on_match", "remove or append"),
        None => {
            check.wrong(path, "nothing", "remove or append");
            None
        }
    }
}

//! Who endpoints are: the control plane names their service accounts, and the trust domain is the workload's own.

use leno_model::{ServiceAccountName, SpiffeId, TrustDomain, resource_name::WORKLOAD_METADATA};
use leno_proto::{
    google::protobuf::{Struct, Value, value::Kind},
    v3::endpoint::ClusterLoadAssignment,
};

/// Adds to the metadata of each endpoint that names a service account, and no identity, the identity.
pub(super) fn name_identities(assignment: &mut ClusterLoadAssignment, domain: &TrustDomain) {
    let endpoints = assignment.endpoints.iter_mut().flat_map(|locality| &mut locality.lb_endpoints);
    let metadata = endpoints.filter_map(|endpoint| endpoint.metadata.as_mut());
    for who in metadata.filter_map(|metadata| metadata.filter_metadata.get_mut(WORKLOAD_METADATA)) {
        if let (Some(namespace), Some(account), None) =
            (text(who, "namespace"), text(who, "service_account"), text(who, "identity"))
        {
            let identity = SpiffeId::new(domain.clone(), ServiceAccountName::new(namespace, account)).to_string();
            who.fields.insert("identity".into(), Value { kind: Some(Kind::StringValue(identity)) });
        }
    }
}

/// A field that is a text.
fn text<'a>(fields: &'a Struct, name: &str) -> Option<&'a str> {
    match &fields.fields.get(name)?.kind {
        Some(Kind::StringValue(text)) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use leno_proto::v3::{
        core::Metadata,
        endpoint::{LbEndpoint, LocalityLbEndpoints},
    };

    use super::*;

    #[test]
    fn a_service_account_becomes_an_identity() {
        let field = |text: &str| Value { kind: Some(Kind::StringValue(text.into())) };
        let who =
            Struct { fields: [("namespace".into(), field("shop")), ("service_account".into(), field("cart"))].into() };
        let metadata = Metadata { filter_metadata: [(WORKLOAD_METADATA.into(), who)].into(), ..Metadata::default() };
        let endpoint = LbEndpoint { metadata: Some(metadata), ..LbEndpoint::default() };
        let locality = LocalityLbEndpoints { lb_endpoints: vec![endpoint], ..LocalityLbEndpoints::default() };
        let mut assignment = ClusterLoadAssignment { endpoints: vec![locality], ..ClusterLoadAssignment::default() };
        name_identities(&mut assignment, &TrustDomain::default());
        let metadata = assignment.endpoints[0].lb_endpoints[0].metadata.as_ref().unwrap();
        let who = &metadata.filter_metadata[WORKLOAD_METADATA];
        assert_eq!(text(who, "identity"), Some("spiffe://cluster.local/ns/shop/sa/cart"));
    }
}

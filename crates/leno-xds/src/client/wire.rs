//! The two protocols on the wire, and the services that speak them.
//!
//! The client thinks in increments. In the state-of-the-world protocol a request names all that is wanted, and an answer
//! is the increment that it amounts to: resources whose bytes have not changed are left out, and where an answer lists all
//! there is ([`ResourceType::is_whole_state`]), what is missing was removed.

use std::collections::{HashMap, HashSet};

use bytes::{Buf as _, BufMut as _, Bytes};
use http::uri::PathAndQuery;
use leno_proto::{
    any,
    google::protobuf::Any,
    resource,
    v3::{
        core::Node,
        discovery::{self, DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse},
    },
};
use prost::Message as _;
use tonic::{
    Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

use super::wanted::Wanted;
use crate::{Resource, ResourceType, resource::WILDCARD};

/// Which protocol is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Incremental (`DELTA_GRPC`).
    #[default]
    Delta,
    /// State of the world (`GRPC`).
    World,
}

/// Which service is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Service {
    /// The one for all types (ADS).
    #[default]
    Aggregated,
    /// That of one type.
    Of(ResourceType),
}

impl Service {
    /// The method that opens a stream.
    pub(super) fn method(self, protocol: Protocol) -> PathAndQuery {
        use Protocol::{Delta, World};
        PathAndQuery::from_static(match (self, protocol) {
            (Self::Aggregated, Delta) => {
                "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
            }
            (Self::Aggregated, World) => {
                "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
            }
            (Self::Of(ResourceType::Secret), Delta) => "/envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets",
            (Self::Of(ResourceType::Secret), World) => "/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets",
            (Self::Of(ResourceType::Cluster), Delta) => {
                "/envoy.service.cluster.v3.ClusterDiscoveryService/DeltaClusters"
            }
            (Self::Of(ResourceType::Cluster), World) => {
                "/envoy.service.cluster.v3.ClusterDiscoveryService/StreamClusters"
            }
            (Self::Of(ResourceType::Endpoint), Delta) => {
                "/envoy.service.endpoint.v3.EndpointDiscoveryService/DeltaEndpoints"
            }
            (Self::Of(ResourceType::Endpoint), World) => {
                "/envoy.service.endpoint.v3.EndpointDiscoveryService/StreamEndpoints"
            }
            (Self::Of(ResourceType::Listener), Delta) => {
                "/envoy.service.listener.v3.ListenerDiscoveryService/DeltaListeners"
            }
            (Self::Of(ResourceType::Listener), World) => {
                "/envoy.service.listener.v3.ListenerDiscoveryService/StreamListeners"
            }
            (Self::Of(ResourceType::Route), Delta) => "/envoy.service.route.v3.RouteDiscoveryService/DeltaRoutes",
            (Self::Of(ResourceType::Route), World) => "/envoy.service.route.v3.RouteDiscoveryService/StreamRoutes",
        })
    }
}

/// What a stream has to remember of each type to translate.
#[derive(Debug, Default)]
pub(super) struct Wire {
    protocol: Protocol,
    /// State of the world only: the version in use, which outlives streams.
    accepted: HashMap<String, String>,
    /// State of the world only: version and nonce of the last answer of this stream.
    last: HashMap<String, (String, String)>,
}

impl Wire {
    pub(super) fn new(protocol: Protocol) -> Self {
        Self { protocol, ..Self::default() }
    }

    /// A new stream.
    pub(super) fn restart(&mut self) {
        self.last.clear();
    }

    /// A request as it is sent.
    pub(super) fn request(&mut self, ask: DeltaDiscoveryRequest, node: Option<Node>, wanted: &Wanted) -> Bytes {
        match self.protocol {
            Protocol::Delta => DeltaDiscoveryRequest { node, ..ask }.encode_to_vec().into(),
            Protocol::World => self.world(ask, node, wanted).encode_to_vec().into(),
        }
    }

    fn world(&mut self, ask: DeltaDiscoveryRequest, node: Option<Node>, wanted: &Wanted) -> DiscoveryRequest {
        let (version, nonce) = self.last.get(&ask.type_url).cloned().unwrap_or_default();
        let takes = !ask.response_nonce.is_empty() && ask.error_detail.is_none();
        if takes {
            self.accepted.insert(ask.type_url.clone(), version);
        }
        // A server that thinks that we have it all says nothing. Who asks for names anew may have forgotten what was held of
        // them: with no version, the server answers with what it has.
        let anew = !ask.resource_names_subscribe.is_empty() && !nonce.is_empty();
        let version = self.accepted.get(&ask.type_url).filter(|_| !anew);
        let mut resource_names = ResourceType::from_url(&ask.type_url).map_or_else(Vec::new, |of| wanted.names(of));
        // Every server understands this as all there is.
        if resource_names == [WILDCARD] {
            resource_names.clear();
        }
        DiscoveryRequest {
            version_info: version.cloned().unwrap_or_default(),
            node,
            resource_names,
            type_url: ask.type_url,
            response_nonce: nonce,
            error_detail: ask.error_detail,
            ..DiscoveryRequest::default()
        }
    }

    /// An answer as the increment that it is.
    pub(super) fn answer(&mut self, bytes: Bytes, wanted: &Wanted) -> Result<DeltaDiscoveryResponse, Status> {
        let broken = |error: prost::DecodeError| Status::internal(format!("an answer cannot be decoded: {error}"));
        match self.protocol {
            Protocol::Delta => DeltaDiscoveryResponse::decode(bytes).map_err(broken),
            Protocol::World => {
                let answer = DiscoveryResponse::decode(bytes).map_err(broken)?;
                let last = (answer.version_info.clone(), answer.nonce.clone());
                self.last.insert(answer.type_url.clone(), last);
                Ok(increment(answer, wanted))
            }
        }
    }
}

/// What an answer of the state-of-the-world protocol changes.
fn increment(answer: DiscoveryResponse, wanted: &Wanted) -> DeltaDiscoveryResponse {
    let resources: Vec<_> = answer.resources.into_iter().map(named).collect();
    let of_type = ResourceType::from_url(&answer.type_url);
    let removed_resources = match of_type.filter(|of| of.is_whole_state()) {
        Some(of) => {
            let there: HashSet<_> = resources.iter().map(|resource| resource.name.as_str()).collect();
            wanted.held(of).filter(|name| !there.contains(name)).map(str::to_owned).collect()
        }
        None => Vec::new(),
    };
    let is_news = |resource: &discovery::Resource| {
        of_type.is_none_or(|of| wanted.held_version(of, &resource.name) != Some(&*resource.version))
    };
    DeltaDiscoveryResponse {
        system_version_info: answer.version_info,
        resources: resources.into_iter().filter(is_news).collect(),
        type_url: answer.type_url,
        removed_resources,
        nonce: answer.nonce,
        ..DeltaDiscoveryResponse::default()
    }
}

/// A resource with its name, and the fingerprint of its bytes as version: the server's is that of the whole.
fn named(body: Any) -> discovery::Resource {
    if let Ok(wrapped) = any::unpack::<discovery::Resource>(&body)
        && let Some(inside) = wrapped.resource
    {
        let Resource { version, body, .. } = Resource::new(&wrapped.name, inside);
        return discovery::Resource {
            name: wrapped.name,
            version: version.to_string(),
            resource: Some(Any::clone(&body)),
            ..discovery::Resource::default()
        };
    }
    let name = resource::name(&body);
    let version = Resource::new(&name, body.clone()).version.to_string();
    discovery::Resource { name, version, resource: Some(body), ..discovery::Resource::default() }
}

/// Messages as bytes: which they are depends on the protocol.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

#[cfg(test)]
mod tests {
    use leno_proto::{resource as url, v3::cluster::Cluster};

    use super::*;

    fn cluster(name: &str, alt: &str) -> Any {
        any::pack(&Cluster { name: name.into(), alt_stat_name: alt.into(), ..Cluster::default() })
    }

    fn answer(version: &str, resources: Vec<Any>) -> Bytes {
        let (type_url, nonce) = (url::CLUSTER.to_owned(), format!("n{version}"));
        let version_info = version.to_owned();
        let answer = DiscoveryResponse { version_info, resources, type_url, nonce, ..DiscoveryResponse::default() };
        answer.encode_to_vec().into()
    }

    fn reply(error: Option<&str>) -> DeltaDiscoveryRequest {
        let error_detail =
            error.map(|message| leno_proto::google::rpc::Status { message: message.into(), ..Default::default() });
        let (type_url, response_nonce) = (url::CLUSTER.to_owned(), "n".to_owned());
        DeltaDiscoveryRequest { type_url, response_nonce, error_detail, ..Default::default() }
    }

    /// Takes an answer whole into what is held.
    fn take(wire: &mut Wire, wanted: &mut Wanted, bytes: Bytes) -> (Vec<String>, Vec<String>) {
        let taken = wire.answer(bytes, wanted).unwrap();
        let names: Vec<_> = taken.resources.iter().map(|it| it.name.clone()).collect();
        let held = taken.resources.into_iter().map(|it| (it.name.into(), Some(it.version.into())));
        let gone = taken.removed_resources.iter().map(|name| (name.as_str().into(), None));
        wanted.applied(ResourceType::Cluster, held.chain(gone).collect(), None);
        (names, taken.removed_resources)
    }

    #[test]
    fn a_world_becomes_what_changed_in_it() {
        let (mut wire, mut wanted) = (Wire::new(Protocol::World), Wanted::default());
        wanted.subscribe(ResourceType::Cluster, vec![WILDCARD.into()]);
        let first = take(&mut wire, &mut wanted, answer("1", vec![cluster("a", ""), cluster("b", "")]));
        assert_eq!(first, (vec!["a".into(), "b".into()], vec![]));
        let second = take(&mut wire, &mut wanted, answer("2", vec![cluster("b", "x"), cluster("c", "")]));
        assert_eq!(second, (vec!["b".into(), "c".into()], vec!["a".into()]));
        let third = take(&mut wire, &mut wanted, answer("3", vec![cluster("b", "x"), cluster("c", "")]));
        assert_eq!(third, (vec![], vec![]));
    }

    #[test]
    fn a_refusal_names_the_version_in_use() {
        let (mut wire, mut wanted) = (Wire::new(Protocol::World), Wanted::default());
        wanted.subscribe(ResourceType::Cluster, vec!["a".into()]);
        take(&mut wire, &mut wanted, answer("1", vec![cluster("a", "")]));
        let sent = |wire: &mut Wire, error| {
            let bytes = wire.request(reply(error), None, &wanted);
            let request = DiscoveryRequest::decode(bytes).unwrap();
            assert_eq!(request.resource_names, ["a"]);
            (request.version_info, request.response_nonce, request.error_detail.is_some())
        };
        assert_eq!(sent(&mut wire, None), ("1".into(), "n1".into(), false));
        wire.answer(answer("2", vec![cluster("a", "bad")]), &Wanted::default()).unwrap();
        assert_eq!(sent(&mut wire, Some("no")), ("1".into(), "n2".into(), true));
        wire.restart();
        assert_eq!(sent(&mut wire, Some("no")), ("1".into(), String::new(), true));
    }

    #[test]
    fn names_are_asked_for_anew_without_a_version() {
        let (mut wire, mut wanted) = (Wire::new(Protocol::World), Wanted::default());
        wanted.subscribe(ResourceType::Cluster, vec!["a".into()]);
        let sent = |wire: &mut Wire, wanted: &mut Wanted| {
            let ask = wanted.request().unwrap();
            DiscoveryRequest::decode(wire.request(ask, None, wanted)).unwrap()
        };
        assert_eq!(sent(&mut wire, &mut wanted).version_info, "");
        take(&mut wire, &mut wanted, answer("1", vec![cluster("a", "")]));
        wire.request(reply(None), None, &wanted);
        wanted.subscribe(ResourceType::Cluster, vec!["a".into()]);
        let again = sent(&mut wire, &mut wanted);
        assert_eq!((&*again.version_info, &*again.response_nonce), ("", "n1"));
        assert_eq!(again.resource_names, ["a"]);
        let (names, _) = take(&mut wire, &mut wanted, answer("1", vec![cluster("a", "")]));
        assert_eq!(names, ["a"]);
    }

    #[test]
    fn resources_may_come_in_a_wrapper() {
        let inside = discovery::Resource { name: "w".into(), resource: Some(cluster("w", "")), ..Default::default() };
        let wanted = Wanted::default();
        let taken = Wire::new(Protocol::World).answer(answer("1", vec![any::pack(&inside)]), &wanted).unwrap();
        assert_eq!(taken.resources[0].name, "w");
        assert_eq!(taken.resources[0].resource, Some(cluster("w", "")));
    }
}

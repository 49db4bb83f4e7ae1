//! The two protocols' messages.

use std::sync::Arc;

use leno_proto::v3::{
    core::Node,
    discovery::{self, DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse},
};

use super::{
    session::{Answer, Ask, Names},
    status::Flavour,
};
use crate::ResourceType;

/// One of the two protocols.
pub(super) trait Wire: Send + 'static {
    const FLAVOUR: Flavour;
    type Request: Send + 'static;
    type Response: Send + 'static;

    /// The node, which the first request of a stream has to name.
    fn node(request: &mut Self::Request) -> Option<Node>;

    /// What the request asks; `Err` with its type when that is none we know.
    fn ask(request: Self::Request) -> Result<Ask, String>;

    fn response(answer: Answer) -> Self::Response;
}

/// Incremental.
#[derive(Debug)]
pub(super) struct Delta;

/// State of the world.
#[derive(Debug)]
pub(super) struct StateOfTheWorld;

impl Wire for Delta {
    const FLAVOUR: Flavour = Flavour::Delta;
    type Request = DeltaDiscoveryRequest;
    type Response = DeltaDiscoveryResponse;

    fn node(request: &mut DeltaDiscoveryRequest) -> Option<Node> {
        request.node.take()
    }

    fn ask(request: DeltaDiscoveryRequest) -> Result<Ask, String> {
        let Some(resource_type) = ResourceType::from_url(&request.type_url) else {
            return Err(request.type_url);
        };
        let mut subscribe = request.resource_names_subscribe;
        subscribe.extend(request.resource_locators_subscribe.into_iter().map(|locator| locator.name));
        let mut unsubscribe = request.resource_names_unsubscribe;
        unsubscribe.extend(request.resource_locators_unsubscribe.into_iter().map(|locator| locator.name));
        Ok(Ask {
            resource_type,
            names: Names::Delta { subscribe, unsubscribe, initial: request.initial_resource_versions },
            nonce: request.response_nonce,
            error: request.error_detail.map(|error| error.message),
        })
    }

    fn response(answer: Answer) -> DeltaDiscoveryResponse {
        let resource = |resource: crate::Resource| discovery::Resource {
            name: resource.name.to_string(),
            version: resource.version.to_string(),
            resource: Some(Arc::unwrap_or_clone(resource.body)),
            ..discovery::Resource::default()
        };
        DeltaDiscoveryResponse {
            system_version_info: answer.version,
            resources: answer.resources.into_iter().map(resource).collect(),
            type_url: answer.resource_type.url().to_owned(),
            removed_resources: answer.removed.into_iter().map(|name| name.to_string()).collect(),
            nonce: answer.nonce,
            ..DeltaDiscoveryResponse::default()
        }
    }
}

impl Wire for StateOfTheWorld {
    const FLAVOUR: Flavour = Flavour::StateOfTheWorld;
    type Request = DiscoveryRequest;
    type Response = DiscoveryResponse;

    fn node(request: &mut DiscoveryRequest) -> Option<Node> {
        request.node.take()
    }

    fn ask(request: DiscoveryRequest) -> Result<Ask, String> {
        let Some(resource_type) = ResourceType::from_url(&request.type_url) else {
            return Err(request.type_url);
        };
        let mut names = request.resource_names;
        names.extend(request.resource_locators.into_iter().map(|locator| locator.name));
        Ok(Ask {
            resource_type,
            names: Names::Whole(names),
            nonce: request.response_nonce,
            error: request.error_detail.map(|error| error.message),
        })
    }

    fn response(answer: Answer) -> DiscoveryResponse {
        let body = |resource: crate::Resource| Arc::unwrap_or_clone(resource.body);
        DiscoveryResponse {
            version_info: answer.version,
            resources: answer.resources.into_iter().map(body).collect(),
            type_url: answer.resource_type.url().to_owned(),
            nonce: answer.nonce,
            ..DiscoveryResponse::default()
        }
    }
}

//! A service that an AccessPolicy asks.

use std::{num::NonZeroU32, time::Duration};

use leno_model::policy::{Authorizer as Model, AuthorizerProtocol as ProtocolModel};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::service_ref::ServiceRef;
use crate::syntax::duration;

/// How long the service may take, when nothing is said: Envoy's default.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(200);

/// A service that is asked whether a request may go on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalAuthorizer {
    /// Who is asked.
    pub service: ServiceRef,
    /// How it is asked; `GRPC` when not given.
    pub protocol: Option<Protocol>,
    /// What the path of its requests begins with, before the path of the request that it is about. With `HTTP` alone.
    pub path: Option<String>,
    /// The headers of the request that it is told. With `GRPC` all when not given; with `HTTP` beside `authorization`.
    #[serde(default)]
    pub allowed_headers: Vec<String>,
    /// The headers of its consent that the request gets, in place of its own. With `HTTP` alone: over gRPC the service says
    /// itself which headers change.
    #[serde(default)]
    pub allowed_response_headers: Vec<String>,
    /// How much of the body it is told; nothing when not given.
    pub forward_body: Option<ForwardBody>,
    /// How long it may take; `200ms` when not given.
    pub timeout: Option<String>,
    /// What is done with requests while it does not answer; `Deny` when not given.
    pub on_error: Option<OnError>,
}

/// How a service is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// By Envoy's protocol, `envoy.service.auth.v3.Authorization`.
    #[default]
    Grpc,
    /// By a request with the method, path and host of the one that it is about. 200 lets that pass; any other answer below
    /// 500 is the caller's answer.
    Http,
}

/// How much of a body is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ForwardBody {
    /// So many bytes, from 1 to 1048576; of larger bodies the beginning.
    pub max_size: u32,
}

/// What is done with requests while nobody decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnError {
    /// They pass.
    Allow,
    /// They are answered with 403.
    Deny,
}

impl ExternalAuthorizer {
    /// What it means in a policy of this namespace.
    #[must_use]
    pub fn to_model(&self, namespace: &str) -> Model {
        let (service, port) = self.service.to_model(namespace);
        let lower = |names: &[String]| names.iter().map(|name| name.to_ascii_lowercase()).collect();
        Model {
            service,
            port,
            protocol: match self.protocol.unwrap_or_default() {
                Protocol::Grpc => ProtocolModel::Grpc { headers: lower(&self.allowed_headers) },
                Protocol::Http => ProtocolModel::Http {
                    path: self.path.clone().unwrap_or_default(),
                    headers: lower(&self.allowed_headers),
                    response_headers: lower(&self.allowed_response_headers),
                },
            },
            body: self.forward_body.as_ref().and_then(|body| NonZeroU32::new(body.max_size)),
            timeout: self.timeout.as_deref().and_then(duration::parse).unwrap_or(TIMEOUT),
            open_on_error: self.on_error == Some(OnError::Allow),
        }
    }
}

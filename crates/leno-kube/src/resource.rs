//! Which of the versions of a kind that Leno reads a cluster serves, and by which name.

use kube::{
    Client,
    api::{Api, ApiResource, DynamicObject},
    core::GroupVersionKind,
    discovery,
    error::DiscoveryError,
};
use leno_manifest::Kind;

use crate::{Cluster, Error};

/// A kind as a cluster serves it: the newest version that both know.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    kind: Kind,
    api: ApiResource,
}

impl Cluster {
    /// How the cluster serves a kind; `None` when it does not.
    pub(crate) async fn served(&self, kind: Kind) -> Result<Option<Resource>, Error> {
        for version in kind.versions() {
            let wanted = GroupVersionKind::gvk(kind.group(), version, kind.as_str());
            match discovery::pinned_kind(&self.client, &wanted).await {
                Ok((api, _)) => return Ok(Some(Resource { kind, api })),
                Err(kube::Error::Discovery(
                    DiscoveryError::MissingKind(_)
                    | DiscoveryError::MissingApiGroup(_)
                    | DiscoveryError::EmptyApiGroup(_)
                    | DiscoveryError::MissingResource(_),
                )) => {}
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// How the cluster serves a kind that must be there.
    pub(crate) async fn resource(&self, kind: Kind) -> Result<Resource, Error> {
        self.served(kind).await?.ok_or(Error::NoSuchKind(kind.unique_name()))
    }
}

impl Resource {
    /// The objects of a namespace; those of the cluster for a kind that lives in none.
    pub(crate) fn of(&self, client: &Client, namespace: &str) -> Api<DynamicObject> {
        match self.kind.is_namespaced() {
            true => Api::namespaced_with(client.clone(), namespace, &self.api),
            false => Api::all_with(client.clone(), &self.api),
        }
    }

    /// The objects of all namespaces.
    pub(crate) fn everywhere(&self, client: &Client) -> Api<DynamicObject> {
        Api::all_with(client.clone(), &self.api)
    }

    /// The object as JSON. Items of lists do not say what they are, so it is said here; what only the API server's own
    /// bookkeeping needs is left out.
    pub(crate) fn json(&self, mut object: DynamicObject) -> serde_json::Value {
        object.metadata.managed_fields = None;
        object.types =
            Some(kube::core::TypeMeta { api_version: self.api.api_version.clone(), kind: self.api.kind.clone() });
        serde_json::to_value(object).unwrap_or_default()
    }
}

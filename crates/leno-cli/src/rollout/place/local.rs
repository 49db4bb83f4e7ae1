//! An object of a running local mesh, over its control socket.

use std::time::Duration;

use anyhow::Context;
use http::StatusCode;
use leno_api::runner::{Calls, MeshView, Replaced};
use leno_manifest::Kind;
use leno_model::ServiceName;
use serde_json::Value;

use super::{NotReplaced, PATIENCE, Place};
use crate::client::{Client, Refusal, query};

/// An object of a running local mesh.
#[derive(Clone, Debug)]
pub(crate) struct Local {
    /// The mesh.
    pub(crate) client: Client,
    /// The object's kind.
    pub(crate) kind: Kind,
    /// The object's namespace.
    pub(crate) namespace: String,
    /// The object's name.
    pub(crate) name: String,
}

/// An answer within reason.
async fn soon<T>(answer: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::time::timeout(PATIENCE, answer).await.context("the mesh does not answer")?
}

impl Place for Local {
    const LOOK: Duration = Duration::from_secs(1);

    async fn read(&self) -> anyhow::Result<Option<Value>> {
        let (kind, namespace, name) = (self.kind.unique_name(), query(&self.namespace), query(&self.name));
        let path = format!("/v1/objects?kind={kind}&namespace={namespace}&name={name}");
        let objects: Vec<Value> = soon(self.client.get(&path)).await?;
        Ok(objects.into_iter().next())
    }

    async fn replace(&self, object: &Value) -> Result<Replaced, NotReplaced> {
        soon(self.client.post("/v1/replace", object)).await.map_err(|error| {
            let status = error.downcast_ref::<Refusal>().map(|refusal| refusal.status);
            match status {
                Some(StatusCode::CONFLICT | StatusCode::NOT_FOUND) => NotReplaced::Changed,
                _ => NotReplaced::Failed(error),
            }
        })
    }

    async fn calls(&self, service: &ServiceName) -> anyhow::Result<Calls> {
        let ServiceName { namespace, name } = service;
        soon(self.client.get(&format!("/v1/calls/{}/{}", query(namespace), query(name)))).await
    }

    async fn ready(&self, service: &ServiceName) -> anyhow::Result<Option<u32>> {
        let mesh: MeshView = soon(self.client.get("/v1/mesh")).await?;
        let mut services = mesh.services.iter();
        Ok(services.find(|it| it.namespace == service.namespace && it.name == service.name).map(|it| it.ready))
    }
}

//! Single objects: read, listed, replaced.

use kube::api::{DynamicObject, ListParams, PostParams};
use leno_manifest::Kind;
use serde_json::Value;

use crate::{Cluster, Error};

/// How many objects are listed at a time.
const PAGE: u32 = 500;

/// Why an object was not replaced.
#[derive(Debug, thiserror::Error)]
pub enum NotReplaced {
    /// It has changed, or gone, since it was read.
    #[error("it has changed since it was read")]
    Changed,
    /// Something else.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl Cluster {
    /// An object; `None` when it is not there. The namespace of a kind that lives in none is not looked at.
    ///
    /// # Errors
    /// When the API server refuses or cannot be asked, and when it does not know the kind.
    pub async fn read(&self, kind: Kind, namespace: &str, name: &str) -> Result<Option<Value>, Error> {
        let resource = self.resource(kind).await?;
        let found = resource.of(&self.client, namespace).get_opt(name).await?;
        Ok(found.map(|object| resource.json(object)))
    }

    /// Every object of a kind in a namespace (in all of them without one) that has these labels (`app=shop,tier=web`;
    /// empty for all).
    ///
    /// # Errors
    /// When the API server refuses or cannot be asked, and when it does not know the kind.
    pub async fn list(&self, kind: Kind, namespace: Option<&str>, labels: &str) -> Result<Vec<Value>, Error> {
        let resource = self.resource(kind).await?;
        let api = match namespace {
            Some(namespace) => resource.of(&self.client, namespace),
            None => resource.everywhere(&self.client),
        };
        let mut wanted = ListParams::default().labels(labels).limit(PAGE);
        let mut objects = Vec::new();
        loop {
            let page = api.list(&wanted).await?;
            let next = page.metadata.continue_.clone().filter(|next| !next.is_empty());
            objects.extend(page.items.into_iter().map(|object| resource.json(object)));
            match next {
                Some(next) => wanted = wanted.continue_token(&next),
                None => return Ok(objects),
            }
        }
    }

    /// Puts an object in the place of the version that it was read as (`metadata.resourceVersion`), and gives it as it is now.
    ///
    /// # Errors
    /// [`NotReplaced::Changed`] when somebody else wrote meanwhile; else when the API server, or an admission webhook of the
    /// cluster, refuses.
    pub async fn replace(&self, kind: Kind, object: &Value) -> Result<Value, NotReplaced> {
        let resource = self.resource(kind).await?;
        let object: DynamicObject =
            serde_json::from_value(object.clone()).map_err(|error| Error::Unsound(error.to_string()))?;
        let metadata = &object.metadata;
        let namespace = metadata.namespace.clone().unwrap_or_default();
        let name = metadata.name.clone().unwrap_or_default();
        let replaced = resource.of(&self.client, &namespace).replace(&name, &PostParams::default(), &object).await;
        match replaced.map_err(Error::from) {
            Ok(object) => Ok(resource.json(object)),
            Err(error) if error.is_status(409) || error.is_status(404) => Err(NotReplaced::Changed),
            Err(error) => Err(error.into()),
        }
    }
}

//! Which cluster, and as whom.

use std::path::PathBuf;

use clap::Args;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

use crate::Error;

/// Where a cluster's API server is found, and as whom it is spoken to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// A kubeconfig file; without one those of `KUBECONFIG`, then `~/.kube/config`, then the account of the pod that this
    /// runs in.
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig; its current one when not given.
    pub context: Option<String>,
}

/// The flags that say that a cluster is meant, and which.
#[derive(Clone, Debug, Default, Args)]
pub struct ClusterArgs {
    /// Of a Kubernetes cluster: the one of the kubeconfig
    #[arg(long, env = "LENO_KUBERNETES")]
    pub kubernetes: bool,
    /// The kubeconfig; without it those of KUBECONFIG, then ~/.kube/config, then the account of the pod that this runs in
    #[arg(long, value_name = "FILE", requires = "kubernetes")]
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig; its current one when not given
    #[arg(long, value_name = "NAME", requires = "kubernetes")]
    pub context: Option<String>,
}

impl ClusterArgs {
    /// Which cluster is meant, if one is.
    #[must_use]
    pub fn access(&self) -> Option<Access> {
        let Self { kubernetes, kubeconfig, context } = self;
        kubernetes.then(|| Access { kubeconfig: kubeconfig.clone(), context: context.clone() })
    }
}

/// A cluster's API. Clones share its connections.
#[derive(Clone)]
pub struct Cluster {
    pub(crate) client: Client,
    url: String,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The client holds credentials.
        f.debug_struct("Cluster").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Cluster {
    /// A cluster, as [`Access`] says. Nothing is asked of it yet.
    ///
    /// # Errors
    /// [`Error::Access`] when there is no kubeconfig, or what it names (context, user, files) is not there.
    pub async fn new(access: &Access) -> Result<Self, Error> {
        let config = config(access).await?;
        let url = config.cluster_url.to_string();
        let client = Client::try_from(config).map_err(|error| Error::Access(error.to_string()))?;
        Ok(Self { client, url })
    }

    /// Where its API server is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

async fn config(access: &Access) -> Result<Config, Error> {
    let options = KubeConfigOptions { context: access.context.clone(), ..KubeConfigOptions::default() };
    match &access.kubeconfig {
        Some(path) => {
            let named =
                |error: &dyn std::fmt::Display| Error::Access(format!("kubeconfig {}: {error}", path.display()));
            let kubeconfig = Kubeconfig::read_from(path).map_err(|error| named(&error))?;
            Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| named(&error))
        }
        None if access.context.is_some() => {
            Config::from_kubeconfig(&options).await.map_err(|error| Error::Access(error.to_string()))
        }
        None => Config::infer().await.map_err(|error| {
            Error::Access(format!("{error}; name a kubeconfig with --kubeconfig or KUBECONFIG, or run in a pod"))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_missing_is_named() {
        let nowhere = Access { kubeconfig: Some("/nowhere/config".into()), context: None };
        let error = Cluster::new(&nowhere).await.unwrap_err().to_string();
        assert!(error.contains("kubeconfig /nowhere/config"), "{error}");

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        let text = "{apiVersion: v1, kind: Config, clusters: [], users: [], contexts: [], current-context: ''}";
        std::fs::write(&path, text).unwrap();
        let access = Access { kubeconfig: Some(path), context: Some("shop".into()) };
        let error = Cluster::new(&access).await.unwrap_err().to_string();
        assert!(error.contains("shop"), "{error}");
    }
}

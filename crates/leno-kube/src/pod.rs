//! A port of a pod, reached through the API server: whoever may use the API can read it, wherever he is.

use http::Request;

use crate::{Cluster, Error};

impl Cluster {
    /// What a pod answers to `GET` on a port of it.
    ///
    /// # Errors
    /// When the API server refuses (it takes the right to `get` `pods/proxy`), or the pod does not answer with 200.
    pub async fn get_from_pod(&self, namespace: &str, pod: &str, port: u16, path: &str) -> Result<String, Error> {
        let uri = format!("/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy/{}", path.trim_start_matches('/'));
        let request = Request::get(uri).body(Vec::new()).map_err(|error| Error::Unreachable(error.to_string()))?;
        Ok(self.client.request_text(request).await?)
    }
}

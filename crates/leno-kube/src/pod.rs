//! A port of a pod, reached through the API server: whoever may use the API can read it, wherever he is.

use std::pin::pin;

use futures_util::io::AsyncReadExt as _;
use http::Request;

use crate::{Cluster, Error};

/// The most that is read of an answer.
const LARGEST: u64 = 8 << 20;

impl Cluster {
    /// What a pod answers to `GET` on a port of it; no more than 8 MiB of that.
    ///
    /// # Errors
    /// When the API server refuses (it takes the right to `get` `pods/proxy`), or the pod does not answer with 200.
    pub async fn get_from_pod(&self, namespace: &str, pod: &str, port: u16, path: &str) -> Result<String, Error> {
        let uri = format!("/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy/{}", path.trim_start_matches('/'));
        let request = Request::get(uri).body(Vec::new()).map_err(|error| Error::Unsound(error.to_string()))?;
        let mut text = String::new();
        let mut answer = pin!(self.client.request_stream(request).await?.take(LARGEST));
        let read = answer.read_to_string(&mut text).await;
        read.map_err(|error| Error::Unreachable(error.to_string()))?;
        Ok(text)
    }
}

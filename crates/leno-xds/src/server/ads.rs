//! The gRPC service.

use std::{fmt, pin::Pin, sync::Arc};

use futures_util::Stream;
use leno_proto::v3::discovery::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
    aggregated_discovery_service_server::{AggregatedDiscoveryService, AggregatedDiscoveryServiceServer},
};
use tokio::sync::watch;
use tonic::{Request, Response, Status, Streaming};

use super::{
    Observer, ResourceSource, StatusBoard,
    render::{Delta, StateOfTheWorld},
    stream,
};

/// Bounds of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many streams may be open.
    pub streams: usize,
    /// How many names one stream may hold, of all types.
    pub names: usize,
    /// How long one name may be, in bytes.
    pub name_bytes: usize,
    /// How large one request may be, in bytes.
    pub request_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { streams: 20_000, names: 100_000, name_bytes: 1_024, request_bytes: 16 << 20 }
    }
}

/// Aggregated discovery over a source. Cheap to clone; all clones are the same server, so that it can be mounted on
/// several ports.
pub struct Ads<S> {
    pub(super) source: Arc<S>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) board: StatusBoard,
    pub(super) limits: Limits,
    pub(super) closing: Arc<watch::Sender<bool>>,
}

impl<S: ResourceSource> Ads<S> {
    /// A server of this source.
    #[must_use]
    pub fn new(source: Arc<S>, observer: Arc<dyn Observer>, limits: Limits) -> Self {
        Self { source, observer, board: StatusBoard::default(), limits, closing: Arc::new(watch::channel(false).0) }
    }

    /// Who is connected, and who was told what.
    #[must_use]
    pub fn board(&self) -> &StatusBoard {
        &self.board
    }

    /// Ends every stream, now and from now on; clients are told to try elsewhere.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }

    /// The service to mount.
    #[must_use]
    pub fn service(&self) -> AggregatedDiscoveryServiceServer<Self> {
        AggregatedDiscoveryServiceServer::new(self.clone()).max_decoding_message_size(self.limits.request_bytes)
    }
}

impl<S> Clone for Ads<S> {
    fn clone(&self) -> Self {
        Self {
            source: Arc::clone(&self.source),
            observer: Arc::clone(&self.observer),
            board: self.board.clone(),
            limits: self.limits,
            closing: Arc::clone(&self.closing),
        }
    }
}

impl<S> fmt::Debug for Ads<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ads").field("limits", &self.limits).finish_non_exhaustive()
    }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl<S: ResourceSource> AggregatedDiscoveryService for Ads<S> {
    type StreamAggregatedResourcesStream = Answers<DiscoveryResponse>;
    type DeltaAggregatedResourcesStream = Answers<DeltaDiscoveryResponse>;

    async fn stream_aggregated_resources(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        let (_, extensions, inbound) = request.into_parts();
        Ok(Response::new(Box::pin(stream::answers::<S, StateOfTheWorld>(self.clone(), inbound, extensions))))
    }

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        let (_, extensions, inbound) = request.into_parts();
        Ok(Response::new(Box::pin(stream::answers::<S, Delta>(self.clone(), inbound, extensions))))
    }
}

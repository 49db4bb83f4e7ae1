//! Delays and failures for tests.

use std::sync::Arc;

use leno_engine::{
    filter::{AbortStatus, Fault},
    request::RequestHead,
};

use super::{
    super::{judged::Judged, reply::Reply},
    Filtered, Setting, answered,
};
use crate::{
    error::ErrorKind,
    telemetry::decision::{FilterDecided, FilterDecision, FilterName},
};

impl Filtered {
    /// Delays a request; the answer, when it fails.
    pub(super) async fn fault<R: RequestHead>(
        &mut self,
        fault: &Arc<Fault>,
        setting: &Setting<'_>,
        request: &Judged<'_, R>,
    ) -> Option<Reply> {
        let (delay, abort) = {
            let request = self.seen(request);
            if !fault.fits(&request, setting.cluster()) {
                return None;
            }
            let random = &mut rand::rng();
            (fault.delay(&request, random), fault.abort(&request, random))
        };
        if delay.is_none() && abort.is_none() {
            return None;
        }
        self.fault = Some(fault.enter()?);
        let decided = |decision| {
            FilterDecided { worker: &setting.connection.worker, filter: FilterName::Fault, decision }.emit();
        };
        if let Some(time) = delay {
            decided(FilterDecision::Delayed);
            self.delayed = true;
            tokio::time::sleep(time).await;
        }
        let abort = abort?;
        decided(FilterDecision::Aborted);
        let (status, grpc) = match abort {
            AbortStatus::Http(status) => (status, None),
            AbortStatus::Grpc(status) => (200, Some(status)),
        };
        let reply = answered(ErrorKind::FaultInjected, status, fault.body.to_string());
        Some(Reply { grpc, ..reply })
    }
}

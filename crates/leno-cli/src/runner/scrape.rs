//! What the sidecars count, read from their metrics: once a second while somebody looks at the services, and whenever
//! somebody asks who called one of them.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Method, StatusCode};
use leno_api::runner::{Calls, Traffic};
use leno_model::{ServiceName, WorkloadName};
use tokio::net::TcpStream;

use super::{Runner, control, pod::sidecar::STATUS_PORT};
use crate::{
    sandbox,
    totals::{self, Totals},
};

/// The time over which rates are taken.
const WINDOW: Duration = Duration::from_secs(10);
/// How long after the last question the sidecars are still asked.
const INTEREST: Duration = Duration::from_secs(5);

/// Every service's counts at one moment.
type Sample = (Instant, BTreeMap<ServiceName, Totals>);

/// Samples of the sidecars' counts.
#[derive(Debug, Default)]
pub(crate) struct Scraper {
    samples: Mutex<VecDeque<Sample>>,
    asked: Mutex<Option<Instant>>,
}

impl Scraper {
    /// The traffic of every service lately.
    pub(crate) fn traffic(&self) -> BTreeMap<ServiceName, Traffic> {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some((from, first)), Some((to, last))) = (samples.front(), samples.back()) else {
            return BTreeMap::new();
        };
        let seconds = (*to - *from).as_secs_f64();
        let nothing = Totals::default();
        let traffic = |(name, now): (&ServiceName, &Totals)| {
            (name.clone(), now.since(first.get(name).unwrap_or(&nothing)).over(seconds))
        };
        last.iter().map(traffic).collect()
    }

    fn is_wanted(&self) -> bool {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.is_some_and(|asked| asked.elapsed() < INTEREST)
    }

    fn add(&self, sample: BTreeMap<ServiceName, Totals>) {
        let now = Instant::now();
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        samples.push_back((now, sample));
        while samples.front().is_some_and(|(at, _)| now - *at > WINDOW) {
            samples.pop_front();
        }
    }
}

/// Asks the sidecars while somebody looks, until the mesh ends.
pub(crate) async fn run(runner: Arc<Runner>) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if !runner.traffic.is_wanted() {
            continue;
        }
        let mut counts = BTreeMap::new();
        for (_, place) in sidecars(&runner) {
            if let Some(text) = metrics(&place).await {
                totals::read(&text, "inbound", &mut counts);
            }
        }
        runner.traffic.add(counts);
    }
}

/// The pods that have a sidecar, and where they are.
fn sidecars(runner: &Runner) -> Vec<(WorkloadName, Arc<sandbox::Pod>)> {
    runner.read(|state| {
        let meshed = state.pods.iter().filter(|(_, record)| record.is_meshed());
        meshed.filter_map(|(name, record)| Some((name.clone(), record.place.clone()?))).collect()
    })
}

/// What everyone's sidecar counted of calls to a service.
pub(crate) async fn calls(runner: &Runner, service: &ServiceName) -> Calls {
    let mut calls = Calls::default();
    for (pod, place) in sidecars(runner) {
        let counts = metrics(&place).await.map(|text| totals::calls(&text, service));
        calls.callers.insert(pod.to_string(), counts);
    }
    calls
}

async fn metrics(place: &sandbox::Pod) -> Option<String> {
    let ask = async {
        let stream = place.connect((place.address(), STATUS_PORT).into()).await.ok()?;
        let (status, body) = control::request(stream, Method::GET, "/stats/prometheus", Bytes::new()).await.ok()?;
        (status == StatusCode::OK).then(|| String::from_utf8_lossy(&body).into_owned())
    };
    tokio::time::timeout(Duration::from_secs(1), ask).await.ok().flatten()
}

/// What a pod's sidecar says on its admin or status port.
///
/// # Errors
/// Why there is no answer.
pub(crate) async fn ask_sidecar(
    runner: &Runner,
    pod: &WorkloadName,
    path: &str,
) -> Result<(StatusCode, Bytes), String> {
    let is_status = path.starts_with("/stats/prometheus") || path.starts_with("/healthz");
    let stream = connect(runner, pod, is_status).await?;
    control::request(stream, Method::GET, path, Bytes::new()).await
}

/// What a pod's sidecar says to a question about what would become of a request.
///
/// # Errors
/// Why there is no answer.
pub(crate) async fn explain(
    runner: &Runner,
    pod: &WorkloadName,
    question: Bytes,
) -> Result<(StatusCode, Bytes), String> {
    let stream = connect(runner, pod, false).await?;
    control::request(stream, Method::POST, "/explain", question).await
}

/// A connection to a sidecar: to what everyone may know, or to what its own pod may.
async fn connect(runner: &Runner, pod: &WorkloadName, is_status: bool) -> Result<TcpStream, String> {
    let place = runner.with_pod(pod, |record| record.place.clone()).flatten();
    let place = place.ok_or_else(|| format!("pod {pod} not found"))?;
    let address =
        if is_status { (place.address(), STATUS_PORT).into() } else { (std::net::Ipv4Addr::LOCALHOST, 15000).into() };
    place.connect(address).await.map_err(|error| format!("the sidecar of {pod} does not answer: {error}"))
}

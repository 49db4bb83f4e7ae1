//! The life of one pod.
//!
//! ```text
//! place (namespaces, address) ─► redirect rules ─► init containers and sidecars, in order ─► containers, at once
//!   … told to end ─► endpoints gone, proxies told ─► containers ─► sidecars, in reverse ─► place gone
//! ```
//!
//! Leno's own sidecar is a sidecar container like any other, the first one, so its readiness gates the rest.

pub(crate) mod backoff;
pub(crate) mod container;
pub(crate) mod environment;
pub(crate) mod health;
pub(crate) mod probe;
pub(crate) mod process;
pub(crate) mod sidecar;
pub(crate) mod status;
pub(crate) mod tally;
pub(crate) mod tls;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use leno_manifest::core::{
    Pod,
    pod::{Container, PodStatus, RestartPolicy, status::PodIp},
};
use leno_model::WorkloadName;
use leno_runtime::task::spawn;
use tokio::{sync::watch, task::JoinHandle};

use self::container::{Order, Role, Supervisor};
use super::{Runner, clock, pods::Stop};
use crate::sandbox::{self, PodSettings};

pub(crate) use leno_inject::SIDECAR_CONTAINER as SIDECAR;

/// The name of the one node.
pub(crate) const NODE: &str = "leno";

/// What a sidecar is given to finish when containers have used up the grace period.
const LAST_GRACE: Duration = Duration::from_secs(2);

/// A pod that is being looked after.
struct Life {
    runner: Arc<Runner>,
    name: WorkloadName,
    pod: Pod,
    place: Arc<sandbox::Pod>,
    stop: watch::Receiver<Stop>,
    /// Sidecars that run, in the order of their start.
    sidecars: Vec<Supervised>,
    /// The containers that run.
    containers: Vec<Supervised>,
}

/// A container that is being looked after.
struct Supervised {
    orders: watch::Sender<Order>,
    task: JoinHandle<i32>,
    /// How it ended.
    code: Option<i32>,
}

impl Supervised {
    /// Waits until it has ended for good; says with which code.
    async fn ended(&mut self) -> i32 {
        if let Some(code) = self.code {
            return code;
        }
        // A supervisor that was aborted or panicked counts as ended.
        let code = (&mut self.task).await.unwrap_or(255);
        *self.code.insert(code)
    }
}

/// Runs a pod, from its making until nothing of it is left.
pub(crate) async fn run(runner: Arc<Runner>, name: WorkloadName) {
    if let Some(place) = make(&runner, &name).await
        && let Some(mut life) = Life::new(&runner, &name, place)
    {
        life.live().await;
        life.end().await;
        life.place.destroy().await;
    }
    runner.tokens.forget(&name);
    runner.logs.forget(&name);
    runner.remove_pod(&name);
}

/// Makes the pod's place. Says what is wrong and waits to be told to end when it cannot be made.
async fn make(runner: &Arc<Runner>, name: &WorkloadName) -> Option<Arc<sandbox::Pod>> {
    let (settings, redirect, mut stop) = runner.with_pod(name, |record| {
        let spec = &record.pod.spec;
        let settings = PodSettings {
            namespace: name.namespace.clone(),
            name: name.name.clone(),
            hostname: environment::hostname(&record.pod).to_owned(),
            subdomain: spec.subdomain.clone(),
            address: record.address,
            host_aliases: Vec::new(),
        };
        (settings, record.redirect.clone(), record.stop.subscribe())
    })?;
    let address = settings.address.to_string();
    let made = async {
        let place = runner.sandbox.create_pod(settings).await?;
        if let Some(redirect) = &redirect {
            place.redirect(redirect).await?;
        }
        Ok::<_, sandbox::SandboxError>(place)
    };
    match made.await {
        Ok(place) => {
            let place = Arc::new(place);
            runner.edit_pod(name, |record| {
                record.place = Some(Arc::clone(&place));
                let status = record.pod.status.get_or_insert_with(PodStatus::default);
                status.pod_ip = Some(address.clone());
                status.pod_ips = vec![PodIp { ip: address }];
                status.host_ip = Some(sandbox::GATEWAY.to_string());
                status.start_time = Some(clock::now_text());
            });
            Some(place)
        }
        Err(error) => {
            let message = format!("cannot make the pod's network: {}", crate::output::chain(&error));
            runner.edit_pod(name, |record| {
                let status = record.pod.status.get_or_insert_with(PodStatus::default);
                status.reason = Some("FailedCreatePodSandBox".into());
                status.message = Some(message);
            });
            // The sender lives in the record, which only this task removes.
            stop.wait_for(|stop| *stop != Stop::Run).await.ok();
            None
        }
    }
}

impl Life {
    fn new(runner: &Arc<Runner>, name: &WorkloadName, place: Arc<sandbox::Pod>) -> Option<Self> {
        let (pod, stop) = runner.with_pod(name, |record| (record.pod.clone(), record.stop.subscribe()))?;
        let (sidecars, containers) = (Vec::new(), Vec::new());
        Some(Self { runner: Arc::clone(runner), name: name.clone(), pod, place, stop, sidecars, containers })
    }

    /// From the first container's start until the pod is told to end.
    async fn live(&mut self) {
        let mut stop = self.stop.clone();
        let told = async move {
            // An error means that the record is gone, which says the same.
            stop.wait_for(|stop| *stop != Stop::Run).await.ok();
        };
        let ended = async {
            if !self.initialize().await {
                return;
            }
            for container in self.pod.spec.containers.clone() {
                let supervised = self.supervise(container, Role::Main);
                self.containers.push(supervised);
            }
            for container in &mut self.containers {
                container.ended().await;
            }
        };
        tokio::select! {
            () = ended => {}
            () = told => return,
        }
        // Every container has ended for good: sidecars go, the pod stays to be looked at.
        self.stop_sidecars(Instant::now() + self.grace()).await;
        self.stop.wait_for(|stop| *stop != Stop::Run).await.ok();
    }

    /// Runs init containers and starts sidecars, in order; false when one failed for good.
    async fn initialize(&mut self) -> bool {
        for container in self.pod.spec.init_containers.clone() {
            let name = container.name.clone();
            if name == SIDECAR {
                // Its certificate authority's root is not there before.
                self.runner.until(|state| state.control_started).await;
            }
            if status::is_sidecar(&container) {
                let supervised = self.supervise(container, Role::Sidecar);
                self.sidecars.push(supervised);
                self.runner.pod_until(&self.name, |record| record.container_mut(&name).started == Some(true)).await;
                continue;
            }
            let supervised = self.supervise(container, Role::Init);
            // It is among the containers meanwhile, to be ended with them should the pod be told to end.
            self.containers.push(supervised);
            let Some(init) = self.containers.last_mut() else { return false };
            let code = init.ended().await;
            self.containers.clear();
            if code != 0 {
                return false;
            }
        }
        true
    }

    fn supervise(&self, container: Container, role: Role) -> Supervised {
        let (sender, orders) = watch::channel(Order::Run);
        let supervisor = Supervisor {
            runner: Arc::clone(&self.runner),
            pod: self.name.clone(),
            place: Arc::clone(&self.place),
            container,
            role,
            policy: if role == Role::Sidecar { RestartPolicy::Always } else { self.pod.spec.restart_policy },
            grace: self.grace(),
            orders,
            restarts: 0,
        };
        Supervised { orders: sender, task: spawn(supervisor.run()), code: None }
    }

    /// The pod's own grace period.
    fn grace(&self) -> Duration {
        Duration::from_secs(self.pod.spec.termination_grace_period_seconds.unwrap_or(30).into())
    }

    /// Ends the pod: nobody is sent to it any more, then its containers end, then its sidecars.
    async fn end(&mut self) {
        let stop = *self.stop.borrow();
        let Stop::Graceful(grace) = stop else { return self.kill().await };
        let deadline = Instant::now() + grace;
        let mut impatient = self.stop.clone();
        let at_once = async move {
            impatient.wait_for(|stop| *stop == Stop::Now).await.ok();
        };
        let in_order = async {
            self.runner.pod_left_endpoints(&self.name).await;
            stop_all(std::mem::take(&mut self.containers), deadline).await;
            self.stop_sidecars(deadline.max(Instant::now() + LAST_GRACE)).await;
        };
        tokio::select! {
            () = in_order => {}
            () = at_once => {}
        }
        self.kill().await;
    }

    async fn stop_sidecars(&mut self, deadline: Instant) {
        while let Some(sidecar) = self.sidecars.pop() {
            stop_all(vec![sidecar], deadline).await;
        }
    }

    /// Ends whatever still runs, at once.
    async fn kill(&mut self) {
        let mut left: Vec<Supervised> = self.containers.drain(..).chain(self.sidecars.drain(..)).collect();
        for supervised in &left {
            supervised.orders.send_replace(Order::Kill);
        }
        for supervised in &mut left {
            supervised.ended().await;
        }
    }
}

/// Tells all of these to end and waits until they have.
async fn stop_all(containers: Vec<Supervised>, deadline: Instant) {
    for supervised in &containers {
        supervised.orders.send_replace(Order::Stop(deadline));
    }
    for mut supervised in containers {
        supervised.ended().await;
    }
}

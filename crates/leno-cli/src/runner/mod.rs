//! The process inside the sandbox: it holds what was written, makes it so, and answers the other `leno` commands.
//!
//! ```text
//! files ─► store ─► controllers ─► pods (a task each) ─► status ─┐
//! apply ─┘             ▲                                         │
//!                      └──────────── every change ◄──────────────┘
//!                      └─► mirror ─► `leno control` (watches the directory) ═ xDS ═► `leno proxy` in each meshed pod
//! ```

pub(crate) mod api;
pub(crate) mod clock;
pub(crate) mod control;
pub(crate) mod controller;
pub(crate) mod events;
pub(crate) mod files;
pub(crate) mod logs;
pub(crate) mod mirror;
pub(crate) mod pod;
pub(crate) mod pods;
pub(crate) mod publish;
pub(crate) mod route_status;
pub(crate) mod run;
pub(crate) mod scrape;
pub(crate) mod standing;
pub(crate) mod state;
pub(crate) mod store;
pub(crate) mod token;

use std::{
    collections::BTreeMap,
    future::Future,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use leno_api::runner::Happening;
use leno_manifest::{Kind, Object, core::pod::Container};
use leno_model::WorkloadName;
use tokio::sync::watch;

use self::{
    events::Events,
    logs::Logs,
    pod::{SIDECAR, environment, process::Process, status},
    pods::PodRecord,
    state::State,
    token::Tokens,
};
use crate::sandbox::{self, Privilege, Sandbox};

/// What a terminating pod without any sidecar about still gets for connections that were on their way to it.
const LAST_REQUESTS: Duration = Duration::from_millis(100);

/// What the runner is told at its start.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The mesh's name.
    pub(crate) mesh: String,
    /// The watched files and folders.
    pub(crate) paths: Vec<PathBuf>,
    /// Where the certificate authority keeps its root; in memory when not given.
    pub(crate) ca_directory: Option<PathBuf>,
    /// What pods may reach outside.
    pub(crate) sandbox: sandbox::Settings,
    /// The variables that every process gets.
    pub(crate) environment: Vec<(String, String)>,
}

/// A running mesh.
pub(crate) struct Runner {
    /// What it was told at its start.
    pub(crate) settings: Settings,
    /// When it started.
    pub(crate) started: Instant,
    /// This program.
    pub(crate) executable: PathBuf,
    /// A private directory in memory.
    pub(crate) directory: PathBuf,
    /// The network.
    pub(crate) sandbox: Sandbox,
    /// What happens.
    pub(crate) events: Events,
    /// The output of containers.
    pub(crate) logs: Logs,
    /// The workloads' tokens.
    pub(crate) tokens: Tokens,
    /// Everything that changes. Never locked across an await.
    state: Mutex<State>,
    /// Counts the changes of `state`.
    generation: watch::Sender<u64>,
    /// The generation that the mirror, DNS and virtual addresses show.
    shown: watch::Sender<Option<u64>>,
    /// Says that the mesh is to stop.
    pub(crate) shutdown: watch::Sender<bool>,
    /// What sidecars counted lately.
    pub(crate) traffic: scrape::Scraper,
}

impl Runner {
    /// Reads the state.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state and wakes everyone who waits for a change.
    pub(crate) fn edit<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let answer = change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.generation.send_modify(|generation| *generation += 1);
        answer
    }

    /// Changes the state without waking anyone: for what nobody acts upon, and for what the controllers themselves write.
    pub(crate) fn write<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends at the next change after this call.
    pub(crate) fn changes(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut generation = self.generation.subscribe();
        async move {
            // The sender lives as long as the mesh.
            generation.changed().await.ok();
        }
    }

    /// Looks at a pod, which may be gone.
    pub(crate) fn with_pod<T>(&self, name: &WorkloadName, look: impl FnOnce(&PodRecord) -> T) -> Option<T> {
        self.read(|state| state.pods.get(name).map(look))
    }

    /// Changes a pod's record, sums its state up and tells of it.
    pub(crate) fn edit_pod(&self, name: &WorkloadName, change: impl FnOnce(&mut PodRecord)) {
        let view = self.edit(|state| {
            let record = state.pods.get_mut(name)?;
            change(record);
            status::sum_up(&mut record.pod);
            record.ready_since = record.is_ready().then(|| record.ready_since.unwrap_or_else(Instant::now));
            let view = record.view();
            let before = std::mem::replace(&mut record.told, view.clone());
            let same = |it: &leno_api::runner::PodView| {
                (it.status.clone(), it.message.clone(), it.ready, it.restarts, it.ip.clone())
            };
            (same(&before) != same(&view)).then_some(view)
        });
        if let Some(view) = view {
            self.events.tell(Happening::Pod(view));
        }
    }

    /// Changes what nobody waits for in a pod's record.
    pub(crate) fn note_pod(&self, name: &WorkloadName, change: impl FnOnce(&mut PodRecord)) {
        self.write(|state| state.pods.get_mut(name).map(change));
    }

    /// Waits until this is true of a pod, or the pod is gone.
    pub(crate) async fn pod_until(&self, name: &WorkloadName, mut is_so: impl FnMut(&mut PodRecord) -> bool) {
        loop {
            let changed = self.changes();
            if self.write(|state| state.pods.get_mut(name).is_none_or(&mut is_so)) {
                return;
            }
            changed.await;
        }
    }

    /// Waits until this is true of the mesh.
    pub(crate) async fn until(&self, is_so: impl Fn(&State) -> bool) {
        loop {
            let changed = self.changes();
            if self.read(&is_so) {
                return;
            }
            changed.await;
        }
    }

    /// Forgets a pod that is gone.
    pub(crate) fn remove_pod(&self, name: &WorkloadName) {
        let gone = self.edit(|state| state.pods.remove(name));
        if let Some(record) = gone {
            let view = leno_api::runner::PodView { status: "Deleted".into(), ready: 0, ..record.view() };
            self.events.tell(Happening::Pod(view));
        }
    }

    /// Waits until the state of this moment is shown to DNS, virtual addresses and the control plane, and the sidecars
    /// have been told.
    pub(crate) async fn state_in_force(&self) {
        let generation = *self.generation.borrow();
        let mut shown = self.shown.subscribe();
        shown.wait_for(|shown| *shown >= Some(generation)).await.ok();
        let meshed = self.read(|state| state.pods.values().any(|record| record.view().meshed));
        if meshed {
            control::proxies_told(self).await;
        }
    }

    /// Waits until nobody is sent to this terminating pod any more: the state that says so is shown to DNS, virtual
    /// addresses and the control plane, and the sidecars have been told.
    pub(crate) async fn pod_left_endpoints(&self, name: &WorkloadName) {
        let generation = *self.generation.borrow();
        let mut shown = self.shown.subscribe();
        shown.wait_for(|shown| *shown >= Some(generation)).await.ok();
        let (stopping, alone) = self.read(|state| (state.stopping, !state.has_sidecars_beside(name)));
        match (stopping, alone) {
            (true, _) => {}
            (false, true) => tokio::time::sleep(LAST_REQUESTS).await,
            (false, false) => control::proxies_told(self).await,
        }
    }

    /// How the processes of a pod's container are started.
    ///
    /// # Errors
    /// What is missing for it, in words for people.
    pub(crate) fn process_of(&self, pod: &WorkloadName, container: &Container) -> Result<Process, String> {
        self.read(|state| {
            let record = state.pods.get(pod).ok_or("the pod is gone")?;
            let (mut config_maps, mut secrets) = (BTreeMap::new(), BTreeMap::new());
            let mut services = Vec::new();
            for written in state.store.of(Kind::ConfigMap).chain(state.store.of(Kind::Secret)) {
                let here = written.object.namespace() == pod.namespace;
                match &*written.object {
                    Object::ConfigMap(map) if here => drop(config_maps.insert(map.metadata.name.as_str(), &**map)),
                    Object::Secret(secret) if here => drop(secrets.insert(secret.metadata.name.as_str(), &**secret)),
                    _ => {}
                }
            }
            for service in state.services.values().filter(|service| service.metadata.namespace == pod.namespace) {
                services.push(service);
            }
            let base = &self.settings.environment;
            let sources = environment::Sources { pod: &record.pod, config_maps, secrets, services, base };
            let environment = environment::environment(&sources, container)?;
            let directory = match &container.working_dir {
                Some(directory) => record.folder.join(environment.expand(directory)),
                None => record.folder.clone(),
            };
            let privilege = if container.name == SIDECAR { Privilege::Sidecar } else { Privilege::Application };
            Ok(Process { environment, directory, privilege })
        })
    }

    /// Ends every pod and waits for their end.
    pub(crate) async fn stop_pods(&self, grace: Duration) {
        self.edit(|state| {
            state.stopping = true;
            let names: Vec<WorkloadName> = state.pods.keys().cloned().collect();
            for name in names {
                state.terminate(&name, Some(grace));
            }
        });
        self.until(|state| state.pods.is_empty()).await;
    }

    /// Ends every pod at once.
    pub(crate) fn kill_pods(&self) {
        self.read(|state| {
            for record in state.pods.values() {
                record.stop.send_replace(pods::Stop::Now);
            }
        });
    }

    /// Spawns a task that knows the mesh.
    pub(crate) fn spawn<F>(self: &Arc<Self>, work: impl FnOnce(Arc<Self>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        leno_runtime::task::spawn(work(Arc::clone(self)));
    }
}

//! One container: started, looked after, started again when it ends, and ended in order.
//!
//! ```text
//!          ┌───────────────────────── back-off ◄────────────────────────┐
//!          ▼                                                            │ (restartPolicy)
//! waiting ─► environment ─► process ─► postStart ─► probes … exit ──► ended ──► done
//!                                                     │ told to stop, or dead
//!                                                     └─► preStop ─► signal ─► (deadline) kill
//! ```

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use leno_manifest::core::pod::{
    Container, LifecycleHandler, RestartPolicy,
    status::{ContainerRunning, ContainerState, ContainerTerminated, ContainerWaiting},
};
use leno_model::WorkloadName;
use leno_runtime::task::spawn;
use rustix::process::Signal;
use tokio::sync::{mpsc, watch};

use super::{
    backoff::Backoff,
    health::{Finding, Patient},
    probe::{self, Target},
    process::{Process, Running, code, signal_named},
};
use crate::{
    runner::{Runner, clock},
    sandbox,
};

/// What a container is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// To run to its end before the others start.
    Init,
    /// To run beside the others, from before their start until after their end.
    Sidecar,
    /// What the pod is for.
    Main,
}

/// What a container is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Run.
    Run,
    /// End in order, and before this moment.
    Stop(Instant),
    /// End at once.
    Kill,
}

/// One container and what looks after it.
pub(crate) struct Supervisor {
    /// The mesh.
    pub(crate) runner: Arc<Runner>,
    /// Its pod.
    pub(crate) pod: WorkloadName,
    /// Its pod's place.
    pub(crate) place: Arc<sandbox::Pod>,
    /// The container.
    pub(crate) container: Container,
    /// What it is for.
    pub(crate) role: Role,
    /// What happens when it ends.
    pub(crate) policy: RestartPolicy,
    /// How long it is given to end when a probe finds it dead.
    pub(crate) grace: Duration,
    /// What it is told.
    pub(crate) orders: watch::Receiver<Order>,
    /// How often it was started again.
    pub(crate) restarts: u32,
}

/// The end of one run.
struct Exit {
    code: i32,
    reason: &'static str,
    message: Option<String>,
    ran: Duration,
}

impl Supervisor {
    /// Runs the container until it has ended for good; says with which code.
    pub(crate) async fn run(mut self) -> i32 {
        let mut backoff = Backoff::default();
        loop {
            let Some(process) = self.process().await else { return 143 };
            let exit = self.once(process).await;
            self.ended(&exit);
            if !self.is_running_wanted() || !self.starts_again(exit.code) {
                return exit.code;
            }
            let wait = backoff.next(exit.ran);
            if !self.back_off(wait, &exit).await {
                return exit.code;
            }
        }
    }

    fn is_running_wanted(&self) -> bool {
        *self.orders.borrow() == Order::Run
    }

    fn starts_again(&self, code: i32) -> bool {
        match (self.role, self.policy) {
            (Role::Sidecar, _) => true,
            (Role::Init, RestartPolicy::Never) | (Role::Main, RestartPolicy::Never) => false,
            (Role::Init, RestartPolicy::Always | RestartPolicy::OnFailure) | (Role::Main, RestartPolicy::OnFailure) => {
                code != 0
            }
            (Role::Main, RestartPolicy::Always) => true,
        }
    }

    /// How to start it, as soon as all that its environment needs is there; `None` when it is told to end before.
    async fn process(&mut self) -> Option<Process> {
        loop {
            let changed = self.runner.changes();
            match self.runner.process_of(&self.pod, &self.container) {
                Ok(process) => return self.is_running_wanted().then_some(process),
                Err(message) => self.waiting("CreateContainerConfigError", &message),
            }
            tokio::select! {
                () = changed => {}
                () = told(&mut self.orders) => return None,
            }
        }
    }

    /// One run, from start to end.
    async fn once(&mut self, process: Process) -> Exit {
        let since = Instant::now();
        let log = self.runner.logs.begin(&self.pod, &self.container.name);
        let argv: Vec<String> = (self.container.command.iter().chain(&self.container.args))
            .map(|word| process.environment.expand(word))
            .collect();
        let mut running = match process.start(&self.place, &argv, Arc::clone(&log)) {
            Ok(running) => running,
            Err(message) => {
                log.push(format!("leno: {message}\n").into());
                log.finish();
                return Exit { code: 128, reason: "StartError", message: Some(message), ran: Duration::ZERO };
            }
        };
        self.running(&running);
        let (sender, mut findings) = mpsc::channel(8);
        let patient = Patient {
            place: Arc::clone(&self.place),
            container: self.container.clone(),
            process: process.clone(),
            since,
            findings: sender,
        };
        let dead = self.post_start(&process).await.err();
        let probes = spawn(patient.watch());
        let message = match dead {
            Some(why) => self.end(&mut running, &process, Some((why, None))).await,
            None => self.attend(&mut running, &process, &mut findings).await,
        };
        probes.abort();
        let status = running.wait().await;
        let code = status.map_or(255, code);
        let reason = if code == 0 { "Completed" } else { "Error" };
        Exit { code, reason, message, ran: since.elapsed() }
    }

    /// Waits for the end of the process, whatever brings it about. Says what it died of, when somebody ended it.
    async fn attend(
        &mut self,
        running: &mut Running,
        process: &Process,
        findings: &mut mpsc::Receiver<Finding>,
    ) -> Option<String> {
        loop {
            tokio::select! {
                _ = running.wait() => {
                    // What it left behind goes with it, as it would with the first process of a container.
                    running.signal(Signal::KILL);
                    return None;
                }
                () = told(&mut self.orders) => return self.end(running, process, None).await,
                Some(finding) = findings.recv() => match finding {
                    Finding::Started => self.edit(|status| status.started = Some(true)),
                    Finding::Ready(outcome) => self.ready(&outcome),
                    Finding::Unready(why) => self.unready(why),
                    Finding::Dead(why, grace) => return self.end(running, process, Some((why, grace))).await,
                }
            }
        }
    }

    /// Ends the process in order: as told, or because a probe says so.
    async fn end(
        &mut self,
        running: &mut Running,
        process: &Process,
        dead: Option<(String, Option<u32>)>,
    ) -> Option<String> {
        let deadline = match (*self.orders.borrow(), &dead) {
            (Order::Stop(deadline), _) => deadline,
            (Order::Kill, _) => Instant::now(),
            (Order::Run, Some((_, Some(seconds)))) => Instant::now() + Duration::from_secs((*seconds).into()),
            (Order::Run, _) => Instant::now() + self.grace,
        };
        if dead.is_some() {
            self.edit(|status| status.ready = false);
        }
        let left = || tokio::time::Instant::from_std(deadline);
        let mut orders = self.orders.clone();
        let in_order = async {
            self.pre_stop(process).await;
            let lifecycle = self.container.lifecycle.as_ref();
            running.signal(signal_named(lifecycle.and_then(|it| it.stop_signal.as_deref())));
            running.wait().await;
            // The leader is gone; what it started may still be finishing its work.
            while running.has_group() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            () = in_order => {}
            () = tokio::time::sleep_until(left()) => {}
            () = killed(&mut orders) => {}
        }
        running.signal(Signal::KILL);
        dead.map(|(why, _)| why)
    }

    async fn post_start(&self, process: &Process) -> Result<(), String> {
        let Some(hook) = self.container.lifecycle.as_ref().and_then(|it| it.post_start.as_ref()) else { return Ok(()) };
        self.hook(hook, process).await.map_err(|error| format!("postStart hook failed: {error}"))
    }

    async fn pre_stop(&self, process: &Process) {
        let Some(hook) = self.container.lifecycle.as_ref().and_then(|it| it.pre_stop.as_ref()) else { return };
        if let Err(error) = self.hook(hook, process).await {
            let WorkloadName { namespace, name } = &self.pod;
            self.runner
                .events
                .warn(format!("pod {namespace}/{name}: preStop hook of {}: {error}", self.container.name));
        }
    }

    async fn hook(&self, hook: &LifecycleHandler, process: &Process) -> Result<(), String> {
        if let Some(exec) = &hook.exec {
            let output = process.output(&self.place, &exec.command).await?;
            return if output.code == 0 {
                Ok(())
            } else {
                Err(format!("ended with {}: {}", output.code, output.text.trim()))
            };
        }
        if let Some(get) = &hook.http_get {
            return probe::http_get(get, &Target { place: &self.place, container: &self.container, process }).await;
        }
        if let Some(sleep) = &hook.sleep {
            tokio::time::sleep(Duration::from_secs(sleep.seconds.into())).await;
        }
        Ok(())
    }

    /// Waits before the next start; false when it is told to end meanwhile.
    async fn back_off(&mut self, wait: Duration, exit: &Exit) -> bool {
        if !wait.is_zero() {
            let why = exit.message.clone().unwrap_or_else(|| format!("ended with exit code {}", exit.code));
            let seconds = wait.as_secs();
            self.waiting("CrashLoopBackOff", &format!("{why}; starting again in {seconds} s"));
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = told(&mut self.orders) => return false,
        }
        self.restarts += 1;
        true
    }

    fn edit(&self, change: impl FnOnce(&mut leno_manifest::core::pod::status::ContainerStatus)) {
        self.runner.edit_pod(&self.pod, |record| change(record.container_mut(&self.container.name)));
    }

    /// Keeps in mind why a container is not ready yet, for whoever asks; it is no news.
    fn unready(&self, why: String) {
        self.runner.note_pod(&self.pod, |record| drop(record.unready.insert(self.container.name.clone(), why)));
    }

    fn ready(&self, outcome: &Result<(), String>) {
        if let Err(why) = outcome {
            let WorkloadName { namespace, name } = &self.pod;
            self.runner.events.warn(format!("pod {namespace}/{name}: container {}: {why}", self.container.name));
        }
        self.edit(|status| status.ready = outcome.is_ok());
    }

    fn waiting(&self, reason: &str, message: &str) {
        let waiting = ContainerWaiting { reason: Some(reason.into()), message: Some(message.into()) };
        self.edit(|status| status.state = ContainerState { waiting: Some(waiting), ..ContainerState::default() });
    }

    fn running(&self, running: &Running) {
        let started = self.container.startup_probe.is_none();
        let ready = started && self.container.readiness_probe.is_none() && self.role != Role::Init;
        let id = running.id().map(|id| format!("process://{id}"));
        self.edit(|status| {
            let now = ContainerRunning { started_at: Some(clock::now_text()) };
            status.state = ContainerState { running: Some(now), ..ContainerState::default() };
            status.started = Some(started);
            status.ready = ready;
            status.restart_count = self.restarts;
            status.container_id = id;
        });
    }

    fn ended(&self, exit: &Exit) {
        self.edit(|status| {
            let started_at = status.state.running.take().and_then(|running| running.started_at);
            let ended = ContainerTerminated {
                exit_code: exit.code,
                signal: (exit.code > 128 && exit.code < 160).then(|| exit.code - 128),
                reason: Some(exit.reason.into()),
                message: exit.message.clone(),
                started_at,
                finished_at: Some(clock::now_text()),
                container_id: status.container_id.clone(),
            };
            status.last_state = ContainerState { terminated: Some(ended.clone()), ..ContainerState::default() };
            status.state = ContainerState { terminated: Some(ended), ..ContainerState::default() };
            status.started = Some(false);
            status.restart_count = self.restarts;
            // An init container that has done its work is ready; see `ContainerStatus.ready` of Kubernetes.
            status.ready = self.role == Role::Init && exit.code == 0;
        });
    }
}

/// Waits for the order to end.
async fn told(orders: &mut watch::Receiver<Order>) {
    // The sender is gone only when the pod is, which says the same.
    orders.wait_for(|order| *order != Order::Run).await.ok();
}

/// Waits for the order to end at once.
async fn killed(orders: &mut watch::Receiver<Order>) {
    orders.wait_for(|order| *order == Order::Kill).await.ok();
}

//! The state of a pod, summed up from the states of its containers. Pure.

use leno_manifest::core::{
    Pod,
    pod::{
        Container, PodStatus,
        status::{Condition, ContainerState, ContainerStatus, PodPhase},
    },
};

use crate::runner::clock;

/// Whether an init container runs beside the others ([sidecar container]).
///
/// [sidecar container]: https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/
pub(crate) fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

/// Sums up: phase and conditions, from the statuses of the containers.
pub(crate) fn sum_up(pod: &mut Pod) {
    let initialized = initialized(pod);
    let containers_ready = all_started(pod)
        && statuses(pod).iter().all(|status| status.ready)
        && sidecar_statuses(pod).iter().all(|status| status.ready);
    let phase = phase(pod, initialized);
    let reason = match phase {
        PodPhase::Succeeded => Some("PodCompleted"),
        PodPhase::Failed => Some("PodFailed"),
        PodPhase::Pending | PodPhase::Running | PodPhase::Unknown => None,
    };
    let unready = reason.or((!containers_ready).then_some("ContainersNotReady"));
    let status = pod.status.get_or_insert_default();
    status.phase = Some(phase);
    set(status, "PodScheduled", true, None);
    set(status, "Initialized", initialized, (!initialized).then_some("ContainersNotInitialized"));
    set(status, "ContainersReady", containers_ready && reason.is_none(), unready);
    // A terminating pod keeps its condition while it serves; endpoints say themselves that it terminates.
    set(status, "Ready", initialized && containers_ready && reason.is_none(), unready);
}

fn set(status: &mut PodStatus, condition: &str, value: bool, reason: Option<&str>) {
    let word = if value { "True" } else { "False" };
    let reason = reason.map(str::to_owned);
    match status.conditions.iter_mut().find(|it| it.type_ == condition) {
        Some(known) if known.status == word => known.reason = reason,
        Some(known) => {
            known.status = word.into();
            known.reason = reason;
            known.last_transition_time = Some(clock::now_text());
        }
        None => status.conditions.push(Condition {
            type_: condition.into(),
            status: word.into(),
            reason,
            last_transition_time: Some(clock::now_text()),
            ..Condition::default()
        }),
    }
}

fn statuses(pod: &Pod) -> &[ContainerStatus] {
    pod.status.as_ref().map_or(&[], |status| &status.container_statuses)
}

fn init_status<'a>(pod: &'a Pod, name: &str) -> Option<&'a ContainerStatus> {
    pod.status.as_ref()?.init_container_statuses.iter().find(|status| status.name == name)
}

fn sidecar_statuses(pod: &Pod) -> Vec<&ContainerStatus> {
    let sidecars = pod.spec.init_containers.iter().filter(|container| is_sidecar(container));
    sidecars.filter_map(|container| init_status(pod, &container.name)).collect()
}

fn all_started(pod: &Pod) -> bool {
    !pod.spec.containers.is_empty() && statuses(pod).len() == pod.spec.containers.len()
}

fn initialized(pod: &Pod) -> bool {
    pod.spec.init_containers.iter().all(|container| {
        let Some(status) = init_status(pod, &container.name) else { return false };
        if is_sidecar(container) {
            return status.started == Some(true);
        }
        status.state.terminated.as_ref().is_some_and(|ended| ended.exit_code == 0)
    })
}

/// The phase ([pod phase]).
///
/// [pod phase]: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-phase
fn phase(pod: &Pod, initialized: bool) -> PodPhase {
    use leno_manifest::core::pod::RestartPolicy;
    let policy = pod.spec.restart_policy;
    let failed_init = pod.spec.init_containers.iter().any(|container| {
        let ended = init_status(pod, &container.name).and_then(|status| status.state.terminated.as_ref());
        !is_sidecar(container) && policy == RestartPolicy::Never && ended.is_some_and(|ended| ended.exit_code != 0)
    });
    if failed_init {
        return PodPhase::Failed;
    }
    let statuses = statuses(pod);
    if !initialized || !all_started(pod) {
        return PodPhase::Pending;
    }
    let exits: Vec<Option<i32>> =
        statuses.iter().map(|status| status.state.terminated.as_ref().map(|ended| ended.exit_code)).collect();
    let for_good = |code: &Option<i32>| match (policy, code) {
        (RestartPolicy::Never, Some(_)) | (RestartPolicy::OnFailure, Some(0)) => true,
        (RestartPolicy::Always | RestartPolicy::OnFailure | RestartPolicy::Never, _) => false,
    };
    if exits.iter().all(for_good) {
        let all_well = exits.iter().all(|code| *code == Some(0));
        return if all_well { PodPhase::Succeeded } else { PodPhase::Failed };
    }
    let begun = |status: &ContainerStatus| {
        status.state.running.is_some() || status.state.terminated.is_some() || status.restart_count > 0
    };
    if statuses.iter().any(begun) { PodPhase::Running } else { PodPhase::Pending }
}

/// How many containers are ready, and how many there are, sidecars included; as `kubectl get pods` counts.
pub(crate) fn counts(pod: &Pod) -> (u32, u32) {
    let sidecars = pod.spec.init_containers.iter().filter(|container| is_sidecar(container)).count();
    let ready = statuses(pod).iter().filter(|status| status.ready).count()
        + sidecar_statuses(pod).iter().filter(|status| status.ready).count();
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    (number(ready), number(sidecars + pod.spec.containers.len()))
}

/// How often containers were started again.
pub(crate) fn restarts(pod: &Pod) -> u32 {
    let Some(status) = &pod.status else { return 0 };
    status.container_statuses.iter().chain(&status.init_container_statuses).map(|it| it.restart_count).sum()
}

/// The one word for the pod's state, as `kubectl get pods` finds it.
pub(crate) fn word(pod: &Pod) -> String {
    if pod.metadata.deletion_timestamp.is_some() {
        return "Terminating".into();
    }
    let Some(status) = &pod.status else { return "Pending".into() };
    if let Some(reason) = &status.reason {
        return reason.clone();
    }
    let total = pod.spec.init_containers.len();
    for (index, container) in pod.spec.init_containers.iter().enumerate() {
        let Some(init) = init_status(pod, &container.name) else { return format!("Init:{index}/{total}") };
        let done = if is_sidecar(container) {
            init.started == Some(true)
        } else {
            init.state.terminated.as_ref().is_some_and(|ended| ended.exit_code == 0)
        };
        if !done {
            let why = troubled(&init.state);
            return why.map_or_else(|| format!("Init:{index}/{total}"), |why| format!("Init:{why}"));
        }
    }
    let troubled = status.container_statuses.iter().find_map(|it| troubled(&it.state));
    if let Some(why) = troubled {
        return why;
    }
    match status.phase {
        Some(PodPhase::Succeeded) => "Completed".into(),
        Some(phase) => format!("{phase:?}"),
        None => "Pending".into(),
    }
}

/// The word for a container's trouble; `None` when it runs.
fn troubled(state: &ContainerState) -> Option<String> {
    if let Some(waiting) = &state.waiting {
        return Some(waiting.reason.clone().unwrap_or_else(|| "Waiting".into()));
    }
    let ended = state.terminated.as_ref()?;
    Some(ended.reason.clone().unwrap_or_else(|| format!("ExitCode:{}", ended.exit_code)))
}

/// Why the pod is not well, for people.
pub(crate) fn message(pod: &Pod) -> String {
    let Some(status) = &pod.status else { return String::new() };
    if pod.metadata.deletion_timestamp.is_some() {
        // That its containers end is what is wanted now.
        return String::new();
    }
    if let Some(message) = &status.message {
        return message.clone();
    }
    let all = status.init_container_statuses.iter().chain(&status.container_statuses);
    let why = |it: &ContainerStatus| {
        let waiting = it.state.waiting.as_ref().and_then(|waiting| waiting.message.clone());
        let ended = it.state.terminated.as_ref().filter(|ended| ended.exit_code != 0);
        let ended =
            ended.map(|ended| ended.message.clone().unwrap_or_else(|| format!("exit code {}", ended.exit_code)));
        waiting.or(ended).map(|message| format!("{}: {message}", it.name))
    };
    all.filter_map(why).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(policy: &str, states: &serde_json::Value) -> Pod {
        let mut pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "a", "namespace": "b"},
            "spec": {"restartPolicy": policy, "containers": [{"name": "app"}],
                "initContainers": [{"name": "leno-proxy", "restartPolicy": "Always"}]},
            "status": states
        }))
        .unwrap();
        sum_up(&mut pod);
        pod
    }

    fn states(sidecar_started: bool, app: &serde_json::Value, ready: bool) -> serde_json::Value {
        json!({
            "initContainerStatuses": [{"name": "leno-proxy", "ready": sidecar_started, "started": sidecar_started,
                "restartCount": 0, "state": {"running": {}}}],
            "containerStatuses": [{"name": "app", "ready": ready, "restartCount": 1, "state": app}],
        })
    }

    #[test]
    fn a_running_and_ready_pod_is_so() {
        let pod = pod("Always", &states(true, &json!({"running": {}}), true));
        assert!(pod.status.as_ref().unwrap().is("Ready"));
        assert_eq!((word(&pod).as_str(), counts(&pod), restarts(&pod)), ("Running", (2, 2), 1));
    }

    #[test]
    fn the_sidecar_comes_first() {
        let pod = pod("Always", &states(false, &json!({}), false));
        assert_eq!(word(&pod), "Init:0/1");
        assert_eq!(pod.status.unwrap().phase, Some(PodPhase::Pending));
    }

    #[test]
    fn trouble_is_named() {
        let waiting = json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 4s"}});
        let pod = pod("Always", &states(true, &waiting, false));
        assert_eq!((word(&pod).as_str(), message(&pod).as_str()), ("CrashLoopBackOff", "app: back-off 4s"));
        assert_eq!(pod.status.as_ref().unwrap().phase, Some(PodPhase::Running));
    }

    #[test]
    fn ended_pods_succeed_or_fail_by_their_policy() {
        let ended = |code: i32| json!({"terminated": {"exitCode": code, "reason": "Error"}});
        let phase = |policy: &str, code| pod(policy, &states(true, &ended(code), false)).status.unwrap().phase.unwrap();
        assert_eq!(phase("Never", 1), PodPhase::Failed);
        assert_eq!(phase("Never", 0), PodPhase::Succeeded);
        assert_eq!(phase("OnFailure", 0), PodPhase::Succeeded);
        assert_eq!(phase("OnFailure", 1), PodPhase::Running);
        assert_eq!(phase("Always", 0), PodPhase::Running);
    }
}

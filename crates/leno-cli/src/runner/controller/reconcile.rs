//! The loop that makes what is written so: it looks at everything after every change, does the next step, and shows the
//! result to DNS, virtual addresses and the control plane.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use leno_api::runner::Happening;
use leno_manifest::{
    Kind, Object, ObjectKey,
    core::{Pod, Service},
};
use leno_model::{ServiceName, WorkloadName};
use leno_runtime::task::spawn;

use super::{Plan, deployment, endpoint_slice, stateful_set};
use crate::{
    runner::{
        Runner, clock,
        mirror::Mirror,
        pod::{self, NODE, sidecar, status},
        pods::PodRecord,
        publish::Publisher,
        state::State,
    },
    sandbox,
};

/// How often everything is looked at even when nothing has changed: pods become settled by mere time.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Runs until the mesh ends.
pub(crate) async fn run(runner: Arc<Runner>, mut mirror: Mirror) {
    let mut shown_services = Vec::new();
    let mut publisher = Publisher::default();
    let mut generation = runner.generation.subscribe();
    loop {
        let current = *generation.borrow_and_update();
        let (births, wake) = runner.write(|state| step(&runner, state));
        for name in births {
            runner.spawn(|runner| pod::run(runner, name));
        }
        let (objects, services) = runner.read(|state| (state.objects(), network_services(state)));
        if services != shown_services {
            match runner.sandbox.set_services(services.clone()).await {
                Ok(()) => shown_services = services,
                Err(error) => runner.events.warn(format!("services: {}", crate::output::chain(&error))),
            }
        }
        if let Err(error) = mirror.show(&objects) {
            runner.events.warn(format!("objects for the control plane: {error}"));
        }
        publisher.show(&runner).await;
        runner.shown.send_replace(Some(current));
        tell_readiness(&runner);
        tokio::select! {
            changed = generation.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(wake.unwrap_or(LOOK_AGAIN)) => {}
        }
    }
}

/// One step: pods to be born are in the state afterwards, pods to end have been told. Answers the names of the born, and
/// when to look again.
fn step(runner: &Runner, state: &mut State) -> (Vec<WorkloadName>, Option<Duration>) {
    state.store.imply();
    state.controller_problems.clear();
    services(state);
    let (mut births, mut wake) = (Vec::new(), None);
    if !state.stopping {
        let plans = plans(state);
        let owned: BTreeSet<WorkloadName> = plans.iter().flat_map(|plan| plan.members.clone()).collect();
        for plan in plans {
            wake = wake.into_iter().chain(plan.wake).min();
            for name in plan.delete {
                state.terminate(&WorkloadName::new(&plan.namespace, name), None);
            }
            for pod in plan.create {
                births.extend(birth(runner, state, pod, &plan.folder));
            }
        }
        orphans(state, &owned, &births);
    }
    statuses(state);
    slices(state);
    (births, wake)
}

/// What one controller wants for one object.
struct Planned {
    /// The pods' namespace.
    namespace: String,
    /// The folder that their containers run in.
    folder: PathBuf,
    /// The pods that there are.
    members: Vec<WorkloadName>,
    create: Vec<Pod>,
    delete: Vec<String>,
    wake: Option<Duration>,
}

/// What every controller wants.
fn plans(state: &State) -> Vec<Planned> {
    let mut plans = Vec::new();
    for (key, written) in state.store.all() {
        let owned = || owned_by(state, key);
        let (members, plan) = match &*written.object {
            Object::Deployment(deployment) => (owned(), deployment::plan(deployment, &written.folder, &owned())),
            Object::StatefulSet(set) => (owned(), stateful_set::plan(set, &written.folder, &owned())),
            Object::Pod(pod) => {
                let record = state.pods.get(&WorkloadName::new(&key.namespace, &key.name));
                (record.into_iter().collect(), single(pod, &written.folder, record))
            }
            _ => continue,
        };
        let Plan { create, delete, wake } = plan;
        let members = members.iter().map(|record| record.name()).collect();
        let (namespace, folder) = (key.namespace.clone(), written.folder.clone());
        plans.push(Planned { namespace, folder, members, create, delete, wake });
    }
    plans
}

/// The pods of a Deployment or StatefulSet, in the order of their making.
fn owned_by<'a>(state: &'a State, key: &ObjectKey) -> Vec<&'a PodRecord> {
    let uid = state.store.find(key).and_then(|written| written.object.metadata().uid.clone());
    let is_owned = |record: &&PodRecord| {
        let owner = record.pod.metadata.owner_references.first();
        record.pod.metadata.namespace == key.namespace && owner.is_some_and(|owner| Some(&owner.uid) == uid.as_ref())
    };
    let mut pods: Vec<&PodRecord> = state.pods.values().filter(is_owned).collect();
    pods.sort_by_key(|record| record.created);
    pods
}

/// A pod that was written as such: made as it is, and made anew when it is written differently.
fn single(pod: &Pod, folder: &Path, record: Option<&PodRecord>) -> Plan {
    let Some(record) = record else { return Plan { create: vec![pod.clone()], ..Plan::default() } };
    let same = record.pod.metadata.uid == pod.metadata.uid
        && record.pod.metadata.generation == pod.metadata.generation
        && record.folder == folder;
    let delete = if same || record.is_terminating() { Vec::new() } else { vec![pod.metadata.name.clone()] };
    Plan { delete, ..Plan::default() }
}

/// Ends the pods that nothing written asks for any more.
fn orphans(state: &mut State, owned: &BTreeSet<WorkloadName>, births: &[WorkloadName]) {
    let is_orphan = |name: &&WorkloadName| !owned.contains(*name) && !births.contains(*name);
    let orphans: Vec<WorkloadName> = state.pods.keys().filter(is_orphan).cloned().collect();
    for name in orphans {
        state.terminate(&name, None);
    }
}

/// Enters a new pod into the state; `None` when something that it needs is missing.
fn birth(runner: &Runner, state: &mut State, mut pod: Pod, folder: &Path) -> Option<WorkloadName> {
    let name = WorkloadName::new(&pod.metadata.namespace, &pod.metadata.name);
    let account = ObjectKey::new(Kind::ServiceAccount, &name.namespace, pod.spec.account());
    if state.store.find(&account).is_none() {
        let problem = format!(
            "Pod {name}: spec.serviceAccountName is {}, expected a ServiceAccount of {}",
            account.name, name.namespace
        );
        let known = state.controller_problems.contains(&problem);
        if !known {
            state.controller_problems.push(problem);
        }
        return None;
    }
    let address = state.pod_address()?;
    let metadata = &mut pod.metadata;
    metadata.uid.get_or_insert_with(clock::uid);
    metadata.creation_timestamp.get_or_insert_with(clock::now_text);
    pod.spec.service_account_name = Some(account.name);
    let namespace = state.store.find(&ObjectKey::new(Kind::Namespace, "", &name.namespace));
    let namespace = namespace.and_then(|written| match &*written.object {
        Object::Namespace(namespace) => Some(&**namespace),
        _ => None,
    });
    let decision = sidecar::decide(namespace, &pod);
    let mut redirect = None;
    if decision.inject {
        let mesh = state.mesh_config();
        redirect = Some(sidecar::redirect(&pod, mesh));
        if let Err(error) = runner.tokens.issue(&name, pod.spec.account()) {
            runner.events.warn(format!("pod {name}: token: {error}"));
        }
        let given = sidecar::Given {
            executable: &runner.executable,
            token: &runner.tokens.file(&name),
            root: &runner.root_certificate(),
            state: &runner.directory.join("state").join(&name.namespace).join(&name.name),
            address,
            mesh,
        };
        sidecar::add(&mut pod, &given);
    }
    pod.spec.node_name = Some(NODE.into());
    pod.status = None;
    status::sum_up(&mut pod);
    let mut record = PodRecord::new(pod, folder.to_owned(), address, decision.to_string());
    record.redirect = redirect;
    state.pods.insert(name.clone(), record);
    Some(name)
}

/// Gives every service its address.
fn services(state: &mut State) {
    let written: Vec<Service> = (state.store.of(Kind::Service))
        .filter_map(|written| match &*written.object {
            Object::Service(service) => Some((**service).clone()),
            _ => None,
        })
        .collect();
    let requested = |service: &Service| service.spec.cluster_ip.as_deref().and_then(|ip| ip.parse::<Ipv4Addr>().ok());
    let mut all_requested = BTreeSet::new();
    for service in &written {
        if let Some(address) = requested(service)
            && !all_requested.insert(address)
        {
            let problem = format!(
                "Service {}/{}: spec.clusterIP is {address}, expected an address that no other service requests",
                service.metadata.namespace, service.metadata.name
            );
            state.controller_problems.push(problem);
        }
    }
    state.services = written
        .into_iter()
        .map(|mut service| {
            let name = ServiceName::new(&service.metadata.namespace, &service.metadata.name);
            if !service.is_headless() {
                let address = state.addresses.assign(&name, requested(&service), &all_requested);
                service.spec.cluster_ip = address.map(|address| address.to_string());
                service.spec.cluster_ips = service.spec.cluster_ip.iter().cloned().collect();
            }
            (name, service)
        })
        .collect();
}

/// What is true of Deployments and StatefulSets now.
fn statuses(state: &mut State) {
    let mut workloads = BTreeMap::new();
    for (key, written) in state.store.all() {
        let object = match &*written.object {
            Object::Deployment(deployment) => {
                let mut deployment = deployment.clone();
                let status = deployment::status(&deployment, &written.folder, &owned_by(state, key));
                deployment.status = Some(status);
                Object::Deployment(deployment)
            }
            Object::StatefulSet(set) => {
                let mut set = set.clone();
                let status = stateful_set::status(&set, &written.folder, &owned_by(state, key));
                set.status = Some(status);
                Object::StatefulSet(set)
            }
            _ => continue,
        };
        workloads.insert(key.clone(), object);
    }
    state.workloads = workloads;
}

fn slices(state: &mut State) {
    let pods = || state.pods.values().map(|record| &record.pod);
    let slices = state.services.values().flat_map(|service| endpoint_slice::slices(service, pods()));
    state.slices =
        slices.map(|slice| ((slice.metadata.namespace.clone(), slice.metadata.name.clone()), slice)).collect();
}

/// The services as the network sees them.
fn network_services(state: &State) -> Vec<sandbox::Service> {
    let service = |(name, service): (&ServiceName, &Service)| {
        let address = match service.spec.cluster_ip.as_deref() {
            Some("None") | None => sandbox::ServiceAddress::Headless,
            Some(ip) => sandbox::ServiceAddress::Virtual(ip.parse().ok()?),
        };
        let ports = (service.spec.ports.iter()).map(|port| sandbox::ServicePort {
            name: Some(port.name.clone()).filter(|name| !name.is_empty()),
            protocol: match port.protocol {
                leno_manifest::core::service::Transport::Udp => sandbox::Protocol::Udp,
                _ => sandbox::Protocol::Tcp,
            },
            port: port.port,
        });
        Some(sandbox::Service {
            name: name.clone(),
            address,
            ports: ports.collect(),
            endpoints: state.pods.values().filter_map(|record| network_endpoint(service, record)).collect(),
            publish_not_ready: service.spec.publish_not_ready_addresses,
        })
    };
    state.services.iter().filter_map(service).collect()
}

fn network_endpoint(service: &Service, record: &PodRecord) -> Option<sandbox::Endpoint> {
    let has_address = record.pod.status.as_ref().is_some_and(|status| status.pod_ip.is_some());
    if !endpoint_slice::is_behind(service, &record.pod) || !has_address || record.has_ended() {
        return None;
    }
    let is_named = record.pod.spec.subdomain.as_ref() == Some(&service.metadata.name);
    Some(sandbox::Endpoint {
        address: record.address,
        hostname: record.pod.spec.hostname.clone().filter(|_| is_named),
        ready: record.is_ready() && !record.is_terminating(),
        ports: service.spec.ports.iter().map(|port| endpoint_slice::target(port, &record.pod)).collect(),
    })
}

/// Tells when everything that is wanted has become ready.
fn tell_readiness(runner: &Arc<Runner>) {
    let news = runner.write(|state| {
        let is_settled = state.workloads.values().all(|object| match object {
            Object::Deployment(deployment) => deployment.status.as_ref().is_some_and(|status| {
                status.available_replicas >= Some(deployment.spec.replicas())
                    && status.updated_replicas >= Some(deployment.spec.replicas())
            }),
            Object::StatefulSet(set) => set.status.as_ref().is_some_and(|status| {
                status.available_replicas >= Some(set.spec.replicas())
                    && status.updated_replicas >= Some(set.spec.replicas())
            }),
            _ => true,
        });
        let is_fine = |record: &PodRecord| record.is_settled() || record.is_terminating() || record.has_ended();
        let is_ready = is_settled && !state.stopping && state.pods.values().all(is_fine);
        let was_ready = std::mem::replace(&mut state.ready, is_ready);
        (is_ready && !was_ready)
            .then(|| state.pods.values().filter(|record| record.is_ready() && !record.is_terminating()).count())
    });
    let problems = runner.write(|state| {
        let problems = state.problems();
        (problems != state.told_problems).then(|| {
            state.told_problems.clone_from(&problems);
            problems
        })
    });
    match problems {
        Some(errors) if errors.is_empty() => runner.events.tell(Happening::Mended),
        Some(errors) => runner.events.tell(Happening::Invalid { errors }),
        None => {}
    }
    if let Some(pods) = news {
        let pods = u32::try_from(pods).unwrap_or(u32::MAX);
        let runner = Arc::clone(runner);
        // Ready means that calls arrive: the sidecars know of the last pod as well.
        spawn(async move {
            runner.state_in_force().await;
            if runner.read(|state| state.ready) {
                runner.events.tell(Happening::Ready { pods, seconds: runner.started.elapsed().as_secs_f64() });
            }
        });
    }
}

//! The scenarios by name, and running one: the front waits, the inside does the work.

use std::{fs, future::Future, pin::Pin, process::ExitCode};

use leno_cli::sandbox::{Entry, Front, Inside, Side, enter};

use crate::{end, mesh, world};

type Work = Pin<Box<dyn Future<Output = ()>>>;
/// A scenario with its name.
type OneSided = (&'static str, fn(Inside) -> Work);
type TwoSided = (&'static str, fn() -> ExitCode);

/// What happens inside, while the front just waits.
const INSIDE: &[OneSided] = &[
    ("pods_reach_each_other_by_name_and_address", |inside| {
        Box::pin(mesh::pods_reach_each_other_by_name_and_address(inside))
    }),
    ("connections_are_spread_and_follow_changes", |inside| {
        Box::pin(mesh::connections_are_spread_and_follow_changes(inside))
    }),
    ("a_pod_reaches_itself_through_its_service", |inside| {
        Box::pin(mesh::a_pod_reaches_itself_through_its_service(inside))
    }),
    ("refusals_come_at_once", |inside| Box::pin(mesh::refusals_come_at_once(inside))),
    ("datagrams_are_steered_too", |inside| Box::pin(mesh::datagrams_are_steered_too(inside))),
    ("redirected_pods_speak_through_their_sidecar", |inside| {
        Box::pin(mesh::redirected_pods_speak_through_their_sidecar(inside))
    }),
    ("processes_have_just_the_privilege_they_need", |inside| {
        Box::pin(mesh::processes_have_just_the_privilege_they_need(inside))
    }),
    ("ten_pods_do_not_take_seconds_each", |inside| Box::pin(mesh::ten_pods_do_not_take_seconds_each(inside))),
    ("destroying_a_pod_ends_all_of_it", |inside| Box::pin(mesh::destroying_a_pod_ends_all_of_it(inside))),
    ("the_private_directory_is_private", |inside| Box::pin(world::the_private_directory_is_private(inside))),
];

/// Where the host has something to do as well.
const BOTH: &[TwoSided] = &[
    ("published_ports_lead_into_the_mesh", world::published_ports_lead_into_the_mesh),
    ("pods_reach_the_world_outside", world::pods_reach_the_world_outside),
    ("names_outside_are_asked_of_the_hosts_resolver", world::names_outside_are_asked_of_the_hosts_resolver),
    ("without_egress_the_world_is_not_there", world::without_egress_the_world_is_not_there),
    ("the_control_socket_takes_its_owner_in", world::the_control_socket_takes_its_owner_in),
    ("exec_runs_in_the_pod", world::exec_runs_in_the_pod),
    ("the_runners_exit_code_comes_through", end::the_runners_exit_code_comes_through),
    ("sigterm_reaches_the_runner", end::sigterm_reaches_the_runner),
    ("killing_the_front_leaves_nothing", end::killing_the_front_leaves_nothing),
    ("killing_the_runner_leaves_nothing", end::killing_the_runner_leaves_nothing),
    ("one_mesh_of_a_name", end::one_mesh_of_a_name),
    ("the_setting_in_the_way_is_named", end::the_setting_in_the_way_is_named),
];

/// All scenarios.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    let inside = INSIDE.iter().map(|(name, _)| *name);
    inside.chain(BOTH.iter().map(|(name, _)| *name))
}

/// Runs one.
pub(crate) fn run(name: &str) -> ExitCode {
    if let Some((_, work)) = INSIDE.iter().find(|it| it.0 == name) {
        return both(wait, work);
    }
    // Helpers of scenarios, in processes of their own.
    if name == "refused" {
        return end::refused();
    }
    if name == "busy-mesh" {
        return end::busy_mesh();
    }
    if let Some((process, first)) = name.strip_prefix("exec-").and_then(|it| it.split_once('-')) {
        return world::exec_in(process, first);
    }
    match BOTH.iter().find(|it| it.0 == name) {
        Some((_, work)) => work(),
        None => panic!("no scenario {name}"),
    }
}

/// Enters, and does the one on the host and the other inside.
pub(crate) fn both<F, G>(front: impl FnOnce(Front) -> F, inside: impl FnOnce(Inside) -> G) -> ExitCode
where
    F: Future<Output = ExitCode>,
    G: Future<Output = ()>,
{
    match enter(&entry()).unwrap_or_else(|error| panic!("{error}: {:?}", std::error::Error::source(&error))) {
        Side::Front(mut side) => {
            side.start().unwrap();
            runtime().block_on(front(side))
        }
        Side::Inside(side) => {
            runtime().block_on(inside(side));
            ExitCode::SUCCESS
        }
    }
}

/// A mesh of a name that nobody else has.
pub(crate) fn entry() -> Entry {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let start = stat.split(' ').nth(21).unwrap();
    Entry { mesh: format!("test-{}-{start}", std::process::id()) }
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// The front's part where it has none: the inside's exit code.
pub(crate) async fn wait(front: Front) -> ExitCode {
    ExitCode::from(front.wait().await.unwrap())
}

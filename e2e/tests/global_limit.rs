//! Global rate limits that name no service: the control plane counts, for the pods of a service together, and for each
//! namespace by itself.

use e2e::{
    Mesh,
    manifest::{Echo, HTTP, client, mesh_config, meshed_namespace, service},
    wait,
};

use crate::osm::control_process;

/// A policy of the service `server`; `spec` in flow style.
fn policy(namespace: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: policy.leno.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {{ name: limits, namespace: {namespace} }}\n\
         spec: {{ targetRefs: [{{ kind: Service, name: server }}], globalRateLimit: {{ {spec} }} }}\n"
    )
}

/// Two pods of `server` behind one address, limited.
fn shop(namespace: &str) -> String {
    let limits = "timeout: 5s, onError: Deny, limits: [\
                  { name: buying, match: { path: { prefix: /buy } }, by: [{ caller: true }], requests: 6, per: Day },\
                  { name: all, requests: 1000, per: Day }]";
    meshed_namespace(namespace)
        + &client(namespace, "ann", "")
        + &client(namespace, "bob", "")
        + &Echo { replicas: 2, ..Echo::new(namespace, "server") }.yaml()
        + &service(namespace, "server", "server", &[HTTP])
        + &policy(namespace, limits)
}

/// Calls so many times; what was answered.
fn calls(mesh: &Mesh, from: &str, url: &str, count: usize) -> Vec<u16> {
    (0..count).map(|_| mesh.curl(from, &[url]).status).collect()
}

#[test]
fn the_control_plane_counts_for_all_pods_of_a_service() {
    let mesh = Mesh::up(&[shop("one") + &shop("two"), mesh_config("defaultAccess: Allow")]);
    let url = "http://server/buy/book";
    // The policy is there before the pods are: nothing was let in uncounted.
    let mut answers = calls(&mesh, "one/ann", url, 10);
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 6, "{answers:?}");
    assert_eq!(answers.split_off(6), [429; 4], "whichever of the two pods answers");
    assert_eq!(calls(&mesh, "one/bob", url, 6), [200; 6], "each caller has a limit of its own");
    assert_eq!(calls(&mesh, "two/ann", "http://server.two/buy", 6), [200; 6], "and each namespace");
    assert_eq!(calls(&mesh, "one/ann", "http://server/look", 1), [200], "this is not limited so");

    let text = mesh.ok(&["explain", "--from", "one/ann", "--to", "server:80", "--path", "/buy"]);
    assert!(text.contains("control-plane"), "{text}");

    // While the control plane does not answer.
    let process = control_process(&mesh);
    // SAFETY: plain system call on a process that this test's own mesh started.
    let signal = |signal| assert_eq!(unsafe { libc::kill(process, signal) }, 0);
    mesh.apply(&policy("one", "timeout: 300ms, onError: Deny, limits: [{ name: all, requests: 1000, per: Day }]"));
    mesh.apply(&policy("two", "timeout: 300ms, limits: [{ name: all, requests: 1, per: Day }]"));
    wait::until("the new limits hold", || mesh.curl("two/bob", &["http://server/"]).status, |status| *status == 429);
    mesh.curl_until("one/ann", &["http://server/buy"], 200);
    signal(libc::SIGSTOP);
    let stopped = [mesh.curl("one/ann", &["http://server/"]).status, mesh.curl("two/ann", &["http://server/"]).status];
    signal(libc::SIGCONT);
    assert_eq!(stopped, [500, 200], "refused where it is said, let pass where not");
    mesh.curl_until("one/ann", &["http://server/"], 200);
    mesh.curl_until("two/ann", &["http://server/"], 429);
}

//! What holds for whatever objects there are.

use std::time::Instant;

use leno_manifest::{Manifest, Object, read};
use leno_model::policy::authorization::Ports;
use leno_source::{Objects, assemble};
use proptest::prelude::*;

const SOUND: &str = include_str!("../../leno-manifest/tests/golden/sound.yaml");

/// Some objects of a mesh, in which names may not fit any more.
fn some_objects() -> impl Strategy<Value = Objects> {
    let manifests = read("sound.yaml", SOUND).manifests;
    let count = manifests.len();
    let choice = proptest::collection::vec(0..3_u8, count);
    (choice, any::<prop::sample::Index>()).prop_map(move |(choice, renamed)| {
        let kept = manifests.iter().zip(&choice).filter(|(_, choice)| **choice > 0);
        let mut kept: Vec<Manifest> = kept.map(|(manifest, _)| manifest.clone()).collect();
        if !kept.is_empty() {
            let manifest = renamed.get(&kept);
            let mut object: Object = (*manifest.object).clone();
            object.metadata_mut().name.push_str("-renamed");
            kept.push(object.into());
        }
        kept.into_iter().collect()
    })
}

proptest! {
    #[test]
    fn assembling_is_pure_and_fails_closed(objects in some_objects()) {
        let assembly = assemble(&objects);
        prop_assert_eq!(&assembly, &assemble(&objects));
        for rule in &assembly.snapshot.access_rules {
            // An empty condition might be taken for none.
            prop_assert!(rule.http.as_ref().is_none_or(|http| !http.is_empty()));
            prop_assert!(rule.ports != Some(Ports::Only(Vec::new())));
            prop_assert!(rule.http.is_some() || rule.ports.is_some());
            prop_assert!(!rule.sources.is_empty());
        }
        for service in assembly.snapshot.services.values() {
            for endpoint in service.endpoints.values().flatten() {
                // Nobody is sent to a pod that is not known.
                prop_assert!(!endpoint.ready || endpoint.workload.is_some());
            }
        }
    }
}

#[test]
fn a_large_mesh_is_assembled_quickly() {
    let mut objects = Objects::default();
    for service in 0..500 {
        let mut text = format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: s{service}, namespace: shop}}\n\
             spec: {{clusterIP: 10.96.{}.{}, ports: [{{port: 80}}]}}\n---\n\
             apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
             metadata: {{name: s{service}, namespace: shop, labels: {{kubernetes.io/service-name: s{service}}}}}\n\
             addressType: IPv4\nports: [{{port: 80}}]\nendpoints:\n",
            service / 250,
            service % 250
        );
        let address = |pod: u32| format!("10.244.{}.{}", (service * 10 + pod) / 250, (service * 10 + pod) % 250);
        for pod in 0..10 {
            let address = address(pod);
            text.push_str(&format!("- {{addresses: [{address}], targetRef: {{kind: Pod, name: s{service}-{pod}}}}}\n"));
        }
        for pod in 0..10 {
            text.push_str(&format!(
                "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: s{service}-{pod}, namespace: shop}}\n\
                 spec: {{containers: [{{name: a}}]}}\nstatus: {{podIP: {}}}\n",
                address(pod)
            ));
        }
        let reading = read("large.yaml", &text);
        assert_eq!(reading.invalid, []);
        reading.manifests.into_iter().for_each(|manifest| objects.insert(manifest));
    }
    let before = Instant::now();
    let assembly = assemble(&objects);
    let taken = before.elapsed();
    assert_eq!((assembly.snapshot.services.len(), assembly.snapshot.workloads.len()), (500, 5000));
    let ready = assembly.snapshot.services.values().flat_map(|it| &it.endpoints[&80]).filter(|it| it.ready).count();
    assert_eq!(ready, 5000);
    assert!(taken.as_secs() < 5, "{taken:?}");
}

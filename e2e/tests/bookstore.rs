//! The example, as its README tells it.

use std::time::Duration;

use e2e::{Mesh, wait};

/// A copy of the example's manifests, so that the test may edit them. Host ports are taken out: other tests run too.
fn copy() -> Vec<String> {
    let folder = e2e::mesh::top().join("examples/bookstore");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("the example is there")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    let text = |path: &std::path::PathBuf| std::fs::read_to_string(path).expect("a manifest");
    files.iter().map(text).map(|text| text.replace("leno.dev/publish: \"80", "leno.dev/was-published: \"80")).collect()
}

fn counts(mesh: &Mesh, name: &str) -> serde_json::Value {
    mesh.curl(&format!("{name}/{name}"), &["http://127.0.0.1:14001/counts"]).json()
}

#[test]
fn the_readme_holds() {
    let manifests = copy();
    let find = |needle: &str| {
        let found = manifests.iter().position(|text| text.contains(needle));
        format!("{:02}.yaml", found.unwrap_or_else(|| panic!("no manifest has {needle:?}")))
    };
    let text = |needle: &str| manifests.iter().find(|text| text.contains(needle)).cloned().unwrap_or_default();
    let mesh = Mesh::up(&manifests);

    // The buyer buys from both versions, the thief is refused.
    wait::until(
        "books are bought from v1 and v2",
        || counts(&mesh, "bookbuyer"),
        |seen| seen["bought"]["bookstore-v1"].as_u64() > Some(5) && seen["bought"]["bookstore-v2"].as_u64() >= Some(1),
    );
    let thief =
        wait::until("the thief is refused", || counts(&mesh, "bookthief"), |seen| seen["refused"].as_u64() > Some(3));
    assert_eq!(thief["bought"], serde_json::json!({}), "the thief got a book");
    // Before the store was there the buyer may have failed; from now on it must not.
    let failed = counts(&mesh, "bookbuyer")["failed"].clone();

    // Let the thief in, and out again.
    let access = text("kind: TrafficTarget");
    let open = access.replace(
        "    # - kind: ServiceAccount\n    #   name: bookthief\n    #   namespace: bookthief",
        "    - kind: ServiceAccount\n      name: bookthief\n      namespace: bookthief",
    );
    assert_ne!(open, access, "the three comment signs that the README speaks of are not there");
    mesh.edit(&find("kind: TrafficTarget"), &open);
    let bought = |seen: &serde_json::Value| {
        seen["bought"].as_object().map_or(0, |by| by.values().filter_map(serde_json::Value::as_u64).sum::<u64>())
    };
    wait::until("the thief gets books", || counts(&mesh, "bookthief"), |seen| bought(seen) > 3);
    mesh.edit(&find("kind: TrafficTarget"), &access);
    let before = wait::until(
        "the thief is refused again",
        || (counts(&mesh, "bookthief"), counts(&mesh, "bookthief")),
        |(one, two)| two["refused"].as_u64() > one["refused"].as_u64(),
    );
    let after = wait::until(
        "and goes on being refused",
        || counts(&mesh, "bookthief"),
        |seen| seen["refused"].as_u64() > before.1["refused"].as_u64().map(|count| count + 5),
    );
    assert_eq!(bought(&after), bought(&before.1));

    // Shift the canary: one number in a file.
    let split = text("kind: TrafficSplit");
    let shifted = split.replace("weight: 90", "weight: 0").replace("weight: 10", "weight: 100");
    mesh.edit(&find("kind: TrafficSplit"), &shifted);
    let v1 = |seen: &serde_json::Value| seen["bought"]["bookstore-v1"].as_u64();
    wait::until(
        "only v2 sells",
        || {
            let before = counts(&mesh, "bookbuyer");
            wait::pause(Duration::from_millis(1500));
            (before, counts(&mesh, "bookbuyer"))
        },
        |(before, after)| v1(before) == v1(after) && bought(after) > bought(before),
    );

    // Kill an instance: no error.
    mesh.edit(&find("kind: TrafficSplit"), &split);
    let before = counts(&mesh, "bookbuyer");
    let pod = mesh.pods("bookstore/bookstore-v1").remove(0);
    let _said = mesh.ok(&["delete", "pod", &pod, "-n", "bookstore"]);
    wait::until("the store goes on selling", || counts(&mesh, "bookbuyer"), |seen| bought(seen) > bought(&before) + 20);
    wait::until(
        "the instance is replaced",
        || mesh.pods("bookstore/bookstore-v1"),
        |pods| pods.len() == 2 && !pods.contains(&pod),
    );
    assert_eq!(counts(&mesh, "bookbuyer")["failed"], failed);
}

//! A directory of manifests, followed.

use std::{fs, path::Path, sync::Arc, time::Duration};

use leno_model::Snapshot;
use leno_source::{Source, Status, file, status::ObjectState};
use tokio::{sync::watch, time::timeout};

fn service(name: &str, port: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{ports: [{{port: {port}}}]}}\n---\n"
    )
}

/// Writes as the runner does: beside it, then by renaming.
fn write(folder: &Path, name: &str, text: &str) {
    let beside = folder.join(format!(".{name}.new"));
    fs::write(&beside, text).unwrap();
    fs::rename(beside, folder.join(name)).unwrap();
}

struct Followed {
    folder: tempfile::TempDir,
    source: Source,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    statuses: watch::Receiver<Arc<Status>>,
}

impl Followed {
    fn start(prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        let source = file::start(folder.path()).unwrap();
        let (snapshots, statuses) = (source.snapshots(), source.statuses());
        Self { folder, source, snapshots, statuses }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Waits until the services are these.
    async fn services(&mut self, names: &[&str]) {
        let mut seen = Vec::new();
        let wait = self.snapshots.wait_for(|snapshot| {
            seen = snapshot.services.iter().map(|(name, it)| format!("{}:{}", name.name, it.ports[0].port)).collect();
            seen == names
        });
        let outcome = timeout(Duration::from_secs(10), wait).await.map(|_| ());
        assert!(outcome.is_ok(), "{names:?}, but {seen:?}");
    }

    async fn status(&mut self, what: &str, holds: impl Fn(&Status) -> bool) -> Arc<Status> {
        let wait = self.statuses.wait_for(|status| holds(status));
        let outcome = timeout(Duration::from_secs(10), wait).await.map(|status| status.unwrap().clone());
        outcome.unwrap_or_else(|_| panic!("{what}"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_come_change_and_go() {
    let mut mesh = Followed::start(|folder| write(folder, "a.yaml", &service("a", "1")));
    mesh.services(&["a:1"]).await;
    let folder = mesh.path().to_owned();
    fs::create_dir_all(folder.join("Service/shop")).unwrap();
    write(&folder.join("Service/shop"), "b.json", &service("b", "2"));
    mesh.services(&["a:1", "b:2"]).await;
    write(&folder, "a.yaml", &service("a", "3"));
    mesh.services(&["a:3", "b:2"]).await;
    // Written in place, the same size, at once.
    fs::write(folder.join("a.yaml"), service("a", "4")).unwrap();
    mesh.services(&["a:4", "b:2"]).await;
    fs::remove_dir_all(folder.join("Service")).unwrap();
    mesh.services(&["a:4"]).await;
    fs::remove_file(folder.join("a.yaml")).unwrap();
    mesh.services(&[]).await;
    assert!(mesh.source.objects().borrow().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_object_keeps_its_last_good_version() {
    let mut mesh = Followed::start(|folder| {
        write(folder, "a.yaml", &format!("{}{}", service("a", "1"), service("b", "2")));
        write(folder, "c.yaml", &service("c", "3"));
    });
    mesh.services(&["a:1", "b:2", "c:3"]).await;
    let folder = mesh.path().to_owned();
    // `a` is broken, `b` changes: `a` stays as it was, `b` is in force.
    write(&folder, "a.yaml", &format!("{}{}", service("a", "x"), service("b", "5")));
    mesh.services(&["a:1", "b:5", "c:3"]).await;
    let status = mesh.status("told", |status| !status.invalid.is_empty()).await;
    assert!(status.invalid[0].to_string().ends_with("expected an integer from 1 to 65535"), "{}", status.invalid[0]);
    let state = |name: &str| status.objects.iter().find(|it| it.object.name == name).unwrap().state;
    assert_eq!((state("a"), state("b")), (ObjectState::LastGood, ObjectState::InForce));
    // The whole file is broken: all of it stays.
    write(&folder, "a.yaml", "{");
    mesh.status("told", |status| status.invalid.iter().any(|it| it.object.is_none())).await;
    mesh.services(&["a:1", "b:5", "c:3"]).await;
    // Mended, and `b` is gone from it.
    write(&folder, "a.yaml", &service("a", "6"));
    mesh.services(&["a:6", "c:3"]).await;
    mesh.status("mended", |status| status.invalid.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_was_never_right_is_refused() {
    let mut mesh = Followed::start(|folder| write(folder, "a.yaml", &service("a", "6")));
    let folder = mesh.path().to_owned();
    write(&folder, "d.yaml", &service("d", "0"));
    let status = mesh.status("told", |status| !status.invalid.is_empty()).await;
    assert_eq!(status.objects.iter().find(|it| it.object.name == "d").unwrap().state, ObjectState::Refused);
    mesh.services(&["a:6"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mounted_config_map_is_swapped_as_a_whole() {
    use std::os::unix::fs::symlink;
    let mut mesh = Followed::start(|folder| {
        fs::create_dir(folder.join("..1")).unwrap();
        fs::write(folder.join("..1/a.yaml"), service("a", "1")).unwrap();
        symlink("..1", folder.join("..data")).unwrap();
        symlink("..data/a.yaml", folder.join("a.yaml")).unwrap();
    });
    mesh.services(&["a:1"]).await;
    let folder = mesh.path().to_owned();
    fs::create_dir(folder.join("..2")).unwrap();
    fs::write(folder.join("..2/a.yaml"), service("a", "2")).unwrap();
    symlink("..2", folder.join("..new")).unwrap();
    fs::rename(folder.join("..new"), folder.join("..data")).unwrap();
    mesh.services(&["a:2"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_in_two_files_counts_once_and_is_told() {
    let mut mesh = Followed::start(|folder| {
        write(folder, "1.yaml", &service("a", "1"));
        write(folder, "2.yaml", &service("a", "2"));
    });
    mesh.services(&["a:1"]).await;
    let status = mesh.status("told", |status| !status.invalid.is_empty()).await;
    assert!(status.invalid[0].value.starts_with("the same object again as in"), "{}", status.invalid[0]);
    fs::remove_file(mesh.path().join("1.yaml")).unwrap();
    mesh.services(&["a:2"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_replaced_is_followed_again() {
    let mut mesh = Followed::start(|folder| {
        fs::create_dir(folder.join("in")).unwrap();
    });
    let folder = mesh.path().join("in");
    mesh.source = file::start(&folder).unwrap();
    (mesh.snapshots, mesh.statuses) = (mesh.source.snapshots(), mesh.source.statuses());
    write(&folder, "a.yaml", &service("a", "1"));
    mesh.services(&["a:1"]).await;
    // Gone: what was read stays in force.
    fs::rename(&folder, mesh.path().join("away")).unwrap();
    mesh.status("told", |status| !status.invalid.is_empty()).await;
    mesh.services(&["a:1"]).await;
    fs::create_dir(&folder).unwrap();
    write(&folder, "b.yaml", &service("b", "2"));
    mesh.services(&["b:2"]).await;
    write(&folder, "b.yaml", &service("b", "3"));
    mesh.services(&["b:3"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_files_are_followed_quickly() {
    let mut mesh = Followed::start(|folder| {
        for number in 0..1000 {
            fs::write(folder.join(format!("{number}.yaml")), service(&format!("s{number:04}"), "1")).unwrap();
        }
    });
    assert_eq!(mesh.snapshots.borrow_and_update().services.len(), 1000);
    let before = std::time::Instant::now();
    let folder = mesh.path().to_owned();
    write(&folder, "7.yaml", &service("s0007", "9"));
    timeout(Duration::from_secs(10), mesh.snapshots.changed()).await.unwrap().unwrap();
    let snapshot = mesh.snapshots.borrow_and_update().clone();
    assert_eq!((snapshot.version, snapshot.services.len()), (2, 1000));
    assert!(before.elapsed() < Duration::from_secs(8), "{:?}", before.elapsed());
}

#[tokio::test]
async fn a_missing_directory_is_an_error_at_the_start() {
    let error = file::start(Path::new("/nowhere/at/all")).unwrap_err();
    assert_eq!(error.to_string(), "read manifests from /nowhere/at/all");
}

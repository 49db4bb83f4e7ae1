//! `deploy/crds` holds what the types print. `UPDATE_CRDS=1` writes it anew.

use std::{fs, path::Path};

use leno_manifest::crd;

#[test]
fn crds_are_what_the_types_print() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/crds");
    #[expect(clippy::disallowed_methods, reason = "a test's switch")]
    let update = std::env::var("UPDATE_CRDS").is_ok();
    let mut names = Vec::new();
    for kind in crd::KINDS {
        let printed = crd::print(*kind);
        let documents = leno_manifest::yaml::documents(&printed);
        assert_eq!(documents.len(), 1);
        assert!(documents[0].errors.is_empty(), "{:?}", documents[0].errors);
        let path = folder.join(crd::file_name(*kind));
        if update {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, &printed).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(found, printed, "{} (UPDATE_CRDS=1 writes it anew)", path.display());
        names.push(crd::file_name(*kind));
    }
    let extra = fs::read_dir(&folder).unwrap().map(|it| it.unwrap().file_name().to_string_lossy().into_owned());
    for name in extra.filter(|name| name != "kustomization.yaml") {
        assert!(names.contains(&name), "{name} is of no kind");
    }
}

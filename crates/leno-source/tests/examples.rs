//! The manifests of `examples` are sound, and what they name is there.

use std::{collections::HashSet, path::Path};

use leno_source::{assemble, file::Tree};

#[test]
fn examples_are_sound_and_can_be_run_locally() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    for example in std::fs::read_dir(folder).unwrap() {
        let path = example.unwrap().path();
        let mut tree = Tree::new(vec![path.clone()]);
        tree.refresh(&HashSet::new());
        let contents = tree.contents();
        let assembly = assemble(&contents.objects);
        let mut said: Vec<String> = contents.invalid.iter().map(ToString::to_string).collect();
        said.extend(contents.ignored.iter().map(ToString::to_string));
        said.extend(assembly.invalid.iter().map(ToString::to_string));
        said.extend(assembly.notes.iter().map(ToString::to_string));
        let local = contents.objects.iter().flat_map(|manifest| manifest.check_local());
        said.extend(local.map(|invalid| invalid.to_string()));
        assert!(said.is_empty(), "{}: {said:#?}", path.display());
    }
}

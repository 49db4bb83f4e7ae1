//! `annotations.md`.

use leno_manifest::annotation::{ANNOTATIONS, Annotation};

use crate::page::{Table, code};

pub(crate) fn page() -> String {
    let mut page = String::from(
        "# Annotations\n\n\
         What Leno reads from the metadata of objects. On a Deployment or StatefulSet, annotations for pods belong to \
         `spec.template.metadata`. Values are texts: put numbers in quotes. A value that is not of its format is an error; \
         other names are left alone.\n\n",
    );
    let own = |own: bool| ANNOTATIONS.iter().filter(move |it| it.is_own() == own);
    page.push_str(&table(own(true)));
    page.push_str("Leno also understands annotations of Prometheus:\n\n");
    page.push_str(&table(own(false)));
    page.push_str(
        "Those of pods that keep traffic away from the sidecar add to `spec.interception` of [MeshConfig](meshconfig.md). See \
         also [Keep traffic out of the sidecar](../tasks/exclude-traffic.md) and [Publish a port](../tasks/publish-a-port.md).\n",
    );
    page
}

fn table<'a>(annotations: impl Iterator<Item = &'a Annotation>) -> String {
    let mut table = Table::new(&["name", "on", "value", "without it", "example", "what it does"]);
    for annotation in annotations {
        let mut on = annotation.on.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ");
        if annotation.or_label {
            on.push_str("; as annotation or label");
        }
        table.row(&[
            &code(annotation.name),
            &on,
            annotation.format.expected(),
            annotation.default,
            &code(&format!("\"{}\"", annotation.example)),
            annotation.meaning,
        ]);
    }
    table.markdown()
}

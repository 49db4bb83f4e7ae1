//! `meshconfig.md`.

use leno_manifest::leno::{
    MeshConfig,
    mesh_config::{MeshConfigSpec, NAME},
};
use leno_model::MeshConfig as Model;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::{
    page::Table,
    schema::{self, Defaults},
};

pub(crate) fn page() -> String {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<MeshConfig>();
    let spec = MeshConfigSpec::from(&Model::default());
    let defaults = serde_json::to_value(spec).expect("a spec is JSON");
    let mut table = Table::new(&["field of `spec`", "type", "default", "what it does"]);
    schema::rows(&mut table, "", field(schema.as_value(), "spec"), Defaults::Are(&defaults));
    format!(
        "# MeshConfig\n\n\
         What holds for the whole mesh. There is one, named `{NAME}`; without one every default holds. A change takes effect \
         on running sidecars, except `trustDomain`, `logLevel` and `interception`, which a pod gets at its start; \
         `certificateLifetime` with each next certificate.\n\n\
         ```yaml\n\
         apiVersion: policy.leno.dev/v1alpha1\n\
         kind: MeshConfig\n\
         metadata: {{ name: {NAME} }}\n\
         spec: {{ mtls: Permissive }}\n\
         ```\n\n\
         {}\
         The lists of `interception` hold for every pod with a sidecar; [annotations](annotations.md) of a pod add to them.\n",
        table.markdown()
    )
}

fn field<'a>(schema: &'a Value, name: &str) -> &'a Value {
    &schema["properties"][name]
}

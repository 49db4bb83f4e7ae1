//! `leno validate`.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use leno_api::runner::ManifestFile;
use leno_manifest::{
    Manifest, Object,
    core::{Pod, pod::PodTemplate},
    meta::ObjectMeta,
};
use leno_source::{Assembly, Objects, assemble};

use crate::{cmd::manifests, output::Output, runner::files};

/// Say everything that is wrong with manifests, without running anything
///
/// Each object is read, and all of them together are looked at as a mesh of their own: what names something that is not
/// among them, what contradicts, what changes nothing.
#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// Manifest files, and folders that hold them at any depth; `-` is standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// They are only a part of what runs: do not look for what they name
    #[arg(long)]
    partial: bool,
    /// Fail on warnings, too
    #[arg(long)]
    strict: bool,
}

impl Validate {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<ExitCode> {
        let files = manifests(&self.paths)?;
        let gathered = files::gather(&files);
        let mut invalid = gathered.invalid;
        let mut warnings = Vec::new();
        // What could not be read would be missed everywhere.
        if invalid.is_empty() && !self.partial {
            let Assembly { invalid: together, notes, .. } = assemble(&objects(&files));
            invalid = together;
            warnings = notes;
        }
        let is_fine = invalid.is_empty() && (warnings.is_empty() || !self.strict);
        if output.json {
            output.value(&serde_json::json!({
                "valid": is_fine, "objects": gathered.objects.len(),
                "invalid": invalid, "warnings": warnings, "ignored": gathered.ignored,
            }));
        } else {
            if !output.quiet {
                gathered.ignored.iter().for_each(|ignored| output.warn(&format!("note: {ignored}")));
            }
            invalid.iter().for_each(|invalid| output.warn(&invalid.to_string()));
            warnings.iter().for_each(|warning| output.warn(&format!("warning: {warning}")));
            if invalid.is_empty() {
                let rest = match warnings.len() {
                    0 => String::new(),
                    count => format!(", {count} to look at"),
                };
                output.note(&format!("{} objects, nothing wrong{rest}", gathered.objects.len()));
            }
        }
        Ok(if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// The objects of files, and of each template the pod that it stands for.
fn objects(files: &[ManifestFile]) -> Objects {
    let readings = files.iter().map(|file| leno_manifest::read(&file.path, &file.text));
    let written: Vec<Manifest> = readings.flat_map(|reading| reading.manifests).collect();
    let pods: Vec<Manifest> = written.iter().filter_map(|manifest| pod(&manifest.object)).collect();
    written.into_iter().chain(pods).collect()
}

fn pod(object: &Object) -> Option<Manifest> {
    let (metadata, template): (&ObjectMeta, &PodTemplate) = match object {
        Object::Deployment(it) => (&it.metadata, &it.spec.template),
        Object::StatefulSet(it) => (&it.metadata, &it.spec.template),
        _ => return None,
    };
    let metadata = ObjectMeta {
        name: format!("{}-0", metadata.name),
        namespace: metadata.namespace.clone(),
        labels: template.metadata.labels.clone(),
        annotations: template.metadata.annotations.clone(),
        ..ObjectMeta::default()
    };
    let pod = Pod { metadata, spec: template.spec.clone(), status: None };
    Some(Manifest::from(Object::Pod(Box::new(pod))))
}

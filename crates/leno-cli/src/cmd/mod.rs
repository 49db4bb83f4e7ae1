//! The commands, one file each: flags, what it does, and its test.

pub(crate) mod apply;
pub(crate) mod completion;
pub(crate) mod control;
pub(crate) mod delete;
pub(crate) mod demo;
pub(crate) mod down;
pub(crate) mod exec;
pub(crate) mod explain;
pub(crate) mod get;
pub(crate) mod logs;
pub(crate) mod proxy;
pub(crate) mod ps;
pub(crate) mod ratelimit;
pub(crate) mod rollout;
pub(crate) mod up;
pub(crate) mod validate;
pub(crate) mod version;

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use leno_api::runner::{ManifestFile, MeshView};
use leno_model::WorkloadName;

use crate::{client::Client, runner::files};

/// The largest manifest that is read from standard input.
const LARGEST: u64 = 64 << 20;

/// Where an object lives when nobody says.
const NAMESPACE: &str = "default";

/// Reads manifest files; `-` is standard input.
fn manifests(paths: &[PathBuf]) -> anyhow::Result<Vec<ManifestFile>> {
    let (input, paths): (Vec<&PathBuf>, Vec<&PathBuf>) =
        paths.iter().partition(|path| path.as_path() == Path::new("-"));
    let paths: Vec<PathBuf> = paths.into_iter().cloned().collect();
    let text = |(path, error): (PathBuf, std::io::Error)| anyhow::anyhow!("{}: {error}", path.display());
    let mut read = files::read(&files::find(&paths).map_err(text)?).map_err(text)?;
    if !input.is_empty() {
        let mut text = String::new();
        std::io::stdin().lock().take(LARGEST).read_to_string(&mut text).context("read standard input")?;
        let folder = std::env::current_dir().context("find the current directory")?;
        read.push(ManifestFile { path: "-".into(), text, folder: folder.to_string_lossy().into_owned() });
    }
    Ok(read)
}

/// The pod that is meant: by its name, by the beginning of its name, by what made it (`deploy/cart`), in a namespace or,
/// when none is given, in whichever there is just one.
pub(crate) async fn find_pod(client: &Client, namespace: Option<&str>, word: &str) -> anyhow::Result<WorkloadName> {
    let mesh: MeshView = client.get("/v1/mesh").await?;
    let (namespace, word) = match word.split_once('/') {
        Some((first, rest)) if leno_manifest::Kind::named(first).is_none() => (Some(first), rest),
        _ => (namespace, word),
    };
    let pods: Vec<_> = mesh.pods.iter().filter(|pod| namespace.is_none_or(|it| it == pod.namespace)).collect();
    let owner = word.split_once('/').and_then(|(kind, name)| Some((leno_manifest::Kind::named(kind)?, name)));
    let exact: Vec<_> = pods.iter().filter(|pod| pod.name == word).collect();
    let found: Vec<_> = if !exact.is_empty() {
        exact
    } else if let Some((kind, name)) = owner {
        let owner = format!("{}/{name}", kind.as_str());
        let is_pod = kind == leno_manifest::Kind::Pod;
        let running = pods.iter().filter(|pod| pod.status != "Terminating");
        running.filter(|pod| pod.owner == owner || (is_pod && pod.name == name)).take(1).collect()
    } else {
        let begins = |pod: &&&leno_api::runner::PodView| {
            pod.name.strip_prefix(word).is_some_and(|rest| rest.starts_with('-')) && pod.status != "Terminating"
        };
        pods.iter().filter(begins).collect()
    };
    match found.as_slice() {
        [pod] => Ok(WorkloadName::new(&pod.namespace, &pod.name)),
        [] => {
            let place = namespace.map(|it| format!(" in namespace {it}")).unwrap_or_default();
            bail!("pod {word:?} not found{place}; `leno ps` lists them")
        }
        several => {
            let names: Vec<_> = several.iter().map(|pod| format!("{}/{}", pod.namespace, pod.name)).collect();
            // Instances of one Deployment are alike: the first is as good as any.
            let owners: std::collections::BTreeSet<_> =
                several.iter().map(|pod| (&pod.namespace, &pod.owner)).collect();
            if owners.len() == 1 && !several[0].owner.is_empty() {
                return Ok(WorkloadName::new(&several[0].namespace, &several[0].name));
            }
            bail!("{word:?} may be any of {}; name one", names.join(", "))
        }
    }
}

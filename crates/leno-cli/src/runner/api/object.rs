//! Objects: listed, applied, deleted.

use std::{path::PathBuf, sync::Arc};

use axum::{
    Json,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use leno_api::runner::{
    Change, Changes, Deletion, Happening, ManifestFile, Manifests, ObjectChange, Refused, Replaced,
};
use leno_manifest::{Kind, Object, ObjectKey};
use leno_model::WorkloadName;
use serde::Deserialize;
use serde_json::Value;

use super::refuse;
use crate::runner::{
    Runner, files, state,
    store::{NotReplaced, Origin},
};

/// Which objects are wanted; all when nothing is said.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Choice {
    kind: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
}

/// The objects of a kind.
pub(super) async fn list(State(runner): State<Arc<Runner>>, Query(choice): Query<Choice>) -> Response {
    let kind = match choice.kind.as_deref().map(|word| (word, Kind::named(word))) {
        Some((word, None)) => return refuse(StatusCode::NOT_FOUND, unknown(word)),
        Some((_, kind)) => kind,
        None => None,
    };
    let fits = |key: &ObjectKey| {
        kind.is_none_or(|kind| key.kind == kind)
            && (key.namespace.is_empty() || choice.namespace.as_ref().is_none_or(|it| *it == key.namespace))
            && choice.name.as_ref().is_none_or(|it| *it == key.name)
    };
    let (objects, standings) = runner.read(|state| (state.shown_objects(), state.standings.clone()));
    let wanted = objects.iter().filter(|(key, _)| fits(key));
    let objects: Vec<_> = wanted.map(|(key, object)| standings.json(key, object)).collect();
    Json(objects).into_response()
}

fn unknown(word: &str) -> String {
    let kinds: Vec<_> = Kind::ALL.iter().map(|kind| kind.unique_name()).collect();
    format!("kind {word:?} is not known; known are {}", kinds.join(", "))
}

/// Takes manifests in: all of them, or none.
pub(super) async fn apply(State(runner): State<Arc<Runner>>, Json(manifests): Json<Manifests>) -> Response {
    let gathered = match read(&manifests) {
        Ok(gathered) => gathered,
        Err(refused) => return (StatusCode::UNPROCESSABLE_ENTITY, Json(refused)).into_response(),
    };
    for ignored in gathered.ignored {
        runner.events.warn(ignored);
    }
    let changes = runner.edit(|state| {
        let put = |(object, folder): (Object, PathBuf)| state.store.put(object, Origin::Applied, &folder);
        gathered.objects.into_iter().map(put).collect::<Vec<_>>()
    });
    told(&runner, changes)
}

fn read(manifests: &Manifests) -> Result<files::Gathered, Refused> {
    let gathered = files::gather(&manifests.files);
    if gathered.invalid.is_empty() {
        return Ok(gathered);
    }
    Err(Refused { message: "nothing was applied".into(), invalid: gathered.invalid })
}

/// Puts an object in the place of the version that it was made from, unless it has changed since.
pub(super) async fn replace(State(runner): State<Arc<Runner>>, Json(object): Json<Value>) -> Response {
    let file = ManifestFile { path: "-".into(), text: object.to_string(), ..ManifestFile::default() };
    let mut objects = match read(&Manifests { files: vec![file] }) {
        Ok(gathered) => gathered.objects,
        Err(refused) => return (StatusCode::UNPROCESSABLE_ENTITY, Json(refused)).into_response(),
    };
    let (Some((object, _)), true) = (objects.pop(), objects.is_empty()) else {
        return refuse(StatusCode::UNPROCESSABLE_ENTITY, "one object is expected");
    };
    let key = object.key();
    match runner.edit(|state| state.store.replace(object)) {
        Ok((change, now)) => {
            if change.change != Change::Unchanged {
                runner.events.tell(Happening::Object(change));
            }
            let in_files = now.origin == Origin::Files || is_in_files(&runner, &key);
            Json(Replaced { object: now.object.to_json(), in_files }).into_response()
        }
        Err(NotReplaced::Gone) => refuse(StatusCode::NOT_FOUND, format!("not found: {key}")),
        Err(NotReplaced::Changed) => {
            refuse(StatusCode::CONFLICT, format!("{key} has changed since it was read: metadata.resourceVersion"))
        }
    }
}

/// Whether the watched files have an object, also when `leno apply` has changed it since.
fn is_in_files(runner: &Runner, key: &ObjectKey) -> bool {
    files::load(&runner.settings.paths)
        .is_ok_and(|gathered| gathered.objects.iter().any(|(object, _)| object.key() == *key))
}

/// Removes objects.
pub(super) async fn delete(State(runner): State<Arc<Runner>>, Json(deletion): Json<Deletion>) -> Response {
    let keys: Vec<ObjectKey> = match deletion {
        Deletion::Object(object) => {
            let Some(kind) = Kind::named(&object.kind) else {
                return refuse(StatusCode::NOT_FOUND, unknown(&object.kind));
            };
            let namespace = if kind.is_namespaced() { object.namespace } else { String::new() };
            vec![ObjectKey::new(kind, namespace, object.name)]
        }
        Deletion::Manifests(manifests) => match read(&manifests) {
            Ok(gathered) => gathered.objects.iter().map(|(object, _)| object.key()).collect(),
            Err(refused) => return (StatusCode::UNPROCESSABLE_ENTITY, Json(refused)).into_response(),
        },
    };
    let changes = runner.edit(|state| keys.iter().flat_map(|key| remove(state, key)).collect::<Vec<_>>());
    if changes.is_empty() {
        let names: Vec<String> = keys.iter().map(ToString::to_string).collect();
        return refuse(StatusCode::NOT_FOUND, format!("not found: {}", names.join(", ")));
    }
    told(&runner, changes)
}

/// Removes one object. A pod that somebody else made is ended, and will be made anew by who made it.
fn remove(state: &mut state::State, key: &ObjectKey) -> Vec<ObjectChange> {
    if key.kind == Kind::Namespace {
        return state.store.remove_namespace(&key.name);
    }
    let pod = WorkloadName::new(&key.namespace, &key.name);
    let is_pod = key.kind == Kind::Pod && state.pods.contains_key(&pod);
    if is_pod {
        state.terminate(&pod, None);
    }
    let removed = state.store.remove(key);
    let ended = is_pod.then(|| ObjectChange { object: key.into(), change: Change::Deleted });
    removed.or(ended).into_iter().collect()
}

fn told(runner: &Runner, changes: Vec<ObjectChange>) -> Response {
    for change in changes.iter().filter(|change| change.change != Change::Unchanged) {
        runner.events.tell(Happening::Object(change.clone()));
    }
    Json(Changes { changes }).into_response()
}

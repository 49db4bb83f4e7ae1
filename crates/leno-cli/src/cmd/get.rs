//! `leno get`.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use leno_manifest::Kind;
use serde_json::Value;

use crate::{
    cli::Global,
    client::{Client, block_on, query},
    cmd::NAMESPACE,
    output::{
        Output,
        table::{Table, or_dash},
        yaml,
    },
};

/// Show objects of a running mesh, generated ones and their status too
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// The kind, e.g. pods, svc, TrafficTarget; `all` for the most usual ones
    kind: String,
    /// Only the object of this name
    name: Option<String>,
    /// The namespace
    #[arg(long, short, default_value = NAMESPACE)]
    namespace: String,
    /// Every namespace
    #[arg(long, short = 'A')]
    all_namespaces: bool,
    /// How to write it
    #[arg(long, short, value_enum)]
    output: Option<Form>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A line each
    Table,
    /// A longer line each
    Wide,
    /// As manifests
    Yaml,
    /// As JSON
    Json,
}

/// What `leno get all` shows.
const USUAL: &[Kind] = &[Kind::Pod, Kind::Service, Kind::Deployment, Kind::StatefulSet];

impl Get {
    pub(crate) fn run(self, global: &Global, output: &Output) -> anyhow::Result<ExitCode> {
        let form = self.output.unwrap_or(if output.json { Form::Json } else { Form::Table });
        let kinds: Vec<String> = if self.kind == "all" {
            USUAL.iter().map(|kind| kind.as_str().to_owned()).collect()
        } else {
            self.kind.split(',').map(str::to_owned).collect()
        };
        let client = Client::new(&global.mesh);
        let mut found = 0;
        let mut everything = Vec::new();
        for kind in kinds {
            let objects: Vec<Value> = block_on(client.get(&self.path(&kind)))?;
            found += objects.len();
            match form {
                Form::Table | Form::Wide if objects.is_empty() => {}
                Form::Table | Form::Wide => {
                    if everything.is_empty() && found > objects.len() {
                        output.text("\n");
                    }
                    let namespaces = self.all_namespaces
                        && objects.iter().any(|object| !text(object, "/metadata/namespace").is_empty());
                    output.text(&table(&objects, namespaces, form == Form::Wide).text());
                }
                Form::Yaml | Form::Json => everything.extend(objects),
            }
        }
        if found == 0 {
            let place = if self.all_namespaces { String::new() } else { format!(" in namespace {}", self.namespace) };
            return match &self.name {
                Some(name) => anyhow::bail!("{} {name} not found{place}", self.kind),
                None if matches!(form, Form::Yaml | Form::Json) => {
                    self.whole(form, &everything, output);
                    Ok(ExitCode::SUCCESS)
                }
                None => {
                    if !output.quiet {
                        output.warn(&format!("no {} found{place}", self.kind));
                    }
                    Ok(ExitCode::SUCCESS)
                }
            };
        }
        self.whole(form, &everything, output);
        Ok(ExitCode::SUCCESS)
    }

    fn path(&self, kind: &str) -> String {
        let mut path = format!("/v1/objects?kind={}", query(kind));
        if !self.all_namespaces {
            path.push_str(&format!("&namespace={}", query(&self.namespace)));
        }
        if let Some(name) = &self.name {
            path.push_str(&format!("&name={}", query(name)));
        }
        path
    }

    /// Objects as they are: the one that was asked for by name, else a list, as kubectl writes them.
    fn whole(&self, form: Form, objects: &[Value], output: &Output) {
        let list = || serde_json::json!({"apiVersion": "v1", "kind": "List", "items": objects});
        let value = match (objects, &self.name) {
            ([one], Some(_)) => one.clone(),
            _ => list(),
        };
        match form {
            Form::Json => output.value(&value),
            Form::Yaml => output.text(&yaml::document(&value)),
            Form::Table | Form::Wide => {}
        }
    }
}

fn text(object: &Value, path: &str) -> String {
    match object.pointer(path) {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    }
}

/// A column: its head and what its cells are made from.
type Column = (&'static str, fn(&Value) -> String);

/// The columns of a kind, beside its name.
fn columns(group: &str, kind: &str, wide: bool) -> Vec<Column> {
    let mut columns: Vec<Column> = match kind {
        "Pod" => vec![
            ("READY", |pod| ready_containers(pod)),
            ("STATUS", |pod| pod_word(pod)),
            ("RESTARTS", |pod| restarts(pod)),
            ("IP", |pod| or_dash(&text(pod, "/status/podIP"))),
        ],
        "Service" => vec![
            ("CLUSTER-IP", |service| or_dash(&text(service, "/spec/clusterIP"))),
            ("PORTS", |service| ports(service)),
        ],
        "Deployment" | "StatefulSet" => vec![
            ("READY", |it| format!("{}/{}", number(it, "/status/readyReplicas", 0), number(it, "/spec/replicas", 1))),
            ("UP-TO-DATE", |it| number(it, "/status/updatedReplicas", 0).to_string()),
            ("AVAILABLE", |it| number(it, "/status/availableReplicas", 0).to_string()),
        ],
        "EndpointSlice" => vec![("ENDPOINTS", |slice| endpoints(slice))],
        "TrafficSplit" => {
            vec![("SERVICE", |split| or_dash(&text(split, "/spec/service"))), ("BACKENDS", |split| backends(split))]
        }
        "TrafficTarget" => vec![
            ("DESTINATION", |target| or_dash(&text(target, "/spec/destination/name"))),
            ("SOURCES", |target| sources(target)),
        ],
        "AccessPolicy" => vec![
            ("ACTION", |policy| action(policy)),
            ("TARGETS", |policy| targets(policy)),
            ("RULES", |policy| items(policy, "/spec/rules").count().to_string()),
            ("ACCEPTED", |policy| accepted(policy)),
        ],
        "TrafficPolicy" => vec![
            ("TARGETS", |policy| targets(policy)),
            ("SAYS", |policy| sections(policy)),
            ("ACCEPTED", |policy| accepted(policy)),
        ],
        "HTTPRoute" | "GRPCRoute" | "TLSRoute" => routed(),
        // SMI's TCPRoute has neither parents nor rules.
        "TCPRoute" if group == "gateway.networking.k8s.io" => routed(),
        "ConfigMap" | "Secret" => vec![("DATA", |it| count(it, "/data").to_string())],
        "MeshConfig" => vec![
            ("MTLS", |it| or_dash(&text(it, "/spec/mtls"))),
            ("DEFAULT-ACCESS", |it| or_dash(&text(it, "/spec/defaultAccess"))),
        ],
        _ => Vec::new(),
    };
    if wide {
        match kind {
            "Pod" => columns.push(("OWNER", |pod| or_dash(&text(pod, "/metadata/ownerReferences/0/name")))),
            "Service" => columns.push(("SELECTOR", |service| pairs(service, "/spec/selector"))),
            "Deployment" | "StatefulSet" => columns.push(("SELECTOR", |it| pairs(it, "/spec/selector/matchLabels"))),
            _ => {}
        }
        columns.push(("CREATED", |it| or_dash(&text(it, "/metadata/creationTimestamp"))));
        columns.push(("LABELS", |it| pairs(it, "/metadata/labels")));
    }
    columns
}

/// The columns of routes.
fn routed() -> Vec<Column> {
    vec![
        ("PARENTS", |route| parents(route)),
        ("ACCEPTED", |route| condition(route, "Accepted")),
        ("RESOLVED", |route| condition(route, "ResolvedRefs")),
    ]
}

fn table(objects: &[Value], namespaces: bool, wide: bool) -> Table {
    let kind = objects.first().map(|object| text(object, "/kind")).unwrap_or_default();
    let version = objects.first().map(|object| text(object, "/apiVersion")).unwrap_or_default();
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let columns = columns(group, &kind, wide);
    let mut head = vec!["NAME"];
    if namespaces {
        head.insert(0, "NAMESPACE");
    }
    head.extend(columns.iter().map(|(head, _)| *head));
    let mut table = Table::new(&head);
    for object in objects {
        let mut cells = vec![text(object, "/metadata/name")];
        if namespaces {
            cells.insert(0, or_dash(&text(object, "/metadata/namespace")));
        }
        cells.extend(columns.iter().map(|(_, cell)| cell(object)));
        table.row(cells);
    }
    table
}

fn items<'a>(object: &'a Value, path: &str) -> impl Iterator<Item = &'a Value> {
    object.pointer(path).and_then(Value::as_array).into_iter().flatten()
}

fn number(object: &Value, path: &str, default: u64) -> u64 {
    object.pointer(path).and_then(Value::as_u64).unwrap_or(default)
}

fn count(object: &Value, path: &str) -> usize {
    object.pointer(path).and_then(Value::as_object).map_or(0, serde_json::Map::len)
}

fn pairs(object: &Value, path: &str) -> String {
    let map = object.pointer(path).and_then(Value::as_object);
    let pair = |(key, value): (&String, &Value)| format!("{key}={}", value.as_str().unwrap_or_default());
    or_dash(&map.into_iter().flatten().map(pair).collect::<Vec<_>>().join(","))
}

/// The pod as its type; what a pod is like is decided in one place.
fn pod(object: &Value) -> leno_manifest::core::Pod {
    serde_json::from_value(object.clone()).unwrap_or_default()
}

fn ready_containers(object: &Value) -> String {
    let (ready, all) = crate::runner::pod::status::counts(&pod(object));
    format!("{ready}/{all}")
}

fn pod_word(object: &Value) -> String {
    crate::runner::pod::status::word(&pod(object))
}

fn restarts(object: &Value) -> String {
    crate::runner::pod::status::restarts(&pod(object)).to_string()
}

fn ports(object: &Value) -> String {
    let port = |port: &Value| format!("{}/{}", number(port, "/port", 0), or_dash(&text(port, "/protocol")));
    or_dash(&items(object, "/spec/ports").map(port).collect::<Vec<_>>().join(","))
}

fn endpoints(object: &Value) -> String {
    let port = items(object, "/ports").next().map(|port| number(port, "/port", 0)).unwrap_or_default();
    let ready = items(object, "/endpoints").filter(|it| it.pointer("/conditions/ready") == Some(&Value::Bool(true)));
    or_dash(&ready.map(|it| format!("{}:{port}", text(it, "/addresses/0"))).collect::<Vec<_>>().join(","))
}

fn backends(object: &Value) -> String {
    let backend = |it: &Value| format!("{}={}", text(it, "/service"), number(it, "/weight", 0));
    or_dash(&items(object, "/spec/backends").map(backend).collect::<Vec<_>>().join(","))
}

fn parents(object: &Value) -> String {
    let parent = |it: &Value| match it.get("port").or_else(|| it.get("sectionName")) {
        Some(_) => format!("{}:{}{}", text(it, "/name"), text(it, "/port"), text(it, "/sectionName")),
        None => text(it, "/name"),
    };
    or_dash(&items(object, "/spec/parentRefs").map(parent).collect::<Vec<_>>().join(","))
}

/// What a condition of a route is at its parents: one word where it is the same at all.
fn condition(object: &Value, kind: &str) -> String {
    let at = |parent: &Value| {
        let it = items(parent, "/conditions").find(|it| it.get("type").and_then(Value::as_str) == Some(kind));
        it.map_or_else(String::new, |it| text(it, "/status"))
    };
    let mut words: Vec<_> = items(object, "/status/parents").map(at).collect();
    words.dedup();
    or_dash(&words.join(","))
}

fn sources(object: &Value) -> String {
    let source = |it: &Value| format!("{}/{}", or_dash(&text(it, "/namespace")), text(it, "/name"));
    or_dash(&items(object, "/spec/sources").map(source).collect::<Vec<_>>().join(","))
}

/// What an access policy does.
fn action(policy: &Value) -> String {
    let action = match text(policy, "/spec/action") {
        action if action.is_empty() => "Allow".to_owned(),
        action => action,
    };
    if policy.pointer("/spec/dryRun") == Some(&Value::Bool(true)) { format!("{action} (dry run)") } else { action }
}

/// What a policy is attached to.
fn targets(policy: &Value) -> String {
    let target = |it: &Value| match text(it, "/sectionName") {
        section if section.is_empty() => format!("{}/{}", text(it, "/kind"), text(it, "/name")),
        section => format!("{}/{}:{section}", text(it, "/kind"), text(it, "/name")),
    };
    let targets: Vec<_> = items(policy, "/spec/targetRefs").map(target).collect();
    match (targets.is_empty(), policy.pointer("/spec/selector")) {
        (false, _) => targets.join(","),
        (true, Some(_)) => pairs(policy, "/spec/selector/matchLabels"),
        (true, None) => "*".to_owned(),
    }
}

/// What a policy speaks of.
fn sections(policy: &Value) -> String {
    let spec = policy.pointer("/spec").and_then(Value::as_object).into_iter().flatten();
    let said = spec.map(|(section, _)| section.as_str()).filter(|it| !matches!(*it, "targetRefs" | "from"));
    or_dash(&said.collect::<Vec<_>>().join(","))
}

/// Whether a policy is in force at its targets: the reasons of its conditions, each once.
fn accepted(policy: &Value) -> String {
    let conditions = items(policy, "/status/ancestors").flat_map(|ancestor| items(ancestor, "/conditions"));
    let condition = |it: &Value| match text(it, "/status").as_str() {
        "True" => "True".to_owned(),
        status => format!("{status} ({})", text(it, "/reason")),
    };
    let mut shown: Vec<_> = conditions.filter(|it| text(it, "/type") == "Accepted").map(condition).collect();
    shown.sort();
    shown.dedup();
    or_dash(&shown.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_their_columns() {
        let service = serde_json::json!({"kind": "Service", "metadata": {"name": "cart", "namespace": "shop"},
            "spec": {"clusterIP": "10.96.1.2", "ports": [{"port": 80, "protocol": "TCP"}]}});
        let lines = table(&[service], true, false).lines();
        assert_eq!(lines[0], "NAMESPACE   NAME   CLUSTER-IP   PORTS");
        assert_eq!(lines[1], "shop        cart   10.96.1.2    80/TCP");
    }
}

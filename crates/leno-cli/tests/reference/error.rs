//! `errors.md`.

use std::collections::BTreeMap;

use leno_ca::Refusal;
use leno_model::{Invalid, Location, ObjectRef};
use leno_proxy::{
    error::ErrorKind,
    telemetry::{event::HandshakeError, label::HANDSHAKE_OK},
};
use leno_source::status::{NoteReason, ObjectState};

use crate::page::{Table, code, codes};

pub(crate) fn page() -> String {
    format!(
        "# Errors\n\n\
         What Leno says when something is wrong, what it means and what to do.\n\n\
         ## Manifests\n\n{}\
         ## Requests and connections\n\n{}\
         ### Response flags\n\n{}\
         ## TLS handshakes\n\n{}\
         ## Certificates\n\n{}\
         ## Configuration that a sidecar refuses\n\n\
         A sidecar uses nothing in part: a resource with a field that it does not support is refused (NACK), with the field's \
         path and what was expected, and the one before stays in use. `leno proxy status` shows it in the column REFUSED, \
         `leno_xds_rejected_total` and `leno_control_nacks_total` [count it](metrics.md). From Leno's own control plane it is \
         an error of Leno's: please report it.\n",
        manifests(),
        kinds(),
        flags(),
        handshakes(),
        certificates()
    )
}

fn manifests() -> String {
    let mut page = format!(
        "Every message has the same form, in `leno validate`, `leno up`, `leno apply` and the logs: where it was written, the \
         object, the field, what was found, what was expected, and how to mend it if that is not plain:\n\n\
         ```text\n{}\n```\n\n\
         While a file is wrong, what it said before stays in force. Some messages, as they are for the snippets beside \
         them:\n\n{}\
         Remarks do not keep an object from being used. Fields of Kubernetes' own kinds that Leno does not use are \
         remarks; in Leno's and SMI's kinds an unknown field is an error. Others have a reason \
         (in `/api/objects/status` of the control plane):\n\n",
        sample(),
        samples()
    );
    let mut table = Table::new(&["reason of a remark", "what it means", "what to do"]);
    for reason in NoteReason::ALL {
        let (meaning, advice) = reason.explained();
        table.row(&[&code(&format!("{reason:?}")), meaning, advice]);
    }
    page.push_str(&table.markdown());
    page.push_str("How an object stands, there:\n\n");
    let mut table = Table::new(&["state", "what it means", "what to do"]);
    for state in ObjectState::ALL {
        let (meaning, advice) = state.explained();
        table.row(&[&code(&format!("{state:?}")), meaning, advice]);
    }
    page + &table.markdown()
}

fn sample() -> Invalid {
    Invalid {
        location: Some(Location { file: "mesh.yaml".into(), line: 14, column: 9 }),
        object: Some(ObjectRef::new("TrafficSplit", "shop", "cart")),
        field: "spec.backends[1].weight".into(),
        value: "-5".into(),
        expected: "an integer from 0 up".into(),
        fix: "write 0 to send it nothing".into(),
    }
}

/// What is written wrong most often, each in an object that is otherwise sound.
const WRONG: &[(&str, &str)] = &[
    ("a tab, or a wrong indent", "kind: Service\n  metadata: {}\n"),
    ("kind: Servcie", "apiVersion: v1\nkind: Servcie\nmetadata: {name: cart}\n"),
    ("apiVersion: v1 of a Deployment", "apiVersion: v1\nkind: Deployment\nmetadata: {name: cart}\n"),
    (
        "trustdomain: a.example",
        "apiVersion: policy.leno.dev/v1alpha1\nkind: MeshConfig\nmetadata: {name: leno}\nspec: {trustdomain: a.example}\n",
    ),
    (
        "mtls: strict",
        "apiVersion: policy.leno.dev/v1alpha1\nkind: MeshConfig\nmetadata: {name: leno}\nspec: {mtls: strict}\n",
    ),
    (
        "leno.dev/inject: on",
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {leno.dev/inject: \"on\"}}\n",
    ),
    ("port: \"80\"", "apiVersion: v1\nkind: Service\nmetadata: {name: cart}\nspec: {ports: [{port: \"80\"}]}\n"),
    (
        "two ports without names",
        "apiVersion: v1\nkind: Service\nmetadata: {name: cart}\nspec: {ports: [{port: 80}, {port: 81}]}\n",
    ),
    (
        "a selector that is not the template's",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: cart}\nspec:\n  selector: {matchLabels: {app: card}}\n  \
         template: {metadata: {labels: {app: cart}}, spec: {containers: [{name: a, image: a}]}}\n",
    ),
    (
        "weight: -1",
        "apiVersion: split.smi-spec.io/v1alpha4\nkind: TrafficSplit\nmetadata: {name: cart}\nspec: {service: cart, \
         backends: [{service: cart-v1, weight: -1}]}\n",
    ),
    (
        "pathRegex: /a(",
        "apiVersion: specs.smi-spec.io/v1alpha4\nkind: HTTPRouteGroup\nmetadata: {name: cart}\nspec: {matches: [{name: a, \
         pathRegex: /a(}]}\n",
    ),
    (
        "no rules",
        "apiVersion: access.smi-spec.io/v1alpha3\nkind: TrafficTarget\nmetadata: {name: cart}\nspec: {destination: {kind: \
         ServiceAccount, name: cart}, sources: [{kind: ServiceAccount, name: web}], rules: []}\n",
    ),
];

fn samples() -> String {
    let mut table = Table::new(&["written", "message"]);
    for (written, text) in WRONG {
        let reading = leno_manifest::read("mesh.yaml", text);
        let first = reading.invalid.first().unwrap_or_else(|| panic!("nothing is wrong with {text}"));
        table.row(&[&code(written), &code(&first.to_string())]);
    }
    table.markdown()
}

fn kinds() -> String {
    let mut page = String::from(
        "A sidecar that answers by itself says why in the header `x-leno-reason`: a response flag and a reason, such as `UH \
         no_healthy_upstream`. gRPC callers get the status that [gRPC maps](https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md) \
         from the one below, and the text as message. A refusal by an access rule names it in `x-leno-denied-by`. Connections \
         of bytes are closed. Flag and detail are in the access log (`leno logs POD -c proxy`), reasons label the [metrics](metrics.md) \
         of denials, retries and refused connections.\n\n",
    );
    let mut table = Table::new(&["reason", "flag", "status", "on the side of the", "what it means", "what to do"]);
    for kind in ErrorKind::ALL {
        let status = if kind.status() == 0 { "–".to_owned() } else { kind.status().to_string() };
        let flag = if kind.flag() == "-" { "–".to_owned() } else { code(kind.flag()) };
        table.row(&[&code(kind.label()), &flag, &status, kind.side().label(), kind.doc(), kind.advice()]);
    }
    page.push_str(&table.markdown());
    page
}

fn flags() -> String {
    let mut by_flag: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for kind in ErrorKind::ALL.iter().filter(|kind| kind.flag() != "-") {
        by_flag.entry(kind.flag()).or_default().push(kind.label());
    }
    let mut table = Table::new(&["flag", "reasons"]);
    for (flag, reasons) in by_flag {
        table.row(&[&code(flag), &codes(reasons)]);
    }
    format!(
        "[Envoy's](https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage#command-operators), \
         in the access log and in metrics; `-` when nothing went wrong or no flag fits.\n\n{}",
        table.markdown()
    )
}

fn handshakes() -> String {
    let mut table = Table::new(&["result", "what it means", "what to do"]);
    for error in HandshakeError::ALL {
        table.row(&[&code(error.label()), error.doc(), error.advice()]);
    }
    format!(
        "Each is counted by `leno_tls_handshakes_total` with its `result` (`{HANDSHAKE_OK}` when it succeeded); failures are \
         logged as `TLS handshake failed`, with the reason and the peer.\n\n{}",
        table.markdown()
    )
}

fn certificates() -> String {
    let mut table = Table::new(&["result", "what it means", "what to do"]);
    for refusal in Refusal::ALL {
        let (meaning, advice) = refusal.explained();
        table.row(&[&code(refusal.label()), meaning, advice]);
    }
    format!(
        "Requests of sidecars for certificates that the control plane refused, by the `result` in \
         `leno_control_certificates_total`. The sidecar tries again.\n\n{}",
        table.markdown()
    )
}

//! `envoy.md`: every field of Envoy's messages that Leno reads, and what becomes of it. Nothing of it is written by hand
//! but why fields are ignored: each field is tried (`probe`), in a resource that is legal without it (`root`, `legal`).

mod legal;
mod place;
mod probe;
mod root;
mod since;
mod value;

use std::collections::BTreeMap;

use self::{
    probe::{Field, Probe, Section, Support},
    root::ROOTS,
    since::Since,
};
use crate::page::{Table, code, codes};

/// What to do when a field cannot be told.
const ADVICE: &str = "A field is told by trying it. Give it a legal value in crates/leno-cli/tests/reference/envoy/legal.json \
                      (by message, or by field); name it in crates/leno-proxy/src/config/convert/ignored.rs with the \
                      reason if it makes no difference; have its refusal name it (Check::rest, or Check::unsupported for \
                      one of several alternatives) if Leno does not have it.";

pub(crate) fn page() -> String {
    leno_runtime::init::crypto();
    let mut probe = Probe::default();
    ROOTS.iter().for_each(|root| probe.resource(root));
    let stale: Vec<_> = probe.stale().map(|name| format!("{name} is listed as ignored, and is not")).collect();
    probe.unclear.extend(stale);
    probe.unclear.extend(legal::unknown().map(|name| format!("legal.json has values of {name}, which there is not")));
    let unclear = probe.unclear.len();
    assert!(unclear == 0, "{unclear} fields are unclear:\n{}\n\n{ADVICE}", probe.unclear.join("\n"));
    let since = Since::read();
    let sections = merged(probe.sections);
    let mut page = format!(
        "# Envoy's fields\n\n\
         What Leno's sidecar does with every field of the messages of Envoy's API that it reads, whoever sends them: its own \
         control plane, another one, or a [file](../tasks/proxy-from-a-file.md). *Supported* fields mean what they mean to \
         Envoy, with its defaults; of an enumeration, or of what may stand in `typed_config`, the remark names what is \
         supported when not all is. *Ignored* ones are taken and make no difference, for the reason beside them. *Refused* \
         ones are answered by a NACK, or the file is not used, with the field's path and value. What is not on this page is \
         refused too, but for what stands in TLS contexts and secrets, whose fields are not listed yet.\n\n\
         {}\n\n",
        totals(&sections)
    );
    for (message, places, fields) in &sections {
        page.push_str(&section(message, places, fields, &since));
    }
    page
}

/// A message, the fields that it stands in, and its own.
type Merged = (String, Vec<String>, Vec<Field>);

/// Sections of the same message whose fields are supported alike become one.
fn merged(sections: Vec<Section>) -> Vec<Merged> {
    let mut all: Vec<Merged> = Vec::new();
    for Section { message, within, fields } in sections {
        match all.iter_mut().find(|(other, _, others)| *other == message && *others == fields) {
            Some((_, places, _)) => places.push(within),
            None => all.push((message, vec![within], fields)),
        }
    }
    all
}

fn totals(sections: &[Merged]) -> String {
    let mut counts = BTreeMap::<_, usize>::new();
    for field in sections.iter().flat_map(|(_, _, fields)| fields) {
        *counts.entry(word(&field.support)).or_default() += 1;
    }
    let counts: Vec<_> = counts.into_iter().map(|(word, count)| format!("{count} {word}")).collect();
    format!("{} messages; fields: {}.", sections.len(), counts.join(", "))
}

fn word(support: &Support) -> &'static str {
    match support {
        Support::Supported(_) => "supported",
        Support::Ignored(_) => "ignored",
        Support::Refused => "refused",
    }
}

fn section(message: &str, places: &[String], fields: &[Field], since: &Since) -> String {
    let mut section = format!("## `{message}`\n\n");
    if !places.iter().all(|place| message.ends_with(place)) {
        section.push_str(&format!("In {}.\n\n", codes(places.iter().map(String::as_str))));
    }
    let mut table = Table::new(&["field", "type", "support", "since", "remark"]);
    for field in fields.iter().filter(|field| field.support != Support::Refused) {
        let remark = match &field.support {
            Support::Supported(values) => codes(values.iter().map(String::as_str)),
            Support::Ignored(why) => (*why).to_owned(),
            Support::Refused => String::new(),
        };
        let version = since.of(message, &field.name);
        table.row(&[&code(&field.name), &field.kind, word(&field.support), version, &remark]);
    }
    if fields.iter().any(|field| field.support != Support::Refused) {
        section.push_str(&table.markdown());
    }
    let refused: Vec<_> = fields.iter().filter(|field| field.support == Support::Refused).collect();
    match refused.is_empty() {
        true if fields.is_empty() => section.push_str("It has no fields.\n\n"),
        true => {}
        false => {
            let names = codes(refused.iter().map(|field| field.name.as_str()));
            section.push_str(&format!("Refused: {names}.\n\n"));
        }
    }
    section
}

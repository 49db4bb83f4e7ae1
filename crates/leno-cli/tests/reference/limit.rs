//! `limits.md`.

use std::time::Duration;

use leno_compiler::limit as compiled;
use leno_manifest::syntax::duration;
use leno_proxy::limit::{Amount, Limit, reference};

use crate::page::Table;

pub(crate) fn page() -> String {
    let mut page = String::from(
        "# Limits and timeouts\n\n\
         What a sidecar bounds, with the value that holds where nothing sets another. *Set by* is a flag of \
         [`leno-proxy run`](cli.md#leno-proxy-run), or the field of Envoy's messages that a control plane (or a file) sets; \
         values that nothing sets are fixed. Words in code are [reasons](errors.md).\n\n",
    );
    for group in reference() {
        page.push_str(&format!("## {}\n\n", group.title));
        let mut table = Table::new(&["what", "default", "set by", "beyond it"]);
        for Limit { what, amount, set_by, beyond } in group.limits {
            table.row(&[what, &shown(amount), or_dash(set_by), or_dash(beyond)]);
        }
        page.push_str(&table.markdown());
    }
    page.push_str(
        "## What Leno's control plane sets\n\n\
         The defaults above are those of the sidecar by itself. For the services of a mesh `leno-control` sends:\n\n",
    );
    let mut table = Table::new(&["what", "value"]);
    table.row(&["answer to a request", &time(compiled::ANSWER)]);
    table.row(&["connection to an endpoint, TLS included", &time(compiled::CONNECT)]);
    let cluster = compiled::CLUSTER.to_string();
    table.row(&["connections to a cluster, requests waiting for one, and requests under way, each", &cluster]);
    table.row(&["first bytes, where the protocol has to be found out", &time(compiled::FIRST_BYTES)]);
    page.push_str(&table.markdown());
    page
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "–" } else { text }
}

fn shown(amount: Amount) -> String {
    match amount {
        Amount::Time(length) => time(length),
        Amount::Bytes(u64::MAX) => "none".to_owned(),
        Amount::Bytes(bytes) => size(bytes),
        Amount::Count(count) => count.to_string(),
        Amount::Said(words) => words.to_owned(),
    }
}

fn time(length: Duration) -> String {
    if length.is_zero() {
        return "no limit".to_owned();
    }
    const DAY: u64 = 24 * 3600;
    if length.as_secs() > DAY && length.as_secs().is_multiple_of(DAY) {
        return format!("{} days", length.as_secs() / DAY);
    }
    // Fractions of a second as milliseconds.
    if length.subsec_nanos() > 0 { format!("{length:?}") } else { duration::shown(length) }
}

fn size(bytes: u64) -> String {
    const KIB: u64 = 1024;
    match bytes {
        0 => "no limit".to_owned(),
        bytes if bytes.is_multiple_of(KIB * KIB) => format!("{} MiB", bytes / KIB / KIB),
        bytes if bytes.is_multiple_of(KIB) => format!("{} KiB", bytes / KIB),
        bytes => format!("{bytes} bytes"),
    }
}

//! `metrics.md`.

use leno_control::metric::TABLE;
use leno_proxy::telemetry::{
    label::{Label, TRAFFIC, Values},
    metric::{METRICS, Metric},
    series::DURATION_BOUNDS,
    totals::MAX_SERIES,
};

use crate::page::{Table, code, codes};

const COLUMNS: &[&str] = &["metric", "type", "unit", "labels", "what it tells"];

pub(crate) fn page() -> String {
    let bounds = DURATION_BOUNDS.map(|bound| bound.to_string()).join(", ");
    format!(
        "# Metrics\n\n\
         ## Sidecar\n\n\
         In the text format of Prometheus at `:15020/stats/prometheus` of each meshed pod, with the application's own \
         metrics after them where the pod [names their port](annotations.md).\n\n\
         {}\
         Durations are counted in buckets up to {bounds} seconds and above. A worker keeps at most {MAX_SERIES} series of a \
         kind; what comes after them is counted under the workload and service `overflow`.\n\n\
         ### Labels of traffic\n\n\
         {}\
         ### Other labels\n\n\
         {}\
         ## Control plane\n\n\
         In OpenMetrics' text format at `:15014/metrics`.\n\n\
         {}\
         ### Labels of the control plane\n\n\
         {}\
         ## Rate limit service\n\n\
         In OpenMetrics' text format at `:15014/metrics` of [`leno ratelimit`](cli.md#leno-ratelimit), and of the control \
         plane beside its own, for the limits that it counts itself.\n\n\
         {}\
         ### Labels of the rate limit service\n\n\
         {}",
        proxy(),
        traffic(),
        others(),
        control(),
        control_labels(),
        ratelimit(),
        ratelimit_labels()
    )
}

fn proxy() -> String {
    let mut table = Table::new(COLUMNS);
    for metric in METRICS {
        let group = |labels: &&[Label]| {
            if is_traffic(labels) {
                return "[traffic](#labels-of-traffic)".to_owned();
            }
            codes(labels.iter().map(|label| label.name))
        };
        let labels = metric.labels.iter().map(group).collect::<Vec<_>>().join(", ");
        table.row(&[&code(metric.name), metric.kind, unit(metric.name), &labels, metric.help]);
    }
    table.markdown()
}

fn is_traffic(labels: &[Label]) -> bool {
    labels.iter().map(|label| label.name).eq(TRAFFIC.iter().map(|label| label.name))
}

fn traffic() -> String {
    let mut table = Table::new(&["label", "what it says", "values"]);
    for label in TRAFFIC {
        table.row(&[&code(label.name), label.meaning, &values(label)]);
    }
    table.markdown()
}

/// The other labels, each once for each of its meanings.
fn others() -> String {
    let mut table = Table::new(&["label", "of", "what it says", "values"]);
    let own = |metric: &Metric| metric.labels.iter().copied().filter(|labels| !is_traffic(labels)).flatten();
    let mut told: Vec<&Label> = Vec::new();
    for label in METRICS.iter().flat_map(own) {
        let same = |it: &Label| (it.name, it.meaning, values(it)) == (label.name, label.meaning, values(label));
        if told.iter().any(|it| same(it)) {
            continue;
        }
        told.push(label);
        let of = METRICS.iter().filter(|metric| own(metric).any(same)).map(|metric| metric.name);
        table.row(&[&code(label.name), &codes(of), label.meaning, &values(label)]);
    }
    table.markdown()
}

fn values(label: &Label) -> String {
    match label.values {
        Values::Boolean => codes(["true", "false"]),
        Values::Text(what) => what.to_owned(),
        Values::Flag => "`-`, or a [response flag](errors.md#response-flags)".to_owned(),
        Values::Reason => "a [reason](errors.md#requests-and-connections)".to_owned(),
        Values::OneOf(values) => {
            let one = |(value, meaning): &(&str, &str)| match meaning.trim_end_matches('.') {
                "" => code(value),
                meaning => format!("`{value}` ({meaning})"),
            };
            values().iter().map(one).collect::<Vec<_>>().join(", ")
        }
    }
}

fn control() -> String {
    let mut table = Table::new(COLUMNS);
    for metric in &TABLE {
        let labels = codes(metric.labels.iter().map(|label| label.name));
        table.row(&[&code(metric.name), metric.kind, unit(metric.name), &labels, metric.help]);
    }
    table.markdown()
}

fn control_labels() -> String {
    let mut table = Table::new(&["label", "what it says", "values"]);
    let mut told = Vec::new();
    for label in TABLE.iter().flat_map(|metric| metric.labels) {
        if !told.contains(&label.name) {
            told.push(label.name);
            table.row(&[&code(label.name), label.meaning, &codes((label.values)())]);
        }
    }
    table.markdown()
}

fn ratelimit() -> String {
    let mut table = Table::new(COLUMNS);
    for metric in &leno_ratelimit::metric::TABLE {
        let labels = codes(metric.labels.iter().map(|(name, _)| *name));
        table.row(&[&code(metric.name), metric.kind, unit(metric.name), &labels, metric.help]);
    }
    table.markdown()
}

fn ratelimit_labels() -> String {
    let mut table = Table::new(&["label", "what it says"]);
    for (name, meaning) in leno_ratelimit::metric::TABLE.iter().flat_map(|metric| metric.labels) {
        table.row(&[&code(name), meaning]);
    }
    table.markdown()
}

/// The unit that a metric's name ends with, as Prometheus' conventions ask.
fn unit(name: &str) -> &'static str {
    match name.trim_end_matches("_total") {
        name if name.ends_with("_seconds") => "seconds",
        name if name.ends_with("_bytes") => "bytes",
        _ => "–",
    }
}

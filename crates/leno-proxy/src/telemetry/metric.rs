//! The metrics' names, in one table, and their rendering for Prometheus.

use std::fmt::{self, Write as _};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _, NoLabelSet, text},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

use super::{
    Totals,
    decision::{FilterDecision, FilterName},
    label::{ANSWER, DECISION, FAILURE, HANDSHAKE, HANDSHAKE_OK, KIND, Label, OUTLIER, REASON, TRAFFIC, WAY},
    series::{DURATION_BOUNDS, Labels, RequestTotal},
    totals::{Handshake, Occasion, Outlier},
};

/// One metric: a row of the reference.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name as Prometheus shows it.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: &'static str,
    /// What it counts.
    pub help: &'static str,
    /// Its labels, in groups that metrics share.
    pub labels: &'static [&'static [Label]],
}

/// Builds a row.
const fn row(
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    labels: &'static [&'static [Label]],
) -> Metric {
    Metric { name, kind, help, labels }
}

/// Requests that came to their end.
const REQUESTS: Metric = row("leno_requests_total", "counter", "Requests finished", &[TRAFFIC, ANSWER]);
/// Their durations.
const DURATION: Metric = row(
    "leno_request_duration_seconds",
    "histogram",
    "Time from the first byte of a request to the last of its answer",
    &[TRAFFIC, ANSWER],
);
/// Their bodies.
const REQUEST_BYTES: Metric =
    row("leno_request_bytes_total", "counter", "Bytes of requests' bodies", &[TRAFFIC, ANSWER]);
/// Their answers' bodies.
const RESPONSE_BYTES: Metric =
    row("leno_response_bytes_total", "counter", "Bytes of answers' bodies", &[TRAFFIC, ANSWER]);
/// TCP connections opened.
const TCP_OPENED: Metric = row("leno_tcp_connections_opened_total", "counter", "TCP connections opened", &[TRAFFIC]);
/// TCP connections closed.
const TCP_CLOSED: Metric = row("leno_tcp_connections_closed_total", "counter", "TCP connections closed", &[TRAFFIC]);
/// TCP bytes towards the callee.
const TCP_SENT: Metric =
    row("leno_tcp_sent_bytes_total", "counter", "Bytes from callers to callees over TCP", &[TRAFFIC]);
/// TCP bytes towards the caller.
const TCP_RECEIVED: Metric =
    row("leno_tcp_received_bytes_total", "counter", "Bytes from callees to callers over TCP", &[TRAFFIC]);
/// TCP connections that got nowhere.
const TCP_FAILED: Metric = row(
    "leno_tcp_connections_failed_total",
    "counter",
    "TCP connections for which no upstream could be had; the reason is a response flag",
    &[TRAFFIC, FAILURE],
);
/// Denials.
const DENIED: Metric =
    row("leno_denied_total", "counter", "Requests and connections that a policy refused", &[TRAFFIC, REASON]);
/// What would be denied.
const SHADOW_DENIED: Metric = row(
    "leno_shadow_denied_total",
    "counter",
    "Requests and connections that rules which are only tried out would have refused",
    &[TRAFFIC, REASON],
);
/// What was told.
const AUDITED: Metric =
    row("leno_audited_total", "counter", "Requests and connections that a policy lets in and tells of", &[TRAFFIC]);
/// Retries.
const RETRIES: Metric = row("leno_retries_total", "counter", "Requests sent again", &[TRAFFIC, REASON]);
/// Handshakes.
const HANDSHAKES: Metric =
    row("leno_tls_handshakes_total", "counter", "TLS handshakes by result: ok, or why not", &[HANDSHAKE]);
/// Connections turned away.
const REFUSED: Metric = row(
    "leno_connections_refused_total",
    "counter",
    "Connections turned away before anything was done with them: by a limit, or because nothing is known about them",
    &[WAY, REASON],
);
/// Outliers among endpoints.
const OUTLIERS: Metric =
    row("leno_outliers_total", "counter", "Endpoints that did worse than they may (outlier detection)", &[OUTLIER]);
/// What filters decided.
const DECISIONS: Metric =
    row("leno_filter_decisions_total", "counter", "What HTTP filters decided on requests", &[DECISION]);
/// Connections open.
const ACTIVE: Metric = row("leno_connections_active", "gauge", "Accepted connections that are open", &[]);
/// The certificate's end.
const EXPIRY: Metric = row(
    "leno_certificate_expiry_timestamp_seconds",
    "gauge",
    "When the workload's certificate expires, in seconds since the epoch; 0 without one",
    &[],
);
/// Renewals that failed.
const RENEWALS_FAILED: Metric =
    row("leno_certificate_renewals_failed_total", "counter", "Attempts to renew the certificate that failed", &[]);
/// Whether the control plane is reached.
const XDS_CONNECTED: Metric = row("leno_xds_connected", "gauge", "1 while the control plane is connected", &[]);
/// Resources in use.
const XDS_RESOURCES: Metric = row("leno_xds_resources", "gauge", "Resources subscribed to", &[KIND]);
/// Refused configuration.
const XDS_REJECTED: Metric = row("leno_xds_rejected_total", "counter", "Resources refused (NACK)", &[]);
/// Accepted configuration.
const XDS_UPDATES: Metric = row("leno_xds_updates_total", "counter", "Resources put into use", &[]);
/// Lines lost.
const LOG_DROPPED: Metric = row(
    "leno_access_log_dropped_total",
    "counter",
    "Lines of the access log that were lost because the writer did not keep up",
    &[],
);

/// Every metric of the proxy.
pub const METRICS: &[Metric] = &[
    REQUESTS,
    DURATION,
    REQUEST_BYTES,
    RESPONSE_BYTES,
    TCP_OPENED,
    TCP_CLOSED,
    TCP_SENT,
    TCP_RECEIVED,
    TCP_FAILED,
    DENIED,
    SHADOW_DENIED,
    AUDITED,
    RETRIES,
    HANDSHAKES,
    REFUSED,
    OUTLIERS,
    DECISIONS,
    ACTIVE,
    EXPIRY,
    RENEWALS_FAILED,
    XDS_CONNECTED,
    XDS_RESOURCES,
    XDS_REJECTED,
    XDS_UPDATES,
    LOG_DROPPED,
];

/// What the process as a whole has to tell.
#[derive(Clone, Debug, Default)]
pub struct Process {
    /// Accepted connections that are open.
    pub connections: u32,
    /// Seconds since the epoch; 0 without a certificate.
    pub certificate_expiry: u64,
    /// Renewals that failed.
    pub renewals_failed: u64,
    /// Whether the control plane is connected.
    pub connected: bool,
    /// Resources subscribed to, by kind.
    pub resources: Vec<(&'static str, u64)>,
    /// Resources refused.
    pub rejected: u64,
    /// Resources put into use.
    pub updates: u64,
    /// Lines of the access log that were lost.
    pub log_dropped: u64,
}

/// Everything, in the text format of Prometheus.
#[must_use]
pub fn render(totals: Totals, process: Process) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape { totals, process }));
    let mut out = String::new();
    // Writing to a String cannot fail, and the encoder has no other failure.
    text::encode_registry(&mut out, &registry).ok();
    plain(&out)
}

/// OpenMetrics names a counter without its suffix in `# TYPE` and `# HELP`; the older text format, which every scraper
/// reads and which applications' own metrics come in, names it with it.
fn plain(open_metrics: &str) -> String {
    let counters: Vec<_> = METRICS.iter().filter_map(|metric| metric.name.strip_suffix("_total")).collect();
    let mut out = String::with_capacity(open_metrics.len() + 1024);
    for line in open_metrics.lines() {
        let mut words = line.splitn(4, ' ');
        let header = (words.next(), words.next(), words.next(), words.next());
        match header {
            (Some("#"), Some(keyword @ ("HELP" | "TYPE")), Some(name), Some(rest)) if counters.contains(&name) => {
                writeln!(out, "# {keyword} {name}_total {rest}").ok();
            }
            _ => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    out
}

/// One scrape.
#[derive(Debug)]
struct Scrape {
    totals: Totals,
    process: Process,
}

/// The labels of one sample.
type Pairs = Vec<(&'static str, String)>;

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.requests(&mut encoder)?;
        self.tcp(&mut encoder)?;
        self.occasions(&mut encoder)?;
        self.handshakes(&mut encoder)?;
        self.decisions(&mut encoder)?;
        self.process(&mut encoder)
    }
}

impl Scrape {
    fn requests(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let rows: Vec<_> = self.totals.requests.iter().map(|(labels, total)| (response(labels), total)).collect();
        let count = |pick: fn(&RequestTotal) -> u64| rows.iter().map(move |(pairs, total)| (pairs, pick(total)));
        counters(encoder, &REQUESTS, count(RequestTotal::count))?;
        counters(encoder, &REQUEST_BYTES, count(|total| total.request_bytes))?;
        counters(encoder, &RESPONSE_BYTES, count(|total| total.response_bytes))?;
        let mut metric = encoder.encode_descriptor(DURATION.name, DURATION.help, None, MetricType::Histogram)?;
        let bounds = DURATION_BOUNDS.iter().copied().chain([f64::INFINITY]);
        for (pairs, total) in &rows {
            let buckets: Vec<_> = bounds.clone().zip(total.buckets).collect();
            metric.encode_family(pairs)?.encode_histogram::<NoLabelSet>(
                total.seconds,
                total.count(),
                &buckets,
                None,
            )?;
        }
        Ok(())
    }

    fn tcp(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let rows: Vec<_> = self.totals.tcp.iter().map(|(labels, total)| (traffic(labels), total)).collect();
        counters(encoder, &TCP_OPENED, rows.iter().map(|(pairs, total)| (pairs, total.opened)))?;
        counters(encoder, &TCP_CLOSED, rows.iter().map(|(pairs, total)| (pairs, total.closed)))?;
        counters(encoder, &TCP_SENT, rows.iter().map(|(pairs, total)| (pairs, total.sent)))?;
        counters(encoder, &TCP_RECEIVED, rows.iter().map(|(pairs, total)| (pairs, total.received)))
    }

    fn occasions(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        for (metric, wanted) in [
            (&DENIED, Occasion::Denied),
            (&SHADOW_DENIED, Occasion::ShadowDenied),
            (&AUDITED, Occasion::Audited),
            (&RETRIES, Occasion::Retried),
            (&TCP_FAILED, Occasion::TcpFailed),
        ] {
            let of_kind = self.totals.occasions.iter().filter(|((occasion, _), _)| *occasion == wanted);
            // Nothing went wrong with what is only told.
            let pairs = if wanted == Occasion::Audited { traffic } else { reason };
            let rows: Vec<_> = of_kind.map(|((_, labels), count)| (pairs(labels), *count)).collect();
            counters(encoder, metric, rows.iter().map(|(pairs, count)| (pairs, *count)))?;
        }
        Ok(())
    }

    fn handshakes(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let row = |(direction, error, resumed): Handshake| {
            vec![
                ("direction", direction.label().to_owned()),
                ("result", error.map_or(HANDSHAKE_OK, super::event::HandshakeError::label).to_owned()),
                ("resumed", resumed.to_string()),
            ]
        };
        let rows: Vec<_> = self.totals.handshakes.iter().map(|(key, count)| (row(*key), *count)).collect();
        counters(encoder, &HANDSHAKES, rows.iter().map(|(pairs, count)| (pairs, *count)))?;
        let row = |(direction, reason): (crate::connection::Direction, crate::error::ErrorKind)| {
            vec![("direction", direction.label().to_owned()), ("reason", reason.label().to_owned())]
        };
        let rows: Vec<_> = self.totals.refused.iter().map(|(key, count)| (row(*key), *count)).collect();
        counters(encoder, &REFUSED, rows.iter().map(|(pairs, count)| (pairs, *count)))?;
        let row = |(service, cause, verdict): &Outlier| {
            vec![
                ("destination_service", service.to_string()),
                ("cause", cause.label().to_owned()),
                ("verdict", verdict.label().to_owned()),
            ]
        };
        let rows: Vec<_> = self.totals.outliers.iter().map(|(key, count)| (row(key), *count)).collect();
        counters(encoder, &OUTLIERS, rows.iter().map(|(pairs, count)| (pairs, *count)))
    }

    /// Only those that there were: most are of filters that nobody uses.
    fn decisions(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let filters = FilterName::ALL.iter().zip(&self.totals.decisions);
        let rows = filters.flat_map(|(filter, counts)| {
            let counted = FilterDecision::ALL.iter().zip(counts).filter(|(_, count)| **count > 0);
            counted.map(|(decision, count)| {
                let pairs = vec![("filter", filter.label().to_owned()), ("decision", decision.label().to_owned())];
                (pairs, *count)
            })
        });
        let rows: Vec<_> = rows.collect();
        counters(encoder, &DECISIONS, rows.iter().map(|(pairs, count)| (pairs, *count)))
    }

    fn process(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let process = &self.process;
        let none = Pairs::new();
        gauge(encoder, &ACTIVE, [(&none, u64::from(process.connections))])?;
        gauge(encoder, &EXPIRY, [(&none, process.certificate_expiry)])?;
        counters(encoder, &RENEWALS_FAILED, [(&none, process.renewals_failed)])?;
        gauge(encoder, &XDS_CONNECTED, [(&none, u64::from(process.connected))])?;
        let kinds: Vec<_> =
            process.resources.iter().map(|(kind, n)| (vec![("kind", (*kind).to_owned())], *n)).collect();
        gauge(encoder, &XDS_RESOURCES, kinds.iter().map(|(pairs, count)| (pairs, *count)))?;
        counters(encoder, &XDS_REJECTED, [(&none, process.rejected)])?;
        counters(encoder, &XDS_UPDATES, [(&none, process.updates)])?;
        counters(encoder, &LOG_DROPPED, [(&none, process.log_dropped)])
    }
}

/// Writes a counter with its samples.
fn counters<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    metric: &Metric,
    samples: impl IntoIterator<Item = (&'a Pairs, u64)>,
) -> fmt::Result {
    // The encoder puts the suffix back.
    let name = metric.name.trim_end_matches("_total");
    let mut family = encoder.encode_descriptor(name, metric.help, None, MetricType::Counter)?;
    for (pairs, value) in samples {
        let counter = ConstCounter::new(value);
        if pairs.is_empty() {
            return counter.encode(family);
        }
        counter.encode(family.encode_family(pairs)?)?;
    }
    Ok(())
}

/// Writes a gauge with its samples.
fn gauge<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    metric: &Metric,
    samples: impl IntoIterator<Item = (&'a Pairs, u64)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(metric.name, metric.help, None, MetricType::Gauge)?;
    for (pairs, value) in samples {
        let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
        if pairs.is_empty() {
            return gauge.encode(family);
        }
        gauge.encode(family.encode_family(pairs)?)?;
    }
    Ok(())
}

/// The labels of traffic.
fn traffic(labels: &Labels) -> Pairs {
    let text = |text: &str| text.to_owned();
    vec![
        ("direction", text(labels.direction.label())),
        ("protocol", text(labels.protocol.label())),
        ("mtls", labels.mtls.to_string()),
        ("source_workload", text(&labels.source.workload)),
        ("source_namespace", text(&labels.source.namespace)),
        ("source_identity", text(&labels.source.identity)),
        ("destination_workload", text(&labels.destination.workload)),
        ("destination_namespace", text(&labels.destination.namespace)),
        ("destination_service", text(&labels.service)),
        ("destination_identity", text(&labels.destination.identity)),
    ]
}

/// The labels of traffic and of its answer.
fn response(labels: &Labels) -> Pairs {
    let mut pairs = traffic(labels);
    pairs.push(("response_code", labels.code.to_string()));
    pairs.push(("response_flags", labels.flags.to_owned()));
    pairs
}

/// The labels of traffic and why something happened to it.
fn reason(labels: &Labels) -> Pairs {
    let mut pairs = traffic(labels);
    pairs.push(("reason", labels.flags.to_owned()));
    pairs
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use leno_engine::resilience::outlier::EjectionCause;

    use crate::{
        connection::Direction,
        telemetry::{
            event::{EjectionVerdict, Protocol},
            series::{End, RequestCells, TcpCells},
        },
    };

    #[test]
    fn a_scrape_reads_as_prometheus_text() {
        let labels = Labels {
            direction: Direction::Outbound,
            protocol: Protocol::Http1,
            mtls: true,
            code: 200,
            flags: "-",
            source: End { workload: "buyer".into(), ..End::default() },
            destination: End { workload: "store".into(), ..End::default() },
            service: "shop/store".into(),
        };
        let cells = RequestCells::default();
        cells.add(Duration::from_millis(3), 0, 10);
        cells.add(Duration::from_secs(100), 5, 10);
        let mut totals = Totals::default();
        totals.add_request(labels, &cells.total());
        let text = render(totals, Process { connected: true, ..Process::default() });
        assert!(text.contains("# TYPE leno_requests_total counter"), "{text}");
        assert!(!text.contains("_total_total"), "{text}");
        let line = |start: &str, end: &str| text.lines().any(|line| line.starts_with(start) && line.ends_with(end));
        assert!(line("leno_requests_total{direction=\"outbound\",protocol=\"http1\",mtls=\"true\"", "} 2"), "{text}");
        assert!(line("leno_request_duration_seconds_bucket{le=\"0.005\"", "} 1"), "{text}");
        assert!(line("leno_request_duration_seconds_bucket{le=\"+Inf\"", "} 2"), "{text}");
        assert!(line("leno_xds_connected", " 1"), "{text}");
    }

    #[test]
    fn every_metric_is_rendered() {
        let text = render(Totals::default(), Process::default());
        for metric in METRICS {
            assert!(text.contains(&format!("# TYPE {} {}", metric.name, metric.kind)), "{} in {text}", metric.name);
        }
    }

    #[test]
    fn samples_have_the_labels_that_the_table_tells() {
        let text = render(one_of_each(), Process { resources: vec![("route", 1)], ..Process::default() });
        for metric in METRICS {
            let suffix = if metric.kind == "histogram" { "_count" } else { "" };
            let name = format!("{}{suffix}", metric.name);
            let sample =
                text.lines().find_map(|line| line.strip_prefix(&name).filter(|rest| rest.starts_with(['{', ' '])));
            let pairs = sample.and_then(|rest| rest.strip_prefix('{')?.split_once('}')).map_or("", |(pairs, _)| pairs);
            let names =
                |text: &str| text.split(',').filter_map(|pair| Some(pair.split_once('=')?.0.to_owned())).collect();
            let found: Vec<String> = names(pairs);
            let told: Vec<_> = metric.labels.iter().copied().flatten().map(|label| label.name).collect();
            assert_eq!(found, told, "{} in {text}", metric.name);
        }
    }

    fn one_of_each() -> Totals {
        let labels = Labels {
            direction: Direction::Inbound,
            protocol: Protocol::Tcp,
            mtls: false,
            code: 0,
            flags: "-",
            source: End::default(),
            destination: End::default(),
            service: "".into(),
        };
        let mut totals = Totals::default();
        totals.add_request(labels.clone(), &RequestCells::default().total());
        totals.add_tcp(labels.clone(), &TcpCells::default().total());
        for occasion in
            [Occasion::Denied, Occasion::ShadowDenied, Occasion::Audited, Occasion::Retried, Occasion::TcpFailed]
        {
            totals.add_occasion(occasion, labels.clone(), 1);
        }
        totals.handshakes.insert((Direction::Inbound, None, false), 1);
        totals.add_outlier(("".into(), EjectionCause::Consecutive5xx, EjectionVerdict::Ejected), 1);
        totals.refused.insert((Direction::Inbound, crate::error::ErrorKind::Overload), 1);
        totals.decisions[0][0] = 1;
        totals
    }
}

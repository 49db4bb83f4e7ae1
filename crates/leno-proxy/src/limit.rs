//! What is bounded, in one table for the reference: sizes, counts and times, each from the constant or default that holds.

use std::time::Duration;

use crate::{
    admin, config, detect, dial, discovery, http, identity, listener, settings, tcp, telemetry, tls, upstream,
};

/// One bound.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// What is bounded.
    pub what: &'static str,
    /// How much.
    pub amount: Amount,
    /// The flag or the field of Envoy's messages that sets it; empty where nothing does.
    pub set_by: &'static str,
    /// What happens beyond it.
    pub beyond: &'static str,
}

/// How much.
#[derive(Clone, Copy, Debug)]
pub enum Amount {
    /// So long; zero means that there is no bound.
    Time(Duration),
    /// So many bytes; the largest number means that there is no bound.
    Bytes(u64),
    /// So many.
    Count(u64),
    /// Something that depends on the machine.
    Said(&'static str),
}

/// Bounds that belong together.
#[derive(Clone, Debug)]
pub struct Group {
    /// What they are about.
    pub title: &'static str,
    /// The bounds.
    pub limits: Vec<Limit>,
}

pub(crate) const fn time(what: &'static str, time: Duration, set_by: &'static str, beyond: &'static str) -> Limit {
    Limit { what, amount: Amount::Time(time), set_by, beyond }
}

pub(crate) const fn bytes(what: &'static str, bytes: u64, set_by: &'static str, beyond: &'static str) -> Limit {
    Limit { what, amount: Amount::Bytes(bytes), set_by, beyond }
}

pub(crate) const fn count(what: &'static str, count: u64, set_by: &'static str, beyond: &'static str) -> Limit {
    Limit { what, amount: Amount::Count(count), set_by, beyond }
}

/// Every bound that somebody may meet.
#[must_use]
pub fn reference() -> Vec<Group> {
    vec![
        Group { title: "Connections from callers", limits: callers() },
        Group { title: "HTTP", limits: http::limit::limits() },
        Group { title: "Connections of bytes", limits: bytes_on() },
        Group { title: "Routes and clusters", limits: config::convert::limit::limits() },
        Group { title: "Connections to endpoints", limits: endpoints() },
        Group { title: "Configuration", limits: configuration() },
        Group { title: "Telemetry and admin", limits: telemetry() },
    ]
}

fn callers() -> Vec<Limit> {
    let open = Amount::Said(settings::DEFAULT_SHARE);
    let what = "open connections";
    let beyond = "a few more (a sixteenth, at least 4, at most 1024) are answered with 503 `OM overload`, others are closed at once";
    vec![
        Limit { what, amount: open, set_by: "`--max-connections`", beyond },
        time("a connection above that, until it has its answer", listener::accept::SHED, "", "closed"),
        time("first bytes of an inbound connection", listener::inbound::FIRST_BYTES, "", "closed: `request_timeout`"),
        time(
            "silence of an inbound caller before the application is asked whether it speaks first",
            listener::inbound::MOMENT,
            "",
            "both sides are listened to",
        ),
        time(
            "silence of the application before the upstream is asked whether it speaks first",
            listener::speak_first::MOMENT,
            "",
            "both sides are listened to",
        ),
        time("TLS handshake with a caller", tls::accept::HANDSHAKE, "", "closed: `timeout`"),
        bytes("bytes looked at to tell the protocol", detect::LOOK as u64, "", "taken for bytes"),
        time("silence before TCP keep-alive probes", dial::KEEPALIVE.0, "", "probed"),
        time("between probes", dial::KEEPALIVE.1, "", "probed again"),
        count("probes without an answer", dial::KEEPALIVE.2.into(), "", "the connection is taken for dead"),
    ]
}

fn bytes_on() -> Vec<Limit> {
    vec![
        count("endpoints tried for a connection", tcp::exchange::ATTEMPTS as u64, "", "closed: `UF`"),
        time("waiting for the cluster's configuration", tcp::exchange::CONFIG, "", "closed: `NC`"),
    ]
}

fn endpoints() -> Vec<Limit> {
    vec![
        time(
            "idle kept connection",
            upstream::IDLE,
            "`common_http_protocol_options.idle_timeout` of the cluster",
            "closed",
        ),
        count(
            "idle HTTP/1 connections to an endpoint, per worker",
            upstream::MAX_IDLE_PER_ENDPOINT as u64,
            "",
            "closed",
        ),
        count("idle HTTP/1 connections, per worker", upstream::MAX_IDLE as u64, "", "closed"),
        count(
            "HTTP/2 connections to an endpoint, per worker",
            upstream::MAX_HTTP2 as u64,
            "",
            "requests wait for a stream",
        ),
        bytes(
            "HTTP/2 window of an endpoint's answer",
            upstream::STREAM_WINDOW.into(),
            "`http2_protocol_options.initial_stream_window_size` of the cluster",
            "the endpoint waits",
        ),
        bytes(
            "HTTP/2 window of a connection to it",
            upstream::CONNECTION_WINDOW.into(),
            "`http2_protocol_options.initial_connection_window_size` of the cluster",
            "the endpoint waits",
        ),
        bytes(
            "head of an answer",
            config::UpstreamHttp::default().max_headers_bytes.into(),
            "`max_response_headers_kb` of the cluster",
            "502 `UPE upstream_protocol`",
        ),
        count(
            "header fields of an answer",
            config::UpstreamHttp::default().max_headers_count.into(),
            "`common_http_protocol_options.max_headers_count` of the cluster",
            "502 `UPE upstream_protocol`; 503 over HTTP/2",
        ),
        time("waiting for a cluster's endpoints", config::cluster::ENDPOINTS, "", "503 `UH no_healthy_upstream`"),
    ]
}

fn configuration() -> Vec<Limit> {
    vec![
        time(
            "first connection to a destination waits for its listener",
            listener::outbound::CONFIG,
            "",
            "closed: `config_timeout`",
        ),
        time(
            "inbound connection waits for the listener at the start",
            listener::inbound::CONFIG,
            "",
            "closed: `config_timeout`",
        ),
        time("destination that nobody dials", listener::destination::IDLE, "", "forgotten and unsubscribed"),
        count(
            "destinations known, per worker",
            listener::destination::MAX as u64,
            "",
            "those not in use are forgotten; if all are, refused: `overload`",
        ),
        time(
            "control plane away before the state directory is used",
            discovery::run::PATIENCE,
            "",
            "kept configuration is used",
        ),
        time("configuration in the state directory that nobody asks for", discovery::cache::KEEP, "", "deleted"),
        time("answer to a request for a certificate", identity::issue::ANSWER, "", "tried again later"),
    ]
}

fn telemetry() -> Vec<Limit> {
    use telemetry::access_log::{BUFFER, FLUSH_EVERY, WAITING};
    vec![
        count("series of a metric, per worker", telemetry::totals::MAX_SERIES as u64, "", "counted under `overflow`"),
        time("age of a line before it is written to the access log", FLUSH_EVERY, "", ""),
        bytes(
            "access log that waits for its reader",
            (BUFFER * WAITING) as u64,
            "",
            "lines are dropped and counted: `leno_access_log_dropped_total`",
        ),
        bytes("metrics taken from the application", admin::application::MAX as u64, "", "left out"),
        time("waiting for the application's metrics", admin::application::WITHIN, "", "left out"),
        count("connections to the admin port, and to the metrics port", admin::serve::CONNECTIONS as u64, "", "wait"),
    ]
}

//! Resources as text that people can read and compare: Rust's debug form without what is empty, with what is packed
//! unpacked.

use std::fmt::Debug;

use leno_proto::{
    any::unpack,
    google::protobuf::Any,
    v3::{
        buffer::Buffer,
        cluster::Cluster,
        connection_limit::ConnectionLimit,
        cookie_session::CookieBasedSessionState,
        cors::{Cors, CorsPolicy},
        endpoint::ClusterLoadAssignment,
        ext_authz::ExtAuthz,
        fault::HttpFault,
        header_mutation::HeaderMutation,
        header_session::HeaderBasedSessionState,
        http_connection_manager::HttpConnectionManager,
        http_inspector::HttpInspector,
        http_ratelimit, http_rbac,
        jwt_authn::JwtAuthentication,
        listener::Listener,
        local_ratelimit::LocalRateLimit,
        network_local_ratelimit, network_rbac,
        original_dst::OriginalDst,
        previous_hosts::PreviousHostsPredicate,
        raw_buffer::RawBuffer,
        route::RouteConfiguration,
        router::Router,
        stateful_session::{StatefulSession, StatefulSessionPerRoute},
        stream_access_log::StdoutAccessLog,
        tcp_proxy::TcpProxy,
        tls,
        tls_inspector::TlsInspector,
        upstream_http::HttpProtocolOptions,
    },
};

/// The resource as text.
pub(crate) fn explain(any: &Any) -> String {
    let mut out = String::new();
    write(&mut out, any, 0);
    out
}

fn debug(any: &Any) -> String {
    macro_rules! one_of {
        ($($message:ty),*) => {
            $(if let Ok(message) = unpack::<$message>(any) { return pretty(&message); })*
        };
    }
    one_of!(
        Listener,
        RouteConfiguration,
        Cluster,
        ClusterLoadAssignment,
        tls::Secret,
        HttpConnectionManager,
        Buffer,
        HttpFault,
        ExtAuthz,
        StatefulSession,
        StatefulSessionPerRoute,
        CookieBasedSessionState,
        HeaderBasedSessionState,
        HeaderMutation,
        http_ratelimit::RateLimit,
        http_ratelimit::RateLimitPerRoute,
        JwtAuthentication,
        LocalRateLimit,
        network_local_ratelimit::LocalRateLimit,
        ConnectionLimit,
        PreviousHostsPredicate,
        Cors,
        CorsPolicy,
        TcpProxy,
        http_rbac::Rbac,
        network_rbac::Rbac,
        tls::UpstreamTlsContext,
        tls::DownstreamTlsContext,
        HttpProtocolOptions,
        RawBuffer,
        Router,
        StdoutAccessLog,
        HttpInspector,
        OriginalDst,
        TlsInspector
    );
    panic!("{} is not known", any.type_url);
}

fn pretty(message: &impl Debug) -> String {
    format!("{message:#?}")
}

fn write(out: &mut String, any: &Any, depth: usize) {
    let text = debug(any);
    let mut lines = text.lines().peekable();
    let mut section: Vec<String> = Vec::new();
    while let Some(line) = lines.next() {
        if !line.trim_end().ends_with("Any {") {
            section.push(line.to_owned());
            continue;
        }
        let type_url = lines.next().unwrap().trim();
        let type_url = type_url.strip_prefix("type_url: \"").unwrap().strip_suffix("\",").unwrap();
        let mut value = Vec::new();
        for byte in lines.by_ref() {
            let byte = byte.trim().trim_end_matches(',');
            match byte {
                "value: [" => {}
                "]" | "value: []" => break,
                number => value.push(number.parse().unwrap()),
            }
        }
        lines.next();
        let mut inner = String::new();
        write(&mut inner, &Any { type_url: type_url.to_owned(), value }, 0);
        let indent = line.len() - line.trim_start().len();
        let mut inner = inner.lines();
        let first = line.replace("Any {", inner.next().unwrap_or_default());
        section.push(first);
        section.extend(inner.map(|line| format!("{}{line}", " ".repeat(indent))));
    }
    for line in fold(section) {
        out.push_str(&" ".repeat(depth));
        out.push_str(&line);
        out.push('\n');
    }
}

/// Leaves out what is empty, and what is thereby left empty.
fn fold(mut lines: Vec<String>) -> Vec<String> {
    loop {
        let before = lines.len();
        let mut kept: Vec<String> = Vec::with_capacity(before);
        for line in lines {
            let text = line.trim().trim_end_matches(',');
            let empty = [": None", ": []", ": {}", ": \"\"", ": 0", ": 0.0", ": false"];
            if text.contains(':') && empty.iter().any(|empty| text.ends_with(empty)) {
                continue;
            }
            kept.push(line);
        }
        lines = kept;
        if lines.len() == before {
            return sorted_maps(&joined(&lines));
        }
    }
}

/// Puts what is inside parentheses on the line of the parenthesis, and leaves out `Some`.
fn joined(lines: &[String]) -> Vec<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut out: Vec<String> = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let Some(open) = lines[at].strip_suffix('(') else {
            out.push(lines[at].clone());
            at += 1;
            continue;
        };
        let level = indent(open);
        let close = (at + 1..lines.len())
            .find(|&end| indent(&lines[end]) == level && lines[end].trim_start().starts_with(')'))
            .unwrap();
        let inner: Vec<String> = lines[at + 1..close].iter().map(|line| line[4..].to_owned()).collect();
        let mut inner = joined(&inner);
        let is_some = open.strip_suffix("Some");
        if let Some(first) = inner.first_mut() {
            let paren = if is_some.is_some() { "" } else { "(" };
            *first = format!("{}{paren}{}", is_some.unwrap_or(open), first.trim_start());
        }
        if let Some(last) = inner.last_mut() {
            let paren = if is_some.is_some() { "" } else { ")" };
            *last = format!("{}{paren}{}", last.trim_end_matches(','), &lines[close].trim()[1..]);
        }
        out.extend(inner);
        at = close + 1;
    }
    out
}

/// Debug shows hash maps in any order: entries (`"key": Value {`) of one map are put in the order of their keys.
fn sorted_maps(lines: &[String]) -> Vec<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut out = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        if !lines[at].trim_start().starts_with('"') || !lines[at].contains("\": ") {
            out.push(lines[at].clone());
            at += 1;
            continue;
        }
        let level = indent(&lines[at]);
        let mut entries: Vec<Vec<String>> = Vec::new();
        while at < lines.len() && indent(&lines[at]) >= level {
            if indent(&lines[at]) == level && lines[at].trim_start().starts_with('"') {
                entries.push(Vec::new());
            }
            entries.last_mut().unwrap().push(lines[at].clone());
            at += 1;
        }
        entries.sort();
        for entry in entries {
            let (key, inner) = entry.split_first().unwrap();
            out.push(key.clone());
            out.extend(sorted_maps(inner));
        }
    }
    out
}

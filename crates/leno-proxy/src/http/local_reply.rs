//! Answers of the proxy's own, as the connection manager has them worded ([`LocalReplies`]).

use std::{borrow::Cow, sync::Arc};

use leno_engine::{
    local_reply::LocalReplies,
    request::RequestHead,
    route::{Facts, HeaderAppend, HeaderEdits, HeaderText, HeaderWrite, OwnAnswer},
};

use super::{
    access_log::Outcome,
    filter::edited::Edited,
    forwarded,
    header::{self, REQUEST_ID},
    reply::{CONTENT_TYPE, Reply, TEXT},
};
use crate::{config::HttpConnectionManager, connection::Connection};

/// Where a request was to go that is answered here.
#[derive(Clone, Debug)]
pub(super) struct Way {
    /// The route's name; empty without one.
    pub(super) route: Arc<str>,
    /// The cluster's name; empty without one.
    pub(super) cluster: Box<str>,
}

/// Words an answer as the connection manager says. `outcome` knows the answer's flags already; it is told the request's id
/// where there was none, as the body may name it.
pub(super) fn worded<'r, R: RequestHead>(
    reply: &'r Reply,
    connection: &Connection,
    manager: &HttpConnectionManager,
    outcome: &mut Outcome,
    request: &R,
) -> Cow<'r, Reply> {
    let Some(replies) = manager.local_replies.as_deref().filter(|_| reply.rewordable) else {
        return Cow::Borrowed(reply);
    };
    let nameless = request.header(REQUEST_ID).is_none() && !request.method().is_empty();
    let id = nameless.then(|| *outcome.ids.request.get_or_insert_with(header::request_id));
    let id = id.map(|id| HeaderEdits {
        remove: Vec::new(),
        add: vec![HeaderWrite {
            name: REQUEST_ID.into(),
            value: HeaderText::Plain(id.as_str().into()),
            append: HeaderAppend::Overwrite,
        }],
    });
    let request = Edited::over(request, id.as_slice(), None, None);
    let way = reply.way.as_deref();
    let facts = Facts {
        request: &request,
        source: forwarded::source(connection, &manager.forwarding, &request),
        destination: connection.original_destination,
        identity: connection.names().first().map_or("", |name| name),
        server_name: &connection.server_name,
        protocol: outcome.protocol.spoken(),
        route: way.map_or(&outcome.route, |way| &way.route),
        cluster: way.map_or(outcome.cluster.as_deref().unwrap_or_default(), |way| &way.cluster),
    };
    Cow::Owned(reword(replies, reply.clone(), outcome.flags(), &facts))
}

/// The answer in other words.
fn reword<R: RequestHead>(replies: &LocalReplies, mut reply: Reply, flags: &str, facts: &Facts<'_, R>) -> Reply {
    // What Leno calls its own texts is nothing that somebody said.
    reply.headers.retain(|(name, value)| !(name == CONTENT_TYPE && value == TEXT));
    let typed = reply.content_type().map(str::to_owned);
    let mapper = replies.mapper(facts.request, reply.status, flags);
    let mut body = reply.said().into_owned();
    let mut changed = false;
    if let Some(mapper) = mapper {
        reply = reply.edited(&[mapper.headers.bind(facts)]);
        reply.status = mapper.status.unwrap_or(reply.status);
        if let Some(other) = &mapper.body {
            (body, changed) = (other.to_string(), true);
        }
    }
    let mut content_type = TEXT;
    if let Some(format) = mapper.and_then(|mapper| mapper.format.as_ref()).or(replies.format.as_ref()) {
        let answer = OwnAnswer { status: reply.status, flags, body: &body, headers: &reply.headers };
        let made = format.body(facts, &answer);
        changed |= made != body;
        (body, content_type) = (made, &*format.content_type);
    }
    // As Envoy does: what the mapper says of the type stays, what others said is about a body that is gone.
    let is_type = |name: &str| name.eq_ignore_ascii_case(CONTENT_TYPE);
    let told = reply.content_type();
    if body.is_empty() {
        reply.headers.retain(|(name, _)| !is_type(name));
    } else if told == typed.as_deref() && (changed || told.is_none()) {
        reply.headers.retain(|(name, _)| !is_type(name));
        reply.headers.push((CONTENT_TYPE.into(), content_type.to_owned()));
    }
    if changed {
        reply.body = body.into();
    }
    reply
}

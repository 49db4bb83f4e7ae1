//! What would become of a request, found out by the functions that decide on requests, without sending it, counting it or
//! taking anything of what others may.
//!
//! ```text
//! admin: POST /explain ─► a worker ─► the listener ─► chain ─► guards ─► http::explain | bytes ─► endpoints
//! ```
//!
//! It runs on a worker, which has the connection's side of things: what is known of destinations, and whose turn it is.

mod access;
mod endpoint;
mod payload;

use std::{cell::OnceCell, net::SocketAddr, rc::Rc, sync::Arc, time::Instant};

pub(crate) use access::access;
pub(crate) use endpoint::{health, place};
use leno_api::explain::{Decider, Explanation, Payload as Asked, Question, Refusal, Step, Way};
use leno_engine::fraction::Fraction;
use leno_model::SpiffeId;

use crate::{
    config::{FilterChain, Listener, Met, TransportProtocol},
    connection::{Admission, Connection, Direction, Payload},
    detect,
    error::{ErrorKind, ProxyError},
    listener::{inbound, outbound},
    tls::accept::Caller,
    worker::Worker,
};

/// What would become of it.
///
/// # Errors
/// When the question makes no sense.
pub async fn explain(worker: Rc<Worker>, question: Question) -> Result<Explanation, String> {
    let connection = connection(worker, &question)?;
    let mut told = Explanation {
        identity: connection.worker.shared.settings.workload.identity.to_string(),
        ..Explanation::default()
    };
    let refused = match connection.direction {
        Direction::Outbound => outbound(&connection, &question.payload, &mut told).await,
        Direction::Inbound => inbound(&connection, &question.payload, &mut told).await,
    };
    told.refusals.extend(refused.err().map(|error| refusal(&error)));
    Ok(told)
}

/// The connection that is asked about.
fn connection(worker: Rc<Worker>, question: &Question) -> Result<Rc<Connection>, String> {
    let (direction, caller) = match &question.way {
        Way::Outbound => (Direction::Outbound, None),
        Way::Inbound { identity: None } => (Direction::Inbound, None),
        Way::Inbound { identity: Some(identity) } => {
            let identity: SpiffeId = identity.parse().map_err(|error| format!("identity: {error}"))?;
            (Direction::Inbound, Some(Caller { identity, workload: Box::default() }))
        }
    };
    let source = match direction {
        Direction::Outbound => Arc::clone(&worker.shared.settings.workload),
        Direction::Inbound => worker.callers.labels(caller.as_ref()),
    };
    let server_name = match &question.payload {
        Asked::Tls { server_name } => server_name.as_str(),
        Asked::Http(_) | Asked::Bytes => "",
    };
    let peer = SocketAddr::new(question.source, 0);
    Ok(Rc::new(Connection {
        direction,
        peer,
        direct_peer: peer,
        original_destination: question.destination,
        restored: true,
        additions: Box::default(),
        tls: None,
        mtls: caller.is_some(),
        identity: caller.map(|caller| caller.identity),
        server_name: server_name.into(),
        source,
        opened: Instant::now(),
        admission: Admission::Admitted,
        drain: None,
        client_certificate: OnceCell::new(),
        limiters: OnceCell::new(),
        worker,
    }))
}

/// What the first bytes would be found to be.
fn first(asked: &Asked) -> Payload {
    match asked {
        Asked::Http(request) if request.http2 => Payload::Http2,
        Asked::Http(_) => Payload::Http1,
        Asked::Tls { .. } | Asked::Bytes => Payload::Tcp,
    }
}

async fn outbound(connection: &Rc<Connection>, asked: &Asked, told: &mut Explanation) -> Result<(), ProxyError> {
    let worker = &connection.worker;
    let address = connection.original_destination;
    let destination = worker.destinations.find(&worker.shared.config, address).await?;
    let listener = outbound::listener(worker, &destination).await?;
    let own = destination.listener().get().is_some_and(|own| Arc::ptr_eq(&own, &listener));
    let says = if own {
        String::new()
    } else {
        format!("the mesh does not know {address}: it is treated as any unknown destination")
    };
    told.steps.push(step(Decider::Listener, &*listener.name, &[], says));
    let met = |transport, server_name, protocols| Met {
        destination: address,
        source: connection.peer,
        direct_source: connection.direct_peer,
        transport,
        server_name,
        protocols,
    };
    let chain = if listener.asks_for_name(address) {
        let transport = match asked {
            Asked::Tls { .. } => TransportProtocol::Tls,
            Asked::Http(_) | Asked::Bytes => TransportProtocol::Raw,
        };
        listener.choose(&met(transport, &connection.server_name, &[]))
    } else {
        let heard = if listener.inspect.http { detect::protocol_names(first(asked)) } else { &[] };
        listener.choose(&met(TransportProtocol::Raw, "", heard))
    };
    let Some(chain) = chain else {
        return Err(ProxyError::new(ErrorKind::UnknownDestination, outbound::unknown_detail(address)));
    };
    through(connection, chain, asked, told).await
}

async fn inbound(connection: &Rc<Connection>, asked: &Asked, told: &mut Explanation) -> Result<(), ProxyError> {
    let Ok(Some(listener)) = connection.worker.shared.config.inbound().known(inbound::CONFIG).await else {
        return Err(ErrorKind::ConfigTimeout.into());
    };
    told.steps.push(step(Decider::Listener, &*listener.name, &[], ""));
    through(connection, inbound_chain(connection, &listener, asked)?, asked, told).await
}

/// The chain of a connection to the workload.
fn inbound_chain<'l>(
    connection: &Connection,
    listener: &'l Listener,
    asked: &Asked,
) -> Result<&'l Arc<FilterChain>, ProxyError> {
    let (peer, destination) = (connection.peer, connection.original_destination);
    let choose = |transport, protocols: &[&str]| {
        let server_name = &connection.server_name;
        let (source, direct_source) = (peer, connection.direct_peer);
        listener.choose(&Met { destination, source, direct_source, transport, server_name, protocols })
    };
    let payload = first(asked);
    let (chain, what) = match asked {
        _ if connection.mtls => (choose(TransportProtocol::Tls, &[payload.alpn()]), "mesh TLS with another payload"),
        Asked::Tls { .. } => (choose(TransportProtocol::Tls, &[]), "TLS that is not the mesh's"),
        Asked::Http(_) | Asked::Bytes => {
            let heard = if listener.inspect.http { detect::protocol_names(payload) } else { &[] };
            (choose(TransportProtocol::Raw, heard), "plaintext")
        }
    };
    // Only who proves an identity gets through where one is demanded.
    chain
        .filter(|chain| connection.mtls || chain.tls.is_none())
        .ok_or_else(|| ProxyError::new(ErrorKind::PlaintextRefused, inbound::plaintext_detail(what, peer, destination)))
}

/// What a chain does with it.
async fn through(
    connection: &Rc<Connection>,
    chain: &FilterChain,
    asked: &Asked,
    told: &mut Explanation,
) -> Result<(), ProxyError> {
    if !chain.name.is_empty() || !chain.origins.is_empty() {
        told.steps.push(step(Decider::FilterChain, &*chain.name, &chain.origins, ""));
    }
    if let Some(refused) = access::guards(connection, chain, &mut told.steps) {
        told.refusals.push(refused);
        return Ok(());
    }
    payload::explain(connection, &chain.terminal, asked, told).await
}

/// A step.
pub(crate) fn step(what: Decider, name: impl Into<String>, objects: &[Box<str>], says: impl Into<String>) -> Step {
    Step { what, name: name.into(), objects: objects.iter().map(ToString::to_string).collect(), says: says.into() }
}

/// What the caller of something that fails gets.
pub(crate) fn refusal(error: &ProxyError) -> Refusal {
    let kind = error.kind;
    Refusal {
        share: 100.0,
        status: kind.status(),
        flag: kind.flag().to_owned(),
        reason: kind.label().to_owned(),
        detail: if error.detail.is_empty() { kind.doc().to_owned() } else { error.detail.to_string() },
        policy: String::new(),
    }
}

/// A share in per cent.
pub(crate) fn percent(share: Fraction) -> f64 {
    (f64::from(share.numerator) * 100.0 / f64::from(share.denominator.value())).min(100.0)
}

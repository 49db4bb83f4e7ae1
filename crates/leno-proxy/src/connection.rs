//! What is known about one accepted connection.

use std::{
    cell::{OnceCell, RefCell},
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::Instant,
};

use leno_engine::{filter::Limiter, proxy_protocol::Addition};
use leno_model::SpiffeId;

use crate::{
    config::{Drain, WorkloadLabels},
    hash::HashMap,
    labelled::labelled,
    tls::accept::TlsCaller,
    worker::Worker,
};

labelled! {
    /// Which way a connection goes, seen from the workload: the metric label `direction`.
    pub enum Direction {
        /// To the workload.
        Inbound = "inbound",
        /// From the workload.
        Outbound = "outbound",
    }
}

/// Whether there is room for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// There is.
    Admitted,
    /// The limit is reached: what can be answered is told so, nothing is passed on.
    Shed,
}

/// The context of one accepted connection: made once it is known what it is, shared by all of its requests.
#[derive(Debug)]
pub struct Connection {
    /// The worker that it lives on.
    pub worker: Rc<Worker>,
    /// Which way it goes.
    pub direction: Direction,
    /// Who called: the other end of the connection, or whom its PROXY header names.
    pub peer: SocketAddr,
    /// The other end of the connection, whatever it says.
    pub direct_peer: SocketAddr,
    /// What they dialled before the redirection, or what the PROXY header says that they dialled.
    pub original_destination: SocketAddr,
    /// Whether that is another address than the one that it came to.
    pub restored: bool,
    /// What the PROXY header tells besides, as far as it is kept.
    pub additions: Box<[Addition]>,
    /// The caller's verified identity; `None` without mesh TLS.
    pub identity: Option<SpiffeId>,
    /// Whether it came over mesh TLS.
    pub mtls: bool,
    /// The caller over TLS of the configuration's own; `None` over mesh TLS and in plaintext.
    pub tls: Option<Box<TlsCaller>>,
    /// The name that its ClientHello asks for (SNI); empty when there is none.
    pub server_name: Box<str>,
    /// Who the caller is, for telemetry: on the way out the workload itself, on the way in what its identity says.
    pub source: Arc<WorkloadLabels>,
    /// When it was accepted.
    pub opened: Instant,
    /// Whether it is served.
    pub admission: Admission,
    /// Whether the chain that it came by is let go of; `None`: that does not happen to it.
    pub drain: Option<Arc<Drain>>,
    /// What callees are told of the caller's certificate, made for the first request.
    pub client_certificate: OnceCell<Box<str>>,
    /// The buckets of limits that each connection has for itself, made for the first request that is counted.
    pub limiters: OnceCell<Box<Limiters>>,
}

/// The buckets of a connection's own, each beside the limit that it is of.
#[derive(Debug, Default)]
pub struct Limiters {
    known: RefCell<Vec<OwnLimiter>>,
}

/// A limit, and the buckets of a connection beside it.
type OwnLimiter = (Arc<Limiter>, Rc<Limiter>);

/// The most limits that a connection has buckets of: those of older configurations are forgotten first.
const MAX_LIMITERS: usize = 64;

impl Limiters {
    /// Those of a limit.
    #[must_use]
    pub fn of(&self, limit: &Arc<Limiter>) -> Rc<Limiter> {
        let mut known = self.known.borrow_mut();
        if let Some((_, own)) = known.iter().find(|(one, _)| Arc::ptr_eq(one, limit)) {
            return Rc::clone(own);
        }
        if known.len() >= MAX_LIMITERS {
            known.remove(0);
        }
        let own = Rc::new(limit.fresh());
        known.push((Arc::clone(limit), Rc::clone(&own)));
        own
    }
}

impl Connection {
    /// What callees are told of the caller's certificate, in the form of `x-forwarded-client-cert`.
    #[must_use]
    pub fn client_certificate(&self) -> &str {
        self.client_certificate.get_or_init(|| {
            let own = &self.worker.shared.settings.workload.identity;
            format!("By={own};URI={}", self.source.identity).into()
        })
    }

    /// Whether it is to end: what it says next tells so.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.worker.is_draining() || self.drain.as_ref().is_some_and(|drain| drain.asks())
    }

    /// Where an original-destination cluster leads: nowhere for who dialled the proxy itself.
    #[must_use]
    pub fn destination(&self) -> SocketAddr {
        if self.restored { self.original_destination } else { SocketAddr::from(([0, 0, 0, 0], 0)) }
    }

    /// Whether it came over TLS of any kind.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.mtls || self.tls.is_some()
    }

    /// The name that the caller was shown, proved by this side's certificate; empty when there is none.
    #[must_use]
    pub fn own_name(&self) -> &str {
        match &self.tls {
            Some(tls) => tls.own_uri.as_deref().unwrap_or_default(),
            None if self.mtls => &self.worker.shared.settings.workload.identity,
            None => "",
        }
    }

    /// The scheme of the URLs that lead here.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.is_secure() { "https" } else { "http" }
    }

    /// The names by which rules know the caller, proved by its certificate.
    #[must_use]
    pub fn names(&self) -> &[Box<str>] {
        match &self.tls {
            Some(tls) => &tls.names,
            None if self.mtls => std::slice::from_ref(&self.source.identity),
            None => &[],
        }
    }
}

/// Who is called, for telemetry.
#[derive(Clone, Debug, Default)]
pub struct Callee {
    /// The service, `namespace/name`; empty when it is none.
    pub service: Arc<str>,
    /// The instance.
    pub workload: Arc<WorkloadLabels>,
    /// Its address, once it is chosen.
    pub address: Option<SocketAddr>,
    /// Whether the connection to it is mesh TLS. For an inbound connection see [`Connection::mtls`].
    pub mtls: bool,
}

/// What a mesh TLS connection carries: named by ALPN, so that the accepting side need not look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Payload {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
    /// Bytes.
    Tcp,
}

impl Payload {
    /// Its ALPN protocol.
    #[must_use]
    pub fn alpn(self) -> &'static str {
        use leno_model::resource_name::alpn;
        match self {
            Self::Http1 => alpn::HTTP1,
            Self::Http2 => alpn::HTTP2,
            Self::Tcp => alpn::TCP,
        }
    }
}

impl Callee {
    /// Who a connection manager or TCP proxy stands for, before an endpoint is chosen: on the way in the workload
    /// itself, with the service that the name `inbound/NS/SVC:PORT` tells.
    #[must_use]
    pub fn of(connection: &Connection, stat_prefix: &Arc<str>) -> Self {
        let services = &connection.worker.services;
        match connection.direction {
            Direction::Inbound => Self {
                service: services.of(stat_prefix),
                workload: Arc::clone(&connection.worker.shared.settings.workload),
                address: Some(connection.original_destination),
                mtls: false,
            },
            Direction::Outbound => Self { service: services.of(stat_prefix), ..Self::default() },
        }
    }
}

/// Services by the names that stand for them.
type Names = HashMap<Arc<str>, Arc<str>>;

/// The services that names of connection managers, TCP proxies and clusters stand for, made once for each. Series are
/// looked up by the identity of the text.
#[derive(Debug, Default)]
pub struct Services {
    known: RefCell<Names>,
    none: Arc<str>,
}

/// The most names kept; beyond that they are forgotten and made anew.
const MAX_SERVICES: usize = 4096;

impl Services {
    /// The service, `namespace/name`, in a name such as `outbound/NS/SVC:PORT` or `inbound/NS/SVC:PORT`; empty when it
    /// stands for none.
    #[must_use]
    pub fn of(&self, name: &Arc<str>) -> Arc<str> {
        if let Some(service) = self.known.borrow().get(name) {
            return Arc::clone(service);
        }
        let mut known = self.known.borrow_mut();
        if known.len() >= MAX_SERVICES {
            known.clear();
        }
        let service = service_of(name).map_or_else(|| Arc::clone(&self.none), Arc::from);
        known.insert(Arc::clone(name), Arc::clone(&service));
        service
    }
}

/// The service in such a name.
#[must_use]
pub fn service_of(name: &str) -> Option<&str> {
    let (direction, rest) = name.split_once('/')?;
    let (service, port) = rest.rsplit_once(':')?;
    let known = matches!(direction, "inbound" | "outbound") && port.parse::<u16>().is_ok();
    (known && service.contains('/')).then_some(service)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_their_service() {
        assert_eq!(service_of("outbound/shop/cart:80"), Some("shop/cart"));
        assert_eq!(service_of("inbound/shop/cart:80"), Some("shop/cart"));
        assert_eq!(service_of("inbound/-:80"), None);
        assert_eq!(service_of("direct/10.0.0.1:80"), None);
        assert_eq!(service_of("passthrough"), None);
        let services = Services::default();
        let name: Arc<str> = "outbound/shop/cart:80".into();
        assert!(Arc::ptr_eq(&services.of(&name), &services.of(&name)));
    }
}

//! What each data plane is told: two hops with mutual TLS between them, the identity of the caller checked at the second.

mod application;
mod envoy;
mod haproxy;
mod nginx;

pub(crate) use self::{
    application::application,
    envoy::{LogFormat, envoy},
    haproxy::haproxy,
    nginx::nginx,
};

/// Where the three parties listen.
pub(crate) const OUTBOUND: u16 = 21001;
pub(crate) const INBOUND: u16 = 21002;
pub(crate) const APPLICATION: u16 = 21003;
/// The application's port for HTTP/2 without TLS.
pub(crate) const APPLICATION_H2: u16 = 21005;
/// The application's port without HTTP.
pub(crate) const BYTES: u16 = 21004;

/// How many hosts there are in a long route table, and routes of each. The last one is asked for.
pub(crate) const HOSTS: usize = 1000;
pub(crate) const ROUTES: usize = 20;

/// What passes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carries {
    /// HTTP/1.1.
    Http,
    /// HTTP/2.
    Http2,
    /// Bytes of a stream.
    Tcp,
    /// Bytes that happen to be HTTP/1.1.
    TcpHttp,
}

impl Carries {
    /// Whether it is looked into.
    fn is_http(self) -> bool {
        match self {
            Self::Http | Self::Http2 => true,
            Self::Tcp | Self::TcpHttp => false,
        }
    }
}

/// Which of the two hops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hop {
    Outbound,
    Inbound,
}

/// What one hop is to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) hop: Hop,
    pub(crate) carries: Carries,
    /// Whether there is an access log, a JSON object for each request.
    pub(crate) log: bool,
    /// Whether the outbound hop has a long route table.
    pub(crate) routes: bool,
}

impl Setting {
    /// Where the hop listens.
    pub(crate) fn port(self) -> u16 {
        match self.hop {
            Hop::Outbound => OUTBOUND,
            Hop::Inbound => INBOUND,
        }
    }

    /// Where it passes things on to.
    fn next(self) -> u16 {
        match (self.hop, self.carries) {
            (Hop::Outbound, _) => INBOUND,
            (Hop::Inbound, Carries::Http | Carries::TcpHttp) => APPLICATION,
            (Hop::Inbound, Carries::Http2) => APPLICATION_H2,
            (Hop::Inbound, Carries::Tcp) => BYTES,
        }
    }

    /// Whether it has the long route table.
    fn is_long(self) -> bool {
        self.routes && self.hop == Hop::Outbound
    }
}

//! Delays and failures for tests.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use rand::Rng;

use crate::{fraction::Fraction, matcher::HeaderMatcher, request::RequestHead};

/// Delays and failures for some requests. A request is delayed first, and may fail then.
#[derive(Debug)]
pub struct Fault {
    /// Which requests: all of it must fit.
    pub headers: Vec<HeaderMatcher>,
    /// Requests to this cluster only; `None`: to all.
    pub cluster: Option<Box<str>>,
    /// Requests that say to come from one of these nodes (`x-envoy-downstream-service-node`); none: from anywhere.
    pub nodes: Vec<Box<str>>,
    /// The delay.
    pub delay: Option<(Delay, Fraction)>,
    /// The failure.
    pub abort: Option<(Abort, Fraction)>,
    /// What failures say.
    pub body: Box<str>,
    /// How many may be under way at the same time; the rest goes on without.
    pub max_active: Option<u32>,
    /// How many are.
    pub active: Arc<AtomicU32>,
}

/// How long a request is delayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delay {
    /// This long.
    Fixed(Duration),
    /// As long as the request says, in milliseconds (`x-envoy-fault-delay-request`).
    Header,
}

/// How a request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abort {
    /// So.
    Fixed(AbortStatus),
    /// As the request says (`x-envoy-fault-abort-request`, `x-envoy-fault-abort-grpc-request`).
    Header,
}

/// The answer of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbortStatus {
    /// A status of HTTP.
    Http(u16),
    /// A status of gRPC; HTTP's is 200 for gRPC callers.
    Grpc(u32),
}

/// A fault under way; over when dropped.
#[derive(Debug)]
pub struct ActiveFault(Arc<AtomicU32>);

impl Drop for ActiveFault {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl PartialEq for Fault {
    /// Whether they do the same, whatever is under way.
    fn eq(&self, other: &Self) -> bool {
        let of = |fault: &Self| (fault.delay, fault.abort, fault.max_active);
        of(self) == of(other)
            && self.headers == other.headers
            && self.cluster == other.cluster
            && self.nodes == other.nodes
            && self.body == other.body
    }
}

impl Fault {
    /// Whether a request is among those that it is for.
    pub fn fits<R: RequestHead>(&self, request: &R, cluster: Option<&str>) -> bool {
        self.cluster.as_deref().is_none_or(|wanted| cluster == Some(wanted))
            && self.headers.iter().all(|header| header.matches(request))
            && self.comes_from(request)
    }

    fn comes_from<R: RequestHead>(&self, request: &R) -> bool {
        if self.nodes.is_empty() {
            return true;
        }
        // Said twice it is one value to Envoy, of both with a comma, which is nobody's.
        let mut said = request.values("x-envoy-downstream-service-node");
        match (said.next(), said.next()) {
            (Some(node), None) => self.nodes.iter().any(|wanted| wanted.as_bytes() == &*node),
            _ => false,
        }
    }

    /// Begins one, if there are not too many.
    #[must_use]
    pub fn enter(&self) -> Option<ActiveFault> {
        let before = self.active.fetch_add(1, Ordering::Relaxed);
        let active = ActiveFault(Arc::clone(&self.active));
        self.max_active.is_none_or(|max| before < max).then_some(active)
    }

    /// How long this request is delayed; `None`: not.
    pub fn delay<R: RequestHead>(&self, request: &R, random: &mut impl Rng) -> Option<Duration> {
        let (delay, share) = self.delay?;
        match delay {
            Delay::Fixed(time) => share.hits(random).then_some(time),
            Delay::Header => {
                let time = number(request, "x-envoy-fault-delay-request")?;
                let share = asked(request, "x-envoy-fault-delay-request-percentage", share);
                share.hits(random).then(|| Duration::from_millis(time))
            }
        }
    }

    /// How this request fails; `None`: not.
    pub fn abort<R: RequestHead>(&self, request: &R, random: &mut impl Rng) -> Option<AbortStatus> {
        let (abort, share) = self.abort?;
        let (status, share) = match abort {
            Abort::Fixed(status) => (status, share),
            Abort::Header => {
                let http = number(request, "x-envoy-fault-abort-request")
                    .and_then(|status| u16::try_from(status).ok())
                    .filter(|status| (200..600).contains(status))
                    .map(AbortStatus::Http);
                let grpc = || number(request, "x-envoy-fault-abort-grpc-request").and_then(|it| u32::try_from(it).ok());
                let status = http.or_else(|| grpc().map(AbortStatus::Grpc))?;
                (status, asked(request, "x-envoy-fault-abort-request-percentage", share))
            }
        };
        share.hits(random).then_some(status)
    }
}

fn number<R: RequestHead>(request: &R, header: &str) -> Option<u64> {
    std::str::from_utf8(request.header(header)?).ok()?.parse().ok()
}

/// The share that a request asks for: at most what is configured.
fn asked<R: RequestHead>(request: &R, header: &str, share: Fraction) -> Fraction {
    let asked = number(request, header).map(|asked| u32::try_from(asked).unwrap_or(u32::MAX));
    asked.map_or(share, |asked| share.at_most(asked))
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;
    use crate::request::SimpleRequest;

    fn fault() -> Fault {
        Fault {
            headers: vec![],
            cluster: Some("books".into()),
            nodes: vec![],
            delay: Some((Delay::Header, Fraction::ALL)),
            abort: Some((Abort::Header, Fraction::ALL)),
            body: "fault filter abort".into(),
            max_active: Some(1),
            active: Arc::default(),
        }
    }

    #[test]
    fn a_request_may_ask_for_its_fault() {
        let (fault, random) = (fault(), &mut StdRng::seed_from_u64(1));
        let plain = SimpleRequest::new("GET", "/", "a");
        assert!(fault.fits(&plain, Some("books")) && !fault.fits(&plain, Some("other")) && !fault.fits(&plain, None));
        assert_eq!((fault.delay(&plain, random), fault.abort(&plain, random)), (None, None));
        let asks = plain.with("x-envoy-fault-delay-request", "20").with("x-envoy-fault-abort-grpc-request", "14");
        assert_eq!(fault.delay(&asks, random), Some(Duration::from_millis(20)));
        assert_eq!(fault.abort(&asks, random), Some(AbortStatus::Grpc(14)));
        let both = asks.with("x-envoy-fault-abort-request", "503");
        assert_eq!(fault.abort(&both, random), Some(AbortStatus::Http(503)));
        let none = both.with("x-envoy-fault-abort-request-percentage", "0");
        assert_eq!(fault.abort(&none, random), None);
        let illegal = SimpleRequest::new("GET", "/", "a").with("x-envoy-fault-abort-request", "99");
        assert_eq!(fault.abort(&illegal, random), None);
    }

    #[test]
    fn it_may_be_for_some_nodes_alone() {
        let fault = Fault { cluster: None, nodes: vec!["a".into(), "b".into()], ..fault() };
        let of = |node: &str| SimpleRequest::new("GET", "/", "h").with("x-envoy-downstream-service-node", node);
        assert!(fault.fits(&of("b"), None) && !fault.fits(&of("c"), None));
        assert!(!fault.fits(&SimpleRequest::new("GET", "/", "h"), None));
    }

    #[test]
    fn there_are_not_too_many_at_once() {
        let fault = fault();
        let first = fault.enter();
        assert!(first.is_some() && fault.enter().is_none());
        drop(first);
        assert!(fault.enter().is_some());
    }
}

//! What would become of a request: the question that a sidecar is asked (`POST /explain` on its admin port), and its answer.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// What a sidecar is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Which way the connection goes, seen from the workload.
    #[serde(flatten)]
    pub way: Way,
    /// What was dialled.
    pub destination: SocketAddr,
    /// The caller's address.
    pub source: IpAddr,
    /// What is sent.
    pub payload: Payload,
}

/// Which way a connection goes, seen from the workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "direction", rename_all = "snake_case")]
pub enum Way {
    /// From the workload.
    Outbound,
    /// To the workload.
    Inbound {
        /// The identity that the caller proves by mesh TLS; `None`: it comes in plaintext.
        identity: Option<String>,
    },
}

/// What is sent over a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "payload", rename_all = "snake_case")]
pub enum Payload {
    /// A request of HTTP.
    Http(Request),
    /// TLS of the application's own.
    Tls {
        /// The name that its ClientHello asks for (SNI).
        server_name: String,
    },
    /// Bytes.
    Bytes,
}

/// The head of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The host, with the port if it is named.
    pub host: String,
    /// The other headers, in their order.
    pub headers: Vec<(String, String)>,
    /// Whether HTTP/2 is spoken.
    pub http2: bool,
}

/// What a sidecar would do with it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The workload's own identity.
    pub identity: String,
    /// What decides, in order.
    pub steps: Vec<Step>,
    /// What is refused before it is sent anywhere.
    pub refusals: Vec<Refusal>,
    /// Where it goes: one of these, by their shares. Empty where all is refused.
    pub branches: Vec<Branch>,
}

/// Something that decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What it is.
    pub what: Decider,
    /// Its name; may be empty.
    pub name: String,
    /// The objects that it comes from, as far as they are told: `Kind namespace/name`.
    pub objects: Vec<String>,
    /// What it says, in words; may be empty.
    pub says: String,
}

/// What decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decider {
    /// What the address that was dialled stands for.
    Listener,
    /// What kind of connection it is.
    FilterChain,
    /// What the request's host stands for.
    VirtualHost,
    /// Where requests of its kind go.
    Route,
    /// Who may connect or ask.
    Access,
    /// How much there may be in a time or at once.
    Limit,
    /// What is made to fail for tests.
    Fault,
    /// Any other filter.
    Filter,
}

/// An answer that the caller gets from a sidecar.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    /// The share of such requests that gets it, in per cent.
    pub share: f64,
    /// The HTTP status; 0: the connection is closed.
    pub status: u16,
    /// Envoy's response flag; `-`: none.
    pub flag: String,
    /// Leno's word for it; empty for answers that are no failure, such as redirects.
    pub reason: String,
    /// What exactly.
    pub detail: String,
    /// The policy that says so; empty: none.
    pub policy: String,
}

/// A place that requests may go to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Branch {
    /// The cluster.
    pub cluster: String,
    /// The service behind it, `namespace/name`; empty: none.
    pub service: String,
    /// The share of requests that goes there, in per cent.
    pub share: f64,
    /// The objects that the cluster's settings come from.
    pub objects: Vec<String>,
    /// What decides for this place alone.
    pub steps: Vec<Step>,
    /// What else holds, a line each: times, retries, changes of the request, copies, the balancer.
    pub settings: Vec<String>,
    /// The request as it is sent on; `None` for bytes.
    pub request: Option<Request>,
    /// The endpoints that are known.
    pub endpoints: Vec<Endpoint>,
    /// What is refused.
    pub refusals: Vec<Refusal>,
}

/// An endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Where it is.
    pub address: String,
    /// Its namespace; empty where it is not known.
    pub namespace: String,
    /// The instance.
    pub pod: String,
    /// What made the instance.
    pub workload: String,
    /// Whether it may be chosen now.
    pub candidate: bool,
    /// Its health: `healthy`, `degraded`, `unhealthy`, `unknown`.
    pub health: String,
    /// Whether outlier detection has left it out for a while.
    pub ejected: bool,
    /// Its relative share.
    pub weight: u32,
    /// How far it is from being wanted first; 0 is.
    pub priority: u32,
    /// Its place, `region/zone/sub-zone`; empty: not told.
    pub locality: String,
    /// The identities of which it must prove one by mesh TLS; empty: it is reached otherwise.
    pub identities: Vec<String>,
    /// Whether it is reached by TLS of the configuration's own.
    pub own_tls: bool,
}

impl Refusal {
    /// Whether nothing goes on.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.share >= 100.0
    }
}

impl Explanation {
    /// The share of such requests that is passed on to an endpoint, in per cent.
    #[must_use]
    pub fn passes(&self) -> f64 {
        let left = |refusals: &[Refusal]| refusals.iter().map(|refusal| 1.0 - refusal.share / 100.0).product::<f64>();
        let branches: f64 = self.branches.iter().map(|branch| branch.share * left(&branch.refusals)).sum();
        (branches * left(&self.refusals)).clamp(0.0, 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(share: f64) -> Vec<Refusal> {
        vec![Refusal { share, ..Refusal::default() }]
    }

    #[test]
    fn what_passes_is_what_no_refusal_takes() {
        let branch = |share, refusals| Branch { share, refusals, ..Branch::default() };
        let branches = vec![branch(90.0, vec![]), branch(10.0, refused(100.0))];
        let mut explanation = Explanation { branches, ..Explanation::default() };
        assert!((explanation.passes() - 90.0).abs() < 1e-9);
        explanation.refusals = refused(50.0);
        assert!((explanation.passes() - 45.0).abs() < 1e-9);
        assert!(Explanation::default().passes() == 0.0);
    }

    #[test]
    fn questions_are_written_flat() {
        let question = Question {
            way: Way::Inbound { identity: None },
            destination: "10.0.0.1:80".parse().unwrap(),
            source: "10.0.0.2".parse().unwrap(),
            payload: Payload::Http(Request { method: "GET".into(), path: "/".into(), ..Request::default() }),
        };
        let text = serde_json::to_value(&question).unwrap();
        assert_eq!((&text["direction"], &text["payload"]["method"]), (&"inbound".into(), &"GET".into()));
        assert_eq!(serde_json::from_value::<Question>(text).unwrap(), question);
    }
}

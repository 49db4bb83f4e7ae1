//! What would become of a request, told without doing it.

use std::{net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use leno_api::explain::{Decider, Explanation, Payload, Question, Request, Way};
use leno_engine::{
    authorization::{Action, Permission, Policy, Principal, Rbac},
    filter::{
        Abort, AbortStatus, Fault, FilterConfig, HttpFilter, LimitedStatus, Limiter, LocalRateLimit, TokenBucket,
        rate_limit::VirtualHostLimits,
    },
    fraction::{Denominator, Fraction},
    matcher::{StringMatch, StringMatcher},
    route::HeaderEdits,
};
use leno_proxy::explain::explain;

use crate::{
    http1::{chain, manager},
    support::{Authority, Sidecar, id, listener, original_dst, plain, run, strict_inbound, tcp_chain, tcp_proxy},
};

const DESTINATION: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 96, 0, 1)), 80);

fn get(path: &str) -> Payload {
    let (method, host) = ("GET".into(), "cart".into());
    Payload::Http(Request { method, path: path.into(), host, ..Request::default() })
}

async fn ask(sidecar: &Sidecar, way: Way, payload: Payload) -> Explanation {
    let source = [10, 244, 0, 9].into();
    let question = Question { way, destination: DESTINATION, source, payload };
    explain(Rc::clone(&sidecar.worker), question).await.unwrap()
}

fn filter(config: FilterConfig) -> HttpFilter {
    HttpFilter { name: "it".into(), disabled: false, config }
}

/// Refuses what begins with this.
fn deny(prefix: &str) -> Rbac {
    let path = StringMatcher { fits: StringMatch::Prefix(prefix.into()), ignore_case: false };
    let policy = Policy {
        name: "AccessPolicy shop/no".into(),
        permissions: vec![Permission::UrlPath(path)],
        principals: vec![Principal::Any],
    };
    Rbac { action: Action::Deny, policies: vec![policy] }
}

#[test]
fn nothing_is_counted_or_taken() {
    run(async {
        let sidecar = Sidecar::new(&Authority::new(), "client");
        let mut manager = manager(&plain(&["127.0.0.1:9".parse().unwrap()]), Some(deny("/no")));
        let half = Fraction { numerator: 50, denominator: Denominator::Hundred };
        manager.filters.push(filter(FilterConfig::Fault(Arc::new(Fault {
            headers: vec![],
            cluster: None,
            nodes: vec![],
            delay: None,
            abort: Some((Abort::Fixed(AbortStatus::Http(500)), half)),
            body: "".into(),
            max_active: None,
            active: Arc::default(),
        }))));
        manager.filters.push(filter(FilterConfig::LocalRateLimit(Arc::new(LocalRateLimit {
            stat_prefix: "limit".into(),
            status: LimitedStatus::default(),
            limiter: Arc::new(Limiter::new(
                Some(TokenBucket::new(1, 1, Duration::from_secs(3600))),
                Vec::new(),
                1,
                true,
            )),
            by_connection: false,
            rules: Vec::new(),
            stage: 0,
            virtual_host: VirtualHostLimits::default(),
            enabled: Fraction::ALL,
            enforced: Fraction::ALL,
            unenforced_headers: HeaderEdits::default(),
            response_headers: HeaderEdits::default(),
            tells: false,
            exhausted: false,
        }))));
        sidecar.set_destination(DESTINATION, listener(chain(manager)));
        for _ in 0..3 {
            let told = ask(&sidecar, Way::Outbound, get("/yes")).await;
            assert!((told.passes() - 50.0).abs() < 1e-9, "{told:#?}");
            assert_eq!((told.refusals[0].status, &*told.refusals[0].flag), (500, "FI"));
            let what: Vec<_> = told.steps.iter().map(|step| step.what).collect();
            assert_eq!(what[what.len() - 2..], [Decider::Fault, Decider::Limit], "{told:#?}");
            let branch = &told.branches[0];
            assert!(branch.endpoints[0].candidate && branch.endpoints[0].identities.is_empty(), "{branch:#?}");
            assert_eq!(branch.request.as_ref().unwrap().path, "/yes");
            let told = ask(&sidecar, Way::Outbound, get("/no/1")).await;
            assert_eq!(told.refusals[0].policy, "AccessPolicy shop/no");
            assert!(told.branches.is_empty() && told.passes() == 0.0, "{told:#?}");
        }
        let totals = sidecar.totals();
        assert!(totals.occasions.is_empty() && totals.requests.is_empty(), "{totals:#?}");
        assert!(totals.decisions.iter().flatten().all(|count| *count == 0), "{totals:#?}");
    });
}

#[test]
fn who_is_refused_at_the_door_is_told_why() {
    run(async {
        let sidecar = Sidecar::new(&Authority::new(), "server");
        let policy = Policy {
            name: "TrafficTarget shop/yes".into(),
            permissions: vec![Permission::Any],
            principals: vec![Principal::Authenticated(Some(StringMatcher::exact(&id("client").to_string())))],
        };
        sidecar.set_inbound(strict_inbound(Some(Rbac { action: Action::Allow, policies: vec![policy] })));
        let from = |account: &str| Way::Inbound { identity: Some(id(account).to_string()) };
        let told = ask(&sidecar, from("client"), Payload::Bytes).await;
        assert!(told.passes() > 99.0, "{told:#?}");
        assert_eq!(told.steps.last().unwrap().objects, ["TrafficTarget shop/yes"]);
        let told = ask(&sidecar, from("thief"), Payload::Bytes).await;
        assert_eq!((&*told.refusals[0].reason, told.branches.len()), ("access_denied", 0));
        let told = ask(&sidecar, Way::Inbound { identity: None }, Payload::Bytes).await;
        assert_eq!(told.refusals[0].reason, "plaintext_refused");
        let wrong = Question {
            way: Way::Inbound { identity: Some("me".into()) },
            destination: DESTINATION,
            source: [10, 244, 0, 9].into(),
            payload: Payload::Bytes,
        };
        assert!(explain(Rc::clone(&sidecar.worker), wrong).await.is_err());
    });
}

#[test]
fn where_nobody_is_and_what_nobody_knows() {
    run(async {
        let sidecar = Sidecar::new(&Authority::new(), "client");
        sidecar.set_outbound(listener(tcp_chain(tcp_proxy(original_dst()))));
        let told = ask(&sidecar, Way::Outbound, get("/")).await;
        assert!(told.steps[0].says.contains("does not know"), "{told:#?}");
        assert_eq!(told.branches[0].endpoints[0].address, DESTINATION.to_string());
        let known: SocketAddr = "10.96.0.2:80".parse().unwrap();
        sidecar.set_destination(known, listener(chain(manager(&plain(&[]), None))));
        let (way, source) = (Way::Outbound, [10, 244, 0, 9].into());
        let question = Question { way, destination: known, source, payload: get("/") };
        let told = explain(Rc::clone(&sidecar.worker), question.clone()).await.unwrap();
        assert_eq!((&*told.branches[0].refusals[0].flag, told.passes()), ("UH", 0.0), "{told:#?}");
        let told = explain(Rc::clone(&sidecar.worker), Question { payload: Payload::Bytes, ..question }).await.unwrap();
        assert_eq!(told.refusals[0].reason, "bad_request", "{told:#?}");
    });
}

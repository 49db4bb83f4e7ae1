use std::{collections::HashSet, net::SocketAddr, sync::Arc};

use leno_engine::balance::{Balancing, LoadBalancer, RingSettings, TABLE_SIZE};

use super::*;
use crate::config::{
    Choice, CircuitBreaker, ClusterKind, DialSocket, HttpProtocol, ListedHealth, OriginalDst, SetRules, Standing,
    Thresholds, cluster::Caller,
};

fn endpoint(port: u16, priority: u32, healthy: bool) -> Endpoint {
    let mut endpoint = Endpoint::new(SocketAddr::from(([10, 0, 0, 1], port)), 1, vec![], Arc::default());
    let health = if healthy { ListedHealth::Healthy } else { ListedHealth::Unhealthy };
    endpoint.standing = Standing { priority, health, ..Standing::default() };
    endpoint
}

fn cluster(policy: LoadBalancer) -> Cluster {
    Cluster {
        name: "test".into(),
        service: "".into(),
        kind: ClusterKind::OriginalDst(OriginalDst::default()),
        connect_timeout: std::time::Duration::from_secs(1),
        balancing: Balancing { policy, ..Balancing::default() },
        caller: Caller::default(),
        transports: vec![],
        socket: DialSocket::default(),
        protocol: HttpProtocol::AsCaller,
        http: super::super::UpstreamHttp::default(),
        max_requests_per_connection: None,
        breaker: CircuitBreaker::new(Thresholds::default()),
        outlier: None,
        health: None,
        used: false.into(),
        choice: Choice::default(),
        origins: Box::default(),
    }
}

fn set(endpoints: Vec<Endpoint>) -> Arc<EndpointSet> {
    Arc::new(EndpointSet::new(None, endpoints, SetRules::default()))
}

/// The ports that are chosen for two hundred hashes.
fn ports(endpoints: Vec<Endpoint>, policy: LoadBalancer) -> Vec<u16> {
    let (cluster, set, balancers) = (cluster(policy), set(endpoints), Balancers::default());
    let chosen = (0..200u64).filter_map(|turn| {
        let wanted = Wanted { hash: Some((turn << 56) + turn % 100), ..Wanted::default() };
        balancers.choose(&cluster, Arc::clone(&set), &wanted)
    });
    let mut ports: Vec<_> =
        chosen.map(|endpoint| endpoint.address.port()).collect::<HashSet<_>>().into_iter().collect();
    ports.sort_unstable();
    ports
}

#[test]
fn only_the_healthy_of_the_first_priority_are_chosen() {
    for policy in [
        LoadBalancer::default(),
        LoadBalancer::RoundRobin { slow_start: None },
        LoadBalancer::Random,
        LoadBalancer::PeakEwma(Default::default()),
        LoadBalancer::RingHash(RingSettings::default(), Default::default()),
        LoadBalancer::Maglev(TABLE_SIZE, Default::default()),
    ] {
        let of = |health: [bool; 4]| {
            let all = health.into_iter().zip(1u16..).map(|(healthy, port)| endpoint(port, 0, healthy));
            ports(all.chain([endpoint(9, 1, true)]).collect(), policy)
        };
        assert_eq!(of([true; 4]), [1, 2, 3, 4], "{policy:?}");
        assert_eq!(of([true, true, false, true]), [1, 2, 4], "{policy:?}");
        assert_eq!(of([true, false, false, false]), [1, 9], "{policy:?}");
        assert_eq!(of([false; 4]), [9], "{policy:?}");
        let alone = vec![endpoint(1, 0, false), endpoint(2, 0, false), endpoint(3, 0, true)];
        assert_eq!(ports(alone, policy), [1, 2, 3], "so few are healthy that it does not count: {policy:?}");
        assert_eq!(ports(vec![], policy), [0; 0]);
    }
}

#[test]
fn the_same_hash_leads_to_the_same_endpoint_and_past_those_out_of_reach() {
    let set = set((1..=3).map(|port| endpoint(port, 0, true)).collect());
    for policy in [
        LoadBalancer::RingHash(RingSettings::default(), Default::default()),
        LoadBalancer::Maglev(TABLE_SIZE, Default::default()),
        LoadBalancer::default(),
    ] {
        let (cluster, balancers, mut tried) = (cluster(policy), Balancers::default(), Tried::default());
        let choose = |tried: &Tried| {
            let wanted = Wanted { hash: Some(42), tried: Some(tried), ..Wanted::default() };
            balancers.choose(&cluster, Arc::clone(&set), &wanted)
        };
        let mut seen = HashSet::new();
        while let Some(endpoint) = choose(&tried) {
            if policy.is_by_hash() {
                assert_eq!(choose(&tried).unwrap().address, endpoint.address);
            }
            assert!(seen.insert(endpoint.address));
            tried.note(&endpoint, Some(leno_engine::resilience::Failure::Connect));
        }
        assert_eq!(seen.len(), 3, "{policy:?}");
    }
}

#[test]
fn a_change_of_health_changes_who_is_chosen() {
    let set = set((1..=2).map(|port| endpoint(port, 0, true)).collect());
    let (cluster, balancers) = (cluster(LoadBalancer::default()), Balancers::default());
    let chosen = || {
        let ports = (0..100).filter_map(|_| balancers.choose(&cluster, Arc::clone(&set), &Wanted::default()));
        ports.map(|endpoint| endpoint.address.port()).collect::<HashSet<_>>().len()
    };
    let candidates = || balancers.candidates(&cluster, Arc::clone(&set), &Wanted::default()).len();
    assert_eq!((chosen(), candidates()), (2, 2));
    set.endpoints[0].set_checked(false);
    assert_eq!((chosen(), candidates()), (1, 1));
    set.endpoints[0].set_checked(true);
    assert_eq!((chosen(), candidates()), (2, 2));
}

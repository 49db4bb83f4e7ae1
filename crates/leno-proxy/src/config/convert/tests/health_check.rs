//! Health checks that are taken, and that are refused.

use leno_proto::v3::{
    cluster::cluster::DiscoveryType,
    core::{
        HealthCheck,
        health_check::{GrpcHealthCheck, HealthChecker, HttpHealthCheck, Payload, TcpHealthCheck, payload},
    },
    endpoint::endpoint::HealthCheckConfig,
    endpoint::lb_endpoint::HostIdentifier,
    r#type::Int64Range,
};

use super::{
    super::{
        super::{Question, Registry},
        cluster, endpoints,
    },
    refused,
    sample::*,
};

fn check(how: HealthChecker) -> HealthCheck {
    HealthCheck {
        timeout: seconds(1),
        interval: seconds(2),
        unhealthy_threshold: uint32(3),
        healthy_threshold: uint32(4),
        health_checker: Some(how),
        ..HealthCheck::default()
    }
}

fn http(change: impl FnOnce(&mut HttpHealthCheck)) -> HealthCheck {
    let mut http = HttpHealthCheck { path: "/healthz".into(), ..HttpHealthCheck::default() };
    change(&mut http);
    check(HealthChecker::HttpHealthCheck(http))
}

fn tcp(text: &str) -> HealthCheck {
    let send = Some(Payload { payload: Some(payload::Payload::Text(text.into())) });
    check(HealthChecker::TcpHealthCheck(TcpHealthCheck { send, ..TcpHealthCheck::default() }))
}

fn made(one: HealthCheck) -> super::super::super::HealthChecker {
    let mut message = super::sample::cluster(DiscoveryType::Eds);
    message.health_checks = vec![one];
    cluster(&message, &mut Registry::default()).unwrap().health.unwrap()
}

#[track_caller]
fn wrong(one: HealthCheck, field: &str, value: &str) {
    let mut message = super::sample::cluster(DiscoveryType::Eds);
    message.health_checks = vec![one];
    let field = if field.is_empty() { "health_checks[0]".into() } else { format!("health_checks[0].{field}") };
    refused(cluster(&message, &mut Registry::default()), &field, value);
}

#[test]
fn what_is_asked() {
    let one = made(http(|http| http.expected_statuses = vec![Int64Range { start: 200, end: 300 }]));
    assert_eq!((one.settings.unhealthy_threshold, one.settings.healthy_threshold), (3, 4));
    let Question::Http(question) = one.question else { panic!("{:?}", one.question) };
    assert_eq!((&*question.path, &*question.host), ("/healthz", "outbound/shop/cart:80"));
    assert_eq!((question.expected.first(), question.http2), (Some(&(200..300)), false));
    let Question::Tcp { send, receive } = made(tcp("50494e47")).question else { panic!("bytes") };
    assert_eq!((&*send, receive.len()), (&b"PING"[..], 0));
    let named = GrpcHealthCheck { authority: "a".into(), service_name: "s".into(), ..GrpcHealthCheck::default() };
    let Question::Grpc { service, .. } = made(check(HealthChecker::GrpcHealthCheck(named))).question else {
        panic!("gRPC")
    };
    assert_eq!(&*service, "s");
}

#[test]
fn what_is_wrong_with_a_check() {
    wrong(HealthCheck { timeout: None, ..tcp("00") }, "timeout", "missing");
    wrong(HealthCheck { unhealthy_threshold: None, ..tcp("00") }, "unhealthy_threshold", "missing");
    wrong(HealthCheck { health_checker: None, ..tcp("00") }, "", "nothing");
    wrong(HealthCheck { alt_port: uint32(1), ..tcp("00") }, "alt_port", "1");
    wrong(HealthCheck { reuse_connection: bool(true), ..tcp("00") }, "reuse_connection", "true");
    wrong(tcp("0"), "tcp_health_check.send.text", "0");
    wrong(tcp("xy"), "tcp_health_check.send.text", "xy");
    wrong(http(|http| http.path = "x".into()), "http_health_check.path", "x");
    wrong(http(|http| http.method = 6), "http_health_check.method", "another");
    wrong(http(|http| http.codec_client_type = 2), "http_health_check.codec_client_type", "another");
    let backwards = |http: &mut HttpHealthCheck| http.expected_statuses = vec![Int64Range { start: 300, end: 200 }];
    wrong(http(backwards), "http_health_check.expected_statuses[0]", "300 to 200");
    let nameless = check(HealthChecker::GrpcHealthCheck(GrpcHealthCheck::default()));
    wrong(nameless, "grpc_health_check.authority", "outbound/shop/cart:80");
}

#[test]
fn endpoints_may_be_asked_elsewhere() {
    let mut endpoint = endpoint(socket_address("10.0.0.1", 80));
    let Some(HostIdentifier::Endpoint(host)) = &mut endpoint.host_identifier else { panic!("an address") };
    host.health_check_config =
        Some(HealthCheckConfig { port_value: 81, hostname: "h".into(), ..HealthCheckConfig::default() });
    let set = endpoints(&assignment(vec![endpoint]), None).unwrap();
    let health = &set.endpoints[0].health;
    assert_eq!((health.port, health.host.as_deref(), health.disabled), (Some(81), Some("h"), false));
}

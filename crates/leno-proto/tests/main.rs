//! What is generated and committed is what the proto files say. `UPDATE_GENERATED=1` writes it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use prost::Message as _;

/// The files (with all that they import) whose messages can be shown as JSON.
const SHOWN: [&str; 48] = [
    "envoy/config/bootstrap/v3/bootstrap.proto",
    "envoy/config/cluster/v3/cluster.proto",
    "envoy/config/endpoint/v3/endpoint.proto",
    "envoy/config/listener/v3/listener.proto",
    "envoy/config/route/v3/route.proto",
    "envoy/extensions/access_loggers/file/v3/file.proto",
    "envoy/extensions/access_loggers/stream/v3/stream.proto",
    "envoy/extensions/filters/http/buffer/v3/buffer.proto",
    "envoy/extensions/filters/http/cors/v3/cors.proto",
    "envoy/extensions/filters/http/ext_authz/v3/ext_authz.proto",
    "envoy/extensions/filters/http/fault/v3/fault.proto",
    "envoy/extensions/filters/http/header_mutation/v3/header_mutation.proto",
    "envoy/extensions/filters/http/jwt_authn/v3/config.proto",
    "envoy/extensions/filters/http/ratelimit/v3/rate_limit.proto",
    "envoy/extensions/filters/http/rbac/v3/rbac.proto",
    "envoy/extensions/filters/http/router/v3/router.proto",
    "envoy/extensions/filters/http/stateful_session/v3/stateful_session.proto",
    "envoy/extensions/filters/listener/http_inspector/v3/http_inspector.proto",
    "envoy/extensions/filters/listener/original_dst/v3/original_dst.proto",
    "envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.proto",
    "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.proto",
    "envoy/extensions/filters/network/connection_limit/v3/connection_limit.proto",
    "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto",
    "envoy/extensions/filters/network/rbac/v3/rbac.proto",
    "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.proto",
    "envoy/extensions/clusters/dns/v3/dns_cluster.proto",
    "envoy/extensions/http/original_ip_detection/xff/v3/xff.proto",
    "envoy/extensions/http/stateful_session/cookie/v3/cookie.proto",
    "envoy/extensions/http/stateful_session/header/v3/header.proto",
    "envoy/extensions/network/dns_resolver/cares/v3/cares_dns_resolver.proto",
    "envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol.proto",
    "envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.proto",
    "envoy/extensions/transport_sockets/tls/v3/tls.proto",
    "envoy/extensions/upstreams/http/v3/http_protocol_options.proto",
    "envoy/extensions/load_balancing_policies/cluster_provided/v3/cluster_provided.proto",
    "envoy/extensions/load_balancing_policies/least_request/v3/least_request.proto",
    "envoy/extensions/load_balancing_policies/maglev/v3/maglev.proto",
    "envoy/extensions/load_balancing_policies/random/v3/random.proto",
    "envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash.proto",
    "envoy/extensions/load_balancing_policies/round_robin/v3/round_robin.proto",
    "envoy/extensions/load_balancing_policies/subset/v3/subset.proto",
    "envoy/extensions/load_balancing_policies/wrr_locality/v3/wrr_locality.proto",
    "envoy/extensions/retry/host/omit_canary_hosts/v3/omit_canary_hosts.proto",
    "envoy/extensions/retry/host/omit_host_metadata/v3/omit_host_metadata_config.proto",
    "envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.proto",
    "envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config.proto",
    "envoy/service/discovery/v3/discovery.proto",
    PEAK_EWMA,
];

/// One that envoy-types does not have yet.
const PEAK_EWMA: &str = "envoy/extensions/load_balancing_policies/peak_ewma/v3/peak_ewma.proto";

/// Those that name a message relative to their own package, which protox looks for in every file that it has read, and not
/// only in those that are imported: each is read by itself.
const ALONE: [&str; 3] = [
    "envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.proto",
    "envoy/extensions/filters/network/local_ratelimit/v3/local_rate_limit.proto",
    "envoy/extensions/filters/network/ratelimit/v3/rate_limit.proto",
];

#[test]
fn generated_code_is_current() {
    let files = protox::compile(["istio/v1/auth/ca.proto", PEAK_EWMA], [root().join("proto")]).unwrap();
    let out = tempfile::tempdir().unwrap();
    let mut names = tonic_prost_build::Config::new();
    names.enable_type_names().type_name_domain(["."], "type.googleapis.com");
    tonic_prost_build::configure()
        // Otherwise they would be taken from prost-types, too.
        .compile_well_known_types(true)
        .extern_path(".google.protobuf", "::envoy_types::pb::google::protobuf")
        .out_dir(out.path())
        .compile_fds_with_config(files, names)
        .unwrap();
    for name in ["istio.v1.auth.rs", "envoy.extensions.load_balancing_policies.peak_ewma.v3.rs"] {
        compare(name, &fs::read(out.path().join(name)).unwrap());
    }
}

#[test]
fn the_description_of_messages_is_current() {
    let protos = envoy_types().join("proto");
    let folders =
        ["data-plane-api", "googleapis", "protoc-gen-validate", "xds", "opentelemetry-proto", "cel-spec/proto"]
            .map(|folder| protos.join(folder));
    let folders: Vec<_> = folders.into_iter().chain([root().join("proto")]).collect();
    let read = |files: &[&str]| {
        let mut compiler = protox::Compiler::new(&folders).unwrap();
        compiler.include_imports(true).include_source_info(false).open_files(files).unwrap();
        compiler.file_descriptor_set()
    };
    let mut all = read(&SHOWN);
    for alone in ALONE {
        let more = read(&[alone]).file.into_iter();
        let more: Vec<_> = more.filter(|file| all.file.iter().all(|known| known.name != file.name)).collect();
        all.file.extend(more);
    }
    compare("messages.bin", &all.encode_to_vec());
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where cargo keeps the crate whose messages these are; its proto files come with it.
fn envoy_types() -> PathBuf {
    // Crates that only other systems need were never fetched.
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--filter-platform", "host-tuple", "--manifest-path"])
        .arg(root().join("Cargo.toml"))
        .output()
        .unwrap();
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == "envoy-types").unwrap();
    Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap().to_owned()
}

#[expect(clippy::disallowed_methods, reason = "UPDATE_GENERATED asks for the file to be written")]
fn compare(file: &str, generated: &[u8]) {
    let path = root().join("src/generated").join(file);
    if env::var("UPDATE_GENERATED").is_ok() {
        fs::write(&path, generated).unwrap();
    }
    let committed = fs::read(&path).unwrap_or_default();
    assert!(committed == generated, "{file} is stale: run UPDATE_GENERATED=1 cargo test -p leno-proto");
}

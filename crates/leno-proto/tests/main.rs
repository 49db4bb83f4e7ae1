//! The committed code is what the proto files say.

use std::{env, fs, path::Path};

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "UPDATE_GENERATED asks for the file to be written"
)]
fn generated_code_is_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = protox::compile(["istio/v1/auth/ca.proto"], [root.join("proto")]).unwrap();
    let out = tempfile::tempdir().unwrap();
    tonic_prost_build::configure()
        .extern_path(
            ".google.protobuf.Struct",
            "::envoy_types::pb::google::protobuf::Struct",
        )
        .out_dir(out.path())
        .compile_fds(files)
        .unwrap();
    let generated = fs::read_to_string(out.path().join("istio.v1.auth.rs")).unwrap();
    let committed = root.join("src/generated/istio.v1.auth.rs");
    if env::var("UPDATE_GENERATED").is_ok() {
        fs::write(&committed, &generated).unwrap();
    }
    let committed = fs::read_to_string(&committed).unwrap_or_default();
    assert!(
        committed == generated,
        "src/generated is stale: run UPDATE_GENERATED=1 cargo test -p leno-proto"
    );
}

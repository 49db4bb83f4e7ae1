//! What is taken, and as what.

use leno_manifest::{Kind, Object, ObjectKey, read};

fn one(text: &str) -> Object {
    let reading = read("test.yaml", text);
    assert_eq!(reading.invalid, []);
    assert_eq!(reading.manifests.len(), 1);
    (*reading.manifests[0].object).clone()
}

#[test]
fn every_kind_survives_its_own_text() {
    let reading = read("sound.yaml", include_str!("golden/sound.yaml"));
    assert_eq!(reading.invalid, []);
    assert_eq!(reading.ignored, []);
    let kinds: Vec<_> = reading.manifests.iter().map(|manifest| manifest.object.kind()).collect();
    assert!(Kind::ALL.iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
    for manifest in &reading.manifests {
        let json = manifest.object.to_json();
        let pretty = serde_json::to_string_pretty(&json).unwrap();
        assert_eq!(one(&pretty), *manifest.object, "{pretty}");
    }
}

#[test]
fn a_file_of_json_and_a_list_are_read() {
    let text = "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[\n\t{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\
                \"metadata\":{\"name\":\"a\"},\"data\":{\"smile\":\"\\ud83d\\ude00\"}}]}";
    let Object::ConfigMap(map) = one(text) else { panic!("a ConfigMap") };
    assert_eq!(map.data["smile"], "😀");
    assert_eq!(map.metadata.namespace, "default");
}

#[test]
fn anchors_and_merge_keys_are_understood() {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: &l {x: v}, annotations: {<<: *l, z: w}}\n";
    let Object::ConfigMap(map) = one(text) else { panic!("a ConfigMap") };
    assert_eq!(map.metadata.annotations.len(), 2);
    assert_eq!(map.metadata.annotations["x"], "v");
}

#[test]
fn both_shapes_of_headers_mean_the_same() {
    let group = |headers: &str| {
        let text = format!(
            "apiVersion: specs.smi-spec.io/v1alpha4\nkind: HTTPRouteGroup\nmetadata: {{name: a}}\n\
             spec: {{matches: [{{name: m, headers: {headers}}}]}}\n"
        );
        let Object::HttpRouteGroup(group) = one(&text) else { panic!("an HTTPRouteGroup") };
        group.spec.matches[0].headers.clone()
    };
    assert_eq!(group("{a: x, b: z}"), group("[{b: z}, {a: x}]"));
    assert_eq!(group("[{a: x}, {a: z}]").0.len(), 2);
}

#[test]
fn older_traffic_targets_are_understood() {
    let first =
        one("apiVersion: access.smi-spec.io/v1alpha1\nkind: TrafficTarget\nmetadata: {name: t, namespace: shop}\n\
         destination: {kind: ServiceAccount, name: cart, namespace: shop, port: '8080'}\n\
         specs: [{kind: HTTPRouteGroup, name: routes, matches: [read]}]\n\
         sources: [{kind: ServiceAccount, name: web}]\n");
    let second =
        one("apiVersion: access.smi-spec.io/v1alpha2\nkind: TrafficTarget\nmetadata: {name: t, namespace: shop}\n\
         spec:\n  destination: {kind: ServiceAccount, name: cart, namespace: shop, port: 8080}\n  \
         rules: [{kind: HTTPRouteGroup, name: routes, matches: [read]}]\n  \
         sources: [{kind: ServiceAccount, name: web, namespace: shop}]\n");
    assert_eq!(first, second);
    assert_eq!(one(&first.to_json().to_string()), first);
    let Object::TrafficTarget(target) = first else { panic!("a TrafficTarget") };
    assert_eq!(target.spec.destination.port, Some(8080));
    assert_eq!(target.spec.sources[0].namespace, "shop");
}

#[test]
fn older_routes_and_splits_are_understood() {
    let text = "apiVersion: specs.smi-spec.io/v1alpha1\nkind: HTTPRouteGroup\nmetadata: {name: a}\n\
                matches: [{name: m, pathRegex: /a, methods: [GET]}]\n";
    let Object::HttpRouteGroup(group) = one(text) else { panic!("an HTTPRouteGroup") };
    assert_eq!(group.spec.matches[0].name, "m");

    one("apiVersion: specs.smi-spec.io/v1alpha1\nkind: TCPRoute\nmetadata: {name: a}\n");
    one("apiVersion: specs.smi-spec.io/v1alpha3\nkind: TCPRoute\nmetadata: {name: a}\nspec: {}\n");

    let split = |version: &str, one_weight: &str, other: &str| {
        let text = format!(
            "apiVersion: split.smi-spec.io/{version}\nkind: TrafficSplit\nmetadata: {{name: a}}\n\
             spec: {{service: s, backends: [{{service: a, weight: {one_weight}}}, {{service: b, weight: {other}}}]}}\n"
        );
        let Object::TrafficSplit(split) = one(&text) else { panic!("a TrafficSplit") };
        split.spec.backends.iter().map(|backend| backend.weight).collect::<Vec<_>>()
    };
    assert_eq!(split("v1alpha1", "900m", "100m"), [900, 100]);
    assert_eq!(split("v1alpha1", "1", "500m"), [1000, 500]);
    for version in ["v1alpha2", "v1alpha3", "v1alpha4"] {
        assert_eq!(split(version, "1000", "500"), [1000, 500]);
    }
}

#[test]
fn secrets_hold_their_texts_as_data_and_hide_them() {
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: Zm9v, b: YmFy}\nstringData: {b: new}\n";
    let Object::Secret(secret) = one(secret) else { panic!("a Secret") };
    assert_eq!(secret.value("a").unwrap(), b"foo");
    assert_eq!(secret.value("b").unwrap(), b"new");
    assert!(!format!("{secret:?}").contains("Zm9v"));
}

#[test]
fn a_sound_object_is_read_beside_a_broken_one() {
    let reading = read("mixed.yaml", include_str!("golden/syntax_errors.yaml"));
    let names: Vec<_> = reading.manifests.iter().map(|manifest| manifest.key()).collect();
    assert_eq!(names, [ObjectKey::new(Kind::Namespace, "", "before"), ObjectKey::new(Kind::Namespace, "", "after")]);
}

#[test]
fn mesh_config_means_what_it_says_and_defaults_for_the_rest() {
    let reading = read("sound.yaml", include_str!("golden/sound.yaml"));
    let config = reading.manifests.iter().find_map(|manifest| match &*manifest.object {
        Object::MeshConfig(config) => Some(config.to_model()),
        _ => None,
    });
    let config = config.unwrap();
    assert_eq!(config.trust_domain.as_str(), "example.org");
    assert_eq!(config.certificate_lifetime.as_secs(), 5400);
    assert_eq!(config.interception.exclude_outbound_ranges, ["10.0.0.0/8"]);
    let Object::MeshConfig(empty) =
        one("apiVersion: policy.leno.dev/v1alpha1\nkind: MeshConfig\nmetadata: {name: leno}\n")
    else {
        panic!("a MeshConfig")
    };
    assert_eq!(empty.to_model(), leno_model::MeshConfig::default());
}

#[test]
fn kinds_are_known_by_their_usual_names() {
    for (word, kind) in [
        ("po", Kind::Pod),
        ("pods", Kind::Pod),
        ("TrafficTarget", Kind::TrafficTarget),
        ("tt", Kind::TrafficTarget),
        ("deploy", Kind::Deployment),
        ("httproutegroups", Kind::HttpRouteGroup),
    ] {
        assert_eq!(Kind::named(word), Some(kind), "{word}");
    }
    assert_eq!(Kind::named("nothing"), None);
}

#[test]
fn comments_and_empty_documents_are_nothing() {
    for text in [
        "",
        "\n",
        "# only a comment\n",
        "---\n",
        "---\n# nothing\n---\n",
        "\u{feff}# a mark\n",
        "...\n",
        "--- # x\n",
        "[]\n---\n",
    ] {
        let reading = read("empty.yaml", text);
        let expected = usize::from(text.starts_with('['));
        assert_eq!((reading.manifests.len(), reading.invalid.len()), (0, expected), "{text:?} {:?}", reading.invalid);
    }
}

#[test]
fn line_ends_of_windows_and_directives_are_understood() {
    let text = "%YAML 1.1\r\n---\r\napiVersion: v1\r\nkind: Namespace\r\nmetadata: {name: a}\r\n---\r\napiVersion: v1\r\nkind: Namespace\r\nmetadata: {name: b}\r\n...\r\n";
    let reading = read("windows.yaml", text);
    assert_eq!(reading.invalid, []);
    let lines: Vec<_> = reading.manifests.iter().map(|manifest| manifest.location.line).collect();
    assert_eq!(lines, [3, 7]);
}

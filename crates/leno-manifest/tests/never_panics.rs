//! Whatever the text, reading ends, and with an answer.

use leno_manifest::{Object, read, yaml};
use proptest::prelude::*;

/// A manifest from which texts that are nearly right are made.
const SOUND: &str = include_str!("golden/sound.yaml");

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        drop(read("any", &String::from_utf8_lossy(&bytes)));
    }

    #[test]
    fn any_letters_of_yaml_are_read_without_a_panic(text in "[-:{}\\[\\],&*!|>'\"%@` \\t\\n#a-c0-9<~?.]{0,200}") {
        drop(read("any", &text));
    }

    #[test]
    fn a_broken_manifest_is_read_without_a_panic(
        at in 0..SOUND.len(),
        cut in 0_usize..40,
        put in "[-:{}\\[\\],&*!|>'\"%@` \\t\\n#a-c0-9<~?.]{0,6}",
    ) {
        let end = (at + cut).min(SOUND.len());
        let (start, rest) = (SOUND.get(..at), SOUND.get(end..));
        if let (Some(start), Some(rest)) = (start, rest) {
            let reading = read("any", &format!("{start}{put}{rest}"));
            for manifest in &reading.manifests {
                let again = read("again", &manifest.object.to_json().to_string());
                prop_assert!(again.invalid.is_empty(), "{:?} {}", again.invalid, manifest.object.to_json());
                let object: &Object = &again.manifests[0].object;
                prop_assert_eq!(object, &*manifest.object);
            }
        }
    }
}

/// Any value of JSON, a few levels deep.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
        "[-:#'\"~ a-e0-9.yno\n\t]{0,8}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            proptest::collection::btree_map("[-:#'\"~ a-e0-9.]{1,8}|yes|null|<<a", inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

/// The value without nulls in maps, which reading leaves out.
fn without_nulls(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Object(map) => {
            map.into_iter().filter(|(_, it)| !it.is_null()).map(|(key, it)| (key, without_nulls(it))).collect()
        }
        serde_json::Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

proptest! {
    #[test]
    fn what_is_written_as_yaml_is_read_back_the_same(value in json()) {
        prop_assume!(!value.is_null());
        let text = yaml::write::document(&value);
        let documents = yaml::documents(&text);
        prop_assert_eq!(documents.len(), 1, "{}", text);
        prop_assert_eq!(&documents[0].errors, &[], "{}", text);
        prop_assert_eq!(documents[0].root.as_ref().unwrap().to_json(), without_nulls(value), "{}", text);
    }
}

#[test]
fn aliases_that_would_grow_without_end_are_refused() {
    let mut text = String::from("a: &a [x,x,x,x,x,x,x,x,x]\n");
    for (before, name) in "abcdefghi".chars().zip("bcdefghij".chars()) {
        let list = vec![format!("*{before}"); 9].join(",");
        text.push_str(&format!("{name}: &{name} [{list}]\n"));
    }
    let reading = read("bomb.yaml", &text);
    assert_eq!(reading.invalid.len(), 1);
    assert!(reading.invalid[0].value.starts_with("too large"), "{}", reading.invalid[0]);
}

#[test]
fn deep_nesting_is_refused() {
    for text in ["[".repeat(100_000), "{a: ".repeat(100_000), "- ".repeat(100_000)] {
        let reading = read("deep.yaml", &text);
        assert_eq!(reading.invalid.len(), 1, "{:?}", reading.invalid.first());
    }
    let mut nested = String::from("a0: &a0 [[[[[[[[[[x]]]]]]]]]]\n");
    for number in 1..20 {
        nested.push_str(&format!("a{number}: &a{number} [[[[[[[[[[*a{}]]]]]]]]]]\n", number - 1));
    }
    assert!(read("deep.yaml", &nested).invalid[0].value.starts_with("nested too deeply"));
}

#[test]
fn long_texts_are_refused() {
    let reading = read("long.yaml", &"# long\n".repeat(3_000_000));
    assert!(reading.invalid[0].value.ends_with("bytes long"));
}

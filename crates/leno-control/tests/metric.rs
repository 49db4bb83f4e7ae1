//! What is scraped is what the table tells.

use leno_control::metric::{Description, TABLE};
use leno_xds::ResourceType::{Endpoint, Secret};

use crate::{
    ratelimit::{client, hit},
    world::World,
};

#[tokio::test]
async fn a_scrape_has_the_metrics_and_labels_that_the_table_tells() {
    let world = World::start().await;
    let mut proxy = world.proxy("cart-5", "cart").await;
    proxy.subscribe(Secret, &["trust-bundle"]).await;
    proxy.next().await;
    proxy.subscribe(Endpoint, &["outbound/shop/cart:80"]).await;
    proxy.next().await;
    let cart = world.certificate("cart-6", "cart").await;
    hit(&mut client(&world, Some(&cart)).await, "shop").await.unwrap();
    let text = world.metrics().await;
    // What has not happened here is not told.
    let absent = ["leno_control_nacks_total", "leno_control_convergence_seconds"];
    for row in TABLE.iter().filter(|row| !absent.contains(&row.name)) {
        let family = row.name.strip_suffix("_total").unwrap_or(row.name);
        assert!(text.contains(&format!("# TYPE {family} {}\n", row.kind)), "{family} in {text}");
    }
    // The rules here are read once: they come with the questions.
    for row in leno_ratelimit::metric::TABLE.iter().filter(|row| row.name != "leno_ratelimit_reloads_total") {
        let family = row.name.strip_suffix("_total").unwrap_or(row.name);
        assert!(text.contains(&format!("# TYPE {family} {}\n", row.kind)), "{family} in {text}");
    }
    for sample in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = sample.split_at(sample.find(['{', ' ']).unwrap());
        let pairs = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or("", |(pairs, _)| pairs);
        let pairs = pairs.split(',').filter_map(|pair| pair.split_once('='));
        if let Some(row) = leno_ratelimit::metric::TABLE.iter().find(|row| row.name == name) {
            let labels: Vec<_> = pairs.map(|(label, _)| label).collect();
            let told: Vec<_> = row.labels.iter().map(|(label, _)| *label).collect();
            assert_eq!(labels, told, "{sample}");
            continue;
        }
        let row = TABLE.iter().find(|row| is_of(name, row)).unwrap_or_else(|| panic!("{name} is not in the table"));
        for (label, value) in pairs.filter(|(label, _)| *label != "le") {
            let told = row.labels.iter().find(|it| it.name == label).unwrap_or_else(|| panic!("{sample}: {label}"));
            assert!((told.values)().contains(&value.trim_matches('"')), "{sample}");
        }
    }
}

/// Whether a sample of this name belongs to a metric.
fn is_of(sample: &str, row: &Description) -> bool {
    let rest = sample.strip_prefix(row.name);
    rest.is_some_and(|rest| {
        rest.is_empty() || (row.kind == "histogram" && ["_sum", "_count", "_bucket"].contains(&rest))
    })
}

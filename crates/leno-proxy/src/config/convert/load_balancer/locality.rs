//! How places count: `LocalityLbConfig`.

use leno_engine::balance::{LocalityRules, ZoneRules};
use leno_proto::v3::lb_common::{
    LocalityLbConfig,
    locality_lb_config::{LocalityConfigSpecifier, ZoneAwareLbConfig, zone_aware_lb_config::LocalityBasis},
};

use super::super::check::{Check, join};

/// Zone-aware routing is what counts where nothing is said: it has no effect unless this process's own cluster is known.
pub(super) fn convert(check: &mut Check, path: &str, config: Option<LocalityLbConfig>) -> LocalityRules {
    match config.and_then(|config| config.locality_config_specifier) {
        None => LocalityRules::Nearest(ZoneRules::default()),
        Some(LocalityConfigSpecifier::LocalityWeightedLbConfig(_)) => LocalityRules::Weighted,
        Some(LocalityConfigSpecifier::ZoneAwareLbConfig(config)) => {
            LocalityRules::Nearest(zone_aware(check, &join(path, "zone_aware_lb_config"), config))
        }
    }
}

fn zone_aware(check: &mut Check, path: &str, mut config: ZoneAwareLbConfig) -> ZoneRules {
    let mut rules = ZoneRules::default();
    if let Some(percent) = config.routing_enabled.take() {
        if !(0.0..=100.0).contains(&percent.value) {
            check.wrong(&join(path, "routing_enabled"), percent.value.to_string(), "0 to 100");
        }
        rules.enabled = percent.value / 100.0;
    }
    if let Some(size) = config.min_cluster_size.take() {
        rules.min_cluster_size = size.value;
    }
    rules.fail_on_panic = std::mem::take(&mut config.fail_traffic_on_panic);
    if let Some(mut force) = config.force_local_zone.take() {
        rules.force_from = Some(force.min_size.take().map_or(1, |size| size.value));
        check.rest(&join(path, "force_local_zone"), &force);
    }
    let basis = std::mem::take(&mut config.locality_basis);
    match LocalityBasis::try_from(basis) {
        Ok(LocalityBasis::HealthyHostsNum) => {}
        Ok(LocalityBasis::HealthyHostsWeight) => rules.by_weight = true,
        Err(_) => {
            let expected = "HEALTHY_HOSTS_NUM or HEALTHY_HOSTS_WEIGHT";
            check.wrong(&join(path, "locality_basis"), basis.to_string(), expected);
        }
    }
    check.rest(path, &config);
    rules
}

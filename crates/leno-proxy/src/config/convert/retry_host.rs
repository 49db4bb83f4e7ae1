//! Which endpoint is tried next: `retry_host_predicate`, `retry_priority`, `host_selection_retry_max_attempts`.

use std::num::NonZeroU32;

use leno_engine::resilience::HostSelection;
use leno_proto::{
    google::protobuf::Any,
    v3::{
        omit_canary_hosts::OmitCanaryHostsPredicate,
        omit_host_metadata::OmitHostMetadataConfig,
        previous_hosts::PreviousHostsPredicate,
        previous_priorities::PreviousPrioritiesConfig,
        route::{
            RetryPolicy,
            retry_policy::{RetryHostPredicate, RetryPriority, retry_host_predicate, retry_priority},
        },
    },
};

use super::{
    check::{Check, at, join},
    label,
};

pub(super) fn convert(check: &mut Check, path: &str, proto: &mut RetryPolicy) -> HostSelection {
    let mut made = HostSelection::default();
    for (index, predicate) in std::mem::take(&mut proto.retry_host_predicate).into_iter().enumerate() {
        self::predicate(check, &at(path, "retry_host_predicate", index), predicate, &mut made);
    }
    if let Some(priority) = proto.retry_priority.take() {
        made.priorities_after = self::priority(check, &join(path, "retry_priority"), priority);
    }
    let attempts = std::mem::take(&mut proto.host_selection_retry_max_attempts);
    match u32::try_from(attempts) {
        Ok(0) => {}
        Ok(attempts) => made.attempts = attempts,
        Err(_) => {
            check.wrong(&join(path, "host_selection_retry_max_attempts"), attempts.to_string(), "0 to 4294967295");
        }
    }
    made
}

fn predicate(check: &mut Check, path: &str, predicate: RetryHostPredicate, made: &mut HostSelection) {
    let retry_host_predicate::ConfigType::TypedConfig(config) = predicate
        .config_type
        .unwrap_or_else(|| retry_host_predicate::ConfigType::TypedConfig(by_name(&predicate.name)));
    let path = join(path, "typed_config");
    match config.type_url.rsplit('/').next().unwrap_or_default() {
        "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate" => {
            check.unpack::<PreviousHostsPredicate>(&path, &config);
            made.other_than_before = true;
        }
        "envoy.extensions.retry.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate" => {
            check.unpack::<OmitCanaryHostsPredicate>(&path, &config);
            made.no_canaries = true;
        }
        "envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig" => {
            let Some(mut config) = check.unpack::<OmitHostMetadataConfig>(&path, &config) else { return };
            let labels = label::for_balancing(check, &join(&path, "metadata_match"), config.metadata_match.take());
            check.rest(&path, &config);
            // As Envoy, which does not take an empty set of labels for one that all have.
            made.not_labelled.extend(labels.filter(|labels| !labels.is_empty()));
        }
        other => check.wrong(&path, other, "previous_hosts, omit_canary_hosts or omit_host_metadata"),
    }
}

/// The configuration of a predicate that is given by its name alone.
fn by_name(name: &str) -> Any {
    let type_url = match name {
        "envoy.retry_host_predicates.previous_hosts" => {
            "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate".to_owned()
        }
        "envoy.retry_host_predicates.omit_canary_hosts" => {
            "type.googleapis.com/envoy.extensions.retry.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate".to_owned()
        }
        other => other.to_owned(),
    };
    Any { type_url, value: Vec::new() }
}

fn priority(check: &mut Check, path: &str, priority: RetryPriority) -> Option<NonZeroU32> {
    let path = join(path, "typed_config");
    let Some(retry_priority::ConfigType::TypedConfig(config)) = priority.config_type else {
        check.wrong(&path, priority.name, "a PreviousPrioritiesConfig");
        return None;
    };
    let mut config = check.unpack::<PreviousPrioritiesConfig>(&path, &config)?;
    let every = std::mem::take(&mut config.update_frequency);
    check.rest(&path, &config);
    let made = u32::try_from(every).ok().and_then(NonZeroU32::new);
    if made.is_none() {
        check.wrong(&join(&path, "update_frequency"), every.to_string(), "at least 1");
    }
    made
}

//! Deployments and StatefulSets.

use super::{metadata, pod};
use crate::{
    Kind,
    apps::{Deployment, StatefulSet, deployment::DeploymentStrategyType},
    core::pod::{PodTemplate, RestartPolicy},
    meta::IntOrString,
    problem::Problems,
    syntax::name,
};

pub(super) fn check_deployment(deployment: &Deployment, problems: &mut Problems<'_>) {
    let spec = &deployment.spec;
    metadata::check_selector(&spec.selector, &spec.template.metadata.labels, problems);
    check_template(&spec.template, problems);
    let Some(update) = &spec.strategy.rolling_update else {
        return;
    };
    let at = "spec.strategy.rollingUpdate";
    if spec.strategy.type_ == DeploymentStrategyType::Recreate {
        problems.add_value(at, "given", "nothing beside type Recreate", "");
        return;
    }
    let surge = update.max_surge.as_ref().map(|it| check_count(it, &format!("{at}.maxSurge"), problems));
    let unavailable =
        update.max_unavailable.as_ref().map(|it| check_count(it, &format!("{at}.maxUnavailable"), problems));
    if surge == Some(Some(0)) && unavailable == Some(Some(0)) {
        problems.add(&format!("{at}.maxUnavailable"), "more than 0 when maxSurge is 0", "");
    }
}

pub(super) fn check_stateful_set(set: &StatefulSet, problems: &mut Problems<'_>) {
    let spec = &set.spec;
    metadata::check_selector(&spec.selector, &spec.template.metadata.labels, problems);
    check_template(&spec.template, problems);
    if !spec.service_name.is_empty()
        && let Err(rule) = name::service(&spec.service_name)
    {
        problems.add("spec.serviceName", rule, "");
    }
    let count = spec.update_strategy.rolling_update.as_ref().and_then(|update| update.max_unavailable.as_ref());
    if let Some(count) = count {
        let field = "spec.updateStrategy.rollingUpdate.maxUnavailable";
        if check_count(count, field, problems) == Some(0) {
            problems.add(field, "more than 0", "");
        }
    }
}

fn check_template(template: &PodTemplate, problems: &mut Problems<'_>) {
    let metadata = &template.metadata;
    metadata::check_words(Kind::Pod, &metadata.labels, &metadata.annotations, "spec.template.metadata", problems);
    pod::check(&template.spec, "spec.template.spec", problems);
    pod::check_written(&template.spec, "spec.template.spec", problems);
    if template.spec.restart_policy != RestartPolicy::Always {
        problems.add("spec.template.spec.restartPolicy", "Always", "run what should end as a Pod");
    }
}

/// A count or a percentage; gives its number.
fn check_count(value: &IntOrString, field: &str, problems: &mut Problems<'_>) -> Option<u32> {
    let number = match value {
        IntOrString::Int(count) => u32::try_from(*count).ok(),
        IntOrString::String(text) => {
            let digits =
                text.strip_suffix('%').filter(|it| it.len() <= 3 && it.bytes().all(|byte| byte.is_ascii_digit()));
            digits.and_then(|digits| digits.parse().ok())
        }
    };
    if number.is_none() {
        problems.add(field, "an integer from 0 up, or a percentage such as 25%", "");
    }
    number
}

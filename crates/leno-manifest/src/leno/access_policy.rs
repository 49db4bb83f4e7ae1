//! `policy.leno.dev/v1alpha1` AccessPolicy.

use leno_model::policy::access::{
    AccessAction, AccessOperation, AccessPolicyRule, AccessSource, AddressBlock, IdentityMatch, LabelRequirement,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    target::{Caller, TargetRef},
    text_match::{HeaderMatch, RequestMatch, TextMatch},
};
use crate::{
    meta::{LabelOperator, LabelSelector, ObjectMeta},
    smi::http_route_group::Method,
    syntax::ip_range,
};

/// Who may call whom. It is judged together with SMI's TrafficTargets: what a policy denies is refused, whatever allows
/// it; the rest passes when a TrafficTarget or a policy allows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessPolicy {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// What it says.
    #[serde(default)]
    pub spec: AccessPolicySpec,
}

/// `spec` of an [`AccessPolicy`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessPolicySpec {
    /// The Services whose pods it protects, on the ports that they lead to. Every pod of the policy's namespace when neither
    /// this nor `selector` is given.
    #[serde(default)]
    pub target_refs: Vec<TargetRef>,
    /// The pods of the policy's namespace that it protects, on all ports; in the place of `targetRefs`.
    pub selector: Option<LabelSelector>,
    /// What is done with what fits a rule; `Allow` when not given.
    pub action: Option<Action>,
    /// Whether it is only tried out: what it would refuse is logged and counted (`leno_shadow_denied_total`), and passes;
    /// false when not given.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// What it is about: what fits one of these. Nothing when not given: a policy that allows nothing closes its targets.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// What is done with what fits a policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Action {
    /// It is let in. The targets are closed to everything that no policy and no TrafficTarget lets in, also where
    /// `defaultAccess` is `Allow`.
    #[default]
    Allow,
    /// It is refused, whatever else lets it in.
    Deny,
    /// It is logged and counted (`leno_audited_total`); whether it passes is for others to say.
    Audit,
}

/// One rule: fits when any source and any operation fits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// Who calls; anybody when not given.
    #[serde(default)]
    pub from: Vec<Source>,
    /// What for; anything when not given.
    #[serde(default)]
    pub to: Vec<Operation>,
}

/// Who calls: of each list that is given one must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// Identities that mutual TLS has proved: `spiffe://cluster.local/ns/shop/sa/cart`, the beginning of some with a `*` at
    /// the end, or `*` for any.
    #[serde(default)]
    pub identities: Vec<String>,
    /// Namespaces that the identities are of.
    #[serde(default)]
    pub namespaces: Vec<String>,
    /// Service accounts.
    #[serde(default)]
    pub service_accounts: Vec<Caller>,
    /// Addresses that the connection comes from.
    #[serde(default)]
    pub ip_blocks: Vec<IpBlock>,
}

/// Addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IpBlock {
    /// A range, e.g. `10.0.0.0/8`.
    pub cidr: String,
    /// Ranges in it that are left out.
    #[serde(default)]
    pub except: Vec<String>,
}

/// What somebody calls for: all that is given must fit. What is asked of requests does not fit connections of bytes; a
/// rule of `Deny` refuses these as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// Ports of the pod; any when not given.
    #[serde(default)]
    pub ports: Vec<u16>,
    /// The path of the request, the query not counted; any when not given.
    pub path: Option<TextMatch>,
    /// Its method, one of these; any when not given.
    #[serde(default)]
    pub methods: Vec<Method>,
    /// Its headers; all of them must fit.
    #[serde(default)]
    pub headers: Vec<HeaderMatch>,
}

impl AccessPolicySpec {
    /// What is done with what fits.
    #[must_use]
    pub fn action(&self) -> AccessAction {
        match self.action.unwrap_or_default() {
            Action::Allow => AccessAction::Allow,
            Action::Deny => AccessAction::Deny,
            Action::Audit => AccessAction::Audit,
        }
    }

    /// What the rules mean, for a policy in this namespace.
    #[must_use]
    pub fn rules(&self, namespace: &str) -> Vec<AccessPolicyRule> {
        let rule = |rule: &Rule| AccessPolicyRule {
            from: rule.from.iter().map(|source| source.to_model(namespace)).collect(),
            to: rule.to.iter().map(Operation::to_model).collect(),
        };
        self.rules.iter().map(rule).collect()
    }
}

impl Source {
    fn to_model(&self, namespace: &str) -> AccessSource {
        AccessSource {
            identities: self.identities.iter().map(|text| identity(text)).collect(),
            namespaces: self.namespaces.clone(),
            service_accounts: self.service_accounts.iter().map(|caller| caller.to_model(namespace)).collect(),
            blocks: self.ip_blocks.iter().filter_map(IpBlock::to_model).collect(),
        }
    }
}

fn identity(text: &str) -> IdentityMatch {
    match text.strip_suffix('*') {
        Some("") => IdentityMatch::Any,
        Some(prefix) => IdentityMatch::Prefix(prefix.to_owned()),
        None => IdentityMatch::Exact(text.to_owned()),
    }
}

impl IpBlock {
    /// What it means; `None` when it is none, which reading refuses.
    #[must_use]
    pub fn to_model(&self) -> Option<AddressBlock> {
        let except = self.except.iter().filter_map(|text| ip_range::parse(text)).collect();
        Some(AddressBlock { range: ip_range::parse(&self.cidr)?, except })
    }
}

impl Operation {
    /// What it asks of requests.
    #[must_use]
    pub fn request(&self) -> RequestMatch {
        RequestMatch { path: self.path.clone(), methods: self.methods.clone(), headers: self.headers.clone() }
    }

    fn to_model(&self) -> AccessOperation {
        AccessOperation { ports: self.ports.clone(), request: self.request().to_model() }
    }
}

/// What a selector asks of labels.
#[must_use]
pub fn requirements(selector: &LabelSelector) -> Vec<LabelRequirement> {
    let labels = selector.match_labels.iter();
    let labels = labels.map(|(key, value)| LabelRequirement::In(key.clone(), vec![value.clone()]));
    let others = selector.match_expressions.iter().map(|it| match it.operator {
        LabelOperator::In => LabelRequirement::In(it.key.clone(), it.values.clone()),
        LabelOperator::NotIn => LabelRequirement::NotIn(it.key.clone(), it.values.clone()),
        LabelOperator::Exists => LabelRequirement::Exists(it.key.clone()),
        LabelOperator::DoesNotExist => LabelRequirement::Absent(it.key.clone()),
    });
    labels.chain(others).collect()
}

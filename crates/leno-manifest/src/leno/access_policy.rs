//! `policy.leno.dev/v1alpha1` AccessPolicy.

use leno_model::policy::access::{
    AccessAction, AccessOperation, AccessPolicyRule, AccessSource, AddressBlock, ClaimMatch as ClaimModel,
    IdentityMatch, LabelRequirement, TokenIssuer as IssuerModel, TokenKeys as KeysModel, TokenMatch as TokenModel,
    TokenPlace as PlaceModel,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    external_authorizer::ExternalAuthorizer,
    service_ref::ServiceRef,
    target::{Caller, ServiceTarget, TargetRef},
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
    pub target_refs: Vec<ServiceTarget>,
    /// The pods of the policy's namespace that it protects, on all ports; in the place of `targetRefs`.
    pub selector: Option<LabelSelector>,
    /// What is done with what fits a rule; `Allow` when not given.
    pub action: Option<Action>,
    /// Who is asked, where the action is `External`.
    pub external: Option<ExternalAuthorizer>,
    /// Whether it is only tried out: what it would refuse is logged and counted (`leno_shadow_denied_total`), and passes;
    /// false when not given. A service in `external` is asked all the same, and what it changes is changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Whose tokens (JWT) its rules know. A request with a token that is not good is answered with 401 (403: for another
    /// audience), but not by a policy that refuses nothing (`dryRun`, `Audit`); one without a token goes on, and the rules say
    /// what it may.
    #[serde(default)]
    pub tokens: Vec<TokenIssuer>,
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
    /// The service in `external` is asked, which may refuse it; what the service lets in passes on to the other policies.
    /// Connections of bytes cannot be asked about: those that fit are refused.
    External,
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
    /// Tokens that came with the request. Connections of bytes have none.
    #[serde(default)]
    pub tokens: Vec<TokenMatch>,
}

/// Somebody whose tokens are known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenIssuer {
    /// What its tokens call it (`iss`).
    pub issuer: String,
    /// For whom its tokens must be (`aud`): one of these; anybody when not given.
    #[serde(default)]
    pub audiences: Vec<String>,
    /// What they are signed with.
    pub keys: TokenKeys,
    /// Where they stand; in `authorization: Bearer …` and in the parameter `access_token` of the query when not given.
    #[serde(default)]
    pub places: Vec<TokenPlace>,
    /// Whether the application gets them, too; true when not given.
    pub forward: Option<bool>,
}

/// A set of keys (JWKS, RFC 7517): either `inline`, or from a `service`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenKeys {
    /// The set itself.
    pub inline: Option<String>,
    /// The service that has it, fetched ahead and kept for ten minutes.
    pub service: Option<KeyService>,
}

/// A service that has keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyService {
    /// The Service's name.
    pub name: String,
    /// Its namespace; the policy's own when not given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The number of its port.
    #[schemars(range(min = 1))]
    pub port: u16,
    /// The path, e.g. `/.well-known/jwks.json`.
    pub path: String,
}

/// Where a token stands: exactly one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenPlace {
    /// In the header of this name, as its whole value.
    pub header: Option<String>,
    /// In the parameter of the query of this name.
    pub query_parameter: Option<String>,
    /// In the cookie of this name.
    pub cookie: Option<String>,
}

/// A token that somebody has, and that was found good.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenMatch {
    /// Who made it: one of the issuers in `spec.tokens`.
    pub issuer: String,
    /// What it says; all of it must fit. Any token of the issuer when not given.
    #[serde(default)]
    pub claims: Vec<ClaimMatch>,
}

/// What a token says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimMatch {
    /// Where: the claim's name, after those of the maps that it stands in, e.g. `[realm_access, roles]`.
    pub path: Vec<String>,
    /// It is one of these texts, or a list that has one of them (`scope` and `permission` are lists with blanks between).
    pub values: Vec<String>,
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
/// rule of `Deny` or `External` refuses these as a whole.
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
    /// What it is attached to.
    #[must_use]
    pub fn targets(&self) -> Vec<TargetRef> {
        self.target_refs.iter().map(TargetRef::from).collect()
    }

    /// What is done with what fits, for a policy in this namespace; `None` where nobody is there to ask, which reading
    /// refuses.
    #[must_use]
    pub fn action(&self, namespace: &str) -> Option<AccessAction> {
        Some(match self.action.unwrap_or_default() {
            Action::Allow => AccessAction::Allow,
            Action::Deny => AccessAction::Deny,
            Action::Audit => AccessAction::Audit,
            Action::External => AccessAction::External(Box::new(self.external.as_ref()?.to_model(namespace))),
        })
    }

    /// Whose tokens are known, for a policy in this namespace.
    #[must_use]
    pub fn tokens(&self, namespace: &str) -> Vec<IssuerModel> {
        self.tokens.iter().filter_map(|issuer| issuer.to_model(namespace)).collect()
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
            tokens: self.tokens.iter().map(TokenMatch::to_model).collect(),
        }
    }
}

impl KeyService {
    /// The service without the path.
    #[must_use]
    pub fn service(&self) -> ServiceRef {
        ServiceRef { name: self.name.clone(), namespace: self.namespace.clone(), port: self.port }
    }
}

impl TokenIssuer {
    /// What it means; `None` without keys, which reading refuses.
    fn to_model(&self, namespace: &str) -> Option<IssuerModel> {
        let from_service = |from: &KeyService| {
            let (service, port) = from.service().to_model(namespace);
            KeysModel::Service(service, port, from.path.clone())
        };
        let inline = self.keys.inline.clone().map(KeysModel::Inline);
        Some(IssuerModel {
            issuer: self.issuer.clone(),
            audiences: self.audiences.clone(),
            keys: inline.or_else(|| self.keys.service.as_ref().map(from_service))?,
            places: self.places.iter().filter_map(TokenPlace::to_model).collect(),
            forward: self.forward.unwrap_or(true),
        })
    }
}

impl TokenPlace {
    /// What it means; `None` when nothing is given, which reading refuses.
    fn to_model(&self) -> Option<PlaceModel> {
        let header = self.header.as_ref().map(|name| PlaceModel::Header(name.to_ascii_lowercase()));
        let query = || self.query_parameter.clone().map(PlaceModel::QueryParameter);
        header.or_else(query).or_else(|| self.cookie.clone().map(PlaceModel::Cookie))
    }
}

impl TokenMatch {
    fn to_model(&self) -> TokenModel {
        let claim = |claim: &ClaimMatch| ClaimModel { path: claim.path.clone(), values: claim.values.clone() };
        TokenModel { issuer: self.issuer.clone(), claims: self.claims.iter().map(claim).collect() }
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

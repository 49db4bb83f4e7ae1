//! Who may call whom, beyond what SMI can say: `AccessPolicy`, resolved.

use std::collections::BTreeMap;

use super::{Authorizer, RequestMatch};
use crate::{ObjectRef, ServiceAccountName, ServiceName};

/// What one `AccessPolicy` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessPolicy {
    /// The object that it comes from, named to those whom it refuses.
    pub origin: ObjectRef,
    /// Whom it protects: any of these.
    pub targets: Vec<AccessTarget>,
    /// What is done with what fits one of the rules.
    pub action: AccessAction,
    /// Whether it is only tried out: what it would refuse is told, and passes.
    pub dry_run: bool,
    /// Whose tokens its rules know.
    pub tokens: Vec<TokenIssuer>,
    /// What it is about.
    pub rules: Vec<AccessPolicyRule>,
}

/// Somebody whose tokens (JWT, RFC 7519) are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenIssuer {
    /// What its tokens call it (`iss`).
    pub issuer: String,
    /// For whom tokens must be (`aud`), one of these; anybody when empty.
    pub audiences: Vec<String>,
    /// What its tokens are signed with.
    pub keys: TokenKeys,
    /// Where tokens stand; in `authorization: Bearer` and the parameter `access_token` when empty.
    pub places: Vec<TokenPlace>,
    /// Whether the application gets them, too.
    pub forward: bool,
}

/// Where the keys of tokens come from, as a set of keys (RFC 7517).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenKeys {
    /// The set itself.
    Inline(String),
    /// It is fetched from this path of a service port.
    Service(ServiceName, u16, String),
}

/// Where a token stands in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenPlace {
    /// In a header of this name, as its whole value.
    Header(String),
    /// In a parameter of the query.
    QueryParameter(String),
    /// In a cookie.
    Cookie(String),
}

/// A token that somebody has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenMatch {
    /// Who made it: one of the policy's issuers.
    pub issuer: String,
    /// What it says; all of it must fit.
    pub claims: Vec<ClaimMatch>,
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimMatch {
    /// Where: the names of the maps that it stands in, then its own.
    pub path: Vec<String>,
    /// It is one of these, or a list that has one of them.
    pub values: Vec<String>,
}

/// Whom a policy protects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessTarget {
    /// Every workload of a namespace.
    Namespace(String),
    /// The workloads of a namespace whose labels meet all of these.
    Labels(String, Vec<LabelRequirement>),
    /// The workloads behind a service, on the ports that it leads to; on those of one service port when it is given.
    Service(ServiceName, Option<u16>),
}

/// What is asked of a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelRequirement {
    /// It has one of these values.
    In(String, Vec<String>),
    /// It has none of these values, or is not there.
    NotIn(String, Vec<String>),
    /// It is there.
    Exists(String),
    /// It is not there.
    Absent(String),
}

impl LabelRequirement {
    /// Whether labels meet it.
    #[must_use]
    pub fn fits(&self, labels: &BTreeMap<String, String>) -> bool {
        match self {
            Self::In(key, values) => labels.get(key).is_some_and(|value| values.contains(value)),
            Self::NotIn(key, values) => labels.get(key).is_none_or(|value| !values.contains(value)),
            Self::Exists(key) => labels.contains_key(key),
            Self::Absent(key) => !labels.contains_key(key),
        }
    }
}

/// What is done with what fits a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessAction {
    /// It is let in. What a policy of this kind protects is closed to everything that none lets in.
    Allow,
    /// It is refused, whatever lets it in.
    Deny,
    /// It is told of, and passes on to the others.
    Audit,
    /// Somebody else is asked, who may refuse it; what he lets in passes on to the others.
    External(Box<Authorizer>),
}

impl AccessPolicyRule {
    /// Whether everything fits it.
    #[must_use]
    pub fn fits_everything(&self) -> bool {
        self.from.is_empty() && self.to.is_empty()
    }
}

/// One rule: fits when any source and any operation fits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessPolicyRule {
    /// Who calls; anybody when empty.
    pub from: Vec<AccessSource>,
    /// What for; anything when empty.
    pub to: Vec<AccessOperation>,
}

/// Who calls: of each list that is not empty one must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessSource {
    /// Identities, verified by mutual TLS.
    pub identities: Vec<IdentityMatch>,
    /// Namespaces of identities.
    pub namespaces: Vec<String>,
    /// Service accounts.
    pub service_accounts: Vec<ServiceAccountName>,
    /// Addresses.
    pub blocks: Vec<AddressBlock>,
    /// Tokens that came with the request and were found good.
    pub tokens: Vec<TokenMatch>,
}

/// What an identity must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityMatch {
    /// Any, as long as there is one.
    Any,
    /// This.
    Exact(String),
    /// One that begins with this.
    Prefix(String),
}

/// Addresses of a range, without some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressBlock {
    /// The range: first address and length of what they share.
    pub range: (std::net::IpAddr, u8),
    /// Ranges in it that are left out.
    pub except: Vec<(std::net::IpAddr, u8)>,
}

/// What somebody calls for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessOperation {
    /// Ports of the workload; any when empty.
    pub ports: Vec<u16>,
    /// Which HTTP requests.
    pub request: RequestMatch,
}

impl AccessOperation {
    /// Whether it asks for something that only HTTP requests have.
    #[must_use]
    pub fn is_of_requests(&self) -> bool {
        self.request != RequestMatch::default()
    }
}

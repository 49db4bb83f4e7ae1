//! AccessPolicies, as Envoy's filters.
//!
//! | step | filter | what |
//! |---|---|---|
//! | 1 | RBAC, DENY | policies that deny; those that are only tried out as shadow rules |
//! | 2 | RBAC, LOG | policies that audit |
//! | 3 | `ext_authz`, one for each | policies that ask a service; what fits them a shadow rule before it says ([`external`]) |
//! | 4 | RBAC, ALLOW | SMI's rules and policies that allow, where the workload is closed; else, as shadow rules, policies that would close it |
//!
//! A workload is closed where access is denied by default, or where a policy allows something.
//!
//! What is asked of requests is never met by bytes, so a policy that allows does not let them in. One that denies, or asks,
//! refuses them as a whole: a caller that may choose what it claims to send could walk around it otherwise.

use std::collections::HashMap;

use leno_model::{
    Snapshot, SpiffeId, Workload,
    mesh::DefaultAccess,
    policy::{
        AccessPolicy,
        access::{AccessAction, AccessOperation, AccessSource, AccessTarget, AddressBlock, IdentityMatch},
    },
};
use leno_proto::v3::{
    core::CidrRange,
    http_connection_manager::HttpFilter,
    http_rbac,
    listener::Filter as NetworkFilter,
    matcher::{StringMatcher, string_matcher::MatchPattern},
    network_rbac,
    rbac::{self, Permission, Principal, permission::Rule, principal, principal::Identifier, rbac::Action},
};

use crate::{
    authorization::{self, Payload, all, of, one_of},
    external, matcher,
    message::{http_filter, network_filter, string_exact, uint32},
    stable, token,
};

/// One filter: the rules that are enforced, and those whose verdict is only told.
struct Filter {
    /// What it is called: routes and people name it.
    name: &'static str,
    rules: Option<rbac::Rbac>,
    shadow: Option<rbac::Rbac>,
}

impl Filter {
    /// The filter of requests; `None` where it says nothing.
    fn of_requests(self) -> Option<HttpFilter> {
        let config = http_rbac::Rbac { rules: self.rules, shadow_rules: self.shadow, ..Default::default() };
        let speaks = config.rules.is_some() || config.shadow_rules.is_some();
        speaks.then(|| http_filter(self.name, stable::pack(&config, stable::RBAC)))
    }

    /// The filter of connections; `None` where it says nothing.
    fn of_bytes(self, stat_prefix: &str) -> Option<NetworkFilter> {
        let config = network_rbac::Rbac {
            rules: self.rules,
            shadow_rules: self.shadow,
            stat_prefix: stat_prefix.to_owned(),
            ..Default::default()
        };
        let speaks = config.rules.is_some() || config.shadow_rules.is_some();
        speaks.then(|| network_filter("envoy.filters.network.rbac", stable::pack(&config, stable::RBAC)))
    }
}

/// The filters of requests to a workload's port, in their order. `port` is its number; `None`: ports that no service leads to.
pub(crate) fn of_requests(snapshot: &Snapshot, workload: &Workload, port: Option<u16>) -> Vec<HttpFilter> {
    let door = Door::new(snapshot, workload, port, Payload::Http);
    let before = [door.deny(), door.audit()].into_iter().filter_map(Filter::of_requests);
    before.chain(door.external()).chain(door.allow().of_requests()).collect()
}

/// The filters of connections of bytes to a workload's port, in their order.
pub(crate) fn of_bytes(
    snapshot: &Snapshot,
    workload: &Workload,
    port: Option<u16>,
    payload: Payload,
    stat_prefix: &str,
) -> Vec<NetworkFilter> {
    let door = Door::new(snapshot, workload, port, payload);
    [door.deny(), door.audit(), door.allow()].into_iter().filter_map(|it| it.of_bytes(stat_prefix)).collect()
}

/// The filter that looks at tokens, where a policy of this port knows some.
pub(crate) fn tokens(snapshot: &Snapshot, workload: &Workload, port: Option<u16>) -> Option<HttpFilter> {
    let policies = snapshot.access_policies.iter().map(|it| &**it);
    token::filter(policies.filter(|policy| protects(snapshot, policy, workload, port)))
}

/// A port of a workload, and the policies that protect it.
struct Door<'a> {
    snapshot: &'a Snapshot,
    workload: &'a Workload,
    payload: Payload,
    policies: Vec<&'a AccessPolicy>,
}

impl<'a> Door<'a> {
    fn new(snapshot: &'a Snapshot, workload: &'a Workload, port: Option<u16>, payload: Payload) -> Self {
        let here = |policy: &&AccessPolicy| protects(snapshot, policy, workload, port);
        let policies = snapshot.access_policies.iter().map(|it| &**it).filter(here).collect();
        Self { snapshot, workload, payload, policies }
    }

    fn deny(&self) -> Filter {
        Filter { name: "leno.access.deny", rules: self.denied(false), shadow: self.denied(true) }
    }

    fn audit(&self) -> Filter {
        let told = |policy: &AccessPolicy| policy.action == AccessAction::Audit;
        Filter { name: "leno.access.audit", rules: self.rules(Action::Log, told), shadow: None }
    }

    fn allow(&self) -> Filter {
        let allows = |dry_run: bool| self.allowing(dry_run).next().is_some();
        let closed = self.snapshot.mesh.default_access != DefaultAccess::Allow || allows(false);
        let would_close = !closed && allows(true);
        Filter {
            name: "envoy.filters.http.rbac",
            rules: closed.then(|| self.allowed(false)),
            shadow: would_close.then(|| self.allowed(true)),
        }
    }

    fn allowing(&self, dry_run: bool) -> impl Iterator<Item = &AccessPolicy> {
        let allows = move |policy: &&AccessPolicy| policy.action == AccessAction::Allow && policy.dry_run == dry_run;
        self.policies.iter().copied().filter(allows)
    }

    /// What the policies that deny say; with bytes those that would have somebody asked, too.
    fn denied(&self, dry_run: bool) -> Option<rbac::Rbac> {
        let denies = |policy: &AccessPolicy| match policy.action {
            AccessAction::Deny => policy.dry_run == dry_run,
            AccessAction::External(_) => policy.dry_run == dry_run && self.payload != Payload::Http,
            AccessAction::Allow | AccessAction::Audit => false,
        };
        self.rules(Action::Deny, denies)
    }

    /// What some policies say; `None` when they say nothing.
    fn rules(&self, action: Action, those: impl Fn(&AccessPolicy) -> bool) -> Option<rbac::Rbac> {
        let mut policies = HashMap::new();
        let those = self.policies.iter().filter(|policy| those(policy));
        those.for_each(|policy| add(self.snapshot, policy, self.payload, &mut policies));
        (!policies.is_empty()).then(|| rbac::Rbac { action: action.into(), policies, ..Default::default() })
    }

    /// The filters that ask, for each policy one.
    fn external(&self) -> impl Iterator<Item = HttpFilter> {
        self.policies.iter().flat_map(|policy| match &policy.action {
            AccessAction::External(authorizer) => {
                let mut rules = HashMap::new();
                add(self.snapshot, policy, self.payload, &mut rules);
                external::of_policy(policy, authorizer, rules)
            }
            AccessAction::Allow | AccessAction::Deny | AccessAction::Audit => Vec::new(),
        })
    }

    /// What SMI and the policies that allow let in; also those that are only tried out, when they are asked for.
    fn allowed(&self, tried_out: bool) -> rbac::Rbac {
        let mut policies = authorization::policies(self.snapshot, &self.workload.service_account, self.payload);
        let tried_out = tried_out.then(|| self.allowing(true)).into_iter().flatten();
        for policy in self.allowing(false).chain(tried_out) {
            add(self.snapshot, policy, self.payload, &mut policies);
        }
        rbac::Rbac { action: Action::Allow.into(), policies, ..Default::default() }
    }
}

/// Whether a policy protects this port of this workload.
fn protects(snapshot: &Snapshot, policy: &AccessPolicy, workload: &Workload, port: Option<u16>) -> bool {
    policy.targets.iter().any(|target| match target {
        AccessTarget::Service(name, own) => {
            let mut ports = snapshot.ports_of(&workload.name);
            ports.any(|(service, number, leads_to)| {
                let is_port = service.port(number).is_some() && own.is_none_or(|own| own == number);
                service.name == *name && is_port && Some(leads_to) == port
            })
        }
        AccessTarget::Namespace(_) | AccessTarget::Labels(..) => selects(snapshot, target, workload),
    })
}

/// Whether a target is this workload, or one of its ports.
pub(crate) fn selects(snapshot: &Snapshot, target: &AccessTarget, workload: &Workload) -> bool {
    match target {
        AccessTarget::Namespace(namespace) => workload.name.namespace == *namespace,
        AccessTarget::Labels(namespace, labels) => {
            workload.name.namespace == *namespace && labels.iter().all(|label| label.fits(&workload.labels))
        }
        AccessTarget::Service(name, _) => {
            snapshot.ports_of(&workload.name).any(|(service, _, _)| service.name == *name)
        }
    }
}

/// Adds what the rules of a policy say of this payload.
fn add(snapshot: &Snapshot, policy: &AccessPolicy, payload: Payload, rules: &mut HashMap<String, rbac::Policy>) {
    for rule in &policy.rules {
        let permissions: Vec<_> = match rule.to.as_slice() {
            [] => vec![of(Rule::Any(true))],
            operations => operations.iter().filter_map(|it| permission(it, &policy.action, payload)).collect(),
        };
        let principals: Vec<_> = match rule.from.as_slice() {
            [] => vec![who(Identifier::Any(true))],
            sources => sources.iter().filter_map(|source| principal(snapshot, policy, source, payload)).collect(),
        };
        if !permissions.is_empty() && !principals.is_empty() {
            let name = authorization::policy_name(&policy.origin, rules);
            rules.insert(name, rbac::Policy { permissions, principals, ..Default::default() });
        }
    }
}

/// What an operation is; `None` when bytes cannot be it.
fn permission(operation: &AccessOperation, action: &AccessAction, payload: Payload) -> Option<Permission> {
    let mut parts = Vec::new();
    let ports = operation.ports.iter().map(|port| of(Rule::DestinationPort((*port).into())));
    parts.extend(one_of(ports.collect()));
    if operation.is_of_requests() {
        match (payload, action) {
            (Payload::Http, _) => parts.extend(matcher::permission(&operation.request)),
            (Payload::Bytes | Payload::UndeclaredBytes, AccessAction::Deny | AccessAction::External(_)) => {}
            (Payload::Bytes | Payload::UndeclaredBytes, AccessAction::Allow | AccessAction::Audit) => return None,
        }
    }
    Some(if parts.is_empty() { of(Rule::Any(true)) } else { all(parts) })
}

/// Who a source is: of each list one; `None` when nobody can be it.
fn principal(snapshot: &Snapshot, policy: &AccessPolicy, source: &AccessSource, payload: Payload) -> Option<Principal> {
    let tokens: Vec<_> = match (payload, &policy.action) {
        (Payload::Http, _) => source.tokens.iter().map(|it| token::principal(&policy.origin, it)).collect(),
        (Payload::Bytes | Payload::UndeclaredBytes, AccessAction::Deny | AccessAction::External(_)) => Vec::new(),
        (Payload::Bytes | Payload::UndeclaredBytes, AccessAction::Allow | AccessAction::Audit) => {
            if !source.tokens.is_empty() {
                return None;
            }
            Vec::new()
        }
    };
    let domain = &snapshot.mesh.trust_domain;
    let prefix = |text: String| StringMatcher { match_pattern: Some(MatchPattern::Prefix(text)), ..Default::default() };
    let lists = [
        source.identities.iter().map(identity).collect::<Vec<_>>(),
        source.namespaces.iter().map(|it| authenticated(Some(prefix(format!("spiffe://{domain}/ns/{it}/"))))).collect(),
        source
            .service_accounts
            .iter()
            .map(|it| authenticated(Some(string_exact(&SpiffeId::new(domain.clone(), it.clone()).to_string()))))
            .collect(),
        source.blocks.iter().map(block).collect(),
        tokens,
    ];
    let mut parts: Vec<_> = lists.into_iter().filter_map(any_of).collect();
    match parts.len() {
        // What is left of a source that only had tokens: anybody.
        0 if !source.tokens.is_empty() => Some(who(Identifier::Any(true))),
        0 | 1 => parts.pop(),
        _ => Some(who(Identifier::AndIds(principal::Set { ids: parts }))),
    }
}

fn any_of(mut principals: Vec<Principal>) -> Option<Principal> {
    match principals.len() {
        0 | 1 => principals.pop(),
        _ => Some(who(Identifier::OrIds(principal::Set { ids: principals }))),
    }
}

fn identity(fits: &IdentityMatch) -> Principal {
    authenticated(match fits {
        IdentityMatch::Any => None,
        IdentityMatch::Exact(id) => Some(string_exact(id)),
        IdentityMatch::Prefix(id) => {
            Some(StringMatcher { match_pattern: Some(MatchPattern::Prefix(id.clone())), ..Default::default() })
        }
    })
}

fn authenticated(principal_name: Option<StringMatcher>) -> Principal {
    who(Identifier::Authenticated(principal::Authenticated { principal_name }))
}

fn block(block: &AddressBlock) -> Principal {
    let range = |(address, length): &(std::net::IpAddr, u8)| {
        let range = CidrRange { address_prefix: address.to_string(), prefix_len: Some(uint32((*length).into())) };
        who(Identifier::DirectRemoteIp(range))
    };
    let mut ids = vec![range(&block.range)];
    ids.extend(block.except.iter().map(|part| who(Identifier::NotId(Box::new(range(part))))));
    if ids.len() == 1 { ids.remove(0) } else { who(Identifier::AndIds(principal::Set { ids })) }
}

fn who(identifier: Identifier) -> Principal {
    Principal { identifier: Some(identifier) }
}

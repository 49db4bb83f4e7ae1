//! Role-based access control with Envoy's semantics ([`envoy.config.rbac.v3.RBAC`]), for connections and for requests.
//!
//! [`envoy.config.rbac.v3.RBAC`]: https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/rbac/v3/rbac.proto

mod permission;
mod principal;
mod subject;

pub use permission::Permission;
pub use principal::Principal;
pub use subject::{Cidr, CidrError, NoRequest, Subject};

use crate::request::RequestHead;

/// Policies, and what it means to fit one.
#[derive(Clone, Debug, PartialEq)]
pub struct Rbac {
    /// What it means to fit a policy.
    pub action: Action,
    /// The policies by name, in the order of their names; the first that fits decides.
    pub policies: Vec<Policy>,
}

/// What it means to fit a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// What fits a policy is let in, the rest is refused. Without policies everything is refused.
    Allow,
    /// What fits a policy is refused, the rest is let in.
    Deny,
    /// What fits a policy is let in and told, the rest is let in.
    Log,
}

/// One policy: fits when any permission and any principal fits.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Its name, which denials tell.
    pub name: Box<str>,
    /// What is done.
    pub permissions: Vec<Permission>,
    /// Who does it.
    pub principals: Vec<Principal>,
}

/// What was decided, and by which policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// Let in; by this policy, or because no policy denies it. (Of [`Action::Log`]: told by this policy, or by none.)
    Allowed(Option<&'a str>),
    /// Refused; by this policy, or because no policy allows it.
    Denied(Option<&'a str>),
}

impl Verdict<'_> {
    /// Whether it is let in.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed(_))
    }
}

impl Rbac {
    /// The policy by which what was decided is told, where these rules only tell.
    #[must_use]
    pub fn told<'v>(&self, verdict: &Verdict<'v>) -> Option<&'v str> {
        match (self.action, verdict) {
            (Action::Log, Verdict::Allowed(policy)) => *policy,
            (Action::Log, Verdict::Denied(_)) | (Action::Allow | Action::Deny, _) => None,
        }
    }

    /// Decides on a request.
    pub fn check<R: RequestHead>(&self, subject: &Subject<'_>, request: &R) -> Verdict<'_> {
        let fits = |policy: &&Policy| {
            policy.permissions.iter().any(|permission| permission.fits(subject, request))
                && policy.principals.iter().any(|principal| principal.fits(subject, request))
        };
        let policy = self.policies.iter().find(fits).map(|policy| &*policy.name);
        match (self.action, policy) {
            (Action::Allow, Some(name)) => Verdict::Allowed(Some(name)),
            (Action::Allow, None) => Verdict::Denied(None),
            (Action::Deny, Some(name)) => Verdict::Denied(Some(name)),
            (Action::Deny, None) => Verdict::Allowed(None),
            (Action::Log, name) => Verdict::Allowed(name),
        }
    }

    /// Decides on a connection, whose payload is bytes: whatever asks for headers or paths does not fit.
    #[must_use]
    pub fn check_connection(&self, subject: &Subject<'_>) -> Verdict<'_> {
        self.check(subject, &NoRequest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        matcher::{HeaderMatch, HeaderMatcher, Pattern, StringMatch, StringMatcher},
        metadata::{Metadata, MetadataMatcher, ValueMatcher},
        request::SimpleRequest,
    };

    fn subject(names: &[Box<str>]) -> Subject<'_> {
        Subject {
            secure: !names.is_empty(),
            names,
            direct: "10.0.0.3:1000".parse().unwrap(),
            source: "10.0.0.1:1000".parse().unwrap(),
            remote: "10.0.0.4:1000".parse().unwrap(),
            destination: "10.0.0.2:80".parse().unwrap(),
            server_name: "",
            metadata: None,
        }
    }

    fn policy(name: &str, permission: Permission, principal: Principal) -> Policy {
        Policy { name: name.into(), permissions: vec![permission], principals: vec![principal] }
    }

    fn path(regex: &str) -> Permission {
        let fits = StringMatch::Regex(Pattern::new(regex).unwrap());
        Permission::UrlPath(StringMatcher { fits, ignore_case: false })
    }

    fn method(name: &str) -> Permission {
        Permission::Header(HeaderMatcher {
            name: ":method".into(),
            fits: HeaderMatch::Text(StringMatcher::exact(name)),
            invert: false,
            missing_as_empty: false,
        })
    }

    fn id(id: &str) -> Principal {
        Principal::Authenticated(Some(StringMatcher::exact(id)))
    }

    #[test]
    fn the_policy_that_decides_is_named() {
        let rules = Permission::And(vec![path("/buy/.*"), method("GET")]);
        let rbac = Rbac { action: Action::Allow, policies: vec![policy("p", rules, id("spiffe://a"))] };
        let get = SimpleRequest::new("GET", "/buy/1?x=/other", "a");
        assert_eq!(rbac.check(&subject(&["spiffe://a".into()]), &get), Verdict::Allowed(Some("p")));
        assert_eq!(rbac.check(&subject(&["spiffe://b".into()]), &get), Verdict::Denied(None));
        assert_eq!(rbac.check(&subject(&[]), &get), Verdict::Denied(None));
        let post = SimpleRequest::new("POST", "/buy/1", "a");
        assert_eq!(rbac.check(&subject(&["spiffe://a".into()]), &post), Verdict::Denied(None));
        let deny = Rbac { action: Action::Deny, ..rbac };
        assert_eq!(deny.check(&subject(&["spiffe://a".into()]), &get), Verdict::Denied(Some("p")));
        assert_eq!(deny.check(&subject(&["spiffe://a".into()]), &post), Verdict::Allowed(None));
        let log = Rbac { action: Action::Log, ..deny };
        assert_eq!(log.check(&subject(&["spiffe://a".into()]), &get), Verdict::Allowed(Some("p")));
        assert_eq!(log.check(&subject(&["spiffe://a".into()]), &post), Verdict::Allowed(None));
        assert_eq!(log.check(&subject(&[]), &get), Verdict::Allowed(None));
    }

    #[test]
    fn what_filters_found_out_fits() {
        let matcher = MetadataMatcher {
            namespace: "jwt".into(),
            path: vec!["sub".into()],
            value: ValueMatcher::Text(StringMatcher::exact("me")),
            invert: false,
        };
        let policies = vec![policy("p", Permission::Metadata(matcher.clone()), Principal::Metadata(matcher))];
        let rbac = Rbac { action: Action::Allow, policies };
        let mut metadata = Metadata::default();
        fn with(metadata: &Metadata) -> Subject<'_> {
            Subject { metadata: Some(metadata), ..subject(&[]) }
        }
        assert!(!rbac.check_connection(&subject(&[])).is_allowed());
        assert!(!rbac.check_connection(&with(&metadata)).is_allowed());
        metadata.add("jwt", [("sub".to_owned(), "me".into())].into_iter().collect());
        assert!(rbac.check_connection(&with(&metadata)).is_allowed());
    }

    #[test]
    fn nothing_is_allowed_without_policies() {
        let rbac = Rbac { action: Action::Allow, policies: vec![] };
        assert!(!rbac.check_connection(&subject(&["spiffe://a".into()])).is_allowed());
    }

    #[test]
    fn connections_fit_no_rule_about_requests() {
        for (permission, allowed) in [
            (Permission::Any, true),
            (Permission::DestinationPort(80), true),
            (Permission::DestinationPort(81), false),
            (Permission::DestinationPorts(80..=80), true),
            (Permission::DestinationPorts(81..=89), false),
            (Permission::DestinationIp("10.0.0.0/24".parse().unwrap()), true),
            (path(".*"), false),
            (method("GET"), false),
            (Permission::Not(Box::new(Permission::DestinationPort(80))), false),
            (Permission::Or(vec![path(".*"), Permission::DestinationPort(80)]), true),
        ] {
            let rbac = Rbac { action: Action::Allow, policies: vec![policy("p", permission.clone(), Principal::Any)] };
            assert_eq!(rbac.check_connection(&subject(&[])).is_allowed(), allowed, "{permission:?}");
        }
    }

    #[test]
    fn principals_are_identities_and_addresses() {
        for (principal, allowed) in [
            (Principal::Any, true),
            (Principal::Authenticated(None), true),
            (id("spiffe://a"), true),
            (id("spiffe://b"), false),
            (Principal::SourceIp("10.0.0.1/32".parse().unwrap()), true),
            (Principal::SourceIp("10.0.1.0/24".parse().unwrap()), false),
            (Principal::DirectIp("10.0.0.3/32".parse().unwrap()), true),
            (Principal::DirectIp("10.0.0.1/32".parse().unwrap()), false),
            (Principal::RemoteIp("10.0.0.4/32".parse().unwrap()), true),
            (Principal::RemoteIp("10.0.0.1/32".parse().unwrap()), false),
            (Principal::And(vec![id("spiffe://a"), Principal::SourceIp("10.0.0.0/8".parse().unwrap())]), true),
            (Principal::Not(Box::new(id("spiffe://a"))), false),
        ] {
            let rbac = Rbac { action: Action::Allow, policies: vec![policy("p", Permission::Any, principal.clone())] };
            assert_eq!(rbac.check_connection(&subject(&["spiffe://a".into()])).is_allowed(), allowed, "{principal:?}");
        }
        let anybody = Rbac {
            action: Action::Allow,
            policies: vec![policy("p", Permission::Any, Principal::Authenticated(None))],
        };
        assert!(!anybody.check_connection(&subject(&[])).is_allowed());
    }
}

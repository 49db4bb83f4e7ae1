//! Who may connect or ask, and how much there may be.

use leno_api::explain::{Decider, Refusal, Step};
use leno_engine::{
    authorization::{Action, Rbac, Verdict},
    filter::AccessControl,
};

use super::{refusal, step};
use crate::{
    clock,
    config::{FilterChain, Guard},
    connection::Connection,
    error::{ErrorKind, ProxyError},
    listener::guard,
};

/// What access rules say; what is refused. `check` decides by some rules, `describe` puts their denial in words.
pub(crate) fn access<'r>(
    control: &'r AccessControl,
    check: impl Fn(&'r Rbac) -> Verdict<'r>,
    describe: impl Fn(&Rbac, Option<&str>) -> String,
    steps: &mut Vec<Step>,
) -> Option<Refusal> {
    let mut tell = |policy: Option<&str>, says: &str| {
        let objects: Vec<Box<str>> = policy.into_iter().map(Box::from).collect();
        steps.push(step(Decider::Access, "", &objects, says));
    };
    if let Some(rules) = &control.shadow
        && let Verdict::Denied(policy) = check(rules)
    {
        tell(policy, "would be refused if what is only tried out were in force");
    }
    let rules = control.rules.as_ref()?;
    match (check(rules), rules.action) {
        (Verdict::Allowed(Some(policy)), Action::Log) => tell(Some(policy), "is audited"),
        (Verdict::Allowed(Some(policy)), Action::Allow | Action::Deny) => tell(Some(policy), "is allowed"),
        (Verdict::Allowed(None), _) => {}
        (Verdict::Denied(policy), _) => {
            tell(policy, "is denied");
            let error = ProxyError::new(ErrorKind::AccessDenied, describe(rules, policy));
            return Some(Refusal { policy: policy.unwrap_or_default().to_owned(), ..refusal(&error) });
        }
    }
    None
}

/// What a connection has to pass; what is refused.
pub(super) fn guards(connection: &Connection, chain: &FilterChain, steps: &mut Vec<Step>) -> Option<Refusal> {
    chain.guards.iter().find_map(|guard| match guard {
        Guard::Access(control) => {
            let subject = guard::subject(connection);
            access(
                control,
                |rules| rules.check_connection(&subject),
                |_, policy| guard::describe(connection, policy),
                steps,
            )
        }
        Guard::Rate { stat_prefix, bucket } => {
            let left = bucket.remaining(clock::now());
            let says = format!("{} connections at once at most, {left} more now", bucket.limit());
            steps.push(step(Decider::Limit, &**stat_prefix, &[], says));
            (left == 0).then(|| {
                let detail = format!("more connections than {stat_prefix} allows in this time");
                refusal(&ProxyError::new(ErrorKind::RateLimited, detail))
            })
        }
        Guard::Service(limit) => {
            let says = format!("{} has a say, and is not asked here", limit.service.cluster);
            steps.push(step(Decider::Filter, &*limit.stat_prefix, &[], says));
            None
        }
        Guard::Connections { stat_prefix, limit, .. } => {
            let (open, max) = (limit.open(), limit.max());
            let says = format!("{max} connections at the same time at most, {open} open now");
            steps.push(step(Decider::Limit, &**stat_prefix, &[], says));
            (open >= max).then(|| {
                let detail = format!("{stat_prefix} allows {max} connections at the same time");
                refusal(&ProxyError::new(ErrorKind::RateLimited, detail))
            })
        }
    })
}

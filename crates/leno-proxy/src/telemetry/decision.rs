//! What filters decide: counted in a fixed table, without a lock and without memory of its own.

use std::cell::Cell;

use crate::{labelled::labelled, worker::Worker};

labelled! {
    /// A filter that decides on requests: the metric label `filter`.
    pub enum FilterName {
        /// Access rules.
        AccessControl = "rbac",
        /// An authorization service.
        ExtAuthz = "ext_authz",
        /// Tokens.
        JwtAuthn = "jwt_authn",
        /// A rate limit service.
        RateLimit = "ratelimit",
        /// A rate limit service that is asked about connections.
        NetworkRateLimit = "network_ratelimit",
        /// Limits that the proxy keeps itself.
        LocalRateLimit = "local_ratelimit",
        /// Delays and failures for tests.
        Fault = "fault",
    }
}

labelled! {
    /// What a filter decided: the metric label `decision`.
    pub enum FilterDecision {
        /// The request goes on.
        Allowed = "allowed",
        /// It is refused.
        Denied = "denied",
        /// It would have been refused, but rules are only tried out.
        NotEnforced = "not_enforced",
        /// It is one too many.
        OverLimit = "over_limit",
        /// A service gave no answer; it is refused.
        Error = "error",
        /// A service gave no answer; it goes on all the same.
        FailureAllowed = "failure_mode_allowed",
        /// It was not asked about.
        Disabled = "disabled",
        /// It was delayed on purpose.
        Delayed = "delayed",
        /// It failed on purpose.
        Aborted = "aborted",
    }
}

/// A filter decided on a request.
#[derive(Clone, Copy, Debug)]
pub struct FilterDecided<'a> {
    /// The worker.
    pub worker: &'a Worker,
    /// The filter.
    pub filter: FilterName,
    /// What it decided.
    pub decision: FilterDecision,
}

impl FilterDecided<'_> {
    /// Counts it.
    pub fn emit(&self) {
        self.worker.telemetry.decisions.add(self.filter, self.decision);
    }
}

/// How many filters there are.
const FILTERS: usize = FilterName::ALL.len();
/// How many decisions.
const DECISIONS: usize = FilterDecision::ALL.len();

/// Decisions counted so far.
pub type DecisionTotals = [[u64; DECISIONS]; FILTERS];

/// Counts decisions.
#[derive(Debug, Default)]
pub(crate) struct Decisions([[Cell<u64>; DECISIONS]; FILTERS]);

impl Decisions {
    fn add(&self, filter: FilterName, decision: FilterDecision) {
        let cell = self.0.get(filter as usize).and_then(|row| row.get(decision as usize));
        if let Some(cell) = cell {
            cell.set(cell.get() + 1);
        }
    }

    /// What was counted so far.
    pub(crate) fn totals(&self) -> DecisionTotals {
        let mut totals = DecisionTotals::default();
        for (cells, totals) in self.0.iter().zip(&mut totals) {
            for (cell, total) in cells.iter().zip(totals) {
                *total = cell.get();
            }
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_counted_in_its_place() {
        let decisions = Decisions::default();
        for filter in FilterName::ALL {
            for decision in FilterDecision::ALL {
                decisions.add(*filter, *decision);
            }
        }
        assert_eq!(decisions.totals(), [[1; DECISIONS]; FILTERS]);
    }
}

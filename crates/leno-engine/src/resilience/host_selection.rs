//! Which endpoint a request is sent to again ([retry plugins]).
//!
//! [retry plugins]: https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/http/http_connection_management#retry-plugin-configuration

use std::num::NonZeroU32;

use crate::label::Labels;

/// What a retry policy says of the next endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSelection {
    /// Rather none that was tried (`previous_hosts`).
    pub other_than_before: bool,
    /// Rather none on trial (`omit_canary_hosts`).
    pub no_canaries: bool,
    /// Rather none with all labels of one of these (`omit_host_metadata`).
    pub not_labelled: Vec<Labels>,
    /// How often another one is looked for before it must do (`host_selection_retry_max_attempts`). Default 1.
    pub attempts: u32,
    /// After every so many attempts the priorities that were tried get nothing (`previous_priorities`); `None`: never.
    pub priorities_after: Option<NonZeroU32>,
}

impl Default for HostSelection {
    /// Envoy's.
    fn default() -> Self {
        Self {
            other_than_before: false,
            no_canaries: false,
            not_labelled: Vec::new(),
            attempts: 1,
            priorities_after: None,
        }
    }
}

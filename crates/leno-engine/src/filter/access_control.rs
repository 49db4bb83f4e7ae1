//! Who may ask for what.

use crate::authorization::Rbac;

/// Access rules of requests.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AccessControl {
    /// The rules that are enforced; `None`: everything passes.
    pub rules: Option<Rbac>,
    /// Rules whose verdict is counted and logged only, to see beforehand what they would refuse.
    pub shadow: Option<Rbac>,
}

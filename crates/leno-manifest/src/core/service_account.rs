//! `v1` ServiceAccount.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::meta::ObjectMeta;

/// A Kubernetes ServiceAccount: what workloads run as, and so their identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccount {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// Whether pods get its token mounted. Sidecars get theirs in any case.
    pub automount_service_account_token: Option<bool>,
}

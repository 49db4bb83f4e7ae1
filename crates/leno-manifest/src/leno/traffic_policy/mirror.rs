//! Where copies of requests go.

use leno_model::{
    ServiceName,
    policy::traffic::{Mirror as Model, Share},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{meta::IntOrString, syntax::percent};

/// Where copies of requests go; what is answered to them is thrown away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Mirror {
    /// The Service, of the policy's namespace.
    pub service: String,
    /// The number of its port.
    #[schemars(range(min = 1))]
    pub port: u16,
    /// How many of a hundred requests are copied, e.g. `5` or `"0.1"`; all of them when not given.
    pub percent: Option<IntOrString>,
}

impl Mirror {
    /// What it means in a policy of this namespace.
    #[must_use]
    pub fn to_model(&self, namespace: &str) -> Model {
        Model {
            service: ServiceName::new(namespace, &self.service),
            port: self.port,
            share: self.percent.as_ref().and_then(percent::parse).map_or(Share::ALL, Share),
        }
    }
}

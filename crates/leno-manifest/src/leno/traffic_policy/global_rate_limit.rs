//! How much all instances take together in a time.

use std::{collections::BTreeMap, time::Duration};

use leno_model::policy::traffic::{
    CountBy as ByModel, CountedLimit as LimitModel, CountedRate, CountedUnit, GlobalRateLimit as Model, RateCounter,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    leno::{service_ref::ServiceRef, text_match::RequestMatch},
    syntax::duration,
};

/// How long counting may take, when nothing is said.
const TIMEOUT: Duration = Duration::from_millis(100);

/// How many HTTP requests all instances take together: their sidecars ask who counts, the control plane or a service of your
/// own, before they let one in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GlobalRateLimit {
    /// Who counts: a service that speaks Envoy's rate limit protocol, such as `leno ratelimit`; the control plane when not
    /// given, for each namespace whose sidecars ask by itself: of a route, for the callers of each namespace. A service in the
    /// mesh has to let in those who ask: the servers, or of a route the callers.
    pub service: Option<ServiceRef>,
    /// The domain of the limits there; the policy's namespace when not given.
    pub domain: Option<String>,
    /// The limits; a request has to pass all that fit it. At least one.
    pub limits: Vec<CountedLimit>,
    /// How long counting may take; `100ms` when not given.
    pub timeout: Option<String>,
    /// What is done with requests while nobody counts; `Allow` when not given.
    pub on_error: Option<OnError>,
    /// What requests over a limit are answered, from 400 to 599; `429` when not given.
    pub response_status: Option<u32>,
    /// Headers of that answer.
    #[serde(default)]
    pub response_headers: BTreeMap<String, String>,
}

/// What is done with requests while nobody counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnError {
    /// They pass.
    Allow,
    /// They are answered with 500.
    Deny,
}

/// One limit. The service is asked by its name (`limit`), and by the values of `by`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CountedLimit {
    /// Its name. Limits of one name and domain are one limit.
    pub name: String,
    /// Of which requests; of all when not given.
    #[serde(rename = "match")]
    pub fits: Option<RequestMatch>,
    /// What is counted apart, all of it together; requests without it are not limited.
    #[serde(default)]
    pub by: Vec<CountBy>,
    /// So many; what the service's own rules say when not given. The control plane has no rules of its own: it needs this.
    pub requests: Option<u32>,
    /// In this time; `Second` when not given.
    pub per: Option<Per>,
}

/// A unit of time. Windows are as long as it, and begin with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Per {
    #[default]
    Second,
    Minute,
    Hour,
    Day,
}

/// Something that is counted apart: exactly one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CountBy {
    /// The header of this name.
    pub header: Option<String>,
    /// The parameter of the query of this name.
    pub query_parameter: Option<String>,
    /// The path, with the query (asked as `path`).
    pub path: Option<bool>,
    /// The method (asked as `method`).
    pub method: Option<bool>,
    /// The caller's address (asked as `remote_address`).
    pub remote_address: Option<bool>,
    /// The caller's identity (asked as `caller`). The application gets it as well, as the header `x-leno-caller`.
    pub caller: Option<bool>,
}

impl GlobalRateLimit {
    /// What it means in a policy of this namespace.
    #[must_use]
    pub fn to_model(&self, namespace: &str) -> Model {
        Model {
            counter: match &self.service {
                Some(named) => {
                    let (service, port) = named.to_model(namespace);
                    RateCounter::Service { service, port }
                }
                None => RateCounter::ControlPlane,
            },
            domain: self.domain.clone().unwrap_or_else(|| namespace.to_owned()),
            limits: self.limits.iter().map(CountedLimit::to_model).collect(),
            timeout: self.timeout.as_deref().and_then(duration::parse).unwrap_or(TIMEOUT),
            closed_on_error: self.on_error == Some(OnError::Deny),
            status: self.response_status.and_then(|status| u16::try_from(status).ok()).unwrap_or(429),
            headers: self.response_headers.clone().into_iter().collect(),
        }
    }
}

impl CountedLimit {
    fn to_model(&self) -> LimitModel {
        let unit = match self.per.unwrap_or_default() {
            Per::Second => CountedUnit::Second,
            Per::Minute => CountedUnit::Minute,
            Per::Hour => CountedUnit::Hour,
            Per::Day => CountedUnit::Day,
        };
        LimitModel {
            name: self.name.clone(),
            fits: self.fits.as_ref().map(RequestMatch::to_model).unwrap_or_default(),
            by: self.by.iter().filter_map(CountBy::to_model).collect(),
            rate: self.requests.map(|requests| CountedRate { requests, unit }),
        }
    }
}

impl CountBy {
    /// What is given, in the order of the fields.
    #[must_use]
    pub fn given(&self) -> [bool; 6] {
        let said = |flag: Option<bool>| flag == Some(true);
        [
            self.header.is_some(),
            self.query_parameter.is_some(),
            said(self.path),
            said(self.method),
            said(self.remote_address),
            said(self.caller),
        ]
    }

    /// What it means; `None` when nothing is given, which reading refuses.
    pub(super) fn to_model(&self) -> Option<ByModel> {
        let flags = [
            (self.path, ByModel::Path),
            (self.method, ByModel::Method),
            (self.remote_address, ByModel::RemoteAddress),
            (self.caller, ByModel::Caller),
        ];
        let header = self.header.as_ref().map(|name| ByModel::Header(name.to_ascii_lowercase()));
        let query = || self.query_parameter.clone().map(ByModel::QueryParameter);
        header.or_else(query).or_else(|| flags.into_iter().find(|(flag, _)| *flag == Some(true)).map(|(_, by)| by))
    }
}

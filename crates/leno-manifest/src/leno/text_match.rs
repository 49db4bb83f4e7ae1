//! What a request must be like: paths, methods, headers.

use leno_model::policy::{HeaderMatch as HeaderModel, RequestMatch as RequestModel, TextMatch as TextModel};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::smi::http_route_group::Method;

/// A kind of HTTP request: one fits when all that is given fits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestMatch {
    /// Its path, the query not counted; any when not given.
    pub path: Option<TextMatch>,
    /// Its method, one of these; any when not given.
    #[serde(default)]
    pub methods: Vec<Method>,
    /// Its headers; all of them must fit.
    #[serde(default)]
    pub headers: Vec<HeaderMatch>,
}

/// What a text must be: one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TextMatch {
    /// This.
    pub exact: Option<String>,
    /// Something that begins with this. Of a path: by whole segments, so that `/a` fits `/a/b` and not `/ab`.
    pub prefix: Option<String>,
    /// Something that fits this expression (RE2) as a whole.
    pub regex: Option<String>,
}

/// A header that a request must have, with any value or one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeaderMatch {
    /// Its name.
    pub name: String,
    /// Its value is this.
    pub exact: Option<String>,
    /// Its value begins with this.
    pub prefix: Option<String>,
    /// Its value fits this expression (RE2) as a whole.
    pub regex: Option<String>,
}

impl RequestMatch {
    /// What it means.
    #[must_use]
    pub fn to_model(&self) -> RequestModel {
        let any_method = self.methods.contains(&Method::Any);
        let methods = self.methods.iter().filter(|_| !any_method).map(|method| method.as_str().to_owned());
        RequestModel {
            path: self.path.as_ref().and_then(TextMatch::to_model),
            methods: methods.collect(),
            headers: self.headers.iter().map(HeaderMatch::to_model).collect(),
        }
    }
}

impl TextMatch {
    /// What it means; `None` when nothing is given, which reading refuses.
    #[must_use]
    pub fn to_model(&self) -> Option<TextModel> {
        let exact = self.exact.clone().map(TextModel::Exact);
        let prefix = || self.prefix.clone().map(TextModel::Prefix);
        let regex = || self.regex.clone().map(TextModel::Regex);
        exact.or_else(prefix).or_else(regex)
    }
}

impl HeaderMatch {
    /// What it means.
    #[must_use]
    pub fn to_model(&self) -> HeaderModel {
        let Self { name, exact, prefix, regex } = self.clone();
        HeaderModel { name: name.to_ascii_lowercase(), value: TextMatch { exact, prefix, regex }.to_model() }
    }
}

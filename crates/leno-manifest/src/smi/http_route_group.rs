//! `specs.smi-spec.io` HTTPRouteGroup ([v1alpha4]).
//!
//! [v1alpha4]: https://github.com/servicemeshinterface/smi-spec/blob/main/apis/traffic-specs/v1alpha4/traffic-specs.md

use std::{borrow::Cow, collections::BTreeMap};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::meta::ObjectMeta;

/// Kinds of HTTP requests, for TrafficTargets and TrafficSplits to name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteGroup {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// The requests.
    pub spec: HttpRouteGroupSpec,
}

/// `spec` of an [`HttpRouteGroup`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteGroupSpec {
    /// Its entries; a request fits the group when it fits one of them.
    #[serde(default)]
    pub matches: Vec<HttpMatch>,
}

/// One kind of HTTP request: a request fits when all that is given fits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpMatch {
    /// The entry's name, unique within the group.
    pub name: String,
    /// A regular expression (RE2 syntax) that the whole path must fit, the query not counted; any path when not given.
    pub path_regex: Option<String>,
    /// The methods that fit; any when not given.
    #[serde(default)]
    pub methods: Vec<Method>,
    /// Headers and the regular expressions that their whole values must fit, all of them.
    #[serde(default)]
    pub headers: Headers,
}

/// A method of HTTP, or any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Method {
    Get,
    Head,
    Put,
    Post,
    Delete,
    Connect,
    Options,
    Trace,
    Patch,
    /// Any method.
    #[serde(rename = "*")]
    Any,
}

impl Method {
    /// The method as it is sent; `*` for any.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Patch => "PATCH",
            Self::Any => "*",
        }
    }
}

/// Headers and what their values must fit, in the order of their names (all must fit, so that
/// the order written says nothing). The specification shows a map, Open Service Mesh's
/// definition has a list of maps; both are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, String)>);

/// The two shapes of [`Headers`].
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Shape {
    Map(BTreeMap<String, String>),
    List(Vec<BTreeMap<String, String>>),
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut headers: Vec<_> = match Shape::deserialize(deserializer)? {
            Shape::Map(map) => map.into_iter().collect(),
            Shape::List(maps) => maps.into_iter().flatten().collect(),
        };
        headers.sort();
        Ok(Self(headers))
    }
}

impl Serialize for Headers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let map: BTreeMap<_, _> = self.0.iter().cloned().collect();
        if map.len() == self.0.len() {
            return Shape::Map(map).serialize(serializer);
        }
        let list = self.0.iter().cloned().map(|pair| BTreeMap::from([pair])).collect();
        Shape::List(list).serialize(serializer)
    }
}

impl JsonSchema for Headers {
    fn schema_name() -> Cow<'static, str> {
        "Headers".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-leno-one-of": [
                { "type": "object", "additionalProperties": { "type": "string" } },
                { "type": "array", "items": { "type": "object", "additionalProperties": { "type": "string" } } },
            ],
            "x-leno-expected": "a map of header names and regular expressions, or a list of such maps",
        })
    }
}

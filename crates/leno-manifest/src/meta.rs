//! What every object carries: `metadata`, label selectors, numbers that may be names.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// `metadata` of an object ([ObjectMeta]).
///
/// [ObjectMeta]: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectMeta {
    /// The object's name, unique among its kind within its namespace.
    pub name: String,
    /// The namespace; after reading never empty for kinds that live in one (`default` where none was written).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Words by which selectors find the object.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Words for tools.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// What tells this object from an earlier one of the same name.
    pub uid: Option<String>,
    /// Counts up with every change of the spec.
    pub generation: Option<i64>,
    /// Kubernetes' version of the stored object.
    pub resource_version: Option<String>,
    /// When it was made (RFC 3339).
    pub creation_timestamp: Option<String>,
    /// Set (RFC 3339) when the object is being deleted: a Pod with it is terminating.
    pub deletion_timestamp: Option<String>,
    /// Seconds that it was given to end.
    pub deletion_grace_period_seconds: Option<i64>,
    /// The objects that this one was made for.
    #[serde(default)]
    pub owner_references: Vec<OwnerReference>,
}

impl ObjectMeta {
    /// The value of an annotation or, without one, of the label of the same name.
    #[must_use]
    pub fn annotation_or_label(&self, name: &str) -> Option<&str> {
        self.annotations.get(name).or_else(|| self.labels.get(name)).map(String::as_str)
    }
}

/// The object that another one was made for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnerReference {
    /// Its API group and version.
    #[serde(default)]
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its name, in the same namespace.
    pub name: String,
    /// Its uid.
    #[serde(default)]
    pub uid: String,
    /// Whether it is the one that manages this object.
    pub controller: Option<bool>,
    /// Whether this object holds up its deletion.
    pub block_owner_deletion: Option<bool>,
}

/// `metadata` of a pod template: what the pods made from it get.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemplateMeta {
    /// Accepted and unused, as on Kubernetes: pods are named by what makes them.
    pub name: Option<String>,
    /// Accepted and unused: pods live where their maker lives.
    pub namespace: Option<String>,
    /// Labels of the pods.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Annotations of the pods.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// Written by exporters as `null`; unused.
    pub creation_timestamp: Option<String>,
}

/// A choice of objects by their labels ([LabelSelector]).
///
/// [LabelSelector]: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/label-selector/
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LabelSelector {
    /// Labels that must be there with these values.
    #[serde(default)]
    pub match_labels: BTreeMap<String, String>,
    /// Further conditions; all must hold.
    #[serde(default)]
    pub match_expressions: Vec<LabelRequirement>,
}

/// One condition of a [`LabelSelector`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LabelRequirement {
    /// The label.
    pub key: String,
    /// How its value is judged.
    pub operator: LabelOperator,
    /// The values judged against; empty for `Exists` and `DoesNotExist`.
    #[serde(default)]
    pub values: Vec<String>,
}

/// How a [`LabelRequirement`] judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LabelOperator {
    /// The label has one of the values.
    In,
    /// The label has none of the values, or is not there.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is not there.
    DoesNotExist,
}

impl LabelSelector {
    /// Whether the labels fit. A selector without conditions fits everything.
    #[must_use]
    pub fn fits(&self, labels: &BTreeMap<String, String>) -> bool {
        fits(&self.match_labels, labels)
            && self.match_expressions.iter().all(|requirement| {
                let value = labels.get(&requirement.key);
                match requirement.operator {
                    LabelOperator::In => value.is_some_and(|value| requirement.values.contains(value)),
                    LabelOperator::NotIn => value.is_none_or(|value| !requirement.values.contains(value)),
                    LabelOperator::Exists => value.is_some(),
                    LabelOperator::DoesNotExist => value.is_none(),
                }
            })
    }

    /// Whether the selector has no condition.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }
}

/// Whether `labels` has everything that `selector` asks for.
#[must_use]
pub fn fits(selector: &BTreeMap<String, String>, labels: &BTreeMap<String, String>) -> bool {
    selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// A number, or a text: a port by number or name, a count or a percentage.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum IntOrString {
    /// A number.
    Int(i32),
    /// A text.
    String(String),
}

impl fmt::Display for IntOrString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(number) => write!(f, "{number}"),
            Self::String(text) => f.write_str(text),
        }
    }
}

impl From<u16> for IntOrString {
    fn from(number: u16) -> Self {
        Self::Int(number.into())
    }
}

impl JsonSchema for IntOrString {
    fn schema_name() -> Cow<'static, str> {
        "IntOrString".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "x-kubernetes-int-or-string": true })
    }
}

//! Roles, bindings and subjects.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Meta, Shared, list, map, null_is_default, shared_list};

/// A Role (with a namespace) or ClusterRole (without).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Role {
    /// Name, namespace, labels.
    #[serde(deserialize_with = "null_is_default")]
    pub metadata: Meta,
    /// What it allows.
    #[serde(deserialize_with = "shared_list")]
    pub rules: Shared<Vec<PolicyRule>>,
    /// Selectors of the cluster roles whose rules a controller copies into this one.
    pub aggregation_rule: Option<AggregationRule>,
}

/// Which cluster roles are aggregated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AggregationRule {
    /// Any of these selects.
    #[serde(deserialize_with = "list")]
    pub cluster_role_selectors: Vec<LabelSelector>,
}

/// A selector over labels; empty selects everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelSelector {
    /// Labels that must be equal.
    #[serde(deserialize_with = "map")]
    pub match_labels: BTreeMap<String, String>,
    /// Expressions that must hold.
    #[serde(deserialize_with = "list")]
    pub match_expressions: Vec<LabelExpression>,
}

/// One expression of a selector.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelExpression {
    /// The label.
    #[serde(deserialize_with = "null_is_default")]
    pub key: String,
    /// `In`, `NotIn`, `Exists`, `DoesNotExist`.
    #[serde(deserialize_with = "null_is_default")]
    pub operator: String,
    /// Values of `In` and `NotIn`.
    #[serde(deserialize_with = "list")]
    pub values: Vec<String>,
}

impl LabelSelector {
    /// True when the labels are selected (k8s.io/apimachinery `labels.Selector`); an unknown operator selects nothing.
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.match_expressions.iter().all(|expression| {
                let value = labels.get(&expression.key);
                match expression.operator.as_str() {
                    "In" => value.is_some_and(|value| expression.values.contains(value)),
                    "NotIn" => value.is_none_or(|value| !expression.values.contains(value)),
                    "Exists" => value.is_some(),
                    "DoesNotExist" => value.is_none(),
                    _ => false,
                }
            })
    }
}

/// One rule of a role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyRule {
    /// Verbs, `*` for all.
    #[serde(deserialize_with = "list")]
    pub verbs: Vec<String>,
    /// API groups, empty text for the core group, `*` for all.
    #[serde(deserialize_with = "list")]
    pub api_groups: Vec<String>,
    /// Resources, `resource/subresource`, `*/subresource`, `*`.
    #[serde(deserialize_with = "list")]
    pub resources: Vec<String>,
    /// Names of objects; empty for all.
    #[serde(deserialize_with = "list")]
    pub resource_names: Vec<String>,
    /// Paths outside of resources; a trailing `*` is a prefix.
    #[serde(rename = "nonResourceURLs", deserialize_with = "list")]
    pub non_resource_urls: Vec<String>,
}

/// A RoleBinding (with a namespace) or ClusterRoleBinding (without).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Binding {
    /// Name, namespace, labels.
    #[serde(deserialize_with = "null_is_default")]
    pub metadata: Meta,
    /// The role.
    #[serde(deserialize_with = "null_is_default")]
    pub role_ref: Shared<RoleRef>,
    /// Who gets it.
    #[serde(deserialize_with = "shared_list")]
    pub subjects: Shared<Vec<Subject>>,
}

/// The role of a binding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RoleRef {
    /// `Role` or `ClusterRole`.
    #[serde(deserialize_with = "null_is_default")]
    pub kind: String,
    /// Its name.
    #[serde(deserialize_with = "null_is_default")]
    pub name: String,
}

/// Who a binding is for.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Subject {
    /// `User`, `Group` or `ServiceAccount`.
    #[serde(deserialize_with = "null_is_default")]
    pub kind: String,
    /// Its name.
    #[serde(deserialize_with = "null_is_default")]
    pub name: String,
    /// Namespace of a service account.
    #[serde(deserialize_with = "null_is_default")]
    pub namespace: String,
}

//! Roles and bindings that Kubernetes and kubeadm make by themselves, by version.
//!
//! The data (`benchmarks/rbac/`) is generated from Kubernetes' own code. It says for each rule and subject which versions
//! have it: an API server adds what its version has and never takes away what an earlier one left
//! (k8s.io/component-helpers `auth/rbac/reconciliation`, 1.36), so that a stock cluster's objects follow from its history.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::error::{At, LoadError};
use super::shipped;
use crate::evidence::Version;
use crate::evidence::objects::{AggregationRule, PolicyRule, RoleRef, Subject};

/// What one maker (Kubernetes or kubeadm) makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockPolicy {
    /// The versions that the data knows, oldest first.
    pub versions: Vec<Version>,
    /// Its roles and cluster roles.
    pub roles: Vec<StockRole>,
    /// Its role bindings and cluster role bindings.
    pub bindings: Vec<StockBinding>,
}

/// A stock role; the namespace is empty for a cluster role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockRole {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The labels by which others aggregate it.
    pub labels: BTreeMap<String, String>,
    /// What it aggregates.
    pub aggregation_rule: Option<AggregationRule>,
    /// Its rules over all versions.
    pub rules: Vec<Lived<PolicyRule>>,
}

/// A stock binding; the namespace is empty for a cluster role binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockBinding {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The role.
    pub role_ref: RoleRef,
    /// Its subjects over all versions.
    pub subjects: Vec<Lived<Subject>>,
}

/// A part of a stock object, and where it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lived<T> {
    /// The rule or subject.
    pub part: T,
    /// The oldest version that has it.
    pub since: Version,
    /// The newest version that has it; `None` when the newest known one still does.
    pub until: Option<Version>,
    /// Whether it depends on feature gates.
    pub gates: Gates,
}

impl<T> Lived<T> {
    /// True when this version has it, given the gates.
    pub fn in_version(&self, version: Version) -> bool {
        self.since <= version && self.until.is_none_or(|until| version <= until)
    }
}

/// Whether a part of a stock object depends on feature gates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gates {
    /// It is there whatever they say.
    #[default]
    Independent,
    /// It is there by default and can be switched off.
    On,
    /// It is not there by default.
    Off,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPolicy {
    versions: Vec<Version>,
    roles: Vec<RawRole>,
    bindings: Vec<RawBinding>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawRole {
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    aggregation_rule: Option<AggregationRule>,
    rules: Vec<RawRule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawRule {
    verbs: Vec<String>,
    #[serde(default)]
    api_groups: Vec<String>,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    resource_names: Vec<String>,
    #[serde(default, rename = "nonResourceURLs")]
    non_resource_urls: Vec<String>,
    since: Option<Version>,
    until: Option<Version>,
    #[serde(default)]
    gates: Gates,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawBinding {
    name: String,
    #[serde(default)]
    namespace: String,
    role_ref: RoleRef,
    subjects: Vec<RawSubject>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSubject {
    kind: String,
    name: String,
    #[serde(default)]
    namespace: String,
    since: Option<Version>,
    until: Option<Version>,
    #[serde(default)]
    gates: Gates,
}

/// What kube-apiserver makes.
///
/// # Errors
/// The first thing that is wrong with the shipped data.
pub fn kubernetes() -> Result<StockPolicy, LoadError> {
    read("rbac/bootstrap.yaml")
}

/// What kubeadm makes besides.
///
/// # Errors
/// The first thing that is wrong with the shipped data.
pub fn kubeadm() -> Result<StockPolicy, LoadError> {
    read("rbac/kubeadm.yaml")
}

fn read(path: &str) -> Result<StockPolicy, LoadError> {
    let (raw, _): (RawPolicy, _) = shipped(path)?;
    let Some(oldest) = raw.versions.first().copied() else {
        return Err(LoadError::at(path, At::default(), "names no version"));
    };
    let role = |raw: RawRole| StockRole {
        name: raw.name,
        namespace: raw.namespace,
        labels: raw.labels,
        aggregation_rule: raw.aggregation_rule,
        rules: raw.rules.into_iter().map(|raw| rule(raw, oldest)).collect(),
    };
    let binding = |raw: RawBinding| StockBinding {
        name: raw.name,
        namespace: raw.namespace,
        role_ref: raw.role_ref,
        subjects: raw.subjects.into_iter().map(|raw| subject(raw, oldest)).collect(),
    };
    Ok(StockPolicy {
        roles: raw.roles.into_iter().map(role).collect(),
        bindings: raw.bindings.into_iter().map(binding).collect(),
        versions: raw.versions,
    })
}

fn rule(raw: RawRule, oldest: Version) -> Lived<PolicyRule> {
    let part = PolicyRule {
        verbs: raw.verbs,
        api_groups: raw.api_groups,
        resources: raw.resources,
        resource_names: raw.resource_names,
        non_resource_urls: raw.non_resource_urls,
    };
    Lived { part, since: raw.since.unwrap_or(oldest), until: raw.until, gates: raw.gates }
}

fn subject(raw: RawSubject, oldest: Version) -> Lived<Subject> {
    let part = Subject { kind: raw.kind, name: raw.name, namespace: raw.namespace };
    Lived { part, since: raw.since.unwrap_or(oldest), until: raw.until, gates: raw.gates }
}

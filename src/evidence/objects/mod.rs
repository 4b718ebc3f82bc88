//! Kubernetes objects, cut down to the fields that a fact reads. Decoded straight into these types: whole objects never exist.
//!
//! Field names and meanings are those of the Kubernetes API (k8s.io/api 0.37); unknown fields are skipped while decoding.

mod environment;
mod pod;
mod rbac;
mod security;
mod shared;
mod volume;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use environment::EnvSource;
pub use pod::{
    Container, ContainerPort, Handler, HostField, Lifecycle, Os, Pod, PodSpec, PodStatus, PodTemplate, Probe,
    RUNS_PODS, Workload, WorkloadSpec,
};
pub use rbac::{AggregationRule, Binding, LabelSelector, PolicyRule, Role, RoleRef, Subject};
pub use security::{
    AppArmorProfile, Capabilities, ContainerSecurityContext, PodSecurityContext, SeLinuxOptions, SeccompProfile,
    Sysctl, WindowsOptions,
};
pub use shared::Shared;
pub use volume::{Volume, VolumeKind};

use super::{Gap, Instance, NodeEvidence, Observed, ServerMetrics, Version};

/// The part of an object's metadata that facts read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meta {
    /// Name.
    #[serde(deserialize_with = "null_is_default")]
    pub name: String,
    /// Namespace; empty for cluster-scoped objects.
    #[serde(deserialize_with = "null_is_default")]
    pub namespace: Shared<String>,
    /// Labels.
    #[serde(skip_serializing_if = "no_entries", deserialize_with = "shared_map")]
    pub labels: Shared<BTreeMap<String, String>>,
    /// The annotations that a fact reads; all others are dropped while decoding.
    #[serde(skip_serializing_if = "no_entries", deserialize_with = "kept_annotations")]
    pub annotations: Shared<BTreeMap<String, String>>,
    /// Owners.
    #[serde(skip_serializing_if = "no_owners", deserialize_with = "shared_list")]
    pub owner_references: Shared<Vec<OwnerReference>>,
    /// Unique id. Of the thousands of objects of a cluster it is kept where it tells this program's own pods from others: of what a
    /// DaemonSet makes.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub uid: String,
}

fn no_entries(map: &BTreeMap<String, String>) -> bool {
    map.is_empty()
}

fn no_owners(owners: &[OwnerReference]) -> bool {
    owners.is_empty()
}

/// Who owns an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OwnerReference {
    /// Kind of the owner.
    #[serde(deserialize_with = "null_is_default")]
    pub kind: String,
    /// Its name.
    #[serde(deserialize_with = "null_is_default")]
    pub name: String,
    /// It is the managing controller.
    #[serde(deserialize_with = "null_is_default")]
    pub controller: bool,
}

/// Prefixes of the annotations that facts read.
const ANNOTATIONS: [&str; 6] = [
    "container.apparmor.security.beta.kubernetes.io/",
    "seccomp.security.alpha.kubernetes.io/",
    "container.seccomp.security.alpha.kubernetes.io/",
    "rbac.authorization.kubernetes.io/autoupdate",
    "kubernetes.io/config.",
    "kubernetes.io/service-account.name",
];

fn kept_annotations<'de, D>(deserializer: D) -> Result<Shared<BTreeMap<String, String>>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    let mut all: BTreeMap<String, String> = map(deserializer)?;
    all.retain(|name, _| ANNOTATIONS.iter().any(|prefix| name.starts_with(prefix)));
    Ok(all.into())
}

fn shared_map<'de, D>(deserializer: D) -> Result<Shared<BTreeMap<String, String>>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    map(deserializer).map(Shared::from)
}

fn shared_list<'de, D: serde::Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<Shared<Vec<T>>, D::Error> {
    list(deserializer).map(Shared::from)
}

/// JSON null where Go writes an empty value: a null of any field is the field left out (encoding/json).
pub(crate) fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// The same for a list and its elements.
pub(crate) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    let all: Vec<Option<T>> = null_is_default(deserializer)?;
    let mut all: Vec<T> = all.into_iter().map(Option::unwrap_or_default).collect();
    // most lists are short and kept for long: the room to grow would be most of them
    all.shrink_to_fit();
    Ok(all)
}

/// The same for a map and its values.
pub(crate) fn map<'de, D, T>(deserializer: D) -> Result<BTreeMap<String, T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    let all: BTreeMap<String, Option<T>> = null_is_default(deserializer)?;
    Ok(all.into_iter().map(|(key, value)| (key, value.unwrap_or_default())).collect())
}

/// A list of objects with whether it is complete: an empty list proves something only then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listing<T> {
    /// What was read.
    pub items: Vec<T>,
    /// Why more may exist.
    pub gap: Option<Gap>,
}

impl<T> Listing<T> {
    /// Nothing was read, for a reason.
    pub fn unread(gap: Gap) -> Self {
        Self { items: Vec::new(), gap: Some(gap) }
    }
}

/// A namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Namespace {
    /// Name and labels.
    #[serde(deserialize_with = "null_is_default")]
    pub metadata: Meta,
}

/// A service account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceAccount {
    /// Name and namespace.
    #[serde(deserialize_with = "null_is_default")]
    pub metadata: Meta,
    /// Whether pods get its token mounted; unset means yes.
    pub automount_service_account_token: Option<bool>,
}

/// A node, as the API describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApiNode {
    /// Name and labels.
    #[serde(deserialize_with = "null_is_default")]
    pub metadata: Meta,
    /// What a cloud calls it.
    #[serde(deserialize_with = "null_is_default")]
    pub spec: ApiNodeSpec,
    /// Status.
    #[serde(deserialize_with = "null_is_default")]
    pub status: ApiNodeStatus,
}

/// Specification of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApiNodeSpec {
    /// Its machine, as its cloud names it: `aws:///eu-west-1a/i-0123`.
    #[serde(rename = "providerID", deserialize_with = "null_is_default")]
    pub provider_id: String,
}

/// Status of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApiNodeStatus {
    /// What runs there.
    #[serde(rename = "nodeInfo", deserialize_with = "null_is_default")]
    pub info: NodeInfo,
    /// Where it is reached.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<NodeAddress>,
    /// Where its kubelet listens.
    #[serde(deserialize_with = "null_is_default")]
    pub daemon_endpoints: DaemonEndpoints,
}

/// An address of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeAddress {
    /// `InternalIP`, `Hostname` ...
    #[serde(rename = "type")]
    pub kind: String,
    /// The address.
    pub address: String,
}

/// Where a node's own services listen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DaemonEndpoints {
    /// The kubelet.
    pub kubelet_endpoint: Endpoint,
}

/// Where a service listens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Endpoint {
    /// TCP port; 0 where it is not told.
    #[serde(rename = "Port")]
    pub port: u16,
}

/// What runs on a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "each is what its name says")]
pub struct NodeInfo {
    #[serde(rename = "machineID", deserialize_with = "null_is_default")]
    pub machine_id: String,
    #[serde(deserialize_with = "null_is_default")]
    pub kubelet_version: String,
    #[serde(deserialize_with = "null_is_default")]
    pub kube_proxy_version: String,
    #[serde(deserialize_with = "null_is_default")]
    pub operating_system: String,
    #[serde(deserialize_with = "null_is_default")]
    pub os_image: String,
    #[serde(deserialize_with = "null_is_default")]
    pub kernel_version: String,
}

/// A network policy of the core API.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NetworkPolicy {
    /// Name and namespace.
    #[serde(deserialize_with = "null_is_default")]
    pub metadata: Meta,
    /// Which pods it selects, and what it allows.
    #[serde(deserialize_with = "null_is_default")]
    pub spec: NetworkPolicySpec,
}

/// Which pods a policy selects, in which directions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NetworkPolicySpec {
    /// Empty selects every pod of the namespace.
    #[serde(deserialize_with = "null_is_default")]
    pub pod_selector: LabelSelector,
    /// `Ingress`, `Egress`; empty means as the rules say.
    #[serde(deserialize_with = "list")]
    pub policy_types: Vec<String>,
    /// Number of ingress rules; `None` without the field.
    #[serde(deserialize_with = "length")]
    pub ingress: Option<usize>,
    /// Number of egress rules; `None` without the field.
    #[serde(deserialize_with = "length")]
    pub egress: Option<usize>,
}

/// The number of rules: the API sends the list, evidence files hold the number.
fn length<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    struct Rules;
    impl<'de> serde::de::Visitor<'de> for Rules {
        type Value = Option<usize>;
        fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            out.write_str("a list of rules")
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_u64<E>(self, count: u64) -> Result<Self::Value, E> {
            Ok(usize::try_from(count).ok())
        }
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
            let mut count = 0;
            while access.next_element::<serde::de::IgnoredAny>()?.is_some() {
                count += 1;
            }
            Ok(Some(count))
        }
    }
    deserializer.deserialize_any(Rules)
}

/// An object of which only the name and a few texts matter: webhooks, policies, CRDs, services.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Named {
    /// API group of the kind.
    #[serde(deserialize_with = "null_is_default")]
    pub group: String,
    /// Kind.
    #[serde(deserialize_with = "null_is_default")]
    pub kind: String,
    /// Name, namespace, labels.
    #[serde(deserialize_with = "null_is_default")]
    pub metadata: Meta,
    /// What a policy does with what it finds, in its own words (`Deny`, `Enforce`, `Audit`); several with commas; empty where the kind
    /// has no such field or it was not read.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub action: String,
    /// Of a webhook configuration: whether one of its webhooks is asked about pods or the workloads that make them. `None` for every
    /// other kind, and where its rules were not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sees_workloads: Option<bool>,
}

/// What was read of a cluster through its API, or from manifests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterEvidence {
    /// Name of the cluster or of the source, for people.
    #[serde(deserialize_with = "null_is_default")]
    pub name: String,
    /// Where the objects come from.
    pub source: Source,
    /// When they were read, RFC 3339, UTC.
    pub collected_at: String,
    /// Version of the API server.
    pub version: Option<Version>,
    /// Namespaces.
    pub namespaces: Listing<Namespace>,
    /// Nodes.
    pub nodes: Listing<ApiNode>,
    /// Pods.
    pub pods: Listing<Pod>,
    /// Controllers with their pod templates.
    pub workloads: Listing<Workload>,
    /// Service accounts.
    pub service_accounts: Listing<ServiceAccount>,
    /// Roles and cluster roles (namespace empty).
    pub roles: Listing<Role>,
    /// Role bindings and cluster role bindings (namespace empty).
    pub bindings: Listing<Binding>,
    /// Network policies of the core API.
    pub network_policies: Listing<NetworkPolicy>,
    /// Objects of which only the name matters, by `Kind.group`.
    pub named: BTreeMap<String, Listing<Named>>,
    /// A kind that does not stand in `named` was looked for and has no objects.
    pub complete: bool,
    /// The full version that the API server tells of itself, such as `v1.34.1-eks-3cfe0ce`; empty when it does not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub server_version: String,
    /// The API server that answers, by the flags that it tells at `/flagz`.
    #[serde(default)]
    pub api_server: Observed<Box<Instance>>,
    /// What its metrics tell.
    #[serde(default, alias = "storage")]
    pub metrics: Observed<ServerMetrics>,
    /// How many API servers there are, where the cluster tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_count: Option<usize>,
    /// Several API servers, each as it tells of itself at its own address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<ApiServerTold>,
    /// What these objects show of each node's components, without a look at the node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub views: Vec<NodeEvidence>,
}

impl ClusterEvidence {
    /// Why lists are not complete, each reason once, in the order of the lists.
    pub fn gaps(&self) -> Vec<&Gap> {
        let lists = [
            &self.namespaces.gap,
            &self.nodes.gap,
            &self.pods.gap,
            &self.workloads.gap,
            &self.service_accounts.gap,
            &self.roles.gap,
            &self.bindings.gap,
            &self.network_policies.gap,
        ];
        let mut found: Vec<&Gap> = Vec::new();
        for gap in lists.into_iter().chain(self.named.values().map(|listing| &listing.gap)).flatten() {
            if !found.contains(&gap) {
                found.push(gap);
            }
        }
        found
    }
}

/// One of several API servers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiServerTold {
    /// Where it was asked.
    pub address: std::net::SocketAddr,
    /// Its flags.
    pub flags: Observed<Box<Instance>>,
    /// Its metrics.
    pub metrics: Observed<ServerMetrics>,
}

/// Where a cluster's objects come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The cluster's API.
    Api,
    /// Files of objects.
    Manifests,
}

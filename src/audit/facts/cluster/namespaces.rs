//! Namespaces: what admission refuses there, which policies isolate their pods.

use super::pods::Level;
use crate::audit::report::Offender;
use crate::evidence::objects::{ClusterEvidence, Named, Namespace, NetworkPolicy, Pod};

/// Namespaces that Kubernetes itself makes for its own components.
pub fn is_system(name: &str) -> bool {
    matches!(name, "kube-system" | "kube-public" | "kube-node-lease")
}

/// The level that a namespace's label enforces; without one the API server's default.
///
/// An unknown level counts as restricted, as the plugin treats it (k8s.io/pod-security-admission/api, PolicyToEvaluate).
pub fn enforced(namespace: &Namespace, default: Level) -> Level {
    match namespace.metadata.labels.get("pod-security.kubernetes.io/enforce").map(String::as_str) {
        None => default,
        Some("privileged") => Level::Privileged,
        Some("baseline") => Level::Baseline,
        Some(_) => Level::Restricted,
    }
}

/// User namespaces where admission does not refuse what `level` refuses.
pub fn open(cluster: &ClusterEvidence, level: Level, default: Level) -> Vec<Offender> {
    let user = cluster.namespaces.items.iter().filter(|namespace| !is_system(&namespace.metadata.name));
    let open = user.filter(|namespace| enforced(namespace, default) < level);
    let text = |namespace: &Namespace| match namespace.metadata.labels.get("pod-security.kubernetes.io/enforce") {
        Some(level) => format!("enforces {level}"),
        None => "enforces nothing".to_owned(),
    };
    open.map(|namespace| Offender { what: format!("namespace {}", namespace.metadata.name), found: text(namespace) })
        .collect()
}

/// Pods of a namespace that are still there to be protected.
pub fn live<'a>(cluster: &'a ClusterEvidence, namespace: &'a str) -> impl Iterator<Item = &'a Pod> {
    let pods = cluster.pods.items.iter().filter(move |pod| pod.metadata.namespace == namespace);
    pods.filter(|pod| !matches!(pod.status.phase.as_str(), "Succeeded" | "Failed"))
}

/// Kinds beside the core policies that isolate pods of every namespace that they select.
const OTHER_POLICIES: [&str; 8] = [
    "AdminNetworkPolicy.policy.networking.k8s.io",
    "ClusterNetworkPolicy.policy.networking.k8s.io",
    "BaselineAdminNetworkPolicy.policy.networking.k8s.io",
    "CiliumNetworkPolicy.cilium.io",
    "CiliumClusterwideNetworkPolicy.cilium.io",
    "GlobalNetworkPolicy.crd.projectcalico.org",
    "NetworkPolicy.crd.projectcalico.org",
    "ClusterNetworkPolicy.crd.antrea.io",
];

/// Objects of a kind; empty where none was found.
pub fn named<'a>(cluster: &'a ClusterEvidence, kind: &str) -> &'a [Named] {
    cluster.named.get(kind).map(|listing| listing.items.as_slice()).unwrap_or_default()
}

/// How the network policies of a cluster leave its namespaces.
#[derive(Debug, Default)]
pub struct Isolation {
    /// Namespaces with pods and without any policy.
    pub open: Vec<Offender>,
    /// Namespaces without pods and without any policy, or whose policies select none of their pods.
    pub doubtful: Vec<Offender>,
}

/// Looks at every namespace.
pub fn isolation(cluster: &ClusterEvidence) -> Isolation {
    let mut found = Isolation::default();
    let wide = OTHER_POLICIES
        .iter()
        .flat_map(|kind| named(cluster, kind))
        .filter(|policy| policy.metadata.namespace.is_empty())
        .count();
    for namespace in &cluster.namespaces.items {
        let name = &namespace.metadata.name;
        let policies: Vec<&NetworkPolicy> =
            cluster.network_policies.items.iter().filter(|policy| policy.metadata.namespace == *name).collect();
        let others = OTHER_POLICIES
            .iter()
            .flat_map(|kind| named(cluster, kind))
            .filter(|policy| policy.metadata.namespace == *name)
            .count();
        // pods on the host's network are outside of any policy
        let pods: Vec<&Pod> = live(cluster, name).filter(|pod| !pod.spec.host_network).collect();
        let what = format!("namespace {name}");
        if policies.is_empty() && others == 0 {
            let found_there = format!("no policy, {} pods", pods.len());
            let list = if pods.is_empty() || wide > 0 { &mut found.doubtful } else { &mut found.open };
            let suffix = if wide > 0 { "; cluster-wide policies exist" } else { "" };
            list.push(Offender { what, found: format!("{found_there}{suffix}") });
            continue;
        }
        let open: Vec<&str> = pods
            .iter()
            .filter(|pod| !policies.iter().any(|policy| isolates(policy, pod)))
            .map(|pod| pod.metadata.name.as_str())
            .collect();
        if !open.is_empty() && others == 0 && wide == 0 {
            let shown = open.iter().take(5).copied().collect::<Vec<_>>().join(", ");
            found
                .doubtful
                .push(Offender { what, found: format!("{} pods that no policy selects: {shown}", open.len()) });
        }
    }
    found
}

/// A policy isolates a pod in a direction when it selects it there (k8s.io/api/networking/v1, NetworkPolicySpec.policyTypes).
fn isolates(policy: &NetworkPolicy, pod: &Pod) -> bool {
    policy.spec.pod_selector.selects(&pod.metadata.labels)
}

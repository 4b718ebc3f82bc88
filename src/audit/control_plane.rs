//! Where the control plane is: which nodes a check of it is about when only the API was asked, and what is said when nothing
//! of it was seen anywhere.

use super::judge::Judgement;
use crate::benchmark::{Check, Predicate, Scope, Subject};
use crate::evidence::objects::{ApiNode, ClusterEvidence, Source};
use crate::evidence::{Component, Evidence, Gap, NodeEvidence, Reason};

const MASTERS: [Component; 3] = [Component::KubeApiserver, Component::KubeControllerManager, Component::KubeScheduler];

/// The control plane's components that a check is about; none where it is about something that every node has.
fn components(check: &Check) -> &'static [Component] {
    match (check.subject, check.scope) {
        (Subject::Component(Component::KubeApiserver), _) => &[Component::KubeApiserver],
        (Subject::Component(Component::KubeControllerManager), _) => &[Component::KubeControllerManager],
        (Subject::Component(Component::KubeScheduler), _) => &[Component::KubeScheduler],
        (Subject::Component(Component::Etcd), _) | (Subject::Node, Scope::EtcdMember) => &[Component::Etcd],
        (Subject::Node, Scope::ControlPlane) if !check.pass.iter().any(names_files_of_every_node) => &MASTERS,
        _ => &[],
    }
}

/// Network configuration and certificates lie on workers too, though the benchmark counts them to the control plane.
fn names_files_of_every_node(predicate: &Predicate) -> bool {
    match predicate {
        Predicate::All(inner) | Predicate::Any(inner) => inner.iter().any(names_files_of_every_node),
        Predicate::Not(inner) => names_files_of_every_node(inner),
        Predicate::Fact(fact, _) => {
            let name = fact.name();
            name == "files.cni-configuration" || name.starts_with("files.pki-")
        }
    }
}

/// True when a check has a subject on this node. Of a node that only the API shows, nobody can say that a component is absent:
/// where the API shows none, nothing is said of that node, unless its own labels say that it has one while others show theirs. Where
/// none of them shows any, [`unseen`] speaks for the cluster.
pub fn concerns(check: &Check, node: &NodeEvidence, evidence: &Evidence) -> bool {
    let components = components(check);
    components.is_empty()
        || !node.is_api_view()
        || node.has_any(components)
        || (has_role(node, components, evidence) && evidence.nodes.iter().any(|other| other.has_any(components)))
}

/// True when the labels of a node that only the API shows say that these components run there.
fn has_role(node: &NodeEvidence, components: &[Component], evidence: &Evidence) -> bool {
    let roles = if components == [Component::Etcd] { &ROLES[2..] } else { &ROLES[..2] };
    let listed = evidence.cluster.iter().flat_map(|cluster| &cluster.nodes.items);
    let mut with_role = listed.filter(|one| roles.iter().any(|role| one.metadata.labels.contains_key(*role)));
    with_role.any(|one| one.metadata.name == node.name)
}

/// True of the API server that answers where a provider runs it: what its flags are is the provider's business.
pub fn is_provider_s(node: &NodeEvidence, evidence: &Evidence) -> bool {
    node.is_answering_server() && evidence.cluster.as_ref().is_some_and(|cluster| managed(cluster).is_ok())
}

/// What is said of a cluster of which no node shows what the check is about.
pub fn unseen(check: &Check, evidence: &Evidence) -> Option<Judgement> {
    let components = components(check);
    let cluster = evidence.cluster.as_ref()?;
    let asked = cluster.source == Source::Api || !cluster.nodes.items.is_empty();
    if components.is_empty() || !asked {
        return None;
    }
    if evidence.nodes.iter().any(|node| node.has_any(components) && !is_provider_s(node, evidence)) {
        return missing(components, cluster, evidence).map(Judgement::unknown);
    }
    Some(match managed(cluster) {
        Ok(by) => Judgement::not_applicable(format!("run by the provider: {by}")),
        Err(gap) => Judgement::unknown(gap),
    })
}

/// Why what was seen of the API servers is not all of them: the cluster names more, and no node that was not looked at stands for them.
fn missing(components: &[Component], cluster: &ClusterEvidence, evidence: &Evidence) -> Option<Gap> {
    let servers = |node: &NodeEvidence| node.own(Component::KubeApiserver).count();
    let seen: usize = evidence.nodes.iter().map(servers).sum();
    let named = cluster.server_count.filter(|named| *named > seen)?;
    (components == [Component::KubeApiserver] && evidence.unseen.is_empty()).then(|| {
        Gap::new(
            Reason::NotAsked,
            format!("the cluster names {named} API servers at their addresses, and {seen} of them were seen"),
        )
    })
}

/// A provider that runs the control plane itself, and what gives it away.
struct Provider {
    name: &'static str,
    /// In the version that the API server tells of itself.
    version: &'static str,
    /// Start of its nodes' provider ids.
    machine: &'static str,
    /// Start of the labels of its nodes.
    label: &'static str,
}

const PROVIDERS: [Provider; 7] = [
    Provider { name: "EKS", version: "-eks-", machine: "aws://", label: "eks.amazonaws.com/" },
    Provider { name: "GKE", version: "-gke.", machine: "gce://", label: "cloud.google.com/gke-" },
    Provider { name: "AKS", version: "-aks", machine: "azure://", label: "kubernetes.azure.com/" },
    Provider { name: "ACK", version: "-aliyun.", machine: "alicloud://", label: "alibabacloud.com/" },
    Provider { name: "OKE", version: "-oke", machine: "ocid1.instance.", label: "oke.oraclecloud.com/" },
    Provider { name: "DOKS", version: "-doks", machine: "digitalocean://", label: "doks.digitalocean.com/" },
    Provider { name: "LKE", version: "-lke", machine: "linode://", label: "lke.linode.com/" },
];

/// Roles that say that a control plane is on the node: the first two its masters, the last one etcd.
const ROLES: [&str; 3] =
    ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master", "node-role.kubernetes.io/etcd"];

/// Who runs the control plane, and by which signs that is proven: no node of one in a complete list, and at least two
/// independent signs of one and the same provider, those of nodes on every node.
///
/// # Errors
/// Why it is not proven.
fn managed(cluster: &ClusterEvidence) -> Result<String, Gap> {
    let nodes = &cluster.nodes;
    for (what, gap) in [("nodes", &nodes.gap), ("pods", &cluster.pods.gap)] {
        if let Some(gap) = gap {
            return Err(Gap::new(gap.reason, format!("no control plane was seen, {what}: {}", gap.detail)));
        }
    }
    let unproven = |why: &str| {
        Gap::new(
            Reason::NotAsked,
            format!("no mirror pod of kube-system runs it, and {why}: a look at its nodes would tell"),
        )
    };
    if let Some(node) =
        nodes.items.iter().find(|node| ROLES.iter().any(|role| node.metadata.labels.contains_key(*role)))
    {
        return Err(unproven(&format!("node {} says that it is of the control plane", node.metadata.name)));
    }
    let everywhere = |holds: &dyn Fn(&ApiNode) -> bool| !nodes.items.is_empty() && nodes.items.iter().all(holds);
    let mut weak = String::new();
    for provider in &PROVIDERS {
        let mut signs = Vec::new();
        if cluster.server_version.contains(provider.version) {
            signs.push(format!("the API server calls itself {}", cluster.server_version));
        }
        if everywhere(&|node| node.spec.provider_id.starts_with(provider.machine)) {
            signs.push(format!("every node is a machine {}...", provider.machine));
        }
        if everywhere(&|node| node.metadata.labels.keys().any(|label| label.starts_with(provider.label))) {
            signs.push(format!("every node has labels {}...", provider.label));
        }
        match signs.len() {
            0 => {}
            1 => weak = format!("there is only one sign of {} ({})", provider.name, signs[0]),
            _ => return Ok(format!("{} ({}; no node of a control plane)", provider.name, signs.join("; "))),
        }
    }
    Err(unproven(if weak.is_empty() { "nothing says that a provider runs it" } else { &weak }))
}

//! Network and storage agents that need their node: known by their DaemonSet, account and images together, never by a name alone.

use super::namespaces::is_system;
use crate::evidence::objects::Pod;

/// An agent: names of its DaemonSet, of its account, and what the images of its containers have in their names.
struct Agent {
    sets: &'static [&'static str],
    accounts: &'static [&'static str],
    images: &'static [&'static str],
}

const fn agent(
    sets: &'static [&'static str],
    accounts: &'static [&'static str],
    images: &'static [&'static str],
) -> Agent {
    Agent { sets, accounts, images }
}

/// As the projects' own manifests and charts install them.
const AGENTS: [Agent; 13] = [
    agent(&["calico-node", "canal"], &["calico-node", "canal"], &["calico", "flannel"]),
    agent(&["csi-node-driver"], &["csi-node-driver"], &["calico"]),
    agent(&["cilium", "cilium-envoy"], &["cilium", "cilium-envoy"], &["cilium"]),
    agent(&["antrea-agent"], &["antrea-agent"], &["antrea"]),
    agent(&["kube-flannel", "kube-flannel-ds"], &["flannel"], &["flannel"]),
    agent(&["weave-net"], &["weave-net"], &["weave"]),
    agent(&["kube-router"], &["kube-router"], &["kube-router"]),
    agent(&["ovnkube-node"], &["ovnkube-node", "ovn"], &["ovn"]),
    agent(&["ovs-ovn"], &["ovn-ovs", "ovn"], &["kube-ovn"]),
    agent(&["aws-node"], &["aws-node"], &["amazon-k8s-cni", "aws-network-policy-agent"]),
    agent(&["azure-cni", "azure-cns"], &["azure-cni", "azure-cns"], &["azure-cni", "azure-cns"]),
    agent(&["ebs-csi-node"], &["ebs-csi-node-sa"], &["ebs-csi-driver"]),
    agent(&["kindnet"], &["kindnet"], &["kindnetd"]),
];

/// Images of Kubernetes' own that stand beside a storage driver in its pod.
const BESIDE_A_DRIVER: [&str; 2] = ["node-driver-registrar", "livenessprobe"];

/// Where those manifests put their agents, beside the namespaces of Kubernetes itself.
const NAMESPACES: [&str; 4] = ["calico-system", "kube-flannel", "cilium", "ovn-kubernetes"];

/// The DaemonSet of the known agent that a pod is of.
pub(super) fn known(pod: &Pod) -> Option<&str> {
    let meta = &pod.metadata;
    if !is_system(&meta.namespace) && !NAMESPACES.contains(&meta.namespace.as_str()) {
        return None;
    }
    let owner = meta.owner_references.iter().find(|owner| owner.kind == "DaemonSet" && owner.controller)?;
    let is_it = |agent: &&Agent| {
        agent.sets.contains(&owner.name.as_str())
            && pod.account().is_some_and(|account| agent.accounts.contains(&account))
            && pod.spec.all_containers().all(|(_, container)| {
                let name = name_of_image(&container.image);
                agent.images.iter().chain(&BESIDE_A_DRIVER).any(|part| name.contains(part))
            })
    };
    AGENTS.iter().find(is_it).map(|_| owner.name.as_str())
}

/// An image without its tag and digest.
fn name_of_image(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or_default();
    match name.rsplit_once(':') {
        // a colon before a slash is a port
        Some((name, tag)) if !tag.contains('/') => name,
        _ => name,
    }
}

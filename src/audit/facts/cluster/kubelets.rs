//! What the kubelets of a cluster do with every pod.

use std::collections::HashMap;

use crate::audit::judge::Node;
use crate::evidence::objects::{ApiNode, ClusterEvidence};
use crate::evidence::{Component, NodeEvidence, Ownership, Value};

/// True when every node where a pod can run is known to confine containers that name no seccomp profile (`seccompDefault`). One node that
/// was not seen, or whose kubelet does not tell, is enough for false.
///
/// Source: pkg/kubelet/kuberuntime/helpers.go (`getSeccompProfile`, 1.36).
pub fn confine_by_default<'a>(
    cluster: &ClusterEvidence,
    nodes: &'a [NodeEvidence],
    mut judged: impl FnMut(&'a NodeEvidence) -> Node<'a>,
) -> bool {
    let seen: HashMap<&str, &'a NodeEvidence> = nodes.iter().map(|node| (node.name.as_str(), node)).collect();
    let mut confines =
        |node: &ApiNode| seen.get(node.metadata.name.as_str()).is_some_and(|node| confines(&judged(node)));
    let mut linux = cluster.nodes.items.iter().filter(|node| node.status.info.operating_system != "windows").peekable();
    cluster.nodes.gap.is_none() && linux.peek().is_some() && linux.all(&mut confines)
}

/// True when the node's own kubelets do, in every version that they can be.
fn confines(node: &Node<'_>) -> bool {
    let own = node
        .evidence
        .instances
        .iter()
        .zip(&node.effective)
        .filter(|(instance, _)| instance.component == Component::Kubelet && instance.ownership == Ownership::Own);
    let mut kubelets = own.map(|(_, at_versions)| at_versions).peekable();
    let on =
        |value: &crate::evidence::effective::Effective| value.get("seccompDefault").value() == Some(&Value::Bool(true));
    kubelets.peek().is_some()
        && kubelets.all(|at_versions| !at_versions.is_empty() && at_versions.iter().all(|(_, effective)| on(effective)))
}

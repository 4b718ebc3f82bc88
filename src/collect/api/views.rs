//! What the API shows of each node's components, in the same terms in which a node's own evidence is written.

use std::collections::BTreeMap;

use super::mirror_pods;
use crate::evidence::objects::{ApiNode, ClusterEvidence};
use crate::evidence::{
    API_VIEW, Component, Gap, HostFacts, Instance, NodeEvidence, Observed, Ownership, Reason, Tables, Version,
};

/// Makes the views of all nodes; the words of pods are gone from the objects afterwards.
///
/// `kubelet` says why no kubelet told its configuration.
pub fn attach(tables: &Tables, cluster: &mut ClusterEvidence, kubelet: &Gap) {
    let mut views: BTreeMap<String, NodeEvidence> = cluster
        .nodes
        .items
        .iter()
        .map(|node| {
            let mut view = view(node, &cluster.collected_at);
            view.instances.push(unread_kubelet(node, kubelet));
            (node.metadata.name.clone(), view)
        })
        .collect();
    for (node, instance) in mirror_pods::take(tables, &mut cluster.pods.items, cluster.version) {
        // a node that may not be listed is known by its pods
        let named = || ApiNode {
            metadata: crate::evidence::objects::Meta { name: node.clone(), ..Default::default() },
            ..ApiNode::default()
        };
        let view = views.entry(node.clone()).or_insert_with(|| view(&named(), &cluster.collected_at));
        view.instances.push(instance);
    }
    for view in views.values_mut() {
        view.instances.sort_by(|one, other| (one.component, &one.pod).cmp(&(other.component, &other.pod)));
    }
    cluster.views = views.into_values().collect();
}

fn view(node: &ApiNode, collected_at: &str) -> NodeEvidence {
    let info = &node.status.info;
    let told = |text: &String| (!text.is_empty()).then(|| text.clone());
    NodeEvidence {
        name: node.metadata.name.clone(),
        collected_at: collected_at.to_owned(),
        host: HostFacts {
            kind: API_VIEW.to_owned(),
            os: told(&info.os_image),
            kernel: told(&info.kernel_version),
            machine_id: told(&info.machine_id),
            ..HostFacts::default()
        },
        process_table: Some(Gap::new(Reason::NotAsked, "the API does not show what runs outside of pods")),
        ..NodeEvidence::default()
    }
}

/// The kubelet that every node has, as long as nobody has told its configuration.
fn unread_kubelet(node: &ApiNode, gap: &Gap) -> Instance {
    let version = node.status.info.kubelet_version.parse::<Version>().ok();
    Instance {
        component: Component::Kubelet,
        pid: None,
        ownership: Ownership::Own,
        pod: None,
        executable: Observed::Unknown(gap.clone()),
        arguments: Observed::Unknown(gap.clone()),
        environment: Observed::Unknown(gap.clone()),
        versions: version.map_or_else(Version::known, |version| vec![version]),
        version_from: if version.is_some() {
            "the node's status".to_owned()
        } else {
            "unknown: every version that the tables know".to_owned()
        },
        started_at: None,
        manifest: None,
        manifest_differs: None,
        documents: Vec::new(),
        certificates: BTreeMap::new(),
        seen_in: Some("the API's list of nodes".to_owned()),
    }
}

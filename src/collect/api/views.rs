//! What the API shows of each node's components, in the same terms in which a node's own evidence is written.

use std::collections::BTreeMap;

use super::configz::Kubelets;
use super::{kube_proxy, mirror_pods};
use crate::evidence::objects::{ApiNode, ClusterEvidence};
use crate::evidence::{
    API_VIEW, Component, Document, DocumentRole, Gap, HostFacts, Instance, NodeEvidence, Observed, Origin, Ownership,
    Reason, Tables, Value, Version,
};

/// Makes the views of all nodes; the words of pods are gone from the objects afterwards.
///
/// `kube_proxy` is what runs on every node with a pod of its DaemonSet.
pub fn attach(tables: &Tables, cluster: &mut ClusterEvidence, mut kubelets: Kubelets, kube_proxy: Option<Instance>) {
    let mut views: BTreeMap<String, NodeEvidence> = BTreeMap::new();
    for node in &cluster.nodes.items {
        let mut view = view(node, &cluster.collected_at);
        view.instances.push(kubelet(node, kubelets.of(&node.metadata.name)));
        views.insert(node.metadata.name.clone(), view);
    }
    if let Some(instance) = kube_proxy {
        for pod in cluster.pods.items.iter().filter(|pod| kube_proxy::owns(pod)) {
            if let Some(view) = views.get_mut(pod.spec.node_name.as_str())
                && !view.has_any(&[Component::KubeProxy])
            {
                view.instances.push(instance.clone());
            }
        }
    }
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

/// The kubelet that every node has, with what it told of itself.
fn kubelet(node: &ApiNode, told: Result<Value, Gap>) -> Instance {
    let version = node.status.info.kubelet_version.parse::<Version>().ok();
    let (words, documents, seen_in) = match told {
        Ok(configuration) => {
            let gap = Gap::new(Reason::NotAsked, "configz does not tell the command line");
            let content = Observed::seen(configuration, Origin::Api { what: "configz".to_owned() });
            let document = Document::new(DocumentRole::Configz, "configz", Observed::Unknown(gap.clone()), content);
            (gap, vec![document], "configz")
        }
        Err(gap) => (gap, Vec::new(), "the list of nodes"),
    };
    Instance {
        component: Component::Kubelet,
        pid: None,
        ownership: Ownership::Own,
        pod: None,
        executable: Observed::Unknown(words.clone()),
        arguments: Observed::Unknown(words.clone()),
        environment: Observed::Unknown(words),
        versions: version.map_or_else(Version::known, |version| vec![version]),
        version_from: match version {
            Some(_) => "the node's status".to_owned(),
            None => "unknown: every version that the tables know".to_owned(),
        },
        started_at: None,
        manifest: None,
        manifest_differs: None,
        documents,
        certificates: BTreeMap::new(),
        seen_in: Some(seen_in.to_owned()),
        stored_secrets: None,
        metrics: None,
        contradicted: BTreeMap::new(),
    }
}

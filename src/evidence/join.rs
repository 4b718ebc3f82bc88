//! A node's own evidence and what the API shows of that node, brought together: one judges, both are compared.

use std::collections::BTreeSet;

use super::effective::{effective, is_zero};
use super::{
    API_VIEW, Component, Evidence, Gap, HostFacts, Instance, NodeEvidence, Observed, Ownership, Reason, StorageProof,
    Tables, Unseen, Value,
};

/// Name of the API server that answers, where no node shows one.
pub const ANSWERING: &str = "the API server that answers";

/// A default that follows another field's value, which the merging does not.
const FOLLOWS_ANOTHER: &str = "nodeStatusReportFrequency";

impl Evidence {
    /// Moves what the API shows of nodes among the nodes. Where a node's own evidence is here, that is judged, and what the
    /// API shows otherwise is written down as a difference.
    pub fn join_views(&mut self, tables: &Tables) {
        let Some(cluster) = &mut self.cluster else { return };
        for view in std::mem::take(&mut cluster.views) {
            match self.nodes.iter_mut().find(|node| same_node(node, &view)) {
                Some(node) => {
                    let found = view.instances.iter().filter_map(|shown| difference(node, shown, tables));
                    let found: Vec<String> = found.collect();
                    node.differences.extend(found);
                }
                None => self.nodes.push(view),
            }
        }
        let servers = |node: &NodeEvidence| node.own(Component::KubeApiserver).count();
        let count: usize = self.nodes.iter().map(servers).sum();
        if let Observed::Seen { value: told, .. } = std::mem::take(&mut cluster.api_server) {
            match self.nodes.iter_mut().find(|node| servers(node) > 0) {
                // of several nobody can tell which one answered
                Some(node) if count == 1 => node.differences.extend(difference(node, &told, tables)),
                Some(_) => {}
                None => self.nodes.push(answering(*told, &cluster.collected_at)),
            }
        }
        let proof = match std::mem::take(&mut cluster.storage) {
            Observed::Unknown(Gap { reason: Reason::NotAsked, .. }) => return,
            proof => proof.map(|proof| StorageProof { servers: count, ..proof }),
        };
        let instances = self.nodes.iter_mut().flat_map(|node| &mut node.instances);
        for server in
            instances.filter(|one| one.component == Component::KubeApiserver && one.ownership == Ownership::Own)
        {
            server.storage = Some(proof.clone());
        }
    }
}

/// The API server that answers, where no node shows one.
fn answering(server: Instance, collected_at: &str) -> NodeEvidence {
    NodeEvidence {
        name: ANSWERING.to_owned(),
        collected_at: collected_at.to_owned(),
        host: HostFacts { kind: API_VIEW.to_owned(), ..HostFacts::default() },
        process_table: Some(Gap::new(Reason::NotAsked, "the API does not show what runs outside of pods")),
        instances: vec![server],
        ..NodeEvidence::default()
    }
}

impl Evidence {
    /// Nodes that were not seen with their places in a report: that of what the API shows of the node, or behind all others.
    pub fn unseen_places(&self) -> Vec<(usize, &Unseen)> {
        let mut next = self.nodes.len();
        let mut place = |node: &Unseen| match self.nodes.iter().position(|known| known.name == node.name) {
            Some(place) => place,
            None => {
                next += 1;
                next - 1
            }
        };
        self.unseen.iter().map(|node| (place(node), node)).collect()
    }

    /// Nodes of a report: those with evidence, and those that were not seen.
    pub fn node_count(&self) -> usize {
        let unseen = self.unseen_places().into_iter().map(|(place, _)| place + 1).max();
        self.nodes.len().max(unseen.unwrap_or_default())
    }
}

fn same_node(node: &NodeEvidence, view: &NodeEvidence) -> bool {
    let machine = |node: &NodeEvidence| node.host.machine_id.clone().filter(|id| !id.is_empty());
    node.name == view.name || machine(node).is_some_and(|id| machine(view) == Some(id))
}

/// What the API shows otherwise than the host of a component: names of settings, in one sentence.
fn difference(node: &NodeEvidence, shown: &Instance, tables: &Tables) -> Option<String> {
    let source = shown.seen_in.as_ref()?;
    let version = *shown.versions.last()?;
    let mut own = node.own(shown.component).filter(|instance| instance.runs());
    let instance = own.next().filter(|_| own.next().is_none())?;
    let decides = instance.seen_in.as_deref().filter(|_| instance.pid.is_none()).unwrap_or("the host");
    let (host, api) = (effective(tables, instance, version), effective(tables, shown, version));
    let names: BTreeSet<&str> = host
        .settings
        .iter()
        .filter(|(name, _)| name.as_str() != FOLLOWS_ANOTHER)
        .filter_map(|(name, value)| {
            let (one, other) = (value.value()?, api.settings.get(name).and_then(Observed::value)?);
            (!alike(one, other)).then_some(name.as_str())
        })
        .collect();
    if names.is_empty() {
        return None;
    }
    let names: Vec<&str> = names.into_iter().collect();
    Some(format!(
        "{source} tells {} of the {} otherwise than {decides}, which decides",
        names.join(", "),
        shown.component.title()
    ))
}

/// Zero values are left out by what serialises them.
fn alike(one: &Value, other: &Value) -> bool {
    one == other || (is_zero(one) && is_zero(other))
}

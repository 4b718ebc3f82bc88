//! A node's own evidence and what the API shows of that node, brought together: one judges, both are compared.

use std::collections::{BTreeSet, HashMap};

use super::effective::{effective, is_zero};
use super::{
    API_VIEW, Component, Evidence, Gap, HostFacts, Instance, NodeEvidence, Observed, Ownership, Reason, ServerMetrics,
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
        let views = std::mem::take(&mut cluster.views);
        let places: Vec<Option<usize>> = views.iter().map(|view| place(&self.nodes, &views, view)).collect();
        for (view, place) in views.into_iter().zip(places) {
            match place.map(|place| &mut self.nodes[place]) {
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
        let metrics = match std::mem::take(&mut cluster.metrics) {
            Observed::Unknown(Gap { reason: Reason::NotAsked, .. }) => return,
            metrics => metrics.map(|metrics| ServerMetrics { servers: count, ..metrics }),
        };
        let instances = self.nodes.iter_mut().flat_map(|node| &mut node.instances);
        for server in
            instances.filter(|one| one.component == Component::KubeApiserver && one.ownership == Ownership::Own)
        {
            server.metrics = Some(metrics.clone());
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
        let known: HashMap<&str, usize> =
            self.nodes.iter().enumerate().rev().map(|(place, node)| (node.name.as_str(), place)).collect();
        let mut next = self.nodes.len();
        let mut place = |node: &Unseen| match known.get(node.name.as_str()) {
            Some(place) => *place,
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

/// Which node a view is of: that of its name, else that of its machine id. Cloned machines often share one, so it counts only where
/// one view and one node have it, and the node is not known by its name.
fn place(nodes: &[NodeEvidence], views: &[NodeEvidence], view: &NodeEvidence) -> Option<usize> {
    if let Some(place) = nodes.iter().position(|node| node.name == view.name) {
        return Some(place);
    }
    let id = view.host.machine_id.as_deref().filter(|id| !id.is_empty())?;
    let with_it = |node: &&NodeEvidence| node.host.machine_id.as_deref() == Some(id);
    if views.iter().filter(with_it).count() > 1 || nodes.iter().filter(with_it).count() > 1 {
        return None;
    }
    let place = nodes.iter().position(|node| with_it(&node))?;
    views.iter().all(|other| other.name != nodes[place].name).then_some(place)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, machine: &str) -> NodeEvidence {
        let host = HostFacts { machine_id: Some(machine.to_owned()), ..HostFacts::default() };
        NodeEvidence { name: name.to_owned(), host, ..NodeEvidence::default() }
    }

    #[test]
    fn cloned_machines_are_told_apart_by_their_names() {
        let views = [node("a", "m"), node("b", "m"), node("c", "n")];
        let of = |nodes: &[NodeEvidence], views: &[NodeEvidence]| -> Vec<Option<usize>> {
            views.iter().map(|view| place(nodes, views, view)).collect()
        };
        assert_eq!(of(&[node("a", "m")], &views), [Some(0), None, None]);
        // a kubelet under another name than its host's
        assert_eq!(of(&[node("host", "n")], &views), [None, None, Some(0)]);
        assert_eq!(of(&[node("host", "m")], &views), [None; 3]);
        assert_eq!(of(&[node("host", "")], &[node("a", "")]), [None]);
        assert_eq!(of(&[node("a", "n")], &views), [Some(0), None, None]);
    }
}

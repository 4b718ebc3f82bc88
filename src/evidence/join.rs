//! A node's own evidence and what the API shows of that node, brought together: one judges, both are compared.

use std::collections::HashMap;

use super::effective::{Effective, effective, is_zero};
use super::objects::{ApiServerTold, ClusterEvidence};
use super::{
    API_VIEW, Component, DocumentRole, Evidence, Gap, HostFacts, Instance, NodeEvidence, Observed, Ownership, Reason,
    ServerMetrics, Tables, Unseen, Value,
};

/// Name of the API server that answers, where no node shows one.
const ANSWERING: &str = "the API server that answers";
/// Name of one of several API servers that no node shows, up to its address.
const AT_ADDRESS: &str = "the API server at ";

/// A default that follows another field's value, which the merging does not.
const FOLLOWS_ANOTHER: &str = "nodeStatusReportFrequency";

impl Evidence {
    /// Moves what the API shows of nodes among the nodes. Where a node's own evidence is here, that is judged, and what the
    /// API shows otherwise is written down as a difference; what a kubelet tells of itself makes its files' word unknown.
    pub fn join_views(&mut self, tables: &Tables) {
        let Some(cluster) = &mut self.cluster else { return };
        let views = std::mem::take(&mut cluster.views);
        let places: Vec<Option<usize>> = views.iter().map(|view| place(&self.nodes, &views, view)).collect();
        for (view, place) in views.into_iter().zip(places) {
            match place.map(|place| &mut self.nodes[place]) {
                Some(node) => {
                    for shown in &view.instances {
                        let found = difference(node, shown, tables);
                        node.differences.extend(found);
                    }
                }
                None => self.nodes.push(view),
            }
        }
        let servers = |node: &NodeEvidence| node.own(Component::KubeApiserver).count();
        let told = std::mem::take(&mut cluster.servers);
        let seen: usize = self.nodes.iter().map(servers).sum();
        let count = cluster.server_count.map(|count| count.max(seen));
        if let Some(limit) = silence(&told) {
            self.skipped.push(limit);
        }
        let several = told.iter().any(|one| one.flags.value().is_some());
        join_servers(&mut self.nodes, told, cluster, tables);
        if let Observed::Seen { value: told, .. } = std::mem::take(&mut cluster.api_server) {
            match self.nodes.iter_mut().find(|node| servers(node) > 0) {
                // of several nobody can tell which one answered
                Some(node) if seen == 1 && count.is_none_or(|count| count == 1) => {
                    let found = difference(node, &told, tables);
                    node.differences.extend(found);
                }
                Some(_) => {}
                None if several => {}
                None => self.nodes.push(answering(*told, &cluster.collected_at)),
            }
        }
        let metrics = match std::mem::take(&mut cluster.metrics) {
            Observed::Unknown(Gap { reason: Reason::NotAsked, .. }) => return,
            metrics => metrics
                .map(|metrics| ServerMetrics { servers: count.unwrap_or(if seen > 1 { seen } else { 0 }), ..metrics }),
        };
        let instances = self.nodes.iter_mut().flat_map(|node| &mut node.instances);
        let mut own =
            instances.filter(|one| one.component == Component::KubeApiserver && one.ownership == Ownership::Own);
        // what one of several told is better than nothing, and says so
        own.by_ref().filter(|one| one.metrics.is_none()).for_each(|one| one.metrics = Some(metrics.clone()));
    }
}

/// How many of several API servers did not answer, and why.
fn silence(told: &[ApiServerTold]) -> Option<String> {
    let silent: Vec<(&ApiServerTold, &Gap)> =
        told.iter().filter_map(|one| Some((one, one.metrics.gap().or_else(|| one.flags.gap())?))).collect();
    let (first, gap) = silent.first()?;
    Some(format!(
        "{} of {} API servers tell of themselves at their own addresses: {} does not ({gap})",
        told.len() - silent.len(),
        told.len(),
        first.address
    ))
}

/// Puts what each of several API servers tells beside the instance on the node of its address. Where no node shows an API server, each
/// stands for itself.
fn join_servers(nodes: &mut Vec<NodeEvidence>, told: Vec<ApiServerTold>, cluster: &ClusterEvidence, tables: &Tables) {
    let shown = nodes.iter().any(|node| node.has_any(&[Component::KubeApiserver]));
    let first = told.iter().find(|one| one.flags.value().is_some()).cloned();
    for one in told {
        let among =
            first.as_ref().filter(|first| first.address != one.address).and_then(|first| among(first, &one, tables));
        let ip = one.address.ip().to_string();
        let at_address =
            cluster.nodes.items.iter().find(|node| node.status.addresses.iter().any(|address| address.address == ip));
        let place = at_address.and_then(|known| nodes.iter().position(|node| node.name == known.metadata.name));
        match place.map(|place| &mut nodes[place]) {
            Some(node) if node.own(Component::KubeApiserver).count() == 1 => {
                let of_flags = one.flags.value().and_then(|flags| difference(node, flags, tables));
                node.differences.extend(of_flags.into_iter().chain(among));
                let mut own = node.instances.iter_mut().filter(|instance| {
                    instance.component == Component::KubeApiserver && instance.ownership == Ownership::Own
                });
                if let (Some(instance), true) = (own.next(), one.metrics.value().is_some()) {
                    instance.metrics = Some(one.metrics);
                }
            }
            _ if shown => {}
            _ => {
                let Observed::Seen { value: mut flags, .. } = one.flags else { continue };
                flags.metrics = Some(one.metrics);
                let mut node = answering(*flags, &cluster.collected_at);
                node.name = format!("{AT_ADDRESS}{}", one.address);
                node.differences.extend(among);
                nodes.push(node);
            }
        }
    }
}

/// What one API server tells of itself otherwise than another one, in one sentence.
fn among(first: &ApiServerTold, other: &ApiServerTold, tables: &Tables) -> Option<String> {
    let mut names = Vec::new();
    if let (Some(one), Some(two)) = (first.flags.value(), other.flags.value())
        && let Some(version) = one.versions.last()
    {
        let (one, two) = (effective(tables, one, *version), effective(tables, two, *version));
        names.extend(differing(&one, &two).into_iter().map(str::to_owned));
    }
    if let (Some(one), Some(two)) = (first.metrics.value(), other.metrics.value()) {
        let differ = |role: DocumentRole| one.loaded.get(&role) != two.loaded.get(&role);
        let files = [
            (DocumentRole::Encryption, "the loaded EncryptionConfiguration"),
            (DocumentRole::Authorization, "the loaded AuthorizationConfiguration"),
        ];
        names.extend(files.into_iter().filter(|(role, _)| differ(*role)).map(|(_, name)| name.to_owned()));
        let gates = one.gates.iter().filter(|(gate, on)| two.gates.get(*gate).is_some_and(|other| other != *on));
        names.extend(gates.map(|(gate, _)| format!("feature gate {gate}")));
    }
    (!names.is_empty()).then(|| {
        format!("The API server at {} differs from the one at {} in {}", other.address, first.address, names.join(", "))
    })
}

/// Names of the settings that both tell, differently.
fn differing<'a>(one: &'a Effective, other: &Effective) -> Vec<&'a str> {
    let settings = one.settings.iter().filter(|(name, _)| name.as_str() != FOLLOWS_ANOTHER);
    settings
        .filter_map(|(name, value)| {
            let (one, other) = (value.value()?, other.settings.get(name).and_then(Observed::value)?);
            (!alike(one, other)).then_some(name.as_str())
        })
        .collect()
}

impl NodeEvidence {
    /// True of an API server that answers and that no node shows.
    pub fn is_answering_server(&self) -> bool {
        self.is_api_view() && (self.name == ANSWERING || self.name.starts_with(AT_ADDRESS))
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

/// What the API shows otherwise than the host of a component: names of settings, in one sentence. What a kubelet itself tells otherwise
/// than its files decides against them: those settings are not known then.
fn difference(node: &mut NodeEvidence, shown: &Instance, tables: &Tables) -> Option<String> {
    let source = shown.seen_in.as_ref()?;
    let version = *shown.versions.last()?;
    let mut own = node
        .instances
        .iter_mut()
        .filter(|one| one.component == shown.component && one.ownership == Ownership::Own && one.runs());
    let instance = own.next().filter(|_| own.next().is_none())?;
    let (host, api) = (effective(tables, instance, version), effective(tables, shown, version));
    let names = differing(&host, &api);
    if names.is_empty() {
        return None;
    }
    let from_host = instance.seen_in.as_deref().filter(|_| instance.pid.is_none()).unwrap_or("the host");
    let ending = if shown.documents.iter().any(|document| document.role == DocumentRole::Configz) {
        let told = |name: &&str| Some(((*name).to_owned(), api.settings.get(*name)?.value()?.to_string()));
        instance.contradicted = names.iter().filter_map(told).collect();
        format!("{from_host}: what is in force is not known")
    } else {
        format!("{from_host}, which decides")
    };
    Some(format!("{source} tells {} of the {} otherwise than {ending}", names.join(", "), shown.component.title()))
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

//! Rules of aggregated cluster roles.

use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};

use crate::evidence::objects::{ClusterEvidence, LabelSelector, PolicyRule, Role, Source};

/// Where the rules of an aggregated cluster role come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregation {
    /// As they are stored: in a cluster a controller has written them, and they are what the authorizer uses.
    Stored,
    /// With the union of the selected cluster roles, as the controller will write it: for manifests, which leave them empty. What is
    /// stored counts too: a dump of a cluster has it, and may lack the roles that it came from.
    Union,
    /// With the union of the selected cluster roles alone, as the controller will write it over what stands there: for manifests that
    /// are all of a cluster.
    Selected,
}

impl Aggregation {
    /// How the roles of a cluster's evidence come by their rules.
    pub fn of(cluster: &ClusterEvidence) -> Self {
        match cluster.source {
            Source::Api => Self::Stored,
            Source::Manifests if cluster.complete => Self::Selected,
            Source::Manifests => Self::Union,
        }
    }
}

/// A rule compared by content.
struct Content<'a>(&'a PolicyRule);

impl Content<'_> {
    fn parts(&self) -> [&[String]; 5] {
        let PolicyRule { verbs, api_groups, resources, resource_names, non_resource_urls } = self.0;
        [verbs, api_groups, resources, resource_names, non_resource_urls]
    }
}

impl PartialEq for Content<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Content<'_> {}

impl Hash for Content<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

/// The rules in force of each role, in the order of `roles`.
///
/// The union follows k8s.io/kubernetes 1.36 `pkg/controller/clusterroleaggregation`: selector by selector, cluster roles by
/// name, a role never selects itself, equal rules once. An aggregated role may select another one (`admin` selects `edit`):
/// the controller runs until nothing changes, so its union is taken over all that is reached. Roles may select each other.
pub(super) fn rules_in_force<'a>(roles: &[&'a Role], aggregation: Aggregation) -> Vec<Vec<&'a PolicyRule>> {
    let own = |role: &&'a Role| role.rules.iter().collect();
    let mut rules: Vec<Vec<&PolicyRule>> = roles.iter().map(own).collect();
    if aggregation == Aggregation::Stored {
        return rules;
    }
    let aggregates =
        |index: &usize| roles[*index].aggregation_rule.is_some() && roles[*index].metadata.namespace.is_empty();
    let labelled = Labelled::new(roles);
    for index in (0..roles.len()).filter(aggregates) {
        let mut seen = HashSet::new();
        let own = (aggregation == Aggregation::Union).then_some(index);
        // what stands in an aggregated role that is reached is the controller's too
        let reached = labelled.reached_from(index).into_iter();
        let reached = reached.filter(|at| aggregation == Aggregation::Union || !aggregates(at));
        let all = own.into_iter().chain(reached).flat_map(|reached| roles[reached].rules.iter());
        let union = all.filter(|rule| seen.insert(Content(rule))).collect();
        rules[index] = union;
    }
    rules
}

/// Cluster roles by their labels, so that a selector looks at candidates alone.
struct Labelled<'r, 'a> {
    roles: &'r [&'a Role],
    by_label: HashMap<(&'a str, &'a str), Vec<usize>>,
}

impl<'r, 'a> Labelled<'r, 'a> {
    fn new(roles: &'r [&'a Role]) -> Self {
        let mut by_label: HashMap<_, Vec<usize>> = HashMap::new();
        for (index, role) in roles.iter().enumerate().filter(|(_, role)| role.metadata.namespace.is_empty()) {
            for (key, value) in role.metadata.labels.iter() {
                by_label.entry((key.as_str(), value.as_str())).or_default().push(index);
            }
        }
        Self { roles, by_label }
    }

    fn selected(&self, selector: &LabelSelector) -> Vec<usize> {
        let selects = |index: &usize| selector.selects(&self.roles[*index].metadata.labels);
        match selector.match_labels.first_key_value() {
            Some((key, value)) => {
                let candidates = self.by_label.get(&(key.as_str(), value.as_str()));
                candidates.into_iter().flatten().copied().filter(selects).collect()
            }
            None => {
                let cluster = |index: &usize| self.roles[*index].metadata.namespace.is_empty();
                (0..self.roles.len()).filter(cluster).filter(selects).collect()
            }
        }
    }

    /// Which roles a role aggregates, directly and through others, itself left out.
    fn reached_from(&self, from: usize) -> Vec<usize> {
        let mut reached = Vec::new();
        let mut seen = HashSet::from([from]);
        let mut open = vec![from];
        while let Some(index) = open.pop() {
            let Some(rule) = &self.roles[index].aggregation_rule else { continue };
            for selected in rule.cluster_role_selectors.iter().flat_map(|selector| self.selected(selector)) {
                if seen.insert(selected) {
                    reached.push(selected);
                    open.push(selected);
                }
            }
        }
        reached
    }
}

//! Which roles and bindings are Kubernetes' or kubeadm's own: by name and content, never by their label, which anyone can write.
//!
//! At each start an API server adds to its own objects what they lack and leaves what they have besides (k8s.io/component-helpers
//! 1.36 `auth/rbac/reconciliation`; `RemoveExtraPermissions` is not set). A cluster that was upgraded therefore holds rules
//! of earlier versions: what any version up to its own made is stock.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use super::coverage::uncovered;
use super::describe;
use crate::benchmark::bootstrap::{Gates, Lived, StockPolicy};
use crate::evidence::Version;
use crate::evidence::objects::{AggregationRule, Binding, PolicyRule, Role, RoleRef, Subject};

/// Set to `false`, the API server no longer adds what an object of its own lacks.
const AUTOUPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";
const AGGREGATE: &str = "rbac.authorization.k8s.io/aggregate-to-";

/// Where an object comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Kubernetes or kubeadm made it, and it is as they made it.
    Stock,
    /// It has the name of one of theirs, and other content.
    Altered(Vec<Alteration>),
    /// It is someone else's.
    Foreign,
}

impl Standing {
    /// True for an object as Kubernetes or kubeadm made it.
    pub fn is_stock(&self) -> bool {
        *self == Self::Stock
    }

    /// True unless the object grants nothing beyond what Kubernetes or kubeadm made.
    pub fn widens(&self) -> bool {
        match self {
            Self::Stock => false,
            Self::Altered(alterations) => alterations.iter().any(Alteration::widens),
            Self::Foreign => true,
        }
    }
}

/// In what an object differs from the stock one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alteration {
    /// Allows what no known version up to the cluster's does. For an aggregated role: by another role's label.
    Allows(PolicyRule),
    /// Lacks what the cluster's version (every one, where it is unknown) allows. Nobody can do more by that.
    Lacks(PolicyRule),
    /// Binds someone else as well.
    Binds(Subject),
    /// Lacks a subject.
    LacksSubject(Subject),
    /// Binds another role.
    Refers(RoleRef),
    /// Aggregates by other selectors.
    Selects,
    /// Bears a label by which other roles take its rules over.
    Labelled(String),
    /// Is no longer kept up to date by the API server.
    NotReconciled,
}

impl Alteration {
    /// True when someone can do more by it than by the stock object.
    pub const fn widens(&self) -> bool {
        match self {
            Self::Allows(_) | Self::Binds(_) | Self::Refers(_) | Self::Selects | Self::Labelled(_) => true,
            Self::Lacks(_) | Self::LacksSubject(_) | Self::NotReconciled => false,
        }
    }
}

impl fmt::Display for Alteration {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allows(rule) => write!(out, "also allows {}", describe::rule(rule)),
            Self::Lacks(rule) => write!(out, "lacks {}", describe::rule(rule)),
            Self::Binds(subject) => write!(out, "also binds {}", describe::subject(subject)),
            Self::LacksSubject(subject) => write!(out, "does not bind {}", describe::subject(subject)),
            Self::Refers(role) => write!(out, "binds {} {}", role.kind, role.name),
            Self::Selects => out.write_str("aggregates by other selectors"),
            Self::Labelled(label) => write!(out, "is aggregated by its label {label}"),
            Self::NotReconciled => write!(out, "is not kept up to date ({AUTOUPDATE} is \"false\")"),
        }
    }
}

/// The stock objects of a cluster.
#[derive(Debug)]
pub struct Bootstrap {
    roles: HashMap<(String, String), StockRole>,
    bindings: HashMap<(String, String), StockBinding>,
}

#[derive(Debug, Default)]
struct StockRole {
    labels: HashSet<String>,
    aggregation_rule: Option<AggregationRule>,
    /// Everything that it may allow.
    may: Vec<PolicyRule>,
    /// What it allows at the least: one set per version that differs.
    must: Vec<Vec<PolicyRule>>,
}

#[derive(Debug)]
struct StockBinding {
    role_ref: RoleRef,
    may: Vec<Subject>,
    must: Vec<Vec<Subject>>,
}

impl Bootstrap {
    /// The stock objects of a cluster of this version (all known ones where it is unknown), made by these: Kubernetes always,
    /// kubeadm where it set the cluster up, which ConfigMap `kube-system/kubeadm-config` tells.
    pub fn new<'p>(makers: impl IntoIterator<Item = &'p StockPolicy>, version: Option<Version>) -> Self {
        let mut all = Self { roles: HashMap::new(), bindings: HashMap::new() };
        for policy in makers {
            let known = |known: &&Version| version.is_none_or(|version| **known <= version);
            let mut versions: Vec<Version> = policy.versions.iter().filter(known).copied().collect();
            if versions.is_empty() {
                versions.clone_from(&policy.versions);
            }
            for role in &policy.roles {
                let (may, must) = over(&versions, version, &role.rules);
                let labels = role.labels.keys().cloned().collect();
                let stock = StockRole { labels, aggregation_rule: role.aggregation_rule.clone(), may, must };
                all.roles.insert((role.namespace.clone(), role.name.clone()), stock);
            }
            for binding in &policy.bindings {
                let (may, must) = over(&versions, version, &binding.subjects);
                let stock = StockBinding { role_ref: binding.role_ref.clone(), may, must };
                all.bindings.insert((binding.namespace.clone(), binding.name.clone()), stock);
            }
            all.aggregate(policy);
        }
        all
    }

    /// What the controller writes into stock aggregated roles: the rules of stock roles with the label, aggregated ones through.
    fn aggregate(&mut self, policy: &StockPolicy) {
        for aggregated in policy.roles.iter().filter(|role| role.aggregation_rule.is_some()) {
            let mut may = Vec::new();
            let mut seen = BTreeSet::from([aggregated.name.as_str()]);
            let mut open = vec![aggregated];
            while let Some(role) = open.pop() {
                for selector in role.aggregation_rule.iter().flat_map(|rule| &rule.cluster_role_selectors) {
                    for selected in policy.roles.iter().filter(|role| selector.selects(&role.labels)) {
                        if seen.insert(&selected.name) {
                            open.push(selected);
                            let own = self.roles.get(&(String::new(), selected.name.clone()));
                            may.extend(own.into_iter().flat_map(|own| own.may.iter().cloned()));
                        }
                    }
                }
            }
            if let Some(own) = self.roles.get_mut(&(String::new(), aggregated.name.clone())) {
                own.may = may;
            }
        }
    }

    /// Everything that a stock role may allow; nothing for any other.
    pub fn rules(&self, namespace: &str, name: &str) -> &[PolicyRule] {
        self.roles.get(&(namespace.to_owned(), name.to_owned())).map_or(&[], |role| &role.may)
    }

    /// Where a role comes from.
    pub fn role(&self, role: &Role) -> Standing {
        let meta = &role.metadata;
        let Some(stock) = self.roles.get(&(meta.namespace.to_string(), meta.name.clone())) else {
            return Standing::Foreign;
        };
        let mut alterations = Vec::new();
        let may: Vec<&PolicyRule> = stock.may.iter().collect();
        let more = role.rules.iter().flat_map(|rule| uncovered(&may, rule));
        alterations.extend(more.map(Alteration::Allows));
        let own: Vec<&PolicyRule> = role.rules.iter().collect();
        let lacking =
            stock.must.iter().map(|must| must.iter().flat_map(|rule| uncovered(&own, rule)).collect::<Vec<_>>());
        let least = lacking.min_by_key(Vec::len).unwrap_or_default();
        alterations.extend(least.into_iter().map(Alteration::Lacks));
        let selectors = |rule: &Option<AggregationRule>| rule.clone().unwrap_or_default().cluster_role_selectors;
        if selectors(&role.aggregation_rule).iter().any(|own| !selectors(&stock.aggregation_rule).contains(own)) {
            alterations.push(Alteration::Selects);
        }
        let labels = meta.labels.keys().filter(|label| label.starts_with(AGGREGATE) && !stock.labels.contains(*label));
        alterations.extend(labels.cloned().map(Alteration::Labelled));
        standing(alterations, &meta.annotations)
    }

    /// Where a binding comes from.
    pub fn binding(&self, binding: &Binding) -> Standing {
        let meta = &binding.metadata;
        let Some(stock) = self.bindings.get(&(meta.namespace.to_string(), meta.name.clone())) else {
            return Standing::Foreign;
        };
        let mut alterations = Vec::new();
        if *binding.role_ref != stock.role_ref {
            alterations.push(Alteration::Refers(RoleRef::clone(&binding.role_ref)));
        }
        let mut own = binding.subjects.to_vec();
        for subject in own.iter_mut().filter(|subject| subject.kind == "ServiceAccount" && subject.namespace.is_empty())
        {
            subject.namespace.clone_from(&meta.namespace);
        }
        // users and groups have no namespace; the API keeps one that is written and takes no notice of it
        for subject in own.iter_mut().filter(|subject| subject.kind != "ServiceAccount") {
            subject.namespace.clear();
        }
        let lacking = stock.must.iter().map(|must| must.iter().filter(|subject| !own.contains(subject)).cloned());
        let least: Vec<Subject> = lacking.map(Iterator::collect::<Vec<_>>).min_by_key(Vec::len).unwrap_or_default();
        alterations.extend(own.into_iter().filter(|subject| !stock.may.contains(subject)).map(Alteration::Binds));
        alterations.extend(least.into_iter().map(Alteration::LacksSubject));
        standing(alterations, &meta.annotations)
    }

    /// Roles by which someone else widens the stock aggregated roles: each with the label that does it and the aggregated role,
    /// such as `edit`.
    pub fn carriers<'r>(&self, roles: &'r [Role]) -> Vec<(&'r Role, &str)> {
        let aggregated = self.roles.iter().filter(|(_, stock)| stock.aggregation_rule.is_some());
        let mut found = Vec::new();
        for ((_, name), stock) in aggregated {
            let selectors = stock.aggregation_rule.iter().flat_map(|rule| &rule.cluster_role_selectors);
            for selector in selectors {
                let carries =
                    |role: &&Role| role.metadata.namespace.is_empty() && selector.selects(&role.metadata.labels);
                let others = roles.iter().filter(carries).filter(|role| self.role(role).widens());
                found.extend(others.map(|role| (role, name.as_str())));
            }
        }
        found.sort_by(|(one, into), (other, other_into)| {
            (&one.metadata.name, into).cmp(&(&other.metadata.name, other_into))
        });
        found
    }
}

fn standing(mut alterations: Vec<Alteration>, annotations: &BTreeMap<String, String>) -> Standing {
    if annotations.get(AUTOUPDATE).is_some_and(|value| value == "false") {
        alterations.push(Alteration::NotReconciled);
    }
    if alterations.is_empty() { Standing::Stock } else { Standing::Altered(alterations) }
}

/// Everything that any of the versions has; and what the cluster's own one has whatever its gates say, or, where that is
/// unknown, what each one has.
fn over<T: Clone + PartialEq>(versions: &[Version], own: Option<Version>, parts: &[Lived<T>]) -> (Vec<T>, Vec<Vec<T>>) {
    let in_any = |lived: &&Lived<T>| versions.iter().any(|version| lived.in_version(*version));
    let mut may: Vec<T> = Vec::new();
    for lived in parts.iter().filter(in_any) {
        if !may.contains(&lived.part) {
            may.push(lived.part.clone());
        }
    }
    let mut must: Vec<Vec<T>> = Vec::new();
    let own = own.filter(|own| versions.contains(own));
    for version in versions.iter().filter(|version| own.is_none_or(|own| own == **version)) {
        let at_least = |lived: &&Lived<T>| lived.in_version(*version) && lived.gates == Gates::Independent;
        let set: Vec<T> = parts.iter().filter(at_least).map(|lived| lived.part.clone()).collect();
        if !must.contains(&set) {
            must.push(set);
        }
    }
    (may, must)
}

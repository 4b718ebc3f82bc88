//! Roles and bindings, arranged so that questions cost as much as their answers.
//!
//! Roles and bindings are sorted by namespace: what counts in one namespace is then one run of numbers, and lists of such
//! numbers are cut by binary search. Rules are found by the resource that they name.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use super::aggregation::{Aggregation, rules_in_force};
use super::identity::{Identity, Principal, principal};
use super::request::{Place, Request, Resource, Target, allows};
use crate::evidence::objects::{Binding, PolicyRule, Role, Subject};

/// Everything that RBAC grants, ready for questions.
///
/// ```
/// use kube_assay::audit::rbac::{Aggregation, Index, Place, Request};
/// use kube_assay::evidence::objects::{Binding, Meta, PolicyRule, Role, RoleRef, Subject};
/// let words = |all: &[&str]| all.iter().map(|word| (*word).to_owned()).collect();
/// let named = |namespace: &str, name: &str| Meta { name: name.into(), namespace: namespace.into(), ..Meta::default() };
/// let rule = PolicyRule {
///     verbs: words(&["get"]), api_groups: words(&[""]), resources: words(&["secrets"]), ..PolicyRule::default()
/// };
/// let roles = [Role { metadata: named("ci", "reader"), rules: vec![rule].into(), aggregation_rule: None }];
/// let bindings = [Binding {
///     metadata: named("ci", "readers"),
///     role_ref: RoleRef { kind: "Role".into(), name: "reader".into() }.into(),
///     subjects: vec![Subject { kind: "Group".into(), name: "dev".into(), namespace: String::new() }].into(),
/// }];
/// let index = Index::new(&roles, &bindings, Aggregation::Stored);
/// let who = index.who_can(&Request::resource("get", "", "secrets").within(Place::Namespace("ci")));
/// assert_eq!(who.len(), 1);
/// assert_eq!(who[0].subject.name, "dev");
/// ```
#[derive(Debug)]
pub struct Index<'a> {
    /// Sorted by namespace and name; cluster roles come first.
    pub(super) roles: Vec<IndexedRole<'a>>,
    /// Sorted by namespace and name; cluster role bindings come first.
    pub(super) bindings: Vec<IndexedBinding<'a>>,
    role_range: HashMap<&'a str, Range<u32>>,
    binding_range: HashMap<&'a str, Range<u32>>,
    /// Rules of bound roles by a resource as they write it, sorted: (role, rule).
    by_resource: HashMap<&'a str, Vec<(u32, u32)>>,
    /// Rules of bound cluster roles for paths outside of resources.
    of_paths: Vec<(u32, u32)>,
    /// Bindings by subject, sorted.
    pub(super) of_user: HashMap<Cow<'a, str>, Vec<u32>>,
    pub(super) of_group: HashMap<&'a str, Vec<u32>>,
}

#[derive(Debug)]
pub(super) struct IndexedRole<'a> {
    pub role: &'a Role,
    /// The rules in force.
    pub rules: Vec<&'a PolicyRule>,
    /// The bindings that name it, sorted.
    pub bindings: Vec<u32>,
}

#[derive(Debug)]
pub(super) struct IndexedBinding<'a> {
    pub binding: &'a Binding,
    /// Its role; `None` when that does not exist.
    pub role: Option<u32>,
    /// Its subjects that bind someone, service accounts with their namespace.
    pub subjects: Vec<Cow<'a, Subject>>,
}

/// One way in which someone is allowed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant<'i> {
    /// The subject as its binding names it; a service account has its namespace filled in.
    pub subject: &'i Subject,
    /// The binding.
    pub binding: &'i Binding,
    /// The role.
    pub role: &'i Role,
    /// The rule of the role.
    pub rule: &'i PolicyRule,
    /// Where it counts.
    pub scope: Scope<'i>,
}

/// Where a grant counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope<'i> {
    /// In every namespace and for cluster-scoped objects.
    Cluster,
    /// In this namespace.
    Namespace(&'i str),
}

/// What the API server says to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision<'i> {
    /// Allowed before RBAC is asked: a member of `system:masters`.
    Superuser,
    /// Allowed by these.
    Allowed(Vec<Grant<'i>>),
    /// RBAC has no grant for it; another authorizer (Node, a webhook) may have.
    NoOpinion,
}

impl Decision<'_> {
    /// True when the request is allowed.
    pub const fn is_allowed(&self) -> bool {
        !matches!(self, Self::NoOpinion)
    }
}

impl<'a> Index<'a> {
    /// Arranges roles and bindings. Of objects with the same kind, namespace and name the last one counts, as when they are
    /// applied in this order.
    pub fn new(roles: &'a [Role], bindings: &'a [Binding], aggregation: Aggregation) -> Self {
        let sorted = by_name(roles, |role| &role.metadata);
        let rules = rules_in_force(&sorted, aggregation);
        let indexed = sorted.into_iter().zip(rules);
        let mut index = Self {
            roles: indexed.map(|(role, rules)| IndexedRole { role, rules, bindings: Vec::new() }).collect(),
            bindings: Vec::new(),
            role_range: HashMap::new(),
            binding_range: HashMap::new(),
            by_resource: HashMap::new(),
            of_paths: Vec::new(),
            of_user: HashMap::new(),
            of_group: HashMap::new(),
        };
        index.role_range = ranges(index.roles.iter().map(|role| role.role.metadata.namespace.as_str()));
        index.add_bindings(by_name(bindings, |binding| &binding.metadata));
        index.add_rules();
        index
    }

    fn add_bindings(&mut self, sorted: Vec<&'a Binding>) {
        self.binding_range = ranges(sorted.iter().map(|binding| binding.metadata.namespace.as_str()));
        let mut numbers = HashMap::new();
        for (number, role) in (0..).zip(&self.roles) {
            numbers.insert((role.role.metadata.namespace.as_str(), role.role.metadata.name.as_str()), number);
        }
        for (number, binding) in (0..).zip(sorted) {
            let namespace = binding.metadata.namespace.as_str();
            // a cluster role binding of a Role is refused by the API server, and would find none
            let role_namespace = match binding.role_ref.kind.as_str() {
                "ClusterRole" => Some(""),
                "Role" if !namespace.is_empty() => Some(namespace),
                _ => None,
            };
            let role = role_namespace.and_then(|of| numbers.get(&(of, binding.role_ref.name.as_str())).copied());
            if let Some(role) = role {
                self.roles[role as usize].bindings.push(number);
            }
            let mut subjects = Vec::with_capacity(binding.subjects.len());
            for subject in binding.subjects.iter() {
                let Some(principal) = principal(subject, namespace) else { continue };
                subjects.push(if subject.kind == "ServiceAccount" && subject.namespace.is_empty() {
                    Cow::Owned(Subject { namespace: namespace.to_owned(), ..subject.clone() })
                } else {
                    Cow::Borrowed(subject)
                });
                let known = match principal {
                    Principal::User(name) => self.of_user.entry(name).or_default(),
                    Principal::Group(name) => self.of_group.entry(name).or_default(),
                };
                // a binding may name a subject twice
                if known.last() != Some(&number) {
                    known.push(number);
                }
            }
            self.bindings.push(IndexedBinding { binding, role, subjects });
        }
    }

    fn add_rules(&mut self) {
        for (number, role) in (0..).zip(&self.roles).filter(|(_, role)| !role.bindings.is_empty()) {
            for (position, rule) in (0..).zip(&role.rules) {
                for resource in &rule.resources {
                    let known = self.by_resource.entry(resource).or_default();
                    if known.last() != Some(&(number, position)) {
                        known.push((number, position));
                    }
                }
                if !rule.non_resource_urls.is_empty() {
                    self.of_paths.push((number, position));
                }
            }
        }
    }

    /// Everyone whom RBAC allows the request, and by what. Sorted by where the role lies, then the binding.
    ///
    /// Members of `system:masters` may do everything besides, without any binding.
    pub fn who_can(&self, request: &Request<'_>) -> Vec<Grant<'_>> {
        let mut grants = Vec::new();
        let place = request.place();
        for (role, rule) in self.matching_rules(request) {
            let role = &self.roles[role as usize];
            let rule = role.rules[rule as usize];
            for numbers in self.bindings_in(&role.bindings, place) {
                for number in numbers {
                    let bound = &self.bindings[*number as usize];
                    let scope = scope(bound.binding);
                    let grant = |subject| Grant { subject, binding: bound.binding, role: role.role, rule, scope };
                    grants.extend(bound.subjects.iter().map(|subject| grant(subject.as_ref())));
                }
            }
        }
        grants
    }

    /// What the API server's RBAC says to a request of this identity, with everything that allows it.
    pub fn decide(&self, identity: &Identity, request: &Request<'_>) -> Decision<'_> {
        if identity.is_superuser() {
            return Decision::Superuser;
        }
        let mut grants = Vec::new();
        self.visit(identity, request.place(), |grant| {
            if allows(grant.rule, request) {
                grants.push(grant);
            }
        });
        if grants.is_empty() { Decision::NoOpinion } else { Decision::Allowed(grants) }
    }

    /// Everything that RBAC grants to this identity, wherever. Members of `system:masters` may do everything besides.
    pub fn can(&self, identity: &Identity) -> Vec<Grant<'_>> {
        let mut grants = Vec::new();
        self.visit(identity, Place::Anywhere, |grant| grants.push(grant));
        grants
    }

    /// Bindings whose role does not exist: they grant nothing, until someone makes that role.
    pub fn dangling(&self) -> impl Iterator<Item = &'a Binding> {
        self.bindings.iter().filter(|bound| bound.role.is_none()).map(|bound| bound.binding)
    }

    /// The rules in force of a role; `namespace` is empty for a cluster role. `None` when there is no such role.
    pub fn rules(&self, namespace: &str, name: &str) -> Option<&[&'a PolicyRule]> {
        self.number(namespace, name).map(|number| self.roles[number as usize].rules.as_slice())
    }

    /// The number of a role.
    pub(super) fn number(&self, namespace: &str, name: &str) -> Option<u32> {
        let range = self.role_range.get(namespace)?;
        let run = &self.roles[range.start as usize..range.end as usize];
        let found = run.binary_search_by(|role| role.role.metadata.name.as_str().cmp(name)).ok()?;
        u32::try_from(found).ok().map(|found| range.start + found)
    }

    /// Numbers of the roles of a namespace.
    pub(super) fn roles_in(&self, namespace: &str) -> Range<u32> {
        self.role_range.get(namespace).cloned().unwrap_or_default()
    }

    /// The namespaces that have roles, sorted.
    pub(super) fn namespaces_of_roles(&self) -> Vec<&'a str> {
        let mut all: Vec<&str> = self.role_range.keys().copied().filter(|namespace| !namespace.is_empty()).collect();
        all.sort_unstable();
        all
    }

    /// Cuts a sorted list of bindings to those of a namespace; of the empty one: to cluster role bindings.
    pub(super) fn bindings_within<'s>(&self, sorted: &'s [u32], namespace: &str) -> &'s [u32] {
        cut(sorted, self.binding_range.get(namespace), |number| *number)
    }

    fn visit<'s>(&'s self, identity: &Identity, place: Place<'_>, mut visit: impl FnMut(Grant<'s>)) {
        let mut numbers = Vec::new();
        let groups = identity.groups.iter().filter_map(|group| self.of_group.get(group.as_str()));
        for list in self.of_user.get(identity.user.as_str()).into_iter().chain(groups) {
            for run in self.bindings_in(list, place) {
                numbers.extend_from_slice(run);
            }
        }
        numbers.sort_unstable();
        numbers.dedup();
        for number in numbers {
            let bound = &self.bindings[number as usize];
            let Some(role) = bound.role else { continue };
            let role = &self.roles[role as usize];
            // the first subject that applies, as the API server names it in its reason
            let Some(subject) = bound.subjects.iter().find(|subject| is(subject, identity)) else { continue };
            let scope = scope(bound.binding);
            for rule in &role.rules {
                visit(Grant { subject: subject.as_ref(), binding: bound.binding, role: role.role, rule, scope });
            }
        }
    }

    /// Cuts a sorted list of bindings to those that count in a place.
    fn bindings_in<'s>(&self, sorted: &'s [u32], place: Place<'_>) -> [&'s [u32]; 2] {
        match place {
            Place::Anywhere => [sorted, &[]],
            // the empty text is no namespace: such a request is cluster-scoped
            Place::Cluster | Place::Namespace("") => [self.bindings_within(sorted, ""), &[]],
            Place::Namespace(namespace) => [self.bindings_within(sorted, ""), self.bindings_within(sorted, namespace)],
        }
    }

    /// Rules of bound roles that allow the request and may count where it is made, each once.
    fn matching_rules(&self, request: &Request<'_>) -> Vec<(u32, u32)> {
        let allowing = |(role, rule): &(u32, u32)| allows(self.roles[*role as usize].rules[*rule as usize], request);
        let Target::Resource(target) = request.target else {
            return self.of_paths.iter().copied().filter(allowing).collect();
        };
        let mut found = Vec::new();
        for words in patterns(&target) {
            let Some(rules) = self.by_resource.get(words.as_ref()) else { continue };
            let of = |namespace: &str| cut(rules, self.role_range.get(namespace), |(role, _)| *role);
            let runs = match target.place {
                Place::Anywhere => [rules.as_slice(), &[]],
                Place::Cluster | Place::Namespace("") => [of(""), &[]],
                Place::Namespace(namespace) => [of(""), of(namespace)],
            };
            found.extend(runs.into_iter().flatten().copied().filter(allowing));
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// The texts by which a rule may name the target.
fn patterns<'q>(target: &Resource<'q>) -> Vec<Cow<'q, str>> {
    let mut all = vec![Cow::Borrowed("*")];
    if target.subresource.is_empty() {
        all.push(Cow::Borrowed(target.resource));
    } else {
        all.push(Cow::Owned(format!("{}/{}", target.resource, target.subresource)));
        all.push(Cow::Owned(format!("*/{}", target.subresource)));
    }
    all
}

/// The part of a sorted list whose numbers lie in a range.
fn cut<'s, T>(sorted: &'s [T], range: Option<&Range<u32>>, number: impl Fn(&T) -> u32) -> &'s [T] {
    let Some(range) = range else { return &[] };
    let start = sorted.partition_point(|item| number(item) < range.start);
    let end = start + sorted[start..].partition_point(|item| number(item) < range.end);
    &sorted[start..end]
}

/// Sorted by namespace and name, the last of equals alone.
fn by_name<T>(items: &[T], meta: impl Fn(&T) -> &crate::evidence::objects::Meta) -> Vec<&T> {
    let order = |one: &T, other: &T| {
        let (one, other) = (meta(one), meta(other));
        (one.namespace.as_str(), one.name.as_str()).cmp(&(other.namespace.as_str(), other.name.as_str()))
    };
    let mut sorted: Vec<&T> = items.iter().rev().collect();
    // stable: of equals the last one, which now comes first, stays
    sorted.sort_by(|one, other| order(one, other));
    sorted.dedup_by(|one, other| order(one, other).is_eq());
    sorted
}

/// Where each namespace's run begins and ends.
fn ranges<'a>(namespaces: impl Iterator<Item = &'a str>) -> HashMap<&'a str, Range<u32>> {
    let mut ranges: HashMap<&str, Range<u32>> = HashMap::new();
    for (number, namespace) in (0..).zip(namespaces) {
        ranges.entry(namespace).or_insert(number..number).end = number + 1;
    }
    ranges
}

fn scope(binding: &Binding) -> Scope<'_> {
    match binding.metadata.namespace.as_str() {
        "" => Scope::Cluster,
        namespace => Scope::Namespace(namespace),
    }
}

/// True when the subject (with its namespace) names the identity.
fn is(subject: &Subject, identity: &Identity) -> bool {
    match principal(subject, "") {
        Some(Principal::User(name)) => name == identity.user,
        Some(Principal::Group(name)) => identity.groups.iter().any(|group| group == name),
        None => false,
    }
}

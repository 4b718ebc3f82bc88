//! What holds for any roles and bindings.

use kube_assay::audit::rbac::{Aggregation, Grant, Identity, Index, Name, Place, Request, allows, uncovered};
use kube_assay::evidence::objects::{Binding, PolicyRule, Role};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::make::{binding, role};

const VERBS: [&str; 5] = ["get", "list", "create", "*", "bind"];
const GROUPS: [&str; 3] = ["", "apps", "*"];
const RESOURCES: [&str; 8] = ["pods", "pods/exec", "secrets", "*", "*/exec", "deployments", "pods/*", "*/*"];
const NAMES: [&str; 3] = ["a", "b", ""];
const PATHS: [&str; 4] = ["/metrics", "/metrics/*", "*", "/healthz*"];
const NAMESPACES: [&str; 3] = ["ci", "dev", "qa"];
const SUBJECTS: [&str; 8] = [
    "user:jane",
    "user:joe",
    "group:dev",
    "group:system:authenticated",
    "sa:ci/a",
    "sa:a",
    "user:system:serviceaccount:ci:a",
    "group:system:serviceaccounts:ci",
];

fn some(of: &'static [&'static str], at_least: usize) -> impl Strategy<Value = Vec<String>> {
    subsequence(of.to_vec(), at_least..=3.min(of.len()))
        .prop_map(|words| words.into_iter().map(str::to_owned).collect())
}

fn rules() -> impl Strategy<Value = Vec<PolicyRule>> {
    let rule = (some(&VERBS, 1), some(&GROUPS, 0), some(&RESOURCES, 0), some(&NAMES, 0), some(&PATHS, 0), 0..4_u8);
    let rule = rule.prop_map(|(verbs, api_groups, resources, names, non_resource_urls, named)| PolicyRule {
        verbs,
        api_groups,
        resources,
        resource_names: if named == 0 { names } else { Vec::new() },
        non_resource_urls,
    });
    prop::collection::vec(rule, 0..3)
}

fn place() -> impl Strategy<Value = String> {
    let names = select(vec!["r1", "r2", "r3"]);
    let namespaces = select(vec!["", "ci/", "dev/"]);
    (namespaces, names).prop_map(|(namespace, name)| format!("{namespace}{name}"))
}

fn roles() -> impl Strategy<Value = Vec<Role>> {
    prop::collection::vec((place(), rules()).prop_map(|(place, rules)| role(&place, rules)), 0..8)
}

fn bindings() -> impl Strategy<Value = Vec<Binding>> {
    let role = (select(vec!["Role", "ClusterRole"]), select(vec!["r1", "r2", "r3", "none"]));
    let one = (place(), role, subsequence(SUBJECTS.to_vec(), 0..4));
    let one = one.prop_map(|(place, (kind, name), subjects)| binding(&place, &format!("{kind}/{name}"), &subjects));
    prop::collection::vec(one, 0..10)
}

fn requests() -> impl Strategy<Value = Request<'static>> {
    let name = prop_oneof![Just(Name::Unnamed), Just(Name::Exact("a")), Just(Name::Exact("c"))];
    let place = prop_oneof![Just(Place::Cluster), select(NAMESPACES.to_vec()).prop_map(Place::Namespace)];
    let target = (select(vec!["pods", "secrets", "deployments", "*"]), select(vec!["", "exec", "log"]));
    let resource = (select(VERBS.to_vec()), select(vec!["", "apps"]), target, name, place);
    let resource = resource.prop_map(|(verb, group, (resource, subresource), name, place)| {
        Request::resource(verb, group, resource).subresource(subresource).named(name).within(place)
    });
    let path = (select(VERBS.to_vec()), select(vec!["/metrics", "/metrics/x", "/healthz"]));
    prop_oneof![4 => resource, 1 => path.prop_map(|(verb, path)| Request::path(verb, path))]
}

fn identities() -> impl Strategy<Value = Identity> {
    let none = Vec::<String>::new;
    prop_oneof![
        Just(Identity::user("jane", ["dev"])),
        Just(Identity::user("joe", none())),
        Just(Identity::service_account("ci", "a")),
        Just(Identity::service_account("dev", "a")),
        Just(Identity::exact("jane", none())),
        Just(Identity::exact("", ["dev"])),
    ]
}

/// The answer of the slow way: every binding, every rule, one after the other (`VisitRulesFor`).
fn plainly(roles: &[Role], bindings: &[Binding], identity: &Identity, request: &Request<'_>) -> bool {
    let last = |namespace: &str, name: &str| {
        roles.iter().rev().find(|role| role.metadata.namespace == namespace && role.metadata.name == name)
    };
    let is_last = |number: usize| {
        let meta = &bindings[number].metadata;
        !bindings[number + 1..]
            .iter()
            .any(|later| later.metadata.name == meta.name && later.metadata.namespace == meta.namespace)
    };
    bindings.iter().enumerate().filter(|(number, _)| is_last(*number)).any(|(_, binding)| {
        let namespace = binding.metadata.namespace.as_str();
        let counts = namespace.is_empty() || request.place() == Place::Namespace(namespace);
        let applies = binding.subjects.iter().any(|subject| match subject.kind.as_str() {
            "User" => subject.name == identity.user,
            "Group" => identity.groups.contains(&subject.name),
            _ => {
                let of = if subject.namespace.is_empty() { namespace } else { &subject.namespace };
                !of.is_empty() && identity.user == format!("system:serviceaccount:{of}:{}", subject.name)
            }
        });
        let role = match binding.role_ref.kind.as_str() {
            "ClusterRole" => last("", &binding.role_ref.name),
            _ if namespace.is_empty() => None,
            _ => last(namespace, &binding.role_ref.name),
        };
        counts && applies && role.is_some_and(|role| role.rules.iter().any(|rule| allows(rule, request)))
    })
}

fn same(one: &Grant<'_>, other: &Grant<'_>) -> bool {
    one.subject == other.subject
        && one.rule == other.rule
        && one.binding.metadata == other.binding.metadata
        && one.scope == other.scope
}

fn is(grant: &Grant<'_>, identity: &Identity) -> bool {
    match grant.subject.kind.as_str() {
        "Group" => identity.groups.contains(&grant.subject.name),
        "User" => identity.user == grant.subject.name,
        _ => identity.user == format!("system:serviceaccount:{}:{}", grant.subject.namespace, grant.subject.name),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_question_has_one_answer(
        roles in roles(), bindings in bindings(), request in requests(), identity in identities()
    ) {
        let index = Index::new(&roles, &bindings, Aggregation::Stored);
        let allowed = index.decide(&identity, &request).is_allowed();
        prop_assert_eq!(allowed, plainly(&roles, &bindings, &identity, &request));
        let who = index.who_can(&request);
        prop_assert_eq!(allowed, who.iter().any(|grant| is(grant, &identity)));
        let can = index.can(&identity);
        let counts = |grant: &&Grant<'_>| {
            let namespace = grant.binding.metadata.namespace.as_str();
            namespace.is_empty() || request.place() == Place::Namespace(namespace)
        };
        prop_assert_eq!(allowed, can.iter().filter(counts).any(|grant| allows(grant.rule, &request)));
    }

    #[test]
    fn a_binding_more_takes_nothing_away(
        roles in roles(), bindings in bindings(), more in bindings(), request in requests()
    ) {
        let before = Index::new(&roles, &bindings, Aggregation::Stored);
        // under other names: of the same name the last one counts
        let more = more.into_iter().enumerate().map(|(number, mut binding)| {
            binding.metadata.name = format!("more-{number}");
            binding
        });
        let all: Vec<Binding> = bindings.iter().cloned().chain(more).collect();
        let after = Index::new(&roles, &all, Aggregation::Stored);
        let grants = after.who_can(&request);
        for grant in before.who_can(&request) {
            prop_assert!(grants.iter().any(|other| same(other, &grant)));
        }
    }

    #[test]
    fn anywhere_is_the_union_of_everywhere(roles in roles(), bindings in bindings(), request in requests()) {
        let index = Index::new(&roles, &bindings, Aggregation::Stored);
        let anywhere = index.who_can(&request.within(Place::Anywhere));
        let places = NAMESPACES.map(Place::Namespace).into_iter().chain([Place::Cluster]);
        let each: Vec<Grant<'_>> = places.flat_map(|place| index.who_can(&request.within(place))).collect();
        prop_assert!(each.iter().all(|grant| anywhere.iter().any(|other| same(other, grant))));
        prop_assert!(anywhere.iter().all(|grant| each.iter().any(|other| same(other, grant))));
    }

    #[test]
    fn what_covers_a_rule_allows_its_requests(owners in rules(), rule in rules(), request in requests()) {
        let owners: Vec<&PolicyRule> = owners.iter().collect();
        // the API server refuses names beside paths, and its own comparison takes no notice of them
        for rule in rule.iter().filter(|rule| rule.non_resource_urls.is_empty() || rule.resource_names.is_empty()) {
            let missing = uncovered(&owners, rule);
            if allows(rule, &request) {
                let held = owners.iter().any(|owner| allows(owner, &request));
                prop_assert!(held || missing.iter().any(|part| allows(part, &request)), "{:?}", missing);
            }
            // a missing part is a part of the rule
            prop_assert!(missing.iter().all(|part| uncovered(&[rule], part).is_empty()));
        }
    }
}

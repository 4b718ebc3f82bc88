//! Who can, what can, and who one is.

use kube_assay::audit::rbac::{
    ANONYMOUS, Aggregation, Decision, Grant, Identity, Index, MASTERS, Name, Place, Request, Scope, describe,
};
use kube_assay::evidence::objects::{AggregationRule, Binding, LabelSelector, Role, Shared};

use crate::make::{binding, meta, named, paths, role, rule, subject};

fn who(grants: &[Grant<'_>]) -> Vec<String> {
    let mut all: Vec<String> = grants.iter().map(|grant| describe::subject(grant.subject)).collect();
    all.sort();
    all.dedup();
    all
}

fn secrets(place: Place<'_>) -> Request<'_> {
    Request::resource("get", "", "secrets").named(Name::Exact("x")).within(place)
}

fn reader() -> Role {
    role("reader", [rule("get", "core", "secrets")])
}

#[test]
fn a_binding_counts_where_it_lies() {
    let roles = [reader(), role("ci/own", [rule("get", "core", "secrets")])];
    let bindings = [
        binding("all", "ClusterRole/reader", &["user:everywhere"]),
        binding("ci/shared", "ClusterRole/reader", &["user:in-ci"]),
        binding("ci/own", "Role/own", &["user:own-in-ci"]),
        binding("dev/shared", "ClusterRole/reader", &["user:in-dev"]),
    ];
    let index = Index::new(&roles, &bindings, Aggregation::Stored);
    let asked = |place| who(&index.who_can(&secrets(place)));
    assert_eq!(asked(Place::Cluster), ["user:everywhere"]);
    assert_eq!(asked(Place::Namespace("ci")), ["user:everywhere", "user:in-ci", "user:own-in-ci"]);
    assert_eq!(asked(Place::Namespace("dev")), ["user:everywhere", "user:in-dev"]);
    assert_eq!(asked(Place::Namespace("empty")), ["user:everywhere"]);
    assert_eq!(asked(Place::Namespace("")), ["user:everywhere"]);
    assert_eq!(asked(Place::Anywhere), ["user:everywhere", "user:in-ci", "user:in-dev", "user:own-in-ci"]);
    let of_ci = index.who_can(&secrets(Place::Namespace("ci")));
    assert!(of_ci.iter().any(|grant| grant.scope == Scope::Namespace("ci") && grant.role.metadata.name == "own"));
    assert!(of_ci.iter().any(|grant| grant.scope == Scope::Cluster && grant.binding.metadata.name == "all"));
}

#[test]
fn a_reference_is_followed_as_the_api_server_does() {
    let roles = [reader(), role("ci/reader", [rule("list", "core", "secrets")])];
    let bindings = [
        // a Role of another namespace, and a Role for a cluster role binding, do not exist
        binding("dev/gone", "Role/reader", &["user:a"]),
        binding("cluster", "Role/reader", &["user:b"]),
        binding("dev/unknown", "Group/reader", &["user:c"]),
        binding("dev/missing", "ClusterRole/none", &["user:d"]),
    ];
    let index = Index::new(&roles, &bindings, Aggregation::Stored);
    assert!(index.who_can(&secrets(Place::Anywhere)).is_empty());
    assert_eq!(index.dangling().count(), 4);
    assert!(!index.decide(&Identity::user("a", Vec::<String>::new()), &secrets(Place::Namespace("dev"))).is_allowed());
}

#[test]
fn accounts_are_their_user_names() {
    let roles = [reader()];
    let bindings = [
        binding("ci/account", "ClusterRole/reader", &["sa:ci/a"]),
        // without a namespace: that of the binding, or nobody
        binding("ci/local", "ClusterRole/reader", &["sa:b"]),
        binding("nobody", "ClusterRole/reader", &["sa:c"]),
        binding("ci/as-user", "ClusterRole/reader", &["user:system:serviceaccount:ci:d"]),
        binding("ci/as-group", "ClusterRole/reader", &["group:system:serviceaccounts:dev"]),
    ];
    let index = Index::new(&roles, &bindings, Aggregation::Stored);
    let allowed = |namespace: &str, name: &str| {
        index.decide(&Identity::service_account(namespace, name), &secrets(Place::Namespace("ci"))).is_allowed()
    };
    assert!(allowed("ci", "a"));
    assert!(!allowed("dev2", "a"));
    assert!(allowed("ci", "b"));
    assert!(!allowed("ci", "c"));
    assert!(allowed("ci", "d"));
    assert!(allowed("dev", "whoever"));
    let listed = who(&index.who_can(&secrets(Place::Namespace("ci"))));
    assert!(listed.contains(&"sa:ci/b".to_owned()), "{listed:?}");
    assert!(listed.contains(&"sa:ci/d".to_owned()), "{listed:?}");
}

#[test]
fn authentication_adds_groups() {
    let none = Vec::<String>::new;
    assert_eq!(Identity::user("jane", ["dev"]).groups, ["dev", "system:authenticated"]);
    assert_eq!(Identity::user(ANONYMOUS, none()).groups, ["system:unauthenticated"]);
    let account = Identity::service_account("ci", "a");
    assert_eq!(account.user, "system:serviceaccount:ci:a");
    assert_eq!(account.groups, ["system:serviceaccounts", "system:serviceaccounts:ci", "system:authenticated"]);
    // who names groups for an account gets these, as with impersonation
    assert_eq!(Identity::user("system:serviceaccount:ci:a", ["x"]).groups, ["x", "system:authenticated"]);
    assert_eq!(Identity::user("system:serviceaccount:ci", none()).groups, ["system:authenticated"]);
    assert_eq!(Identity::exact("jane", none()).groups, none());
    assert_eq!(Identity::of(&subject("group:system:unauthenticated")).user, ANONYMOUS);
    let of_namespace = Identity::of(&subject("group:system:serviceaccounts:ci"));
    assert!(of_namespace.groups.contains(&"system:serviceaccounts".to_owned()));
}

#[test]
fn masters_are_allowed_before_any_binding() {
    let index = Index::new(&[], &[], Aggregation::Stored);
    let masters = Identity::user("admin", [MASTERS]);
    assert_eq!(index.decide(&masters, &secrets(Place::Cluster)), Decision::Superuser);
    assert_eq!(index.decide(&masters, &Request::path("get", "/metrics")), Decision::Superuser);
    assert!(index.can(&masters).is_empty());
}

#[test]
fn paths_count_over_the_cluster_alone() {
    let roles = [role("metrics", [paths("get", "/metrics")])];
    let bindings =
        [binding("all", "ClusterRole/metrics", &["user:a"]), binding("ci/some", "ClusterRole/metrics", &["user:b"])];
    let index = Index::new(&roles, &bindings, Aggregation::Stored);
    assert_eq!(who(&index.who_can(&Request::path("get", "/metrics"))), ["user:a"]);
    let b = Identity::user("b", Vec::<String>::new());
    assert!(!index.decide(&b, &Request::path("get", "/metrics")).is_allowed());
}

#[test]
fn what_someone_can_is_everything_that_reaches_him() {
    let roles = [reader(), role("ci/r", [rule("list", "core", "pods"), named(rule("get", "core", "pods"), "x")])];
    let bindings = [
        binding("all", "ClusterRole/reader", &["group:system:authenticated"]),
        binding("ci/r", "Role/r", &["group:dev", "user:jane"]),
    ];
    let index = Index::new(&roles, &bindings, Aggregation::Stored);
    let can = index.can(&Identity::user("jane", ["dev"]));
    // a binding counts once, by the first of its subjects that names one
    assert_eq!(can.len(), 3);
    assert_eq!(can.iter().filter(|grant| grant.subject.name == "dev").count(), 2);
    assert_eq!(index.can(&Identity::exact("nobody", ["none"])).len(), 0);
}

#[test]
fn of_the_same_name_the_last_counts() {
    let roles = [role("r", [rule("get", "core", "pods")]), role("r", [rule("list", "core", "pods")])];
    let bindings = [binding("b", "ClusterRole/r", &["user:first"]), binding("b", "ClusterRole/r", &["user:second"])];
    let index = Index::new(&roles, &bindings, Aggregation::Stored);
    assert!(index.who_can(&Request::resource("get", "", "pods")).is_empty());
    assert_eq!(who(&index.who_can(&Request::resource("list", "", "pods"))), ["user:second"]);
}

#[test]
fn a_rule_is_found_once_however_often_it_names_the_resource() {
    let roles = [role("r", [rule("get", "core", "*,pods,pods/log,*/log,pods")])];
    let bindings = [binding("b", "ClusterRole/r", &["user:a"])];
    let index = Index::new(&roles, &bindings, Aggregation::Stored);
    assert_eq!(index.who_can(&Request::resource("get", "", "pods").subresource("log")).len(), 1);
    assert_eq!(index.who_can(&Request::resource("get", "", "pods")).len(), 1);
}

fn labelled(mut role: Role, label: &str) -> Role {
    role.metadata.labels.insert(label.to_owned(), "true".to_owned());
    role
}

fn aggregating(place: &str, label: &str) -> Role {
    let selector = LabelSelector { match_labels: [(label.to_owned(), "true".to_owned())].into(), ..Default::default() };
    let rule = AggregationRule { cluster_role_selectors: vec![selector] };
    Role { metadata: meta(place), rules: Shared::default(), aggregation_rule: Some(rule) }
}

fn verbs(index: &Index<'_>, name: &str) -> Vec<String> {
    let mut verbs: Vec<String> = index.rules("", name).unwrap().iter().map(|rule| rule.verbs.join(",")).collect();
    verbs.sort();
    verbs
}

#[test]
fn aggregated_rules_are_the_union_of_what_is_selected() {
    let roles = [
        aggregating("outer", "to-outer"),
        labelled(aggregating("inner", "to-inner"), "to-outer"),
        labelled(role("one", [rule("get", "core", "pods"), rule("list", "core", "pods")]), "to-inner"),
        labelled(role("two", [rule("get", "core", "pods"), rule("watch", "core", "pods")]), "to-outer"),
        labelled(role("ci/three", [rule("delete", "core", "pods")]), "to-outer"),
    ];
    let none: [Binding; 0] = [];
    let index = Index::new(&roles, &none, Aggregation::Union);
    assert_eq!(verbs(&index, "inner"), ["get", "list"]);
    // through the other aggregated role, equal rules once, no Role of a namespace
    assert_eq!(verbs(&index, "outer"), ["get", "list", "watch"]);
    // a dump has the rules, and may lack the roles that they came from
    let mut dumped = aggregating("outer", "to-outer");
    dumped.rules = vec![rule("get", "core", "pods"), rule("patch", "core", "pods")].into();
    let dump = [dumped, roles[3].clone()];
    assert_eq!(verbs(&Index::new(&dump, &none, Aggregation::Union), "outer"), ["get", "patch", "watch"]);
    let stored = Index::new(&roles, &none, Aggregation::Stored);
    assert!(verbs(&stored, "outer").is_empty());
    assert_eq!(stored.rules("ci", "three").unwrap().len(), 1);
    assert!(stored.rules("ci", "one").is_none());
}

#[test]
fn roles_that_select_each_other_end() {
    let roles = [
        labelled(labelled(aggregating("a", "x"), "x"), "y"),
        labelled(labelled(aggregating("b", "y"), "x"), "y"),
        labelled(role("c", [rule("get", "core", "pods")]), "y"),
    ];
    let none: [Binding; 0] = [];
    let index = Index::new(&roles, &none, Aggregation::Union);
    assert_eq!(verbs(&index, "a"), ["get"]);
    assert_eq!(verbs(&index, "b"), ["get"]);
}

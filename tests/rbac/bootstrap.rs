//! Which objects are Kubernetes' and kubeadm's own.

use kube_assay::audit::rbac::{Alteration, Bootstrap, Standing};
use kube_assay::evidence::Version;
use kube_assay::evidence::objects::{Binding, Role, Subject};

use crate::make::{Recorded, binding, named, role, rule, stock, subject};

fn of(version: u16) -> Bootstrap {
    Bootstrap::new(&stock(), Some(Version::kubernetes(version)))
}

/// A stock role as a version makes it.
fn made(name: &str, minor: u16) -> Role {
    let [kubernetes, _] = stock();
    let own = kubernetes.roles.iter().find(|role| role.name == name).unwrap();
    let version = Version::kubernetes(minor);
    let rules = own.rules.iter().filter(|rule| rule.in_version(version)).map(|rule| rule.part.clone());
    let mut made = role(name, rules);
    made.metadata.labels = own.labels.clone().into();
    made.aggregation_rule = own.aggregation_rule.clone();
    made
}

fn alterations(standing: Standing) -> Vec<String> {
    match standing {
        Standing::Altered(all) => all.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stock_cluster_is_stock() {
    let recorded = Recorded::read();
    let (roles, bindings) = (recorded.all_roles(), recorded.all_bindings());
    assert!(roles.len() > 80 && bindings.len() > 65);
    for bootstrap in [of(36), Bootstrap::new(&stock(), None), of(37), of(99)] {
        for role in &roles {
            // a later version may expect more than is there; never less
            assert!(!bootstrap.role(role).widens(), "{}: {:?}", role.metadata.name, bootstrap.role(role));
        }
        for binding in &bindings {
            assert!(!bootstrap.binding(binding).widens(), "{}", binding.metadata.name);
        }
        assert!(bootstrap.carriers(&roles).is_empty());
    }
    let not_stock = |role: &&Role| of(36).role(role) != Standing::Stock;
    assert_eq!(
        roles.iter().filter(not_stock).map(|role| &role.metadata.name).collect::<Vec<_>>(),
        Vec::<&String>::new()
    );
    assert!(bindings.iter().all(|binding| of(36).binding(binding) == Standing::Stock));
}

#[test]
fn kubeadms_objects_count_where_it_was_used() {
    let [kubernetes, _] = stock();
    let without = Bootstrap::new([&kubernetes], Some(Version::kubernetes(36)));
    let admins = binding("kubeadm:cluster-admins", "ClusterRole/cluster-admin", &["group:kubeadm:cluster-admins"]);
    assert_eq!(without.binding(&admins), Standing::Foreign);
    assert_eq!(of(36).binding(&admins), Standing::Stock);
    // before 1.29 kubeadm did not make it
    assert_eq!(alterations(of(28).binding(&admins)), ["also binds group:kubeadm:cluster-admins"]);
}

#[test]
fn a_name_alone_is_not_enough() {
    let mut forged = role("cluster-admins", [rule("*", "*", "*")]);
    forged.metadata.labels.insert("kubernetes.io/bootstrapping".to_owned(), "rbac-defaults".to_owned());
    assert_eq!(of(36).role(&forged), Standing::Foreign);
    let mut node = made("system:node", 36);
    node.rules.push(rule("get,delete", "core", "secrets,pods/exec"));
    // get secrets is its own already
    assert_eq!(alterations(of(36).role(&node)), ["also allows delete secrets", "also allows get,delete pods/exec"]);
    assert!(of(36).role(&node).widens());
    let elsewhere = role("ci/system:node", []);
    assert_eq!(of(36).role(&elsewhere), Standing::Foreign);
}

#[test]
fn order_and_grouping_of_rules_do_not_matter() {
    let mut discovery = made("system:node-proxier", 36);
    discovery.rules.reverse();
    let split = discovery.rules.iter().flat_map(|rule| {
        let one =
            |verb: &String| kube_assay::evidence::objects::PolicyRule { verbs: vec![verb.clone()], ..rule.clone() };
        rule.verbs.iter().map(one).collect::<Vec<_>>()
    });
    discovery.rules = split.collect();
    assert_eq!(of(36).role(&discovery), Standing::Stock);
}

#[test]
fn what_an_earlier_version_left_is_stock() {
    // an API server never takes away what an earlier one made
    let old = made("system:controller:node-controller", 28);
    let new = made("system:controller:node-controller", 36);
    let mut both = new.clone();
    both.rules.extend(old.rules.iter().filter(|rule| !new.rules.contains(rule)).cloned());
    assert!(both.rules.len() > new.rules.len());
    assert_eq!(of(36).role(&both), Standing::Stock);
    // what a later one will make is not
    let later = made("system:kube-scheduler", 37);
    assert!(of(29).role(&later).widens());
}

#[test]
fn a_role_that_lacks_rules_is_altered_and_widens_nothing() {
    let mut node = made("system:node", 36);
    node.rules.retain(|rule| !rule.resources.contains(&"secrets".to_owned()));
    let standing = of(36).role(&node);
    assert!(!standing.widens());
    assert!(!standing.is_stock());
    let mut protected = made("cluster-admin", 36);
    let annotation = "rbac.authorization.kubernetes.io/autoupdate".to_owned();
    protected.metadata.annotations.insert(annotation, "false".to_owned());
    assert_eq!(of(36).role(&protected), Standing::Altered(vec![Alteration::NotReconciled]));
}

#[test]
fn bindings_are_compared_by_role_and_subjects() {
    let bound = |role: &str, subjects: &[&str]| of(36).binding(&binding("system:discovery", role, subjects));
    assert_eq!(bound("ClusterRole/system:discovery", &["group:system:authenticated"]), Standing::Stock);
    // as clusters before 1.14 had it
    let open = bound("ClusterRole/system:discovery", &["group:system:authenticated", "group:system:unauthenticated"]);
    assert_eq!(alterations(open), ["also binds group:system:unauthenticated"]);
    let other = bound("ClusterRole/cluster-admin", &["group:system:authenticated"]);
    assert_eq!(alterations(other), ["binds ClusterRole cluster-admin"]);
    let less = bound("ClusterRole/system:discovery", &[]);
    assert_eq!(alterations(less.clone()), ["does not bind group:system:authenticated"]);
    assert!(!less.widens());
    // an account of the binding's own namespace may be written without it
    let local: Binding = binding(
        "kube-system/system:controller:token-cleaner",
        "Role/system:controller:token-cleaner",
        &["sa:token-cleaner"],
    );
    assert_eq!(of(36).binding(&local), Standing::Stock);
    // the namespace of a user means nothing
    let mut user = binding("cluster-admin", "ClusterRole/cluster-admin", &[]);
    user.subjects = vec![Subject { namespace: "x".to_owned(), ..subject("group:system:masters") }].into();
    assert_eq!(of(36).binding(&user), Standing::Stock);
}

#[test]
fn aggregated_roles_hold_what_their_parts_hold() {
    let mut view = made("view", 36);
    view.rules = made("system:aggregate-to-view", 36).rules;
    assert_eq!(of(36).role(&view), Standing::Stock);
    let mut admin = made("admin", 36);
    for part in ["system:aggregate-to-admin", "system:aggregate-to-edit", "system:aggregate-to-view"] {
        admin.rules.extend(made(part, 36).rules.to_vec());
    }
    assert_eq!(of(36).role(&admin), Standing::Stock);
    // without a controller it is empty
    assert_eq!(of(36).role(&made("edit", 36)), Standing::Stock);
    view.rules.push(rule("get", "core", "secrets"));
    assert_eq!(alterations(of(36).role(&view)), ["also allows get secrets"]);
}

#[test]
fn labels_that_widen_aggregated_roles_are_found() {
    let mut carrier = role("team", [named(rule("get", "core", "secrets"), "x")]);
    carrier.metadata.labels.insert("rbac.authorization.k8s.io/aggregate-to-view".to_owned(), "true".to_owned());
    let roles = [carrier, made("system:aggregate-to-view", 36), role("other", [])];
    let bootstrap = of(36);
    let found: Vec<(&str, &str)> =
        bootstrap.carriers(&roles).iter().map(|(role, into)| (role.metadata.name.as_str(), *into)).collect();
    assert_eq!(found, [("team", "view")]);
    let mut admin = made("cluster-admin", 36);
    admin.metadata.labels.insert("rbac.authorization.k8s.io/aggregate-to-edit".to_owned(), "true".to_owned());
    let label = "is aggregated by its label rbac.authorization.k8s.io/aggregate-to-edit";
    assert_eq!(alterations(bootstrap.role(&admin)), [label]);
    let mut selects = made("view", 36);
    selects.aggregation_rule = made("admin", 36).aggregation_rule;
    assert_eq!(bootstrap.role(&selects), Standing::Altered(vec![Alteration::Selects]));
}

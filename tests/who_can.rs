//! `who-can` and `can` as a user asks them: names as kubectl takes them, namespaces where the API server looks for them, no clean no
//! to a question that nobody can ask.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its world ends, with the place"
)]

mod support;

use std::fs;

use support::binary::{Ran, run};

const OBJECTS: &str = r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: keeper, namespace: dev}
rules:
- {apiGroups: [""], resources: [namespaces, nodes, pods], verbs: [update]}
- {nonResourceURLs: [/metrics], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: keeper, namespace: dev}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: keeper}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: jane}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: deployer}
rules:
- {apiGroups: [apps], resources: [deployments], verbs: [create]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: gathered}
aggregationRule: {clusterRoleSelectors: [{matchLabels: {gather: "true"}}]}
rules:
- {apiGroups: [""], resources: [secrets], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: deployer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: deployer}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: dev}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: gathered}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: gathered}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: dev}]
"#;

fn ask(words: &[&str]) -> Ran {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("objects.yaml");
    fs::write(&path, OBJECTS).unwrap();
    run(words.iter().copied().chain(["--manifests", path.to_str().unwrap()]))
}

#[test]
fn a_namespace_is_asked_for_within_itself() {
    assert!(ask(&["who-can", "update", "namespaces", "dev"]).exits(0).out.contains("user:jane"));
    assert!(ask(&["can", "jane", "update", "namespaces", "dev"]).exits(0).out.starts_with("yes"));
    assert!(ask(&["can", "jane", "update", "namespaces", "other"]).exits(0).out.starts_with("no"));
    let told = ask(&["can", "jane", "update", "namespaces", "other", "-n", "dev"]).exits(2);
    assert!(told.err.contains("other is not in dev"), "{}", told.err);
}

#[test]
fn resources_of_kubernetes_need_no_group_and_others_do() {
    for resource in ["deployments", "deployments.apps"] {
        assert!(ask(&["who-can", "create", resource]).exits(0).out.contains("group:dev"), "{resource}");
    }
    assert!(ask(&["who-can", "create", "deploy"]).exits(2).err.contains("no resource deploy"));
    assert!(ask(&["who-can", "create", "widgets.acme.io"]).exits(0).out.contains("No binding allows this"));
}

#[test]
fn what_a_binding_within_a_namespace_cannot_give_is_not_listed() {
    let told = ask(&["can", "jane"]).exits(0).out;
    assert!(told.contains("update namespaces,pods by dev/RoleBinding keeper"), "{told}");
    assert!(!told.contains("nodes") && !told.contains("/metrics"), "{told}");
}

#[test]
fn rules_written_into_an_aggregated_role_are_the_controllers_to_replace() {
    let allowed = |more: &[&str]| ask(&[&["can", "group:dev", "get", "secrets"], more].concat()).exits(0).out;
    assert!(allowed(&["--complete"]).starts_with("no"));
    // a part of a cluster may lack the roles that they came from
    assert!(allowed(&[]).starts_with("yes"));
}

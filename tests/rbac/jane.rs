//! One user with some rights, and what must come of them.

use kube_assay::audit::rbac::escalation::Target;
use kube_assay::evidence::objects::PolicyRule;

use crate::make::{Small, binding, role, rule};

/// A cluster in which `user:jane` holds these rules, over the cluster or in `ci`.
pub fn jane(rules: Vec<PolicyRule>, namespace: Option<&str>) -> Small {
    let place = namespace.map_or("jane".to_owned(), |namespace| format!("{namespace}/jane"));
    Small {
        roles: vec![role("jane", rules), role("cluster-admin", [rule("*", "*", "*")])],
        bindings: vec![binding(&place, "ClusterRole/jane", &["user:jane"])],
        namespaces: vec!["ci", "kube-system"],
        accounts: vec!["ci/default", "ci/deployer", "kube-system/default", "kube-system/root"],
        ..Small::default()
    }
}

/// The same with `sa:ci/deployer` bound to everything.
pub fn with_deployer(mut small: Small) -> Small {
    small.bindings.push(binding("deployer", "ClusterRole/cluster-admin", &["sa:ci/deployer"]));
    small
}

#[track_caller]
pub fn leads(small: &Small, target: Target, way: &str) {
    assert_eq!(small.way("user:jane", target).as_deref(), Some(way));
}

#[track_caller]
pub fn leads_nowhere(small: &Small) {
    for target in Target::ALL {
        assert_eq!(small.way("user:jane", target), None);
    }
}

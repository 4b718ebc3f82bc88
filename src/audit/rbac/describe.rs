//! How subjects and rules read in a line.

use super::identity::service_account;
use crate::evidence::objects::{PolicyRule, Subject};

/// A subject: `group:dev`, `user:jane`, `sa:ci/deployer`. A user with the name of a service account is that account.
pub fn subject(subject: &Subject) -> String {
    match subject.kind.as_str() {
        "Group" => format!("group:{}", subject.name),
        "ServiceAccount" => format!("sa:{}/{}", subject.namespace, subject.name),
        _ => user(&subject.name),
    }
}

/// A user name in the same form.
pub fn user(name: &str) -> String {
    match service_account(name) {
        Some((namespace, name)) => format!("sa:{namespace}/{name}"),
        None => format!("user:{name}"),
    }
}

/// A rule in one line: `get,list secrets`, `bind clusterroles.rbac.authorization.k8s.io named edit`, `get /metrics`.
pub fn rule(rule: &PolicyRule) -> String {
    let resources = rule.resources.iter().flat_map(|resource| {
        let groups = rule.api_groups.iter();
        groups.map(move |group| match (group.as_str(), resource.split_once('/')) {
            ("", _) => resource.clone(),
            (group, Some((resource, sub))) => format!("{resource}.{group}/{sub}"),
            (group, None) => format!("{resource}.{group}"),
        })
    });
    let targets: Vec<String> = resources.chain(rule.non_resource_urls.iter().cloned()).collect();
    let mut words = format!("{} {}", rule.verbs.join(","), targets.join(","));
    if !rule.resource_names.is_empty() {
        words.push_str(" named ");
        words.push_str(&rule.resource_names.join(","));
    }
    words
}

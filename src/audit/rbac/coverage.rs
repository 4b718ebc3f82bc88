//! Whether rules cover another one.
//!
//! Source: k8s.io/component-helpers 1.36 `auth/rbac/validation/policy_comparator.go` (`Covers`), by which the API server
//! reconciles its own roles and refuses grants of what the granter does not hold.

use std::collections::BTreeMap;

use super::request::path_covers;
use crate::evidence::objects::PolicyRule;

/// What `rule` allows and `owners` do not; empty when it is covered. The parts are put together again as far as they go.
pub fn uncovered(owners: &[&PolicyRule], rule: &PolicyRule) -> Vec<PolicyRule> {
    // by far the most common case, and breaking a rule down is dear
    if owners.contains(&rule) {
        return Vec::new();
    }
    let covered = |part: &PolicyRule| owners.iter().any(|owner| covers_part(owner, part));
    put_together(break_down(rule).into_iter().filter(|part| !covered(part)))
}

/// A rule as parts with one verb, group, resource and name each (`BreakdownRule`).
fn break_down(rule: &PolicyRule) -> Vec<PolicyRule> {
    let one = |text: &String| vec![text.clone()];
    let mut parts = Vec::new();
    for verb in &rule.verbs {
        for group in &rule.api_groups {
            for resource in &rule.resources {
                let part = PolicyRule {
                    verbs: one(verb),
                    api_groups: one(group),
                    resources: one(resource),
                    ..PolicyRule::default()
                };
                if rule.resource_names.is_empty() {
                    parts.push(part);
                } else {
                    let named = |name| PolicyRule { resource_names: one(name), ..part.clone() };
                    parts.extend(rule.resource_names.iter().map(named));
                }
            }
        }
        for path in &rule.non_resource_urls {
            parts.push(PolicyRule { verbs: one(verb), non_resource_urls: one(path), ..PolicyRule::default() });
        }
    }
    parts
}

/// `ruleCovers`: `part` has at most one of each.
fn covers_part(owner: &PolicyRule, part: &PolicyRule) -> bool {
    let has = |all: &[String], one: &[String]| one.iter().all(|text| all.contains(text));
    let star = |all: &[String]| all.iter().any(|text| text == "*");
    let resource = |text: &String| {
        owner.resources.contains(text)
            || text
                .split_once('/')
                .is_some_and(|(_, sub)| owner.resources.iter().any(|of| of.strip_prefix("*/") == Some(sub)))
    };
    (star(&owner.verbs) || has(&owner.verbs, &part.verbs))
        && (star(&owner.api_groups) || has(&owner.api_groups, &part.api_groups))
        && (star(&owner.resources) || part.resources.iter().all(resource))
        && (owner.resource_names.is_empty()
            || (!part.resource_names.is_empty() && has(&owner.resource_names, &part.resource_names)))
        && part.non_resource_urls.iter().all(|path| owner.non_resource_urls.iter().any(|of| path_covers(of, path)))
}

/// Parts with equal groups, resources and names become one rule with several verbs, then equal verbs one with several resources.
fn put_together(parts: impl Iterator<Item = PolicyRule>) -> Vec<PolicyRule> {
    let mut by_target: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for part in parts {
        let target = (part.api_groups, part.resource_names, part.resources, part.non_resource_urls);
        by_target.entry(target).or_default().extend(part.verbs);
    }
    let mut by_verbs: BTreeMap<_, (Vec<String>, Vec<String>)> = BTreeMap::new();
    for ((groups, names, resources, paths), verbs) in by_target {
        let (all, all_paths) = by_verbs.entry((groups, names, verbs)).or_default();
        all.extend(resources);
        all_paths.extend(paths);
    }
    let rule = |((api_groups, resource_names, verbs), (resources, non_resource_urls))| PolicyRule {
        verbs,
        api_groups,
        resources,
        resource_names,
        non_resource_urls,
    };
    by_verbs.into_iter().map(rule).collect()
}

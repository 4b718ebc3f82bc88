//! Requests that an audit policy is tried with: those that matter, by everybody and at every object that its own rules speak of.

use std::collections::BTreeSet;

use super::audit_policy::{Level, Request, level, texts};
use crate::evidence::Value;

/// What an audit policy should do with a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Should {
    /// Record it, body or not.
    Record,
    /// Record it without its bodies: they hold secrets.
    RecordBare {
        /// What is said of one user or one object alone may leave it out: locks of components are of this kind.
        excepted: bool,
    },
}

const WHO: [(&str, &str, &[&str]); 4] = [
    ("a user", "jane", &["system:authenticated"]),
    ("somebody without credentials", "system:anonymous", &["system:unauthenticated"]),
    (
        "a service account",
        "system:serviceaccount:shop:deployer",
        &["system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"],
    ),
    ("an administrator", "kubernetes-admin", &["system:masters", "system:authenticated"]),
];

const BARE: Should = Should::RecordBare { excepted: false };

type Probe = (&'static str, &'static str, &'static str, &'static [&'static str], bool, Should);

/// Group, resource, subresource, verbs, namespaced, and what should be recorded.
const PROBES: [Probe; 25] = [
    (
        "",
        "secrets",
        "",
        &["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"],
        true,
        BARE,
    ),
    (
        "",
        "configmaps",
        "",
        &["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"],
        true,
        BARE,
    ),
    ("authentication.k8s.io", "tokenreviews", "", &["create"], false, BARE),
    ("", "serviceaccounts", "token", &["create"], true, BARE),
    ("", "pods", "", &["create", "update", "patch", "delete", "deletecollection"], true, Should::Record),
    ("apps", "deployments", "", &["create", "update", "patch", "delete", "deletecollection"], true, Should::Record),
    ("apps", "daemonsets", "", &["create", "update", "patch", "delete", "deletecollection"], true, Should::Record),
    ("", "pods", "exec", &["create", "get"], true, Should::Record),
    ("", "pods", "attach", &["create", "get"], true, Should::Record),
    ("", "pods", "portforward", &["create", "get"], true, Should::Record),
    ("", "pods", "proxy", &["create", "get"], true, Should::Record),
    ("", "pods", "ephemeralcontainers", &["update", "patch"], true, Should::Record),
    ("", "services", "proxy", &["create", "get"], true, Should::Record),
    ("", "nodes", "proxy", &["create", "get"], false, Should::Record),
    ("certificates.k8s.io", "certificatesigningrequests", "", &["create", "update"], false, Should::Record),
    ("certificates.k8s.io", "certificatesigningrequests", "approval", &["update", "patch"], false, Should::Record),
    (
        "rbac.authorization.k8s.io",
        "roles",
        "",
        &["create", "update", "patch", "delete", "deletecollection"],
        true,
        Should::Record,
    ),
    (
        "rbac.authorization.k8s.io",
        "rolebindings",
        "",
        &["create", "update", "patch", "delete", "deletecollection"],
        true,
        Should::Record,
    ),
    ("rbac.authorization.k8s.io", "clusterroles", "", &["create", "update", "patch", "delete"], false, Should::Record),
    (
        "rbac.authorization.k8s.io",
        "clusterrolebindings",
        "",
        &["create", "update", "patch", "delete"],
        false,
        Should::Record,
    ),
    (
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
        "",
        &["create", "update", "delete"],
        false,
        Should::Record,
    ),
    (
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
        "",
        &["create", "update", "delete"],
        false,
        Should::Record,
    ),
    ("", "namespaces", "", &["create", "delete"], false, Should::Record),
    ("", "serviceaccounts", "", &["create", "delete"], true, Should::Record),
    ("example.test", "widgets", "", &["create", "delete"], true, Should::Record),
];

/// Most words of rules that requests are held against, all requests together. A policy is somebody's file: one of 77 KB can name
/// so much that trying it all takes minutes. The policies that providers ship take a fiftieth of this.
const WORK: usize = 40_000_000;

/// Requests that each resource and verb is tried with.
fn per_target() -> usize {
    PROBES.iter().map(|(_, _, _, verbs, ..)| verbs.len()).sum()
}

/// Words of a policy's rules, which is what holding a request against them costs.
fn words(policy: &Value) -> usize {
    fn of(value: &Value) -> usize {
        match value {
            Value::List(items) => items.iter().map(of).sum(),
            Value::Map(entries) => 1 + entries.values().map(of).sum::<usize>(),
            _ => 1,
        }
    }
    policy.at("rules").map_or(0, of)
}

/// Who asks, and for what: the same for each resource and verb.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target<'a> {
    who: String,
    user: &'a str,
    groups: Vec<&'a str>,
    namespace: &'a str,
    name: &'a str,
    /// A rule names the user or the object.
    named: bool,
}

impl<'a> Target<'a> {
    /// Everybody, and whom and what the rules of a policy name. `None` for more than can be tried.
    pub(super) fn all(policy: &'a Value) -> Option<Vec<Self>> {
        let most = WORK / words(policy).max(1) / per_target();
        let mut all: BTreeSet<Self> = BTreeSet::new();
        let rules = policy.at("rules").and_then(Value::as_list).unwrap_or_default();
        all.extend(Self::everybody());
        for rule in rules {
            all.extend(Self::of_rule(rule));
            if all.len() > most {
                return None;
            }
        }
        Some(all.into_iter().collect())
    }

    fn everybody() -> impl Iterator<Item = Self> {
        WHO.iter().map(|(who, user, groups)| Self {
            who: (*who).to_owned(),
            user,
            groups: groups.to_vec(),
            namespace: "shop",
            name: "",
            named: false,
        })
    }

    /// Whom a rule names, and at what: one after another, not all with all. Kubernetes' own users and groups are left out, for their
    /// steady work is what policies may leave out.
    fn of_rule(rule: &'a Value) -> Vec<Self> {
        let (users, groups) = (texts(rule, "users"), texts(rule, "userGroups"));
        let group = groups.first().copied();
        let mut callers: Vec<Self> = Vec::new();
        for user in users.iter().copied().filter(|user| !user.starts_with("system:")) {
            let groups = group.into_iter().chain(["system:authenticated"]).collect();
            callers.push(Self { who: format!("user {user}"), user, groups, namespace: "shop", name: "", named: true });
        }
        for group in groups.iter().copied().filter(|group| users.is_empty() && !group.starts_with("system:")) {
            let groups = vec![group, "system:authenticated"];
            callers.push(Self {
                who: format!("group {group}"),
                user: "jane",
                groups,
                namespace: "shop",
                name: "",
                named: true,
            });
        }
        if users.is_empty() && groups.is_empty() {
            callers.extend(Self::everybody());
        }
        let namespaces = texts(rule, "namespaces");
        let entries = rule.at("resources").and_then(Value::as_list).unwrap_or_default();
        let names: Vec<&str> = entries.iter().flat_map(|entry| texts(entry, "resourceNames")).collect();
        let places = places(&namespaces, &names);
        let at = |caller: &Self, (namespace, name): (&'a str, &'a str)| Self {
            who: said(&caller.who, namespace, name),
            namespace,
            name,
            named: caller.named || !name.is_empty(),
            ..caller.clone()
        };
        let first = places.first().copied();
        let by_each = callers.iter().filter_map(|caller| first.map(|place| at(caller, place)));
        let at_each = callers.first().into_iter().flat_map(|caller| places.iter().map(|place| at(caller, *place)));
        by_each.chain(at_each).collect()
    }
}

fn places<'a>(namespaces: &[&'a str], names: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    let (namespace, name) = (namespaces.first().copied().unwrap_or("shop"), names.first().copied().unwrap_or_default());
    let mut places = vec![(namespace, name)];
    places.extend(namespaces.iter().skip(1).map(|namespace| (*namespace, name)));
    places.extend(names.iter().skip(1).map(|name| (namespace, *name)));
    places
}

fn said(who: &str, namespace: &str, name: &str) -> String {
    let at = if namespace == "shop" { String::new() } else { format!(" in namespace {namespace}") };
    if name.is_empty() { format!("{who}{at}") } else { format!("{who}{at} at {name}") }
}

/// Every request that a policy is judged by, each with who makes it and what should become of it.
pub(super) fn judged<'a>(targets: &'a [Target<'a>]) -> impl Iterator<Item = (Request<'a>, &'a str, Should)> {
    PROBES.iter().flat_map(move |(group, resource, subresource, verbs, namespaced, should)| {
        let excepted = |target: &Target<'_>| *resource == "configmaps" && target.named;
        // requests for a whole list carry no name; without a namespace of its own a resource is in none
        let fits = move |verb: &str, target: &Target<'_>| {
            (target.name.is_empty() || !matches!(verb, "list" | "watch" | "create" | "deletecollection"))
                && (*namespaced || target.namespace == "shop")
        };
        verbs.iter().flat_map(move |verb| {
            targets.iter().filter(move |target| fits(verb, target)).map(move |target| {
                let namespace = if *namespaced { target.namespace } else { "" };
                let Target { user, groups, name, .. } = target;
                let request = Request { user, groups, verb, group, resource, subresource, namespace, name, path: "" };
                let should = match should {
                    Should::RecordBare { .. } => Should::RecordBare { excepted: excepted(target) },
                    Should::Record => Should::Record,
                };
                (request, target.who.as_str(), should)
            })
        })
    })
}

/// Every request that a policy is probed with, whatever it says.
pub fn probes() -> impl Iterator<Item = Request<'static>> {
    PROBES.iter().flat_map(|(group, resource, subresource, verbs, namespaced, _)| {
        verbs.iter().flat_map(move |verb| {
            WHO.iter().map(move |(_, user, groups)| {
                let namespace = if *namespaced { "shop" } else { "" };
                Request { user, groups, verb, group, resource, subresource, namespace, name: "", path: "" }
            })
        })
    })
}

/// Whether a policy records anything: one of the probes, or of the requests that its own rules are about. `None` where these are more
/// than can be tried.
pub(super) fn records_anything(policy: &Value) -> Option<bool> {
    let recorded = |request: Request<'_>| level(policy, &request).0 > Level::None;
    let rules = policy.at("rules").and_then(Value::as_list).unwrap_or_default();
    let mut recording = rules.iter().filter(|rule| Level::of(rule) > Level::None);
    if probes().any(recorded) {
        return Some(true);
    }
    if recording.clone().map(requests_of).fold(0, usize::saturating_add).saturating_mul(words(policy)) > WORK {
        return None;
    }
    Some(recording.any(|rule| {
        let mut groups = texts(rule, "userGroups");
        if groups.is_empty() {
            groups.push("system:authenticated");
        }
        groups.iter().any(|group| matched(rule, &[*group, "system:authenticated"]).into_iter().any(recorded))
    }))
}

/// How many requests `matched` makes of a rule, over all of its groups.
fn requests_of(rule: &Value) -> usize {
    let count = |key: &str| texts(rule, key).len().max(1);
    let entries = rule.at("resources").and_then(Value::as_list).unwrap_or_default();
    let of_entries: usize = entries.iter().map(|entry| texts(entry, "resources").len().max(1)).sum();
    let places = count("namespaces").saturating_mul(1 + of_entries);
    let of_caller = places.saturating_add(1 + texts(rule, "nonResourceURLs").len());
    ["users", "userGroups", "verbs"].iter().map(|key| count(key)).fold(of_caller, usize::saturating_mul)
}

/// Requests that a rule matches by itself.
fn matched<'a>(rule: &'a Value, groups: &'a [&'a str]) -> Vec<Request<'a>> {
    let of = |key: &str, otherwise: &'static str| match texts(rule, key) {
        given if given.is_empty() => vec![otherwise],
        given => given,
    };
    let mut found = Vec::new();
    let blank = Request {
        user: "jane",
        groups,
        verb: "get",
        group: "",
        resource: "pods",
        subresource: "",
        namespace: "shop",
        name: "",
        path: "",
    };
    for user in of("users", "jane") {
        for verb in of("verbs", "get") {
            let caller = Request { user, verb, ..blank };
            found.push(caller);
            for url in texts(rule, "nonResourceURLs") {
                let path = url.trim_end_matches('*');
                found.push(Request { path: if path.is_empty() { "/" } else { path }, ..caller });
            }
            let entries = rule.at("resources").and_then(Value::as_list).unwrap_or_default();
            for namespace in of("namespaces", "shop") {
                found.push(Request { namespace, ..caller });
                found.extend(entries.iter().flat_map(|entry| in_entry(entry, Request { namespace, ..caller })));
            }
        }
    }
    found
}

fn in_entry<'a>(entry: &'a Value, caller: Request<'a>) -> Vec<Request<'a>> {
    let group = entry.at("group").and_then(Value::as_text).filter(|group| *group != "*").unwrap_or_default();
    let name = texts(entry, "resourceNames").first().copied().unwrap_or_default();
    let plain = |text: &'a str, otherwise: &'static str| if text == "*" { otherwise } else { text };
    let caller = Request { group, name, ..caller };
    let mut all: Vec<Request<'a>> = texts(entry, "resources")
        .into_iter()
        .map(|resource| {
            let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
            Request { resource: plain(resource, "pods"), subresource: plain(subresource, "status"), ..caller }
        })
        .collect();
    if all.is_empty() {
        all.push(caller);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(rules: impl Iterator<Item = serde_json::Value>) -> Value {
        serde_json::from_value(serde_json::json!({"rules": rules.collect::<Vec<_>>()})).unwrap_or(Value::Null)
    }

    #[test]
    fn what_a_policy_names_is_tried_as_far_as_an_audit_can_wait() {
        let of = |count: usize| {
            policy(
                (0..count)
                    .map(|at| serde_json::json!({"level": "None", "users": [format!("u{at}")], "verbs": ["get"]})),
            )
        };
        // as many as the policy of a large cluster has
        assert_eq!(Target::all(&of(150)).map(|targets| targets.len()), Some(154));
        assert!(Target::all(&of(2_000)).is_none());
    }

    #[test]
    fn the_requests_of_a_rule_are_counted_as_they_are_made() {
        let rules = policy(
            [serde_json::json!({
                "level": "Metadata", "users": ["a", "b"], "verbs": ["get", "list", "watch"], "namespaces": ["x", "y"],
                "resources": [{"group": "", "resources": ["pods", "secrets"]}, {"group": "apps"}], "nonResourceURLs": ["/a", "/b"],
            })]
            .into_iter(),
        );
        let rule = &rules.at("rules").and_then(Value::as_list).unwrap_or_default()[0];
        assert_eq!(requests_of(rule), matched(rule, &[]).len());
    }
}

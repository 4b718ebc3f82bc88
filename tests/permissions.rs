//! The rights that `audit --explain-permissions` prints against what an audit really asks: no request beyond them, and none of them
//! for nothing.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its world ends, with the place"
)]

mod support;

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::json;
use support::api_server::{ApiServer, Fault, at, kubeconfig};
use support::binary::run;

#[derive(Deserialize)]
struct Role {
    kind: String,
    metadata: Metadata,
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    namespace: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    #[serde(default)]
    api_groups: Vec<String>,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default, rename = "nonResourceURLs")]
    paths: Vec<String>,
    verbs: Vec<String>,
}

fn roles(arguments: &[&str]) -> Vec<Role> {
    let printed = run(["audit", "--explain-permissions"].iter().chain(arguments)).exits(0).out;
    let documents = printed.split("---\n").filter(|text| text.contains("kind:"));
    documents.map(|text| serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))).collect()
}

/// Group, namespace and resource of a list's path; `None` for what is no list.
fn list(path: &str) -> Option<(String, String, String)> {
    let words: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    let (group, rest) = match words.as_slice() {
        ["api", _, rest @ ..] => (String::new(), rest),
        ["apis", group, _, rest @ ..] => ((*group).to_owned(), rest),
        _ => return None,
    };
    match rest {
        [resource] => Some((group, String::new(), (*resource).to_owned())),
        ["namespaces", namespace, resource] => Some((group, (*namespace).to_owned(), (*resource).to_owned())),
        _ => panic!("{path} is no list"),
    }
}

/// Every request of an audit.
fn requests(arguments: &[&str]) -> BTreeSet<String> {
    let namespace = |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    // a server that does not say what it serves is asked for everything
    let server = ApiServer::start(vec![namespace("default"), namespace("kube-system")]);
    let server = server.breaks(at("/apis", Fault::Status(404, &[])));
    let scratch = tempfile::tempdir().unwrap();
    let config = kubeconfig(scratch.path(), &server, &json!({}));
    let fixed = ["audit", "--quiet", "--kubeconfig", config.to_str().unwrap()];
    let ran = run(fixed.iter().chain(arguments));
    assert!(ran.code == Some(0), "{ran:?}");
    let asked: BTreeSet<String> =
        server.asked().iter().map(|asked| format!("{} {}", asked.method, asked.path)).collect();
    assert!(asked.len() > 30, "{asked:?}");
    asked
}

fn compare(arguments: &[&str]) {
    let (roles, requests) = (roles(arguments), requests(arguments));
    let everybody = ["/version", "/api", "/apis"];
    let allows = |role: &Role, group: &str, namespace: &str, resource: &str| {
        let here = role.kind == "ClusterRole" || role.metadata.namespace == namespace;
        let has = |words: &[String], word: &str| words.iter().any(|one| one == word);
        here && role
            .rules
            .iter()
            .any(|rule| has(&rule.api_groups, group) && has(&rule.resources, resource) && has(&rule.verbs, "list"))
    };
    let (mut lists, mut paths) = (Vec::new(), BTreeSet::new());
    for request in &requests {
        let (method, path) = request.split_once(' ').unwrap();
        if method == "POST" {
            assert_eq!(path, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews");
        } else if let Some((group, namespace, resource)) = list(path) {
            let allowed = roles.iter().any(|role| allows(role, &group, &namespace, &resource));
            assert!(allowed, "{request} is not among the rights");
            lists.push((group, namespace, resource));
        } else if !everybody.contains(&path) && !path.starts_with("/apis/") {
            paths.insert(path.to_owned());
        }
    }
    // none is for nothing
    let mut printed = BTreeSet::new();
    for role in &roles {
        for rule in &role.rules {
            assert!(
                rule.verbs == ["list"] || rule.verbs == ["get"] && !rule.paths.is_empty(),
                "verbs {:?}",
                rule.verbs
            );
            printed.extend(rule.paths.iter().cloned());
            let here = |namespace: &str| {
                role.kind == "ClusterRole" && namespace.is_empty() || role.metadata.namespace == namespace
            };
            for resource in &rule.resources {
                let used = lists.iter().any(|(group, namespace, asked)| {
                    here(namespace) && asked == resource && rule.api_groups.contains(group)
                });
                assert!(used, "nothing lists {resource} of {:?} in {:?}", rule.api_groups, role.metadata.namespace);
            }
            for group in &rule.api_groups {
                let used = lists.iter().any(|(asked, _, resource)| asked == group && rule.resources.contains(resource));
                assert!(used, "nothing of the group {group:?} with {:?} is listed", rule.resources);
            }
        }
    }
    assert_eq!(paths, printed, "paths that are no resources");
}

#[test]
fn rights_are_what_an_audit_asks() {
    compare(&[]);
}

#[test]
fn secrets_are_one_right_more() {
    compare(&["--with-secrets"]);
    let printed = run(["audit", "--explain-permissions"]).exits(0).out;
    for word in ["[secrets", " secrets,", "nodes/", "*", "watch", "create", "pods/log"] {
        let rules: Vec<&str> = printed.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(!rules.iter().any(|line| line.contains(word)), "{word} in {printed}");
    }
}

#[test]
fn each_rule_names_its_controls() {
    let printed = run(["audit", "--explain-permissions", "--benchmark", "cis-1.12"]).exits(0).out;
    let comments: Vec<&str> = printed.lines().filter(|line| line.starts_with("# controls:")).collect();
    assert!(comments.len() > 10 && !comments.iter().any(|line| line.contains("none by itself")), "{printed}");
    assert!(comments.iter().any(|line| line.contains("5.1.1,") && line.contains("5.1.8")), "{printed}");
}

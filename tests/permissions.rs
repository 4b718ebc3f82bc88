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
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde::Deserialize;
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

/// A cluster without objects that notes the paths it is asked for; it allows no review and tells no flags.
fn server() -> (String, Arc<Mutex<BTreeSet<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(BTreeSet::new()));
    let noted = Arc::clone(&asked);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let noted = Arc::clone(&noted);
            thread::spawn(move || answer(&stream, &noted));
        }
    });
    (url, asked)
}

fn answer(stream: &TcpStream, asked: &Mutex<BTreeSet<String>>) {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut line, mut length) = (String::new(), 0);
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let mut words = line.split_whitespace();
        let (method, uri) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).unwrap();
            let Some((name, value)) = header.trim_end().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap();
            }
        }
        reader.read_exact(&mut vec![0; length]).unwrap();
        let path = uri.split('?').next().unwrap().to_owned();
        asked.lock().unwrap().insert(format!("{method} {path}"));
        let (code, body) = match path.as_str() {
            "/version" => (200, r#"{"major":"1","minor":"36","gitVersion":"v1.36.3"}"#),
            "/apis" | "/api" => (404, "{}"),
            "/metrics" | "/flagz" => (403, "{}"),
            _ if method == "POST" => (201, r#"{"status":{"allowed":false}}"#),
            _ => (200, r#"{"kind":"List","apiVersion":"v1","metadata":{},"items":[]}"#),
        };
        let head = format!(
            "HTTP/1.1 {code} Answer\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        (&mut &*stream).write_all(format!("{head}{body}").as_bytes()).unwrap();
    }
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
    let (url, asked) = server();
    let scratch = tempfile::tempdir().unwrap();
    let config = scratch.path().join("kubeconfig");
    let text = format!(
        "{{apiVersion: v1, kind: Config, current-context: t, clusters: [{{name: c, cluster: {{server: '{url}'}}}}], users: [{{name: u, user: {{}}}}], contexts: [{{name: t, context: {{cluster: c, user: u}}}}]}}"
    );
    std::fs::write(&config, text).unwrap();
    let fixed = ["audit", "--quiet", "--kubeconfig", config.to_str().unwrap()];
    let ran = run(fixed.iter().chain(arguments));
    assert!(ran.code == Some(0), "{ran:?}");
    let asked = asked.lock().unwrap().clone();
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

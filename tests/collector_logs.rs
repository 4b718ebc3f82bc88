//! How the logs of collectors are asked for: a server that has too much to do is asked again, and nobody is waited for beyond the deadline.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its world ends, with the place"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};
use support::api_server::{ApiServer, Fault, at, kubeconfig};
use support::binary::run;
use support::repository::root;

/// A server with two nodes, each with its collector, and the paths of their logs.
fn server() -> (ApiServer, Vec<String>) {
    let recorded: Value =
        serde_json::from_str(&fs::read_to_string(root().join("tests/data/collectors.json")).unwrap()).unwrap();
    let pods = recorded["pods"].as_array().unwrap().clone();
    let log = |pod: &Value| format!("/api/v1/namespaces/audits/pods/{}/log", pod["metadata"]["name"].as_str().unwrap());
    let logs = pods.iter().map(log).collect();
    let node = |pod: &Value| {
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": pod["spec"]["nodeName"]},
            "status": {"nodeInfo": {"operatingSystem": "linux"}, "conditions": [{"type": "Ready", "status": "True"}]}})
    };
    let mut objects: Vec<Value> = pods.iter().map(node).collect();
    objects.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "audits"}}));
    objects.push(recorded["daemonset"].clone());
    objects.extend(pods.clone());
    let server = ApiServer::start(objects)
        .answers(
            "/api/v1/namespaces/audits/pods",
            json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods}),
        )
        .answers("/apis/apps/v1/namespaces/audits/daemonsets/collector", recorded["daemonset"].clone());
    (server, logs)
}

/// Why each node was not seen.
fn unseen(server: &ApiServer, more: &[&str]) -> BTreeMap<String, String> {
    let scratch = tempfile::tempdir().unwrap();
    let config = kubeconfig(scratch.path(), server, &json!({}));
    let words = ["audit", "--collectors=audits/collector", "--benchmark=cis-2.1", "--format=json", "--kubeconfig"];
    let ran = run([&words[..], &[config.to_str().unwrap()], more].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    let nodes = report["nodes"].as_array().unwrap().iter();
    nodes.filter_map(|node| Some((node["name"].as_str()?.to_owned(), node["why"].as_str()?.to_owned()))).collect()
}

#[test]
fn too_many_requests_are_no_reason_to_miss_a_node() {
    let (mut server, logs) = server();
    for log in &logs {
        server = server
            .breaks(at(log, Fault::Status(429, &[("Retry-After", "0")])).times(2))
            .breaks(at(log, Fault::Body("text/plain", "nothing yet\n".to_owned())));
    }
    let why = unseen(&server, &["--deadline=2"]);
    let nothing = "its collector's log holds no evidence".to_owned();
    assert_eq!(why, [("cp1".to_owned(), nothing.clone()), ("w1".to_owned(), nothing)].into());
    assert!(logs.iter().all(|log| server.count(log) >= 3));
}

#[test]
fn what_cannot_be_read_before_the_deadline_is_missing() {
    let (server, logs) = server();
    let server = server.breaks(at(&logs[1], Fault::Status(429, &[("Retry-After", "3")])));
    let why = unseen(&server, &["--deadline=1", "--concurrency=1"]);
    assert_eq!(why["cp1"], "its collector's log cannot be read: the server answers 429");
    assert_eq!(why["w1"], "its collector's log was not read before the deadline (--deadline and --qps change that)");
}

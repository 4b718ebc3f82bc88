//! Waivers as a user meets them: verdicts and scores stay, what is accepted is marked, the exit code heeds it, a mistake is an error.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its world ends, with the place"
)]

mod support;

use std::fs;
use std::path::Path;

use serde_json::Value;
use support::binary::{Ran, run};

/// Every failing control of severity high on the example, each by its check.
const HIGH: [&str; 5] = [
    "api-server-kubelet-authority",
    "audit-log-written",
    "secrets-encrypted-at-rest",
    "secrets-encryption-provider",
    "audit-policy-loaded",
];

fn waiver(id: &str, checks: &[&str], more: &str) -> String {
    format!(
        "- id: {id}\n  checks: [{}]\n  reason: planned\n  accepted_by: platform security\n  until: 9999-12-31\n{more}",
        checks.join(", ")
    )
}

fn file(scratch: &Path, waivers: &[String]) -> String {
    let path = scratch.join("waivers.yaml");
    fs::write(&path, format!("waivers:\n{}", waivers.concat())).unwrap();
    path.to_str().unwrap().to_owned()
}

fn audit(more: &[&str]) -> Ran {
    run(["audit", "--example", "--quiet"].into_iter().chain(more.iter().copied()))
}

fn json(path: &str) -> Value {
    let given: &[&str] = if path.is_empty() { &[] } else { &["--waivers", path] };
    let told = audit(&[given, &["--format", "json"]].concat()).exits(0);
    serde_json::from_str(&told.out).unwrap()
}

fn control<'a>(report: &'a Value, slug: &str) -> &'a Value {
    report["controls"].as_array().unwrap().iter().find(|control| control["slug"] == slug).unwrap()
}

#[test]
fn what_is_accepted_is_marked_and_nothing_else_changes() {
    let scratch = tempfile::tempdir().unwrap();
    let node = "  nodes: [w*]\n";
    let object = "  objects: ['/etc/*/kubelet.service.d/*', '*/10-kubeadm.conf']\n";
    let waivers = [
        waiver("SEC-1", &["secrets-encrypted-at-rest"], ""),
        waiver("SEC-2", &["kubelet-pod-process-limit"], node),
        waiver("SEC-3", &["kubelet-service-mode"], object),
        waiver("SEC-4", &["api-server-anonymous-access-off"], ""),
        waiver("SEC-5", &["etcd-data-directory-owner"], "").replace("9999-12-31", "2020-01-01"),
    ];
    let (before, after) = (json(""), json(&file(scratch.path(), &waivers)));
    assert_eq!(before["scores"], after["scores"]);
    assert_eq!(before["coverage"], after["coverage"]);
    for (old, new) in before["controls"].as_array().unwrap().iter().zip(after["controls"].as_array().unwrap()) {
        assert_eq!((&old["verdict"], &old["seen_verdict"]), (&new["verdict"], &new["seen_verdict"]));
        if !["secrets-encrypted-at-rest", "kubelet-pod-process-limit", "kubelet-service-mode"]
            .iter()
            .any(|slug| new["slug"] == *slug)
        {
            assert_eq!(old, new);
        }
    }
    let whole = control(&after, "secrets-encrypted-at-rest");
    assert_eq!((&whole["waived"], &whole["groups"][0]["waiver"]), (&Value::from(true), &Value::from("SEC-1")));
    // one of two nodes is not enough
    let one = control(&after, "kubelet-pod-process-limit");
    assert_eq!(one["waived"], Value::Null);
    let waived = one["groups"].as_array().unwrap().iter().find(|group| group["waiver"] == "SEC-2").unwrap();
    assert_eq!(waived["subjects"]["nodes"], serde_json::json!([1]));
    // one of two files is not enough either
    let objects = control(&after, "kubelet-service-mode");
    assert_eq!(objects["waived"], Value::Null);
    let offenders = |waiver: Value| -> Vec<&str> {
        let groups = objects["groups"].as_array().unwrap().iter().filter(|group| group["waiver"] == waiver);
        groups
            .flat_map(|group| group["offenders"].as_array().unwrap())
            .map(|one| one["what"].as_str().unwrap())
            .collect()
    };
    let (accepted, rest) = (offenders(Value::from("SEC-3")), offenders(Value::Null));
    assert!(accepted.iter().all(|what| what.ends_with(".conf")) && !accepted.is_empty(), "{accepted:?}");
    assert!(rest.iter().all(|what| what.ends_with("kubelet.service")) && !rest.is_empty(), "{rest:?}");
    let states: Vec<&Value> = after["waivers"].as_array().unwrap().iter().map(|waiver| &waiver["state"]).collect();
    assert_eq!(states, ["valid", "valid", "valid", "unused", "expired"]);
    assert_eq!(after["waivers"][4]["controls"], serde_json::json!(["1.1.12"]));
}

/// A waiver of objects accepts those; a setting that violates the requirement beside them stays open.
#[test]
fn what_a_finding_names_is_not_all_of_it() {
    let scratch = tempfile::tempdir().unwrap();
    let objects = waiver("SEC-1", &["etcd-serving-certificate"], "  objects: [listen-client-urls]\n");
    let waivers = file(scratch.path(), &[objects]);
    for (name, certificate, waived) in
        [("bare", "", Value::Null), ("set", "--cert-file=/a, --key-file=/b, ", true.into())]
    {
        let path = scratch.path().join(name);
        let pod = format!(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: etcd-a\n  namespace: kube-system\n  annotations: {{kubernetes.io/config.mirror: x}}\n  \
             ownerReferences: [{{apiVersion: v1, kind: Node, name: a, uid: u, controller: true}}]\nspec:\n  nodeName: a\n  containers:\n  \
             - {{name: etcd, image: 'registry.k8s.io/etcd:3.6.4-0', command: [etcd, {certificate}'--listen-client-urls=http://10.0.0.1:2379']}}\n\
             status: {{phase: Running}}\n"
        );
        fs::write(&path, pod).unwrap();
        let words = ["audit", "-q", "--benchmark=cis-1.12", "--format=json", "--waivers", &waivers, "--manifests"];
        let report: Value = serde_json::from_str(&run(words.into_iter().chain(path.to_str())).out).unwrap();
        let control = control(&report, "etcd-serving-certificate");
        assert_eq!((&control["verdict"], &control["waived"]), (&Value::from("fail"), &waived), "{name}: {control}");
    }
}

#[test]
fn the_exit_code_heeds_waivers_that_hold() {
    let scratch = tempfile::tempdir().unwrap();
    audit(&["--fail-on", "high"]).exits(1);
    let all = file(scratch.path(), &[waiver("SEC-1", &HIGH, "")]);
    audit(&["--fail-on", "high", "--waivers", &all]).exits(0);
    let but_one = file(scratch.path(), &[waiver("SEC-1", &HIGH[1..], "")]);
    let told = audit(&["--fail-on", "high", "--waivers", &but_one]).exits(1);
    assert!(told.err.contains("1 failing of severity high or higher: 1.2.5"), "{}", told.err);
    let over = file(scratch.path(), &[waiver("SEC-1", &HIGH, "").replace("9999-12-31", "2020-01-01")]);
    audit(&["--fail-on", "high", "--waivers", &over]).exits(1);
}

#[test]
fn every_report_tells_by_whom_why_and_until_when() {
    let scratch = tempfile::tempdir().unwrap();
    let old = waiver("SEC-9", &["etcd-data-directory-owner"], "").replace("9999-12-31", "2020-01-01");
    let path = file(scratch.path(), &[waiver("SEC-1", &["secrets-encrypted-at-rest"], ""), old]);
    let told = |format: &str| {
        let text = audit(&["--waivers", &path, "--format", format]).exits(0).out;
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let text = told("text");
    assert!(text.contains("accepted by platform security until 9999-12-31: planned (SEC-1)"), "{text}");
    assert!(text.contains("of them waived") && text.contains("SEC-9 (expired 2020-01-01); about 1.1.12"), "{text}");
    let html = told("html");
    assert!(html.contains("Accepted by platform security until 9999-12-31: planned (SEC-1)"));
    assert!(html.contains("expired 2020-01-01"));
    let prometheus = told("prometheus");
    assert!(prometheus.contains("state=\"expired\"} 1") && prometheus.contains("state=\"valid\"} 1"), "{prometheus}");
    let summary: Value = serde_json::from_str(&told("summary")).unwrap();
    assert_eq!(summary["waived"], serde_json::json!([control(&json(&path), "secrets-encrypted-at-rest")["id"]]));
}

#[test]
fn a_mistake_is_an_error_before_anything_is_looked_at() {
    let scratch = tempfile::tempdir().unwrap();
    let typo = file(scratch.path(), &[waiver("SEC-1", &["secrets-encrypted-at-res"], "")]);
    let told = audit(&["--waivers", &typo]).exits(2);
    assert!(
        told.err.contains("waivers.yaml:3:12") && told.err.contains("did you mean `secrets-encrypted-at-rest`?"),
        "{}",
        told.err
    );
    let twice = file(scratch.path(), &[waiver("SEC-1", &HIGH, ""), waiver("SEC-1", &HIGH, "")]);
    assert!(audit(&["--waivers", &twice]).exits(2).err.contains("waiver `SEC-1` stands twice"));
    assert!(audit(&["--waivers", "no-such-file"]).exits(2).err.contains("cannot read no-such-file"));
    let date = file(scratch.path(), &[waiver("SEC-1", &HIGH, "").replace("9999-12-31", "soon")]);
    assert!(audit(&["--waivers", &date]).exits(2).err.contains("`soon` is no date"));
}

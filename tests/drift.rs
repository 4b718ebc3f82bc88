//! What changed between two audits, and nothing else; the figures for monitoring.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its world ends, with the place"
)]

mod support;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::binary::{Ran, run};
use support::case::{Host, Process};
use support::host;

/// An audit of a node whose kubelet has this command line.
fn audited(scratch: &Path, name: &str, pid: u32, words: &[&str]) -> PathBuf {
    let root = scratch.join("node");
    let _ = fs::remove_dir_all(&root);
    fs::create_dir(&root).unwrap();
    let kubelet = Process {
        exe: Some("/usr/bin/kubelet".to_owned()),
        argv: words.iter().map(|word| (*word).to_owned()).collect(),
        pid: Some(pid),
        ..Process::default()
    };
    host::write(&root, &Host { processes: vec![kubelet], ..Host::default() });
    let report = scratch.join(name);
    let ran = run([
        "audit".as_ref(),
        "--benchmark=cis-1.12".as_ref(),
        "--host-root".as_ref(),
        root.as_os_str(),
        "-o".as_ref(),
        report.as_os_str(),
    ]);
    assert!(report.exists(), "{}", ran.err);
    report
}

fn compared(before: &Path, after: &Path, more: &[&str]) -> Ran {
    let mut words: Vec<&OsStr> = vec!["diff".as_ref(), before.as_os_str(), after.as_os_str()];
    words.extend(more.iter().map(|word| OsStr::new(*word)));
    run(words)
}

fn ids(drift: &Value, list: &str) -> Vec<String> {
    drift[list].as_array().unwrap().iter().map(|change| change["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn exactly_what_changed_is_told() {
    let scratch = tempfile::tempdir().unwrap();
    let good = audited(scratch.path(), "good.json", 700, &["kubelet", "--anonymous-auth=false"]);
    let bad = audited(scratch.path(), "bad.json", 900, &["kubelet", "--anonymous-auth=true"]);
    let ran = compared(&good, &bad, &["--format", "json", "--fail-on", "low"]);
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    let drift: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(ids(&drift, "new_failures"), ["4.2.1"]);
    for list in ["fixed", "other", "by_presence", "evidence"] {
        assert!(ids(&drift, list).is_empty(), "{list}: {}", drift[list]);
    }
    let back: Value = serde_json::from_str(&compared(&bad, &good, &["--format", "json"]).out).unwrap();
    assert_eq!((ids(&back, "fixed"), ids(&back, "new_failures")), (vec!["4.2.1".to_owned()], vec![]));
    let told = compared(&good, &bad, &[]).out;
    assert!(told.contains("New failures (1)") && told.contains("pass -> fail"), "{told}");
}

/// What can no longer be told is not mended.
#[test]
fn a_failure_that_nobody_sees_any_more_is_not_fixed() {
    let scratch = tempfile::tempdir().unwrap();
    let bad = audited(scratch.path(), "bad.json", 700, &["kubelet", "--anonymous-auth=true"]);
    let unread = audited(scratch.path(), "unread.json", 700, &["kubelet", "--config=/not/there"]);
    let drift: Value = serde_json::from_str(&compared(&bad, &unread, &["--format", "json"]).out).unwrap();
    assert!(!ids(&drift, "fixed").contains(&"4.2.1".to_owned()), "{drift}");
    assert!(ids(&drift, "other").contains(&"4.2.1".to_owned()), "{drift}");
}

/// A process that was started anew is no change.
#[test]
fn nothing_is_told_where_nothing_changed() {
    let scratch = tempfile::tempdir().unwrap();
    let one = audited(scratch.path(), "one.json", 700, &["kubelet", "--anonymous-auth=false"]);
    let other = audited(scratch.path(), "other.json", 12345, &["kubelet", "--anonymous-auth=false"]);
    let ran = compared(&one, &other, &["--fail-on", "low"]);
    assert_eq!(ran.code, Some(0));
    assert!(ran.out.contains("Nothing changed."), "{}", ran.out);
}

/// What a node that came brings along is kept apart from what changed on the nodes that stayed.
#[test]
fn a_node_that_came_or_went_is_told_apart() {
    let scratch = tempfile::tempdir().unwrap();
    let bad = audited(scratch.path(), "bad.json", 700, &["kubelet", "--anonymous-auth=true"]);
    let mut moved: Value = serde_json::from_str(&fs::read_to_string(&bad).unwrap()).unwrap();
    moved["nodes"][0]["name"] = Value::from("another");
    let other = scratch.path().join("other.json");
    fs::write(&other, moved.to_string()).unwrap();
    let drift: Value = serde_json::from_str(&compared(&bad, &other, &["--format", "json"]).out).unwrap();
    assert_eq!(drift["nodes_new"], serde_json::json!(["another"]));
    assert_eq!(drift["nodes_gone"].as_array().unwrap().len(), 1);
    assert!(ids(&drift, "new_failures").is_empty() && ids(&drift, "fixed").is_empty());
}

#[test]
fn figures_for_monitoring() {
    let scratch = tempfile::tempdir().unwrap();
    let bad = audited(scratch.path(), "bad.json", 700, &["kubelet", "--anonymous-auth=true"]);
    let text = run(["render".as_ref(), bad.as_os_str(), "--format=prometheus".as_ref()]).out;
    assert!(text.ends_with("# EOF\n"), "{text}");
    let failing = text.lines().find(|line| line.contains("control=\"4.2.1\"")).unwrap();
    assert!(
        failing.starts_with("kube_assay_failing_subjects{benchmark=\"cis-1.12\"") && failing.ends_with("} 1"),
        "{failing}"
    );
    // every sample belongs to the family that was announced last, and no series stands twice
    let (mut family, mut series) = (String::new(), std::collections::BTreeSet::new());
    for line in text.lines().filter(|line| *line != "# EOF") {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            rest.split(' ').next().unwrap().clone_into(&mut family);
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(name.starts_with(&format!("{family}{{")) && value.parse::<f64>().is_ok(), "{line}");
            assert!(series.insert(name.to_owned()), "{line}");
        }
    }
    let line = run(["render".as_ref(), bad.as_os_str(), "--format=summary".as_ref()]).out;
    assert_eq!(line.lines().count(), 1);
    let line: Value = serde_json::from_str(&line).unwrap();
    assert!(line["failing"].as_array().unwrap().contains(&Value::from("4.2.1")));
}

//! A collector's log is evidence for whoever reads it; an auditor's log gives its reports back.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its world ends, with the place"
)]

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Stdio;

use kube_assay::evidence::frames::{self, Content, Header, OF_A_NODE, Reader};
use kube_assay::evidence::{Evidence, file};
use support::binary::{command, run};
use support::case::{Host, Process};
use support::host;

fn worker() -> (tempfile::TempDir, PathBuf) {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("node");
    fs::create_dir(&root).unwrap();
    let kubelet = Process {
        exe: Some("/usr/bin/kubelet".to_owned()),
        argv: vec!["kubelet".to_owned(), "--anonymous-auth=false".to_owned()],
        ..Process::default()
    };
    host::write(&root, &Host { processes: vec![kubelet], ..Host::default() });
    (scratch, root)
}

#[test]
fn the_log_of_a_collector_is_evidence() {
    let (_scratch, root) = worker();
    let ran = support::binary::Ran::of(
        command().env("KUBE_ASSAY_POD_UID", "0d3c").args(["collect", "--frames", "--host-root"]).arg(&root),
    );
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let mut reader = Reader::new(OF_A_NODE);
    ran.out.lines().for_each(|line| reader.line(line));
    let (streams, errors) = reader.finish();
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!((streams.len(), streams[0].header.content), (1, Content::Evidence));
    assert_eq!(streams[0].header.pod, "0d3c");
    let mut evidence = Evidence::default();
    file::read(streams[0].body.as_slice(), &mut evidence).unwrap();
    assert_eq!(evidence.nodes[0].instances.len(), 1);
}

/// It stays when its evidence is out, collects again, and ends when it is told to.
#[test]
fn a_collector_that_stays_collects_again() {
    let (_scratch, root) = worker();
    let mut child = command()
        .args(["collect", "--frames", "--stay", "--every=10", "--host-root"])
        .arg(&root)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..2 {
        assert!(lines.next().unwrap().unwrap().starts_with("kube-assay/frame/1 "));
    }
    assert_eq!(child.try_wait().unwrap(), None);
    child.kill().unwrap();
    child.wait().unwrap();
}

fn packed(name: &str, text: &str) -> String {
    let header = Header {
        content: Content::File,
        name: name.to_owned(),
        pod: String::new(),
        at: "2026-01-01T00:00:00Z".to_owned(),
        encryption: None,
    };
    frames::frames(&header, &frames::compressed(text.as_bytes()).unwrap()).unwrap().join("\n")
}

#[test]
fn reports_come_back_from_a_log() {
    let scratch = tempfile::tempdir().unwrap();
    let (log, out) = (scratch.path().join("log"), scratch.path().join("out"));
    let text = format!("CIS Kubernetes Benchmark\n{}\nothers\n{}\n", packed("report.json", "{}"), packed("a.txt", "a"));
    fs::write(&log, &text).unwrap();
    let ran = run(["unpack".as_ref(), log.as_os_str(), "-o".as_ref(), out.as_os_str()]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(fs::read_to_string(out.join("report.json")).unwrap(), "{}");
    assert_eq!(fs::read_to_string(out.join("a.txt")).unwrap(), "a");
    // a log that was cut says so, and gives what is whole
    fs::write(&log, text.replace("eyJjb250ZW50Ijo", "eyJjb250ZW50Ij1")).unwrap();
    let ran = run(["unpack".as_ref(), log.as_os_str(), "-o".as_ref(), out.as_os_str()]);
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    assert!(ran.err.contains("2 lines begin like a frame and are damaged"), "{}", ran.err);
}

#[test]
fn a_log_writes_nowhere_else() {
    let scratch = tempfile::tempdir().unwrap();
    let (log, out) = (scratch.path().join("log"), scratch.path().join("deep/out"));
    let names = ["../up.txt", "/tmp/x", "", ".", "..", ".hidden", "a/b", "a\u{1b}[2J", "a\\b"];
    fs::write(&log, names.map(|name| packed(name, "x")).join("\n")).unwrap();
    let ran = run(["unpack".as_ref(), log.as_os_str(), "-o".as_ref(), out.as_os_str()]);
    assert_eq!(ran.code, Some(3), "{}", ran.err);
    assert_eq!(ran.err.matches("is not written").count(), names.len(), "{}", ran.err);
    assert!(!ran.err.contains('\u{1b}'));
    assert_eq!(fs::read_dir(&out).unwrap().count(), 0);
    assert_eq!(fs::read_dir(scratch.path().join("deep")).unwrap().count(), 1);
}

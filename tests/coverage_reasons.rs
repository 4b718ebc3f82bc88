//! Every reason for which a node was not seen, and every remark on one that was, has its line in the documentation's table.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its world ends, with the place"
)]

mod support;

use std::collections::BTreeSet;
use std::fs;

use support::repository::{files, root};

/// How reasons begin in the code.
const BEGINNINGS: [&str; 12] = [
    "its ",
    "{who}",
    "no collector",
    "no node ",
    "the node ",
    "the list of nodes ",
    "there is no DaemonSet",
    "the DaemonSet ",
    "the collectors",
    "not looked at",
    "runs {",
    "pod {",
];

/// The texts of a source file, as they are written.
fn literals(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
        let mut rest = line;
        while let Some(start) = rest.find('"') {
            let body = &rest[start + 1..];
            let Some(end) = body.find('"') else { break };
            found.push(body[..end].to_owned());
            rest = &body[end + 1..];
        }
    }
    found
}

/// What of a reason is the same each time: up to the first thing that is filled in.
fn fixed(reason: &str) -> String {
    let reason = reason.replace("{who}", "its collector");
    reason.split('{').next().unwrap().trim_end_matches([' ', '(', ':']).to_owned()
}

#[test]
fn every_reason_is_explained() {
    let source = root().join("src/collect/api");
    let mut reasons = BTreeSet::new();
    let of_collectors = files(&source).into_iter().filter(|file| {
        let path = file.strip_prefix(&source).unwrap();
        path.starts_with("collectors") || path == std::path::Path::new("collectors.rs")
    });
    for file in of_collectors.filter(|file| !file.ends_with("tests.rs")) {
        let all = literals(&fs::read_to_string(file).unwrap());
        reasons.extend(all.into_iter().filter(|text| BEGINNINGS.iter().any(|start| text.starts_with(start))));
    }
    assert!(reasons.len() > 25, "{reasons:?}");
    let page = fs::read_to_string(root().join("docs/in-cluster.md")).unwrap();
    let table = page.split("## A node is not seen: why").nth(1).unwrap().split("\n## ").next().unwrap();
    let missing: Vec<String> = reasons
        .iter()
        .map(|reason| fixed(reason))
        .filter(|fixed| !fixed.is_empty() && !table.contains(fixed.as_str()))
        .collect();
    assert!(missing.is_empty(), "docs/in-cluster.md explains nothing of: {missing:#?}");
}

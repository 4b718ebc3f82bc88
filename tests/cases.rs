//! Every check on every case: a small host or cluster, the verdicts that controls must get on it, and the invariants of any report.
//!
//! `tests/cases/README.md` documents the format. Cases that need owners are skipped, and counted, without root.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its world ends, with the place"
)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use kube_assay::audit::report::Report;
use kube_assay::audit::verdict::Verdict;
use kube_assay::benchmark::{Predicate, Subject, Test};
use support::auditor::{Auditor, control, words};
use support::case::{self, Case};
use support::{binary, host, is_root, say};

/// The report on a case's host.
fn report(auditor: &Auditor, case: &Case, scratch: &Path) -> Report {
    let root = scratch.join("in");
    host::write(&root, case.host.as_ref().unwrap());
    if let Some(user) = case.run_as.filter(|_| is_root()) {
        let arguments = ["audit", "--format", "json", "--benchmark", &case.benchmark, "--kubernetes-version"];
        let arguments = arguments.into_iter().chain([case.kubernetes.as_str(), "--host-root"]).map(Into::into);
        let arguments = arguments.chain([root.into_os_string()]);
        let ran = binary::run_as(user, scratch, arguments);
        return serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}", ran.err));
    }
    auditor.evaluate(auditor.evidence_of_host(&root), &case.benchmark, Some(&case.kubernetes))
}

/// The report on a case's objects.
fn report_of_objects(auditor: &Auditor, case: &Case, scratch: &Path) -> Report {
    let place = scratch.join("objects.yaml");
    fs::write(&place, case.objects.as_ref().unwrap()).unwrap();
    let evidence = auditor.evidence_of_objects(&place, &case.denied);
    auditor.evaluate(evidence, &case.benchmark, Some(&case.kubernetes))
}

fn asks_for_owner(predicates: &[Predicate]) -> bool {
    predicates.iter().any(|predicate| match predicate {
        Predicate::All(inner) | Predicate::Any(inner) => asks_for_owner(inner),
        Predicate::Not(inner) => asks_for_owner(std::slice::from_ref(inner)),
        Predicate::Fact(_, test) => matches!(test, Test::Owner(..)),
    })
}

/// What is wrong with the verdicts of a case.
fn mismatches(auditor: &Auditor, case: &Case, scratch: &Path) -> Vec<String> {
    let report = match case.host {
        Some(_) => report(auditor, case, scratch),
        None => report_of_objects(auditor, case, scratch),
    };
    let mut wrong = broken(auditor, &report);
    for (id, expected) in case.expectations() {
        let Some(control) = control(&report, id) else {
            wrong.push(format!("{id} is not in the report"));
            continue;
        };
        // without root every file is this user's
        if !is_root() && asks_for_owner(&auditor.library.checks[&control.slug].pass) {
            continue;
        }
        if !expected.0.contains(&control.verdict) {
            let expected: Vec<&str> = expected.0.iter().map(|verdict| verdict.word()).collect();
            wrong.push(format!(
                "{id}: expected {}, got {} ({})",
                expected.join(" or "),
                control.verdict,
                words(control)
            ));
        }
    }
    if let Some(text) = &case.says
        && let Some(control) = control(&report, &case.control)
        && !words(control).contains(text)
    {
        wrong.push(format!("{} does not say {text:?}: {}", case.control, words(control)));
    }
    wrong
}

/// What holds in every report, whatever the host.
fn broken(auditor: &Auditor, report: &Report) -> Vec<String> {
    let mut wrong = Vec::new();
    let ids: BTreeSet<&str> = report.controls.iter().map(|control| control.id.as_str()).collect();
    if ids.len() != report.controls.len() {
        wrong.push("a control stands twice in the report".to_owned());
    }
    for control in &report.controls {
        let groups = || control.groups.iter().map(|group| group.verdict);
        if Verdict::over(groups()) != Some(control.verdict) {
            wrong.push(format!("{}: its groups do not add up to {}", control.id, control.verdict));
        }
        for group in &control.groups {
            if (group.verdict == Verdict::Unknown) != group.gap.is_some() {
                wrong.push(format!("{}: {} with the gap {:?}", control.id, group.verdict, group.gap));
            }
            if group.found.is_empty() {
                wrong.push(format!("{}: {} without saying what was found", control.id, group.verdict));
            }
            let decided = matches!(group.verdict, Verdict::Pass | Verdict::Fail | Verdict::Review);
            // several files are their own origin: each stands among the offenders
            let of_files = auditor.library.checks[&control.slug].subject == Subject::Node;
            if decided && (group.required.is_empty() || (group.origins.is_empty() && !of_files)) {
                wrong.push(format!("{}: {} without requirement or origin", control.id, group.verdict));
            }
        }
    }
    wrong
}

/// Runs every case of a directory on all processors.
#[track_caller]
fn all_get_their_verdict(directory: &str) {
    let started = Instant::now();
    let auditor = Auditor::new();
    let cases = case::all(directory);
    let (run, skipped): (Vec<&Case>, Vec<&Case>) = cases.iter().partition(|case| case.skipped(is_root()).is_none());
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().unwrap().get();
    let failures: Vec<String> = std::thread::scope(|scope| {
        let work = || {
            let mut failures = Vec::new();
            while let Some(case) = run.get(next.fetch_add(1, Ordering::Relaxed)) {
                let scratch = tempfile::Builder::new().prefix("case-").tempdir().unwrap();
                let wrong = mismatches(&auditor, case, scratch.path());
                failures.extend(wrong.into_iter().map(|wrong| format!("{}: {wrong}", case.name)));
            }
            failures
        };
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let failed: BTreeSet<&str> = failures.iter().filter_map(|line| line.split(": ").next()).collect();
    say(format!(
        "{directory}: {} cases, {} failed, {} skipped (they need root), {:.1} s",
        run.len(),
        failed.len(),
        skipped.len(),
        started.elapsed().as_secs_f64()
    ));
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn every_host_gets_its_verdicts() {
    all_get_their_verdict("node");
}

#[test]
fn every_cluster_gets_its_verdicts() {
    all_get_their_verdict("cluster");
}

/// On a cluster that was read as a whole every control of section 5 is decided, or left to a person with what was found.
#[test]
fn section_5_is_left_open_by_no_benchmark() {
    let auditor = Auditor::new();
    let mut seen = 0;
    for case in case::all("cluster") {
        let objects = case.objects.as_ref().unwrap();
        // without any node it is not a whole cluster
        if !case.denied.is_empty() || !objects.lines().any(|line| line == "kind: Node") {
            continue;
        }
        let scratch = tempfile::Builder::new().prefix("case-").tempdir().unwrap();
        let place = scratch.path().join("objects.yaml");
        fs::write(&place, objects).unwrap();
        // nor without its namespaces
        let evidence = auditor.evidence_of_objects(&place, &[]);
        if evidence.cluster.as_ref().unwrap().namespaces.gap.is_some() {
            continue;
        }
        for id in kube_assay::benchmark::benchmarks() {
            let report = auditor.evaluate(evidence.clone(), &id, Some(&case.kubernetes));
            let section = report.controls.iter().filter(|control| control.section.starts_with('5'));
            for control in section {
                seen += 1;
                // whether the API server verifies images is for its flags to say
                if control.slug == "image-provenance" && words(control).contains("no API server was seen") {
                    continue;
                }
                assert_ne!(control.verdict, Verdict::Unknown, "{} {id} {}: {}", case.name, control.id, words(control));
                let laid_out =
                    control.groups.iter().any(|group| !group.found.is_empty() || !group.offenders.is_empty());
                assert!(laid_out, "{} {id} {} says nothing", case.name, control.id);
            }
        }
    }
    assert!(seen > 1000, "only {seen} verdicts were seen");
}

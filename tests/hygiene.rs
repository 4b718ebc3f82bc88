//! What keeps the project in order: data that ships as it is written, facts with their source, no leftovers.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its world ends, with the place"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::fs;

use kube_assay::audit::facts::{Context, establish};
use kube_assay::audit::verdict::Verdict;
use kube_assay::benchmark::{self, Check, Library};
use kube_assay::evidence::components::{AdmissionPlugins, CipherSuites, ComponentTable, GateStage};
use kube_assay::evidence::effective::effective;
use kube_assay::evidence::facts::{self, FACTS, FactKind, FactOwner, FactRef};
use kube_assay::evidence::{Component, NodeEvidence, Version};
use serde::de::DeserializeOwned;
use support::auditor::{Auditor, words};
use support::case::{self, Host, Process};
use support::host;
use support::repository::{files, root};

// ---------------------------------------------------------------- documentation

/// The record is what a real cluster gave; the page explains it.
#[test]
fn every_verdict_of_a_stock_cluster_that_is_no_pass_is_explained() {
    let record = fs::read_to_string(root().join("tests/real/cluster/stock-kubeadm.tsv")).unwrap();
    let recorded: BTreeMap<&str, &str> = record
        .lines()
        .filter_map(|line| match line.split('\t').collect::<Vec<_>>()[..] {
            ["cis-2.1", control, _, verdict, _] if verdict != "pass" => Some((control, verdict)),
            _ => None,
        })
        .collect();
    let page = fs::read_to_string(root().join("docs/stock-kubeadm.md")).unwrap();
    let explained: BTreeMap<&str, &str> = page
        .lines()
        .filter_map(|line| match line.split('|').map(str::trim).collect::<Vec<_>>()[..] {
            ["", control, verdict, why, ""] if control.contains('.') && !why.is_empty() => Some((control, verdict)),
            _ => None,
        })
        .collect();
    assert!(!recorded.is_empty());
    assert_eq!(explained, recorded);
}

// ---------------------------------------------------------------- words

/// Texts that have no place in a published repository. Put together here, so that this file does not hold them.
fn forbidden() -> Vec<String> {
    let of_machines = ["work/", "tmp/plan", "root/.cargo", "root/go/pkg", "root/.rustup"];
    let of_registries = ["registry.npmjs", "index.crates", "static.crates", "proxy.golang", "files.pythonhosted"];
    let mut words: Vec<String> = of_machines.iter().map(|path| format!("/{path}")).collect();
    words.extend(of_registries.iter().map(|host| format!("{host}.")));
    words
}

#[test]
fn nothing_speaks_of_the_machine_it_was_made_on() {
    let words = forbidden();
    let mut found = Vec::new();
    for file in files(root()) {
        let bytes = fs::read(&file).unwrap();
        // the lock file names where crates come from: that is its content
        if file.ends_with("Cargo.lock") || bytes.contains(&0) {
            continue;
        }
        let text = String::from_utf8_lossy(&bytes);
        for (number, line) in text.lines().enumerate() {
            let hit = words.iter().find(|word| line.contains(word.as_str()));
            found.extend(hit.map(|word| format!("{}:{}: {word}", file.display(), number + 1)));
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

// ---------------------------------------------------------------- data

fn yaml<T: DeserializeOwned>(path: &str) -> T {
    let text = fs::read_to_string(root().join("benchmarks").join(path)).unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[track_caller]
fn same(what: &str, shipped: &impl Debug, written: &impl Debug) {
    let (shipped, written) = (format!("{shipped:?}"), format!("{written:?}"));
    let at = shipped.bytes().zip(written.bytes()).take_while(|(one, other)| one == other).count();
    let near = |text: &str| text.chars().skip(at.saturating_sub(60)).take(160).collect::<String>();
    assert!(shipped == written, "{what} ships as {} and is written as {}", near(&shipped), near(&written));
}

#[test]
fn tables_ship_as_they_are_written() {
    let tables = benchmark::tables().unwrap();
    for component in Component::ALL {
        let written: ComponentTable = yaml(&format!("components/{component}.yaml"));
        same(component.name(), tables.of(component), &written);
    }
    same("admission plugins", &tables.admission, &yaml::<AdmissionPlugins>("components/admission-plugins.yaml"));
    same("cipher suites", &tables.ciphers, &yaml::<CipherSuites>("components/tls-ciphers.yaml"));
    let gates: BTreeMap<String, BTreeMap<Version, GateStage>> = yaml("components/feature-gates.yaml");
    same("feature gates", &tables.gates, &gates);
}

#[test]
fn checks_ship_as_they_are_written() {
    let auditor = Auditor::new();
    let mut written = Library::default();
    for file in files(&root().join("benchmarks/checks")) {
        // read as a user's own checks, which need a prefix
        let text = fs::read_to_string(&file).unwrap();
        let own = |line: &str| match line.strip_prefix("- id: ") {
            Some(id) => format!("- id: own/{id}\n"),
            None => format!("{line}\n"),
        };
        let text: String = text.lines().map(own).collect();
        benchmark::add_own(&mut written, &file.display().to_string(), &text, &auditor.tables).unwrap();
    }
    assert_eq!(written.checks.len(), auditor.library.checks.len(), "as many checks in the binary as in the files");
    for (id, check) in &auditor.library.checks {
        let other = Check { id: id.clone(), ..written.checks[&format!("own/{id}")].clone() };
        same(id, check, &other);
    }
}

#[test]
fn indexes_ship_as_they_are_written() {
    let mut auditor = Auditor::new();
    for id in benchmark::benchmarks() {
        let text = fs::read_to_string(root().join("benchmarks").join(format!("{id}.yaml"))).unwrap();
        let (controls, errors) = benchmark::lint(&mut auditor.library, &id, &text, &auditor.tables);
        assert!(errors.is_empty(), "{id}: {errors:?}");
        let index = benchmark::benchmark(&id, &auditor.library).unwrap();
        assert_eq!(controls, index.controls.len(), "{id}");
        for line in &index.controls {
            let level = format!("{{check: {}, level: {}, status: {}}}", line.check, line.level, status(line.automated));
            let quoted = [format!("{}: {level}", line.id), format!("\"{}\": {level}", line.id)];
            assert!(
                quoted.iter().any(|line| text.contains(line)),
                "{id} holds no line like {}, which ships with the binary",
                quoted[0]
            );
        }
    }
}

fn status(automated: bool) -> &'static str {
    if automated { "automated" } else { "manual" }
}

#[test]
fn indexes_are_complete_and_use_every_check() {
    let auditor = Auditor::new();
    let mut used = BTreeSet::new();
    let mut counts = Vec::new();
    for id in benchmark::benchmarks() {
        let index = benchmark::benchmark(&id, &auditor.library).unwrap();
        counts.push((id, index.controls.len()));
        used.extend(index.controls.into_iter().map(|line| line.check));
    }
    let expected = [("cis-1.11", 133), ("cis-1.12", 131), ("cis-2.0", 131), ("cis-2.1", 134)];
    for (id, count) in expected {
        assert!(counts.contains(&(id.to_owned(), count)), "{id} has {count} controls: {counts:?}");
    }
    let idle: Vec<&String> = auditor.library.checks.keys().filter(|id| !used.contains(*id)).collect();
    assert!(idle.is_empty(), "no index uses {idle:?}");
}

// ---------------------------------------------------------------- facts

/// A host that runs one of everything, with nothing said.
fn minimal(auditor: &Auditor) -> NodeEvidence {
    let scratch = tempfile::tempdir().unwrap();
    let run = |component: Component| Process {
        exe: Some(format!("/usr/bin/{component}")),
        argv: vec![component.name().to_owned()],
        ..Process::default()
    };
    host::write(scratch.path(), &Host { processes: Component::ALL.map(run).into(), ..Host::default() });
    auditor.collect(scratch.path())
}

#[test]
fn every_fact_has_a_source() {
    let auditor = Auditor::new();
    let node = minimal(&auditor);
    let version = Version::kubernetes(34);
    let mut without = Vec::new();
    for (index, spec) in FACTS.iter().enumerate() {
        let component = match spec.owner {
            FactOwner::Component(component) => Some(component),
            _ => None,
        };
        let instance = component.map(|component| node.instances.iter().find(|one| one.component == component).unwrap());
        let merged = instance.map(|instance| effective(&auditor.tables, instance, version));
        let context = Context {
            tables: &auditor.tables,
            node: &node,
            cluster: None,
            instance: instance.zip(merged.as_ref()),
            version,
        };
        let said = format!("{:?}", establish(&FactRef::Computed(index), &context));
        if said.contains("has no source") || said.contains("no set of files is called") {
            without.push(spec.name);
        }
    }
    assert!(without.is_empty(), "facts without a source: {without:?}");
}

/// Facts of the cluster are established on a small one, each asked for by a check of its own.
#[test]
fn every_fact_of_the_cluster_has_a_source() {
    let mut auditor = Auditor::new();
    let mut asked = 0;
    for (number, name) in facts::names(&auditor.tables).into_iter().enumerate() {
        let Some((FactRef::Cluster(_), kind)) = facts::find(&auditor.tables, &name) else { continue };
        let test = match kind {
            FactKind::Findings => "none: true",
            FactKind::List => "empty: true",
            FactKind::Text => "set: true",
            other => panic!("{name} is of type {}: say here how to ask for it", other.name()),
        };
        let check = format!(
            "- id: own/fact-{number}\n  title: Asks for {name}\n  reason: x\n  severity: low\n  scope: cluster\n  subject: cluster\n  \
             pass: [{{fact: {name}, {test}}}]\n  not-applicable: x\n  \
             remediation: {{kubeadm: {{text: x}}, k3s: {{text: x}}, rke2: {{text: x}}, other: {{text: x}}}}\n"
        );
        benchmark::add_own(&mut auditor.library, &name, &check, &auditor.tables).unwrap();
        asked += 1;
    }
    assert!(asked > 20, "{asked} facts of the cluster");
    let scratch = tempfile::tempdir().unwrap();
    let place = scratch.path().join("objects.yaml");
    fs::write(&place, "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n").unwrap();
    let report = auditor.evaluate(auditor.evidence_of_objects(&place, &[]), "cis-2.1", None);
    let without: Vec<&str> = report
        .own_checks
        .iter()
        .filter(|control| words(control).contains("has no source"))
        .map(|control| control.title.as_str())
        .collect();
    assert!(without.is_empty(), "facts without a source: {without:?}");
}

#[test]
fn every_name_of_a_fact_is_found_again() {
    let tables = benchmark::tables().unwrap();
    let lost: Vec<String> =
        facts::names(&tables).into_iter().filter(|name| facts::find(&tables, name).is_none()).collect();
    // etcd's file keys are no names of their own: its flags are
    let lost: Vec<&String> = lost.iter().filter(|name| !name.starts_with("etcd.")).collect();
    assert!(lost.is_empty(), "suggested, but not found: {lost:?}");
}

// ---------------------------------------------------------------- cases

/// Verdicts that no evidence can bring about, each with the reason.
const IMPOSSIBLE: [(&str, Verdict, &str); 5] = [
    ("masters-group-unused", Verdict::Fail, "a binding of the group says nothing of who is in it: a person decides"),
    ("service-account-tokens-only-where-needed", Verdict::Fail, "whether a pod needs its token is for a person to say"),
    (
        "people-without-service-account-tokens",
        Verdict::Unknown,
        "Secrets are never listed: what else is seen is laid out",
    ),
    ("people-without-bootstrap-tokens", Verdict::Unknown, "Secrets are never listed: what else is seen is laid out"),
    ("secrets-external-store", Verdict::Unknown, "signs of a store are laid out; their absence proves nothing"),
];

#[test]
fn every_check_can_pass_fail_and_be_unknown() {
    let auditor = Auditor::new();
    let mut slugs: BTreeMap<(String, String), String> = BTreeMap::new();
    for id in benchmark::benchmarks() {
        let index = benchmark::benchmark(&id, &auditor.library).unwrap();
        slugs.extend(index.controls.iter().map(|line| ((id.clone(), line.id.clone()), line.check.clone())));
    }
    let cases = [case::all("node"), case::all("cluster")].concat();
    let mut proven: BTreeSet<(&str, Verdict)> = BTreeSet::new();
    for case in &cases {
        for (control, expected) in case.expectations() {
            let slug = &slugs[&(case.benchmark.clone(), control.to_owned())];
            if let [verdict] = expected.0[..] {
                proven.insert((slug, verdict));
            }
        }
    }
    let mut missing = Vec::new();
    for check in auditor.library.checks.values() {
        let mut wanted = vec![Verdict::Unknown];
        // what is always left to a person neither passes nor fails
        if !check.pass.is_empty() {
            wanted.extend([Verdict::Pass, Verdict::Fail]);
        }
        wanted.extend((!check.review.is_empty()).then_some(Verdict::Review));
        wanted.extend((!check.not_applicable_when.is_empty()).then_some(Verdict::NotApplicable));
        for verdict in wanted {
            let impossible = IMPOSSIBLE.iter().any(|(id, known, _)| *id == check.id && *known == verdict);
            if !impossible && !proven.contains(&(check.id.as_str(), verdict)) {
                missing.push(format!("{} is never proven to be {verdict}", check.id));
            }
        }
    }
    for (id, verdict, why) in IMPOSSIBLE {
        assert!(!proven.contains(&(id, verdict)), "{id} can be {verdict} after all, not: {why}");
    }
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
}

//! The report as others rely on it: its schema, its bytes, its arithmetic, and the recorded cluster's verdicts.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its world ends, with the place"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use kube_assay::audit::report::{Control, Report, Score};
use kube_assay::audit::verdict::Verdict;
use kube_assay::evidence::Version;
use proptest::prelude::*;
use support::auditor::Auditor;
use support::binary::{Ran, command, run};
use support::case::{File, Host, Process};
use support::host;
use support::world::{configured, process};

static AUDITOR: LazyLock<Auditor> = LazyLock::new(Auditor::new);

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn data(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn parsed(json: &str) -> Report {
    serde_json::from_str(json).unwrap()
}

/// A node with every component, configured by files.
fn node(scratch: &Path) -> std::path::PathBuf {
    let (processes, files) = configured();
    let root = scratch.join("node");
    let files = files.into_iter().map(|known| known.file).collect();
    host::write(&root, &Host { processes, files, ..Host::default() });
    root
}

// ---------------------------------------------------------------- schema

#[test]
fn the_committed_schema_is_the_programs() {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/report.schema.json");
    let ran = run(["schema"]).exits(0);
    let committed = fs::read_to_string(committed).unwrap();
    assert!(
        ran.out == committed,
        "the report's types have changed; a compatible change is written down with: kube-assay schema > docs/report.schema.json"
    );
}

#[test]
fn reports_keep_to_their_schema() {
    let schema: serde_json::Value = serde_json::from_str(&run(["schema"]).exits(0).out).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let root = node(scratch.path());
    let empty = scratch.path().join("empty");
    host::write(&empty, &Host::default());
    let runs: [&[&str]; 7] = [
        &["--example"],
        &["--example", "--level", "1"],
        &["--host-root", text(&root)],
        &["--host-root", text(&root), "--benchmark", "cis-1.11"],
        &["--host-root", text(&root), "--benchmark", "cis-1.12", "--kubernetes-version", "1.38"],
        &["--host-root", text(&root), "--benchmark", "cis-2.1"],
        &["--host-root", text(&empty)],
    ];
    for arguments in runs {
        let ran = run(["audit", "--format", "json"].iter().chain(arguments));
        let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&report).take(5).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{arguments:?}: {errors:?}");
        // the schema is no formality: it refuses what is no report
        for key in ["schema", "run", "scores", "coverage", "nodes", "controls"] {
            let mut cut = report.clone();
            cut.as_object_mut().unwrap().remove(key);
            assert!(!validator.is_valid(&cut), "a report without {key} is valid");
        }
        let mut odd = report.clone();
        odd["controls"][0]["verdict"] = "maybe".into();
        assert!(!validator.is_valid(&odd));
    }
}

// ---------------------------------------------------------------- bytes

#[test]
fn equal_input_gives_equal_bytes() {
    let scratch = tempfile::tempdir().unwrap();
    let root = node(scratch.path());
    let at =
        |time: &str, arguments: &[&str]| Ran::of(command().args(arguments).env("SOURCE_DATE_EPOCH", time)).exits(0).raw;
    for format in ["json", "text", "html"] {
        let arguments = ["audit", "--host-root", text(&root), "--format", format];
        assert_eq!(at("1790000000", &arguments), at("1790000000", &arguments), "{format}");
    }
    let collect = ["collect", "--host-root", text(&root), "--output", "-"];
    assert_eq!(at("1790000000", &collect), at("1790000000", &collect));
    assert_ne!(at("1790000000", &collect), at("1790000001", &collect), "the time of the collection is evidence");
    // the time of an evaluation is in no report
    let evidence = scratch.path().join("evidence");
    run(["collect", "--host-root", text(&root), "--output", text(&evidence)]).exits(0);
    for format in ["json", "text", "html"] {
        let arguments = ["evaluate", text(&evidence), "--format", format];
        assert_eq!(at("1790000000", &arguments), at("1800000000", &arguments), "{format}");
    }
}

/// Everything that does not say how the report came about.
fn findings(report: &Report) -> (Vec<Control>, String) {
    let rest = format!("{:?}{:?}{:?}{:?}", report.scores, report.coverage, report.sections, report.nodes);
    (report.controls.clone(), rest)
}

#[test]
fn collecting_and_evaluating_is_auditing() {
    let scratch = tempfile::tempdir().unwrap();
    let root = node(scratch.path());
    let evidence = scratch.path().join("evidence");
    let same_time = |arguments: &[&str]| Ran::of(command().args(arguments).env("SOURCE_DATE_EPOCH", "1790000000"));
    for subject in [vec!["--host-root", text(&root)], vec!["--example"]] {
        let collect = [&["collect", "--output", text(&evidence)], subject.as_slice()].concat();
        same_time(&collect).exits(0);
        for more in [vec![], vec!["--kubernetes-version", "1.33", "--level", "1"]] {
            let audit = [&["audit", "--format", "json"], subject.as_slice(), more.as_slice()].concat();
            let evaluate = [&["evaluate", text(&evidence), "--format", "json"], more.as_slice()].concat();
            let (audited, evaluated) =
                (parsed(&same_time(&audit).exits(0).out), parsed(&same_time(&evaluate).exits(0).out));
            assert_eq!(findings(&audited), findings(&evaluated), "{subject:?} {more:?}");
            assert_eq!(evaluated.run.evidence_sha256.len(), 1);
        }
    }
}

#[test]
fn rendering_a_report_is_rendering_directly() {
    let scratch = tempfile::tempdir().unwrap();
    let root = node(scratch.path());
    let out = scratch.path().join("out");
    run(["audit", "--host-root", text(&root), "--format", "json,text,html", "--output", text(&out)]).exits(0);
    for (format, name) in [("json", "report.json"), ("text", "report.txt"), ("html", "report.html")] {
        let ran = run(["render", text(&out.join("report.json")), "--format", format]).exits(0);
        assert!(ran.raw == fs::read(out.join(name)).unwrap(), "{format} differs when it is rendered from JSON");
    }
}

/// A finding that differs from node to node is told a few times, and counted; with --verbose all of it.
#[test]
fn the_text_stays_short_whatever_was_found() {
    let scratch = tempfile::tempdir().unwrap();
    let root = node(scratch.path());
    let out = run(["audit", "--host-root", text(&root), "--format", "json"]).exits(0).out;
    let mut report: serde_json::Value = serde_json::from_str(&out).unwrap();
    let control = report["controls"].as_array_mut().unwrap().iter_mut().find(|one| one["verdict"] == "fail").unwrap();
    let group = control["groups"][0].clone();
    let groups = (0..500).map(|at| {
        let mut group = group.clone();
        group["found"] = format!("differs-{at}").into();
        group
    });
    control["groups"] = groups.collect();
    let file = scratch.path().join("many.json");
    fs::write(&file, report.to_string()).unwrap();
    let told = |more: &[&str]| {
        let out = run([&["render", text(&file), "--format", "text"], more].concat()).exits(0).out;
        (out.matches("differs-").count(), out.contains("and 495 more findings"))
    };
    assert_eq!(told(&[]), (5, true));
    assert_eq!(told(&["--verbose"]), (500, false));
}

#[test]
fn several_nodes_are_one_report() {
    let scratch = tempfile::tempdir().unwrap();
    let mut evidence = Vec::new();
    for name in ["a", "b", "c"] {
        let root = scratch.path().join(name);
        let anonymous = format!("--anonymous-auth={}", name == "c");
        let kubelet = process("/usr/bin/kubelet", &[&anonymous]);
        host::write(&root, &Host { processes: vec![kubelet], ..Host::default() });
        let file = scratch.path().join(format!("{name}.zst"));
        run(["collect", "--host-root", text(&root), "--output", text(&file)]).exits(0);
        evidence.push(file);
    }
    let files = evidence.iter().map(|file| text(file));
    let report = parsed(&run(["evaluate", "--format", "json"].into_iter().chain(files)).exits(0).out);
    assert_eq!(report.nodes.len(), 3);
    let control = report.controls.iter().find(|control| control.id == "4.2.1").unwrap();
    assert_eq!(control.verdict, Verdict::Fail, "one node that fails is enough");
    let groups: Vec<(Verdict, usize)> = control.groups.iter().map(|group| (group.verdict, group.count)).collect();
    assert_eq!(groups, [(Verdict::Fail, 1), (Verdict::Pass, 2)]);
    assert_eq!(control.groups[0].subjects.nodes, [2]);
}

// ---------------------------------------------------------------- evidence

/// Files of every released version of the format stay readable, and say what they said.
#[test]
fn evidence_of_earlier_versions_is_read() {
    let ran = run(["evaluate", text(&data("evidence-1.0.zst")), "--format", "json"]).exits(0);
    let report = parsed(&ran.out);
    let names: Vec<&str> = report.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["cp1", "w1"]);
    assert!(report.coverage.limits.is_empty(), "{:?}", report.coverage.limits);
    for control in report.controls.iter().filter(|control| control.scope != "cluster") {
        assert_eq!(control.verdict, golden()[&control.id].0, "{}: {:?}", control.id, control.groups);
    }
}

// ---------------------------------------------------------------- the recorded cluster

/// Id, verdict and comment of each line of the list.
fn golden() -> BTreeMap<String, (Verdict, String)> {
    let list = fs::read_to_string(data("example-verdicts.txt")).unwrap();
    let lines = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (line, comment) = line.split_once('#').unwrap_or((line, ""));
            let (id, verdict) = line.trim().split_once(' ').unwrap();
            let verdict = serde_json::from_value(verdict.into()).unwrap();
            (id.to_owned(), (verdict, comment.trim().to_owned()))
        })
        .collect()
}

#[test]
fn the_recorded_cluster_gets_its_verdicts() {
    let report = parsed(&run(["audit", "--example", "--format", "json"]).exits(0).out);
    let golden = golden();
    let mut wrong = Vec::new();
    for control in &report.controls {
        match golden.get(&control.id) {
            Some((verdict, _)) if *verdict == control.verdict => {}
            other => {
                wrong.push(format!("{}: {} instead of {other:?}: {:?}", control.id, control.verdict, control.groups))
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert_eq!(golden.len(), report.controls.len());
    for (id, (verdict, comment)) in golden {
        assert!(verdict == Verdict::Pass || !comment.is_empty(), "{id} is {verdict}, and nothing says why");
    }
}

// ---------------------------------------------------------------- arithmetic

/// The score over some controls, from their verdicts.
fn recounted<'a>(controls: impl Iterator<Item = &'a Control> + Clone) -> (usize, usize) {
    let count = |verdict| controls.clone().filter(|control| control.verdict == verdict).count();
    (count(Verdict::Pass), controls.clone().count() - count(Verdict::NotApplicable))
}

fn adds_up(score: &Score, (numerator, denominator): (usize, usize)) -> Result<(), TestCaseError> {
    prop_assert_eq!((score.numerator, score.denominator), (numerator, denominator));
    prop_assert_eq!(score.percent.is_none(), score.none_because.is_some());
    prop_assert!(score.formula.contains(&format!("{numerator} pass of {denominator}")), "{}", score.formula);
    if let Some(percent) = score.percent {
        let exact = 100.0 * numerator as f64 / denominator as f64;
        prop_assert!(percent <= exact && exact - percent < 0.1, "{percent} of {exact}");
        prop_assert_eq!(percent == 100.0, numerator == denominator, "100 % is for all");
    }
    Ok(())
}

/// Flags that decide controls of the API server, one way or another.
fn flags() -> impl Strategy<Value = Vec<String>> {
    let known = [
        "--profiling=false",
        "--profiling=maybe",
        "--anonymous-auth=false",
        "--authorization-mode=Node,RBAC",
        "--token-auth-file=/t",
        "--audit-log-maxage=30",
        "--audit-log-path=-",
        "--audit-policy-file=/nowhere",
        "--encryption-provider-config=/nowhere",
        "--enable-admission-plugins=AlwaysAdmit",
        "--client-ca-file=/a",
        "--unheard-of",
    ];
    prop::sample::subsequence(known.map(str::to_owned).to_vec(), 0..=known.len())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn scores_add_up(servers in prop::collection::vec(flags(), 0..3), manager in any::<bool>(), kubelet in any::<bool>(), version in select_version(), id in prop::sample::select(vec!["cis-1.11", "cis-1.12", "cis-2.0", "cis-2.1"])) {
        let scratch = tempfile::tempdir().unwrap();
        let mut processes: Vec<Process> = servers
            .iter()
            .map(|flags| process("/usr/bin/kube-apiserver", &flags.iter().map(String::as_str).collect::<Vec<_>>()))
            .collect();
        processes.extend(manager.then(|| process("/usr/bin/kube-controller-manager", &["--profiling=false"])));
        processes.extend(kubelet.then(|| process("/usr/bin/kubelet", &["--anonymous-auth=false"])));
        let files = vec![File { path: "/etc/kubernetes/admin.conf".to_owned(), text: Some("x".to_owned()), ..File::default() }];
        let root = scratch.path().join("node");
        host::write(&root, &Host { processes, files, ..Host::default() });
        let report = AUDITOR.evaluate(AUDITOR.evidence_of_host(&root), id, Some(&version.to_string()));
        let controls = || report.controls.iter();
        adds_up(&report.scores.full, recounted(controls()))?;
        adds_up(&report.scores.cis, recounted(controls().filter(|control| control.status == "automated")))?;
        // what is unknown is applicable, and not covered
        let applicable = controls().filter(|control| control.verdict != Verdict::NotApplicable).count();
        let unknown = controls().filter(|control| control.verdict == Verdict::Unknown).count();
        prop_assert_eq!((report.coverage.covered, report.coverage.applicable), (applicable - unknown, applicable));
        // every unknown control stands in a gap
        let in_gaps: Vec<&String> = report.coverage.gaps.iter().flat_map(|gap| &gap.controls).collect();
        for control in controls().filter(|control| control.verdict == Verdict::Unknown) {
            prop_assert!(in_gaps.contains(&&control.id), "{} is unknown and in no gap", control.id);
        }
        // sections count each of their controls once
        for section in &report.sections {
            let prefix = format!("{}.", section.id);
            let inside = controls().filter(|control| control.id.starts_with(&prefix)).count();
            prop_assert_eq!(section.counts.total(), inside, "section {}", section.id);
        }
    }
}

fn select_version() -> impl Strategy<Value = Version> {
    (29u16..=38).prop_map(Version::kubernetes)
}

#[test]
fn levels_count_what_they_hold() {
    let score = |level: &str| parsed(&run(["audit", "--example", "--format", "json", "--level", level]).exits(0).out);
    let (one, both) = (score("1"), score("2"));
    assert_eq!(one.controls, both.controls, "both levels are always evaluated");
    let of_one = one.controls.iter().filter(|control| control.level == 1);
    assert_eq!((one.scores.full.numerator, one.scores.full.denominator), recounted(of_one));
    assert!(one.scores.full.denominator < both.scores.full.denominator);
}

#[test]
fn nothing_assessed_is_no_score() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("node");
    host::write(&root, &Host { proc: support::case::Proc::Missing, ..Host::default() });
    let report = parsed(&run(["audit", "--host-root", text(&root), "--format", "json"]).exits(3).out);
    assert_eq!((report.scores.cis.percent, report.scores.full.percent), (None, None));
    let summary = run(["audit", "--host-root", text(&root)]).exits(3).out;
    assert!(summary.contains("no score") && !summary.contains("100.0 %"), "{summary}");
}

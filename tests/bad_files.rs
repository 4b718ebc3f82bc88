//! Evidence, reports, checks and arguments that are none: the file, the place in it, what is wrong, and what was meant.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its world ends, with the place"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use kube_assay::audit::report::Report;
use support::binary::run;
use support::world::{file, host, process};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn write(scratch: &Path, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = scratch.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// Evidence of a small host, decompressed.
fn evidence(scratch: &Path) -> String {
    let node = host(
        scratch,
        vec![process("/usr/bin/kubelet", &["--anonymous-auth=false"])],
        vec![file("/etc/kubernetes/kubelet.conf", "x\n")],
    );
    let out = scratch.join("evidence");
    run(["collect", "--host-root", text(&node), "--output", text(&out), "--quiet"]).exits(0);
    String::from_utf8(zstd::decode_all(fs::read(out).unwrap().as_slice()).unwrap()).unwrap()
}

fn packed(lines: &str) -> Vec<u8> {
    zstd::encode_all(lines.as_bytes(), 3).unwrap()
}

// ---------------------------------------------------------------- evidence

#[test]
fn evidence_that_is_none_is_said() {
    let scratch = tempfile::tempdir().unwrap();
    let good = evidence(scratch.path());
    let record = good.lines().nth(1).unwrap();
    let whole = packed(&good);
    let nested = format!("{}\n{{\"kind\":\"node\",\"node\":{}", good.lines().next().unwrap(), "[".repeat(100_000));
    let cases: Vec<(&str, Vec<u8>, &[&str])> = vec![
        ("empty", vec![], &[]),
        ("garbage", b"\x00\xff\x00 no evidence".to_vec(), &[]),
        ("not compressed", good.clone().into_bytes(), &[]),
        ("a report", packed("{\"schema\": \"kube-assay.report/v1\"}\n"), &["no evidence file"]),
        ("one letter less", whole[..whole.len() - 1].to_vec(), &[]),
        ("half", whole[..whole.len() / 2].to_vec(), &[]),
        ("without its end", packed(&good[..good.rfind("{\"kind\":\"end\"").unwrap()]), &["incomplete"]),
        ("end counts more", packed(&good.replace("\"records\":1", "\"records\":2")), &["incomplete", "1 of 2"]),
        ("another major", packed(&good.replace("[1,", "[2,")), &["format 2", "1.x", "collect again"]),
        (
            "an unknown field",
            packed(&good.replacen("\"node\":{", "\"node\":{\"surprise\":1,", 1)),
            &["line 2", "surprise"],
        ),
        ("a mistyped field", packed(&good.replacen("\"traces\":[]", "\"traces\":7", 1)), &["line 2"]),
        ("no kind", packed(&good.replacen("\"kind\":\"node\",", "", 1)), &["line 2", "kind"]),
        ("nested", packed(&nested), &["line 2"]),
        ("no utf-8", zstd::encode_all(&b"{\"a\": \"\xff\xfe\"}\n"[..], 3).unwrap(), &[]),
    ];
    assert!(record.starts_with("{\"kind\":\"node\""), "{}", &record[..40]);
    for (name, bytes, said) in cases {
        let path = write(scratch.path(), "bad", bytes);
        for command in ["evaluate", "effective"] {
            let arguments = match command {
                "evaluate" => vec!["evaluate", text(&path)],
                _ => vec!["effective", "--evidence", text(&path)],
            };
            let ran = run(arguments);
            assert_eq!(ran.code, Some(2), "{command} {name}: {}{}", ran.out, ran.err);
            assert!(ran.err.contains(text(&path)) && !ran.err.contains("panic"), "{command} {name}: {}", ran.err);
            for text in said {
                assert!(ran.err.contains(text), "{command} {name}: {text:?} is not in {}", ran.err);
            }
        }
    }
    for place in [scratch.path().join("none"), scratch.path().to_owned()] {
        run(["evaluate", text(&place)]).exits(2).says(&[text(&place)]);
    }
}

#[test]
fn records_of_later_versions_are_gaps() {
    let scratch = tempfile::tempdir().unwrap();
    let good = evidence(scratch.path());
    let later = good.replace("[1,0]", "[1,7]").replace(
        "{\"kind\":\"end\",\"records\":1}",
        "{\"kind\":\"weather\",\"rain\":true}\n{\"kind\":\"end\",\"records\":2}",
    );
    assert_ne!(good, later);
    let path = write(scratch.path(), "later", packed(&later));
    let ran = run(["evaluate", text(&path), "--format", "json"]).exits(0);
    let report: Report = serde_json::from_str(&ran.out).unwrap();
    assert!(report.coverage.limits.iter().any(|limit| limit.contains("weather")), "{:?}", report.coverage.limits);
    let ran = run(["evaluate", text(&path)]).exits(0);
    assert!(ran.out.contains("weather"), "the summary does not say it: {}", ran.out);
}

// ---------------------------------------------------------------- reports

#[test]
fn reports_that_are_none_are_said() {
    let scratch = tempfile::tempdir().unwrap();
    let good = {
        let path = write(scratch.path(), "e", packed(&evidence(scratch.path())));
        run(["evaluate", text(&path), "--format", "json"]).exits(0).out
    };
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", vec![]),
        ("garbage", b"\x00\xff".to_vec()),
        ("another form", b"{\"a\": 1}".to_vec()),
        ("a list", b"[]".to_vec()),
        ("half", good.as_bytes()[..good.len() / 2].to_vec()),
        ("a later form", good.replace("kube-assay.report/v1", "kube-assay.report/v2").into_bytes()),
        ("an unknown verdict", good.replacen("\"verdict\": \"pass\"", "\"verdict\": \"maybe\"", 1).into_bytes()),
        ("an unknown key", good.replacen("\"schema\"", "\"surprise\": 1, \"schema\"", 1).into_bytes()),
        ("nested", "[".repeat(100_000).into_bytes()),
        ("evidence", fs::read(scratch.path().join("e")).unwrap()),
    ];
    for (name, bytes) in cases {
        let path = write(scratch.path(), "bad.json", bytes);
        let ran = run(["render", text(&path)]);
        assert_eq!(ran.code, Some(2), "{name}: {}{}", ran.out, ran.err);
        assert!(ran.err.contains(text(&path)) && !ran.err.contains("panic"), "{name}: {}", ran.err);
    }
    let late = write(scratch.path(), "late.json", good.replace("kube-assay.report/v1", "kube-assay.report/v2"));
    run(["render", text(&late)]).exits(2).says(&["kube-assay.report/v2", "kube-assay.report/v1"]);
    run(["render", "/nonexistent/report.json"]).exits(2).says(&["/nonexistent/report.json", "No such file"]);
}

// ---------------------------------------------------------------- arguments

#[test]
fn arguments_that_are_none_are_said() {
    let scratch = tempfile::tempdir().unwrap();
    let node = host(scratch.path(), vec![process("/usr/bin/kubelet", &[])], vec![]);
    let cases: [(&[&str], &[&str]); 16] = [
        (&["--benchmark", "cis-1.21"], &["cis-1.21", "did you mean", "cis-1.12"]),
        (&["--benchmark", "CIS-1.12"], &["CIS-1.12", "known are"]),
        (&["--benchmark", "stig"], &["stig", "cis-1.11, cis-1.12"]),
        (&["--kubernetes-version", "latest"], &["latest", "1.34"]),
        (&["--kubernetes-version", "1"], &["not a version"]),
        (&["--kubernetes-version", "1.28"], &["1.28", "older than the oldest known version"]),
        (&["--kubernetes-version", "2.0"], &["2.0"]),
        (&["--kubernetes-version", "kubelt=1.34"], &["kubelt", "did you mean kubelet"]),
        (&["--kubernetes-version", "=1.34"], &["no component"]),
        (&["--fail-on", "extreme"], &["extreme", "critical"]),
        (&["--min-coverage", "101"], &["101", "between 0 and 100"]),
        (&["--min-coverage", "most"], &["most", "percentage"]),
        (&["--min-coverage", "NaN"], &["NaN"]),
        (&["--level", "3"], &["3"]),
        (&["--format", "pdf"], &["pdf", "json"]),
        (&["--formt", "json"], &["--formt", "--format"]),
    ];
    for (arguments, said) in cases {
        let all = ["audit", "--host-root", text(&node)].into_iter().chain(arguments.iter().copied());
        let ran = run(all);
        assert_eq!(ran.code, Some(2), "{arguments:?}: {}{}", ran.out, ran.err);
        for text in said {
            assert!(ran.err.contains(text), "{arguments:?}: {text:?} is not in {}", ran.err);
        }
        assert!(ran.out.is_empty(), "{arguments:?} printed a report");
    }
    run(["explain", "9.9.9"]).exits(2).says(&["9.9.9"]);
    run(["explain", "kubelet-anonymous-acces-off"]).exits(2).says(&["did you mean kubelet-anonymous-access-off"]);
    run(["benchmarks", "cis-1.13"]).exits(2).says(&["did you mean"]);
    run(["effective", "kubelt"]).exits(2).says(&["kubelt", "kubelet"]);
    run(["audit", "--example", "--host-root", text(&node)]).exits(2);
    run::<[&str; 0], _>([]).exits(2);
    assert!(run(["--help"]).exits(0).out.contains("Exit codes"));
    assert!(run(["audit", "--help"]).exits(0).out.contains("Exit codes"));
    assert!(run(["--version"]).exits(0).out.contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn exit_codes_are_those_that_help_says() {
    let scratch = tempfile::tempdir().unwrap();
    let node = host(scratch.path(), vec![process("/usr/bin/kubelet", &[])], vec![]);
    let audit =
        |more: &[&str]| run(["audit", "--host-root", text(&node), "--quiet"].into_iter().chain(more.iter().copied()));
    audit(&[]).exits(0);
    audit(&["--fail-on", "low"]).exits(1).says(&["4.2.1"]);
    audit(&["--fail-on", "critical", "--kubernetes-version", "1.34"]).exits(1);
    audit(&["--min-coverage", "100"]).exits(3).says(&["--min-coverage"]);
    audit(&["--min-coverage", "1"]).exits(0);
    // 3 wins over 1
    audit(&["--min-coverage", "100", "--fail-on", "low"]).exits(3);
    let good = host(&scratch.path().join("2"), vec![process("/usr/bin/sshd", &[])], vec![]);
    run(["audit", "--host-root", text(&good), "--fail-on", "low", "--quiet"]).exits(3);
}

// ---------------------------------------------------------------- checks

const GOOD: &str = r#"- id: own/kubelet-port
  title: The read-only port is closed
  reason: Because.
  severity: high
  scope: node
  subject: kubelet
  pass:
    - {fact: kubelet.readOnlyPort, is: 0}
  not-applicable: No kubelet runs here
  remediation:
    kubeadm: {text: Close it.}
    k3s: {text: Close it.}
    rke2: {text: Close it.}
    other: {text: Close it.}
"#;

#[test]
fn checks_that_are_none_are_said_with_their_place() {
    let cases: [(&str, &str, &str, &[&str]); 27] = [
        ("an unknown key", "  reason:", "  reasn:", &[":3:", "reasn", "did you mean `reason`"]),
        (
            "an unknown fact",
            "kubelet.readOnlyPort",
            "kubelet.readOnlyPrt",
            &[":8:", "readOnlyPrt", "did you mean `kubelet.readOnlyPort`"],
        ),
        ("a fact of nobody", "kubelet.readOnlyPort", "nobody.knows", &[":8:", "unknown fact"]),
        ("an unknown operator", "is: 0", "iss: 0", &[":8:", "iss", "did you mean `is`"]),
        ("no operator", ", is: 0", "", &[":8:", "operator"]),
        ("two operators", "is: 0", "is: 0, at-least: 0", &[":8:", "operator"]),
        ("an operator of another type", "is: 0", "contains: x", &[":8:", "number"]),
        ("a text for a number", "is: 0", "is: none", &[":8:", "whole number"]),
        ("a number as text", "is: 0", "is: \"0\"", &[":8:", "whole number"]),
        ("a fact of another subject", "kubelet.readOnlyPort", "kube-apiserver.profiling", &[":8:", "subject"]),
        (
            "a gate of nobody",
            "kubelet.readOnlyPort, is: 0",
            "kubelet.gate.RotateKubeletServerCertificat, is: true",
            &[":8:", "unknown fact"],
        ),
        ("a severity of nobody", "severity: high", "severity: hgh", &[":4:", "hgh", "did you mean `high`"]),
        ("a scope of nobody", "scope: node", "scope: nodes", &[":5:", "nodes", "did you mean `node`"]),
        ("a subject of nobody", "subject: kubelet", "subject: kubelt", &[":6:", "kubelt", "did you mean `kubelet`"]),
        ("no prefix", "own/kubelet-port", "kubelet-port", &[":1:", "prefix", "yours/kubelet-port"]),
        ("two prefixes", "own/kubelet-port", "own/my/port", &[":1:", "own/my/port"]),
        ("an id in capitals", "own/kubelet-port", "own/Kubelet", &[":1:", "own/Kubelet"]),
        ("a missing platform", "    k3s: {text: Close it.}\n", "", &["k3s"]),
        ("a platform of nobody", "    k3s:", "    k3:", &["k3", "did you mean `k3s`"]),
        ("no title", "  title: The read-only port is closed\n", "", &["title"]),
        ("an empty title", "title: The read-only port is closed", "title: \"\"", &[":2:", "title"]),
        ("no pass", "  pass:\n    - {fact: kubelet.readOnlyPort, is: 0}\n", "", &["pass"]),
        ("a list for a text", "reason: Because.", "reason: [Because]", &[":3:"]),
        ("a key twice", "  scope: node\n", "  scope: node\n  scope: node\n", &[":6:", "scope"]),
        ("no YAML", "  scope: node\n", "  scope: [node\n", &[]),
        ("a tab", "  scope: node\n", "\tscope: node\n", &["found a tab"]),
        (
            "an unknown need",
            "  pass:\n    - {fact: kubelet.readOnlyPort, is: 0}\n",
            "  needs: cluster-ap\n",
            &["cluster-ap", "did you mean"],
        ),
    ];
    let scratch = tempfile::tempdir().unwrap();
    for (name, from, to, said) in cases {
        let bad = GOOD.replacen(from, to, 1);
        assert_ne!(bad, GOOD, "{name}");
        let path = write(scratch.path(), "checks.yaml", &bad);
        let ran = run(["lint", text(&path)]);
        assert_eq!(ran.code, Some(2), "{name}: {}{}", ran.out, ran.err);
        let at = format!("{}:", text(&path));
        for text in [at.as_str()].iter().chain(said) {
            assert!(ran.err.contains(text), "{name}: {text:?} is not in {}", ran.err);
        }
        // an audit with these checks says the same
        let audit = run(["audit", "--example", "--checks", text(&path)]);
        assert_eq!(audit.code, Some(2), "{name}: {}", audit.err);
        assert!(audit.out.is_empty(), "{name}: an audit printed a report all the same");
    }
}

#[test]
fn modes_and_owners_are_checked() {
    let files = GOOD
        .replace("subject: kubelet", "subject: node")
        .replace("{fact: kubelet.readOnlyPort, is: 0}", "{fact: files.kubelet-configuration, mode-within: \"0600\"}");
    let scratch = tempfile::tempdir().unwrap();
    let lint = |text: &str| run(["lint", self::text(&write(scratch.path(), "files.yaml", text))]);
    lint(&files).exits(0);
    for bad in ["0600", "\"600\"", "\"0800\"", "\"06000\"", "\"rw-\"", "384", "\"\"", "[\"0600\"]"] {
        let ran = lint(&files.replace("\"0600\"", bad));
        assert_eq!(ran.code, Some(2), "{bad}: {}{}", ran.out, ran.err);
        assert!(ran.err.contains("files.yaml:8:"), "{bad}: {}", ran.err);
    }
    for bad in ["root", "root:", "\":root\"", "0"] {
        let ran = lint(&files.replace("mode-within: \"0600\"", &format!("owner: {bad}")));
        assert_eq!(ran.code, Some(2), "{bad}: {}{}", ran.out, ran.err);
    }
}

#[test]
fn ids_stand_once() {
    let scratch = tempfile::tempdir().unwrap();
    let twice = write(scratch.path(), "twice.yaml", GOOD.to_owned() + GOOD);
    run(["lint", text(&twice)]).exits(2).says(&["twice.yaml:15:", "own/kubelet-port", "twice"]);
    let one = write(scratch.path(), "a.yaml", GOOD);
    write(scratch.path(), "b.yaml", GOOD);
    fs::remove_file(twice).unwrap();
    run(["lint", text(scratch.path())]).exits(2).says(&["b.yaml:1:"]);
    run(["lint", text(&one)]).exits(0);
}

#[test]
fn files_of_checks_that_are_none_are_said() {
    let scratch = tempfile::tempdir().unwrap();
    for (name, bytes) in [
        ("words.yaml", b"just words".to_vec()),
        ("map.yaml", b"id: x".to_vec()),
        ("binary.yaml", b"\xff\xfe\x00".to_vec()),
        ("nested.yaml", "[".repeat(100_000).into_bytes()),
    ] {
        let path = write(scratch.path(), name, bytes);
        let ran = run(["lint", text(&path)]);
        assert_eq!(ran.code, Some(2), "{name}: {}{}", ran.out, ran.err);
        assert!(ran.err.contains(name) && !ran.err.contains("panic"), "{name}: {}", ran.err);
    }
    run(["lint", "/nonexistent/checks"]).exits(2).says(&["/nonexistent/checks"]);
    let empty = scratch.path().join("empty");
    fs::create_dir(&empty).unwrap();
    run(["lint", text(&empty)]).exits(2).says(&["holds no .yaml file"]);
}

#[test]
fn good_checks_of_ones_own_are_judged_and_count_in_no_score() {
    let scratch = tempfile::tempdir().unwrap();
    let node = host(scratch.path(), vec![process("/usr/bin/kubelet", &[])], vec![]);
    let path = write(scratch.path(), "own.yaml", GOOD);
    run(["lint", text(&path)]).exits(0);
    let audit = |more: &[&str]| {
        let arguments = ["audit", "--host-root", text(&node), "--format", "json", "--kubernetes-version", "1.34"];
        let ran = run(arguments.into_iter().chain(more.iter().copied())).exits(0);
        serde_json::from_str::<Report>(&ran.out).unwrap()
    };
    let (without, with) = (audit(&[]), audit(&["--checks", text(&path)]));
    assert_eq!(with.own_checks.len(), 1);
    assert_eq!(with.own_checks[0].verdict, kube_assay::audit::verdict::Verdict::Fail);
    assert_eq!((with.scores, with.coverage.covered), (without.scores, without.coverage.covered));
}

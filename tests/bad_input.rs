//! Whatever stands where something good is meant: a clear sentence or an `unknown` with its reason, and the documented
//! exit code. The program is run as a user runs it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its world ends, with the place"
)]

mod support;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use kube_assay::audit::report::Report;
use kube_assay::audit::verdict::Verdict;
use support::auditor::{control, words};
use support::binary::{Ran, run, run_as};
use support::case::{File, Host, Part, Proc, Process};
use support::world::{configured, file, host, process};
use support::{host as tree, lacks_root};

/// Longest that an audit of a small host may take, whatever its files hold; a debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The JSON report of a host.
#[track_caller]
fn audited(root: &Path) -> Report {
    let begun = Instant::now();
    let ran = run(["audit", "--host-root", text(root), "--format", "json", "--kubernetes-version", "1.34"]);
    assert!(matches!(ran.code, Some(0 | 3)), "{:?}: {}", ran.code, ran.err);
    assert!(begun.elapsed() < PATIENCE, "took {:?}", begun.elapsed());
    serde_json::from_str(&ran.out).unwrap()
}

/// What may stand in place of a configuration file.
fn bad(kind: &str, good: &File) -> File {
    let empty = File { text: None, ..good.clone() };
    match kind {
        "truncated" => File { text: good.text.as_deref().map(|text| format!("{text}more: [")), ..empty },
        "huge" => File { text: good.text.clone(), size: Some(1 << 30), ..empty },
        "binary" => File { hex: Some("7f454c4602010100c0ffee".repeat(64)), ..empty },
        "nested" => File { parts: vec![Part { text: "[".to_owned(), times: 200_000 }], ..empty },
        "nested flow map" => File { parts: vec![Part { text: "{a: ".to_owned(), times: 100_000 }], ..empty },
        "nested block" => {
            File { text: Some((0..2000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect()), ..empty }
        }
        "anchor bomb" => {
            let mut bomb = good.text.clone().unwrap() + "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
            for level in 1..12 {
                let uses = vec![format!("*a{}", level - 1); 10].join(", ");
                bomb.push_str(&format!("a{level}: &a{level} [{uses}]\n"));
            }
            File { text: Some(bomb), ..empty }
        }
        "merge bomb" => {
            let mut bomb = good.text.clone().unwrap() + "b0: &b0 {k: v}\n";
            for level in 1..40 {
                let uses = vec![format!("*b{}", level - 1); 3].join(", ");
                bomb.push_str(&format!("b{level}: &b{level}\n  <<: [{uses}]\n  k{level}: v\n"));
            }
            File { text: Some(bomb), ..empty }
        }
        "alias of itself" => File { text: Some(good.text.clone().unwrap() + "a: &a [*a]\n"), ..empty },
        "of a wrong kind" => File { text: Some("apiVersion: v1\nkind: ConfigMap\n- not: a map\n".to_owned()), ..empty },
        "a list" => File { text: Some("- 1\n- 2\n".to_owned()), ..empty },
        "a text" => File { text: Some("just words\n".to_owned()), ..empty },
        "a directory" => File { dir: true, ..empty },
        "a FIFO" => File { fifo: true, ..empty },
        "a socket" => File { socket: true, ..empty },
        "a link loop" => File { link: Some(good.path.clone()), ..empty },
        "a dangling link" => File { link: Some("/nowhere".to_owned()), ..empty },
        "missing" => File { link: Some("..".to_owned()), ..empty },
        other => panic!("{other}"),
    }
}

#[test]
fn bad_configuration_files_are_unknown_with_their_reason() {
    let kinds = [
        "truncated",
        "huge",
        "binary",
        "nested",
        "nested flow map",
        "nested block",
        "anchor bomb",
        "merge bomb",
        "alias of itself",
        "of a wrong kind",
        "a list",
        "a text",
        "a directory",
        "a FIFO",
        "a socket",
        "a link loop",
        "a dangling link",
        "missing",
    ];
    let mut wrong = Vec::new();
    for kind in kinds {
        let scratch = tempfile::tempdir().unwrap();
        let (processes, files) = configured();
        let bad_files = files.iter().map(|known| bad(kind, &known.file)).collect();
        let report = audited(&host(scratch.path(), processes, bad_files));
        for known in &files {
            let control = control(&report, known.control).unwrap();
            let said = words(control);
            if control.verdict != Verdict::Unknown {
                wrong.push(format!("{} {kind}: {} is {}: {said}", known.file.path, known.control, control.verdict));
            } else if !said.contains(&known.file.path)
                && !said.contains("/etc/kubelet.d")
                && !said.contains("config.yaml")
            {
                wrong.push(format!("{} {kind}: {} does not name the file: {said}", known.file.path, known.control));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn good_configuration_files_pass() {
    let scratch = tempfile::tempdir().unwrap();
    let (processes, files) = configured();
    let report = audited(&host(scratch.path(), processes, files.iter().map(|known| known.file.clone()).collect()));
    for known in files {
        assert_eq!(control(&report, known.control).unwrap().verdict, Verdict::Pass, "{}", known.control);
    }
}

#[test]
fn a_manifest_in_two_documents_is_its_first() {
    let pod = |word: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec:\n  containers:\n  - {{name: a, image: x, command: [kube-apiserver, {word}]}}\n"
        )
    };
    let two = pod("--profiling=true") + "---\n" + &pod("--profiling=false");
    let scratch = tempfile::tempdir().unwrap();
    let report =
        audited(&host(scratch.path(), vec![], vec![file("/etc/kubernetes/manifests/kube-apiserver.yaml", &two)]));
    assert_eq!(control(&report, "1.2.15").unwrap().verdict, Verdict::Fail);
}

// ---------------------------------------------------------------- processes

#[test]
fn long_command_lines_are_read_whole() {
    for (bytes, verdict) in [(1 << 20, Verdict::Pass), (9 << 20, Verdict::Unknown)] {
        let filler = format!("--service-account-issuer={}", "a".repeat(bytes));
        let server = process("/usr/bin/kube-apiserver", &[&filler, "--profiling=false"]);
        let scratch = tempfile::tempdir().unwrap();
        let report = audited(&host(scratch.path(), vec![server], vec![]));
        let control = control(&report, "1.2.15").unwrap();
        assert_eq!(control.verdict, verdict, "{bytes} bytes: {}", words(control));
    }
}

#[test]
fn a_tree_of_too_many_files_is_not_claimed_whole() {
    let keys = |mode: &str| -> Vec<File> {
        let one = |number: usize| File {
            mode: Some(mode.to_owned()),
            ..file(&format!("/etc/kubernetes/pki/{number:05}.key"), "k\n")
        };
        (0..5000).map(one).collect()
    };
    for (mode, verdict) in [("0600", Verdict::Unknown), ("0644", Verdict::Fail)] {
        let scratch = tempfile::tempdir().unwrap();
        let report = audited(&host(scratch.path(), vec![process("/usr/bin/kube-apiserver", &[])], keys(mode)));
        let control = control(&report, "1.1.21").unwrap();
        assert_eq!(control.verdict, verdict, "{mode}: {}", words(control));
        // the report stays readable: offenders are bounded
        assert!(serde_json::to_string(control).unwrap().len() < 100_000);
    }
}

#[test]
fn many_processes_are_looked_through() {
    let mut processes: Vec<Process> =
        (0..2000).map(|_| process("/usr/bin/nginx", &["--profiling=true", "kube-apiserver"])).collect();
    processes.push(process("/usr/bin/kube-apiserver", &["--profiling=false"]));
    let scratch = tempfile::tempdir().unwrap();
    let report = audited(&host(scratch.path(), processes, vec![]));
    assert_eq!(control(&report, "1.2.15").unwrap().verdict, Verdict::Pass);
    assert_eq!(report.nodes[0].instances.len(), 1);
}

#[test]
fn a_root_without_proc_is_said() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("node");
    let files = vec![file("/etc/kubernetes/manifests/kube-apiserver.yaml", "kind: Pod\n")];
    tree::write(&root, &Host { files, proc: Proc::Missing, ..Host::default() });
    let report = audited(&root);
    let control = control(&report, "4.2.1").unwrap();
    assert_eq!(control.verdict, Verdict::Unknown);
    assert!(words(control).contains("process table"), "{}", words(control));
}

#[test]
fn an_empty_root_is_incomplete() {
    let scratch = tempfile::tempdir().unwrap();
    run(["audit", "--host-root", text(scratch.path())]).exits(3).says(&["found nothing of Kubernetes", "--example"]);
    let evidence = scratch.path().join("e");
    run(["collect", "--host-root", text(scratch.path()), "--output", text(&evidence)])
        .exits(3)
        .says(&["found nothing of Kubernetes"]);
}

#[test]
fn a_root_that_is_not_there_is_said() {
    for place in ["/nonexistent/host", "/dev/null"] {
        for command in ["audit", "effective"] {
            run([command, "--host-root", place]).exits(2).says(&[place, "name a directory"]);
        }
        let scratch = tempfile::tempdir().unwrap();
        let out = scratch.path().join("e");
        run(["collect", "--host-root", place, "--output", text(&out)]).exits(2).says(&[place]);
        assert!(!out.exists());
    }
}

#[test]
fn what_may_not_be_read_is_unknown() {
    if lacks_root() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let (processes, files) = configured();
    let root = host(scratch.path(), processes, files.iter().map(|known| known.file.clone()).collect());
    let arguments = ["audit", "--host-root", text(&root), "--format", "json", "--kubernetes-version", "1.34"];
    let ran = run_as(65_534, scratch.path(), arguments).exits(0);
    let report: Report = serde_json::from_str(&ran.out).unwrap();
    for known in files {
        let control = control(&report, known.control).unwrap();
        assert_eq!(control.verdict, Verdict::Unknown, "{}: {}", known.control, words(control));
        assert!(words(control).contains("permission denied"), "{}: {}", known.control, words(control));
    }
    assert!(report.nodes[0].collector.contains("uid 65534"), "{}", report.nodes[0].collector);
}

#[test]
fn a_closed_root_is_said() {
    if lacks_root() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("node");
    tree::write(&root, &Host { processes: vec![process("/usr/bin/kubelet", &[])], ..Host::default() });
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&root, fs::Permissions::from_mode(0o700)).unwrap();
    let ran = run_as(65_534, scratch.path(), ["audit", "--host-root", text(&root)]);
    assert_eq!(ran.code, Some(3), "{}{}", ran.out, ran.err);
    let said = ran.out + &ran.err;
    assert!(said.contains("permission denied"), "the reason is not said: {said}");
}

#[test]
fn hidden_processes_leave_absence_open() {
    if lacks_root() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("node");
    let files = vec![file("/etc/kubernetes/admin.conf", "x\n")];
    tree::write(&root, &Host { files, proc: Proc::HidePid, ..Host::default() });
    let ran = run_as(65_534, scratch.path(), ["audit", "--host-root", text(&root), "--format", "json"]);
    let report: Report = serde_json::from_str(&ran.out).unwrap();
    let control = control(&report, "1.2.15").unwrap();
    assert_eq!(control.verdict, Verdict::Unknown, "{}", words(control));
    assert!(words(control).contains("could not be read"), "{}", words(control));
}

#[test]
fn names_of_the_host_do_not_steer_a_terminal() {
    let evil = "\u{1b}[2J\u{202e}gnp\u{7}";
    let scratch = tempfile::tempdir().unwrap();
    let server: Process = process("/usr/bin/kube-apiserver", &[&format!("--audit-log-path=/{evil}")]);
    let files = vec![
        file("/etc/hostname", &format!("node{evil}\n")),
        file("/etc/os-release", &format!("PRETTY_NAME=\"Linux{evil}\"\n")),
        File { mode: Some("0666".to_owned()), ..file(&format!("/etc/kubernetes/pki/{evil}.key"), "k\n") },
    ];
    let root = host(scratch.path(), vec![server], files);
    let out = scratch.path().join("out");
    for arguments in [
        vec!["audit", "--host-root", text(&root), "--verbose"],
        vec!["effective", "--host-root", text(&root), "--verbose"],
        vec!["audit", "--host-root", text(&root), "--format", "html,text", "--output", text(&out)],
    ] {
        let ran: Ran = run(arguments).exits(0);
        for shown in [ran.out, ran.err] {
            assert!(!shown.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{shown:?}");
        }
    }
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(!page.contains(['\u{1b}', '\u{202e}', '\u{7}']));
}

//! Runs that are kept: what a run adds, what it says of the run before it, and what lies there beside the runs.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its world ends, with the place"
)]

mod support;

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::binary::{Ran, command, run, run_as};
use support::case::{Host, Process};
use support::host;
use tempfile::TempDir;

/// A node that is audited again and again, and the history of it.
struct World {
    scratch: TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self { scratch: tempfile::tempdir().unwrap() };
        world.kubelet("false");
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// The node's kubelet from now on.
    fn kubelet(&self, anonymous: &str) {
        let root = self.path("node");
        let _ = fs::remove_dir_all(&root);
        fs::create_dir(&root).unwrap();
        let kubelet = Process {
            exe: Some("/usr/bin/kubelet".to_owned()),
            argv: vec!["kubelet".to_owned(), format!("--anonymous-auth={anonymous}")],
            pid: Some(700),
            ..Process::default()
        };
        host::write(&root, &Host { processes: vec![kubelet], ..Host::default() });
    }

    fn arguments(&self, more: &[&str]) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec!["audit".into(), "--benchmark=cis-1.12".into(), "--host-root".into()];
        words.push(self.path("node").into());
        words.extend(["--history".into(), self.path("history").into()]);
        words.extend(more.iter().map(Into::into));
        words
    }

    fn audit(&self, more: &[&str]) -> Ran {
        run(self.arguments(more))
    }

    /// An audit's report in its JSON form.
    fn report(&self, more: &[&str]) -> Value {
        let ran = self.audit(&[&["--format", "json"], more].concat()).exits(0);
        serde_json::from_str(&ran.out).unwrap()
    }

    fn list(&self) -> Value {
        let path = self.path("history");
        let ran = run(["history".as_ref(), path.as_os_str(), "--format=json".as_ref()]).exits(0);
        serde_json::from_str(&ran.out).unwrap()
    }

    fn runs(&self) -> Vec<String> {
        self.list()["runs"].as_array().unwrap().iter().map(|run| run["run"].as_str().unwrap().to_owned()).collect()
    }
}

fn ids(drift: &Value, list: &str) -> Vec<String> {
    drift[list].as_array().unwrap().iter().map(|change| change["id"].as_str().unwrap().to_owned()).collect()
}

/// Everything below a directory, with its content.
fn all(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = support::repository::files(directory);
    files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn a_run_says_exactly_what_changed_since_the_run_before() {
    let world = World::new();
    let first = world.report(&[]);
    assert!(first["history"].get("previous").is_none(), "{}", first["history"]);
    let same = world.report(&[]);
    let drift = &same["history"]["previous"]["drift"];
    for list in ["new_failures", "fixed", "other", "by_presence", "evidence", "nodes_new", "nodes_gone"] {
        assert_eq!(drift[list], Value::Array(vec![]), "{list}");
    }
    world.kubelet("true");
    let worse = world.report(&[]);
    let drift = &worse["history"]["previous"]["drift"];
    assert_eq!(ids(drift, "new_failures"), ["4.2.1"]);
    assert_eq!(drift["new_failures"][0]["moved"][0]["subjects"], serde_json::json!({"nodes": [0]}));
    for list in ["fixed", "other", "by_presence", "evidence"] {
        assert!(ids(drift, list).is_empty(), "{list}: {}", drift[list]);
    }
    assert_eq!(worse["history"]["trend"].as_array().unwrap().len(), 3);
    assert_eq!(worse["minor"], 1);

    // the runs are there, each with its evidence and the report that was printed
    let (runs, list) = (world.runs(), world.list());
    assert_eq!(runs.len(), 3);
    assert!(runs.is_sorted());
    let kept = fs::read(world.path("history/runs").join(&runs[2]).join("report-cis-1.12.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&kept).unwrap(), worse);
    let evidence = world.path("history/runs").join(&runs[2]).join("evidence.zst");
    let digest = list["runs"][2]["evidence"]["sha256"].clone();
    assert_eq!(worse["run"]["evidence_sha256"], Value::Array(vec![digest]));
    let judged =
        run(["evaluate".as_ref(), evidence.as_os_str(), "--benchmark=cis-1.12".as_ref(), "--format=json".as_ref()]);
    let judged: Value = serde_json::from_str(&judged.exits(0).out).unwrap();
    assert_eq!(judged["controls"], worse["controls"]);
    assert_eq!(list["runs"][2]["reports"][0]["change"]["new_failures"], 1);

    // and said to people
    world.kubelet("false");
    let told = world.audit(&[]).exits(0).out;
    assert!(told.contains("Change since the previous run") && told.contains("fail -> pass"), "{told}");
    assert!(told.contains("over 4 runs"), "{told}");
    let page = world.audit(&["--format", "html"]).exits(0).out;
    assert!(page.contains("<polyline points=") && page.contains("Nothing changed"), "no trend in the page");
}

#[test]
fn runs_are_listed_and_compared() {
    let world = World::new();
    world.audit(&[]).exits(0);
    world.kubelet("true");
    world.audit(&[]).exits(0);
    let history = world.path("history");
    let table = run(["history".as_ref(), history.as_os_str()]).exits(0).out;
    let rows: Vec<&str> = table.lines().collect();
    assert!(
        rows[0].starts_with("time") && rows[2].contains("cis-1.12") && rows[2].ends_with("1 new failure"),
        "{table}"
    );
    assert!(table.contains("over 2 runs"), "{table}");
    let runs = world.runs();
    let named = |from: &str, to: &str| {
        run([
            "diff".as_ref(),
            "--format=json".as_ref(),
            "--history".as_ref(),
            history.as_os_str(),
            from.as_ref(),
            to.as_ref(),
        ])
    };
    let random = &runs[0][21..29];
    for (from, to) in [("previous", "latest"), (runs[0].as_str(), runs[1].as_str()), (random, "latest")] {
        let drift: Value = serde_json::from_str(&named(from, to).exits(0).out).unwrap();
        assert_eq!(ids(&drift, "new_failures"), ["4.2.1"], "{from}");
        assert_eq!(drift["nodes"].as_array().unwrap().len(), 1);
    }
    named("2026", "latest").exits(2);
    named("nothing", "latest").exits(2).says(&["no run of the history is called nothing"]);
    run(["history".as_ref(), world.path("elsewhere").as_os_str()]).exits(2);
}

#[test]
fn a_baseline_is_a_file_or_a_run() {
    let world = World::new();
    let first = world.report(&[]);
    let pinned = world.runs().remove(0);
    let file = world.path("baseline.json");
    fs::write(&file, first.to_string()).unwrap();
    world.kubelet("true");
    world.report(&[]);
    for baseline in [file.to_str().unwrap(), &pinned] {
        let report = world.report(&["--baseline", baseline]);
        assert_eq!(ids(&report["history"]["baseline"]["drift"], "new_failures"), ["4.2.1"], "{baseline}");
        assert!(ids(&report["history"]["previous"]["drift"], "new_failures").is_empty());
    }
    world.audit(&["--baseline", "20200101"]).exits(2).says(&["--baseline"]);
    // a baseline takes no history
    let node = world.path("node");
    let words = [
        "audit".as_ref(),
        "--host-root".as_ref(),
        node.as_os_str(),
        "--format=json".as_ref(),
        "--baseline".as_ref(),
        file.as_os_str(),
    ];
    let report: Value = serde_json::from_str(&run(words).exits(0).out).unwrap();
    assert_eq!(ids(&report["history"]["baseline"]["drift"], "new_failures"), ["4.2.1"]);
}

#[test]
fn writers_at_the_same_time_keep_a_run_each() {
    const WRITERS: usize = 6;
    let world = World::new();
    let mut children: Vec<_> = (0..WRITERS)
        .map(|_| command().args(world.arguments(&["--quiet", "-o", "/dev/null"])).spawn().unwrap())
        .collect();
    assert!(children.iter_mut().all(|child| child.wait().unwrap().success()));
    let list = world.list();
    assert_eq!(list["runs"].as_array().unwrap().len(), WRITERS);
    assert_eq!((list["skipped"].as_array().unwrap().len(), list["unfinished"].as_array().unwrap().len()), (0, 0));
    assert_eq!(fs::read_dir(world.path("history/runs")).unwrap().count(), WRITERS);
}

#[test]
fn what_is_no_run_is_named_and_left_alone() {
    let world = World::new();
    world.audit(&[]).exits(0);
    world.audit(&[]).exits(0);
    let (index, runs) = (world.path("history/index"), world.runs());
    let entry = fs::read(index.join(format!("{}.json", runs[1]))).unwrap();
    // files of others, entries that are none, an entry under another's name, one that leads elsewhere
    fs::write(index.join("notes.txt"), "mine").unwrap();
    fs::write(index.join("20260101T000000.000Z-0000000000000001.json"), "{").unwrap();
    fs::write(index.join("20260101T000000.000Z-0000000000000002.json"), &entry).unwrap();
    fs::write(index.join("20260101T000000.000Z-0000000000000003.json"), vec![b' '; 2 << 20]).unwrap();
    let leading = String::from_utf8(entry).unwrap().replace(&runs[1], "20260101T000000.000Z-0000000000000004");
    let leading = leading.replace("evidence.zst", "../../../node/etc/passwd");
    fs::write(index.join("20260101T000000.000Z-0000000000000004.json"), leading).unwrap();
    fs::create_dir(index.join("20260101T000000.000Z-0000000000000005.json")).unwrap();
    std::os::unix::fs::symlink("gone", index.join("20260101T000000.000Z-0000000000000006.json")).unwrap();
    fs::write(index.join(OsString::from_vec(b"caf\xe9.json".to_vec())), "x").unwrap();
    // a run that was cut short, and the newest run's report, damaged
    fs::create_dir(world.path("history/runs/20260101T000000.000Z-0000000000000007")).unwrap();
    let damaged = world.path("history/runs").join(&runs[1]).join("report-cis-1.12.json");
    fs::write(&damaged, "{}").unwrap();
    let before = all(&world.path("history"));

    let ran = world.audit(&["--format", "json", "--history-keep", "9"]).exits(0);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    // the damaged report is passed over: what is compared is the run before it
    assert_eq!(report["history"]["previous"]["with"], runs[0].as_str());
    let notes = report["history"]["notes"].to_string();
    for name in [
        "notes.txt",
        "0001.json",
        "0002.json",
        "0003.json",
        "0004.json",
        "0005.json",
        "0006.json",
        "caf",
        "another SHA-256",
    ] {
        assert!(notes.contains(name) && ran.err.contains(name), "{name} is not in {notes} or {}", ran.err);
    }
    let list = world.list();
    assert_eq!(list["runs"].as_array().unwrap().len(), 3);
    assert_eq!(list["skipped"].as_array().unwrap().len(), 8);
    assert_eq!(list["unfinished"], serde_json::json!(["20260101T000000.000Z-0000000000000007"]));
    let after = all(&world.path("history"));
    assert!(before.iter().all(|file| after.contains(file)), "something that was there was touched");
    let table = run(["history".as_ref(), world.path("history").as_os_str()]).exits(0);
    table.says(&["notes.txt", "0000000000000007"]);
}

#[test]
fn whole_runs_are_pruned_and_noted() {
    let world = World::new();
    for _ in 0..3 {
        world.audit(&[]).exits(0);
    }
    let before = world.runs();
    // another cluster's runs are not this one's to prune
    let entry = world.path("history/index").join(format!("{}.json", before[0]));
    let text = fs::read_to_string(&entry).unwrap();
    let name = serde_json::from_str::<Value>(&text).unwrap()["cluster"].as_str().unwrap().to_owned();
    fs::write(&entry, text.replace(&format!("\"cluster\": \"{name}\""), "\"cluster\": \"uid other\"")).unwrap();
    world.audit(&["--history-keep", "2"]).exits(0).says(&["1 pruned"]);
    let after = world.runs();
    assert_eq!((after.len(), &after[0], &after[1]), (3, &before[0], &before[2]));
    assert!(!world.path("history/runs").join(&before[1]).exists());
    let list = world.list();
    assert_eq!(list["pruned"][0]["runs"][0]["run"], before[1].as_str());
    assert_eq!(list["pruned"][0]["why"], "--history-keep 2");
    assert!(list["unfinished"].as_array().unwrap().is_empty());

    // by age: a run that says it is old goes, unless it is the baseline
    let old = world.path("history/index").join(format!("{}.json", before[2]));
    let text = fs::read_to_string(&old).unwrap();
    let at = serde_json::from_str::<Value>(&text).unwrap()["written_at"].as_str().unwrap().to_owned();
    fs::write(&old, text.replace(&at, "2020-01-01T00:00:00Z")).unwrap();
    world.audit(&["--history-max-age", "1d", "--baseline", &before[2]]).exits(0);
    assert!(world.runs().contains(&before[2]));
    world.audit(&["--history-max-age", "1d"]).exits(0).says(&["1 pruned"]);
    assert!(!world.runs().contains(&before[2]) && world.runs().contains(&before[0]));
    world.audit(&["--history-max-age", "soon"]).exits(2);
}

#[test]
fn a_history_that_cannot_be_written_does_not_keep_the_report() {
    let world = World::new();
    world.audit(&[]).exits(0);
    let (before, history) = (all(&world.path("history")), world.path("history"));
    // as another user, who may read it and not write to it
    let readable = |path: &Path| {
        use std::os::unix::fs::PermissionsExt;
        for file in support::repository::files(path) {
            assert_eq!(
                fs::metadata(&file).unwrap().permissions().mode() & 0o777,
                0o600,
                "others may read {}",
                file.display()
            );
            fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
            for directory in file.ancestors().take_while(|directory| directory.starts_with(path)).skip(1) {
                fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
    };
    readable(&history);
    let ran = run_as(65532, world.scratch.path(), world.arguments(&["--format", "json"])).exits(2);
    let ran = ran.says(&["does not hold this run", "Permission denied", "the runs before it are unchanged"]);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    assert!(report["history"]["previous"]["drift"].is_object(), "{}", report["history"]);
    assert_eq!(all(&history), before);
    // a place that cannot be made, one that is a file, and one without a bucket that anybody serves
    let node = world.path("node");
    for place in ["/proc/history", node.join("proc/700/cmdline").to_str().unwrap()] {
        let words = ["audit".as_ref(), "--host-root".as_ref(), node.as_os_str(), "--history".as_ref(), place.as_ref()];
        let ran = run(words).exits(2).says(&["does not hold this run"]);
        assert!(ran.out.contains("CIS Kubernetes Benchmark"), "the report was not printed: {}", ran.out);
    }
    run(["audit", "--example", "--history", "ftp://a/b"]).exits(2).says(&["s3://"]);
}

/// A full disk, played by a limit on the size of files: the evidence fits, the report does not.
#[test]
fn a_full_disk_leaves_the_history_as_it_was() {
    let world = World::new();
    world.audit(&[]).exits(0);
    let before = all(&world.path("history"));
    let program = env!("CARGO_BIN_EXE_kube-assay");
    let words = world.arguments(&["--quiet", "--format", "summary"]);
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 40; exec \"$0\" \"$@\"", program]).args(words).env("NO_COLOR", "1");
    let ran = Ran::of(&mut shell).exits(2).says(&["does not hold this run", "report-cis-1.12.json"]);
    assert!(ran.out.starts_with("{\"schema\":\"kube-assay.summary/v1\""), "{}", ran.out);
    assert_eq!(world.runs().len(), 1);
    let after = all(&world.path("history"));
    assert!(before.iter().all(|file| after.contains(file)));
    assert_eq!(world.list()["unfinished"].as_array().unwrap().len(), 1);
    // and the next run is kept
    world.audit(&[]).exits(0);
    assert_eq!(world.runs().len(), 2);
}

/// A store that this build cannot reach is an error before anything is audited, and nothing is printed as if it had been kept.
#[cfg(not(feature = "object-stores"))]
#[test]
fn a_store_that_cannot_be_had_is_said_at_once() {
    for words in [&["audit", "--example", "--history", "s3://bucket/audits"][..], &["history", "gs://bucket/audits"]] {
        let told = run(words.iter().copied()).exits(2);
        assert!(told.err.contains("--features object-stores"), "{}", told.err);
        assert!(told.out.is_empty(), "{}", told.out);
    }
}

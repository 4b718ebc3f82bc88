//! Places where no report can be written: a clear sentence, the documented exit code, and never half a report in place
//! of a good one.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its world ends, with the place"
)]

mod support;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use kube_assay::audit::report::Report;
use support::binary::{Ran, command, run, run_as};
use support::lacks_root;
use support::world::{host, process};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A small host to audit.
fn small(scratch: &Path) -> std::path::PathBuf {
    host(scratch, vec![process("/usr/bin/kubelet", &["--anonymous-auth=false"])], vec![])
}

#[test]
fn a_full_disk_is_said() {
    let scratch = tempfile::tempdir().unwrap();
    let root = small(scratch.path());
    for format in ["json", "text", "html"] {
        run(["audit", "--host-root", text(&root), "--format", format, "--output", "/dev/full"])
            .exits(2)
            .says(&["/dev/full", "No space left"]);
    }
    run(["collect", "--host-root", text(&root), "--output", "/dev/full"])
        .exits(2)
        .says(&["/dev/full", "No space left"]);
    let full = || Stdio::from(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    for arguments in [
        vec!["audit", "--host-root", text(&root)],
        vec!["audit", "--host-root", text(&root), "--format", "json"],
        vec!["collect", "--host-root", text(&root), "--output", "-"],
        vec!["effective", "--host-root", text(&root)],
        vec!["benchmarks"],
        vec!["explain", "4.2.1"],
        vec!["man"],
        vec!["completions", "bash"],
    ] {
        let output = command().args(&arguments).stdout(full()).stderr(Stdio::piped()).spawn().unwrap();
        let output = output.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains("standard output") && said.contains("No space left"), "{arguments:?}: {said}");
    }
}

#[test]
fn a_disk_that_fills_up_keeps_the_good_report() {
    let scratch = tempfile::tempdir().unwrap();
    let root = small(scratch.path());
    let out = scratch.path().join("out");
    fs::create_dir(&out).unwrap();
    let place = out.join("report.json");
    fs::write(&place, "a good one").unwrap();
    // a file may grow to 8 blocks of 512 bytes, and writing beyond is an error instead of a signal
    let limited = format!(
        "trap '' XFSZ; ulimit -f 8; exec {} audit --host-root {} --output {}",
        env!("CARGO_BIN_EXE_kube-assay"),
        text(&root),
        text(&place)
    );
    Ran::of(Command::new("sh").args(["-c", &limited])).exits(2).says(&[text(&place), "too large"]);
    assert_eq!(fs::read_to_string(&place).unwrap(), "a good one");
    assert_eq!(fs::read_dir(&out).unwrap().count(), 1, "something is left beside the report");
}

#[test]
fn a_closed_pipe_is_the_readers_choice() {
    let scratch = tempfile::tempdir().unwrap();
    let root = small(scratch.path());
    for arguments in [
        vec!["audit", "--host-root", text(&root)],
        vec!["audit", "--host-root", text(&root), "--format", "html"],
        vec!["effective", "--host-root", text(&root), "--verbose"],
        vec!["collect", "--host-root", text(&root), "--output", "-"],
        vec!["benchmarks", "cis-1.12"],
        vec!["explain", "4.2.1"],
        vec!["schema"],
        vec!["man"],
        vec!["completions", "zsh"],
        vec!["--help"],
    ] {
        let mut child = command().args(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.contains("panic") && !said.contains("Broken pipe"), "{arguments:?}: {said}");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
    }
}

#[test]
fn places_that_cannot_be_written_are_said() {
    let scratch = tempfile::tempdir().unwrap();
    let root = small(scratch.path());
    let audit =
        |format: &str, output: &str| run(["audit", "--host-root", text(&root), "--format", format, "--output", output]);
    let missing = scratch.path().join("no/such/directory/report.json");
    audit("json", text(&missing)).exits(2).says(&[text(&missing), "No such file"]);
    let plain = scratch.path().join("file");
    fs::write(&plain, "kept").unwrap();
    audit("json,html", text(&plain)).exits(2).says(&[text(&plain), "directory"]);
    audit("json", &format!("{}/report.json", text(&plain))).exits(2).says(&[text(&plain)]);
    assert_eq!(fs::read_to_string(&plain).unwrap(), "kept");
    run(["audit", "--host-root", text(&root), "--format", "json,html"]).exits(2).says(&["--output DIR"]);
    run(["collect", "--host-root", text(&root), "--output", text(scratch.path())])
        .exits(2)
        .says(&[text(scratch.path()), "is a directory"]);
}

#[test]
fn a_directory_takes_every_format() {
    let scratch = tempfile::tempdir().unwrap();
    let root = small(scratch.path());
    let out = scratch.path().join("new/place");
    run(["audit", "--host-root", text(&root), "--format", "json,html,text", "--output", text(&out)]).exits(0);
    for name in ["report.json", "report.html", "report.txt"] {
        assert!(out.join(name).is_file(), "{name}");
    }
    let two = ["--benchmark", "cis-1.12", "--benchmark", "cis-2.0", "--format", "json"];
    run(["audit", "--host-root", text(&root), "--output", text(&out)].into_iter().chain(two)).exits(0);
    for name in ["report-cis-1.12.json", "report-cis-2.0.json"] {
        assert!(out.join(name).is_file(), "{name}");
    }
}

#[test]
fn an_old_report_is_replaced_whole() {
    let scratch = tempfile::tempdir().unwrap();
    let root = small(scratch.path());
    let place = scratch.path().join("report.json");
    fs::write(&place, "x".repeat(5_000_000)).unwrap();
    run(["audit", "--host-root", text(&root), "--output", text(&place)]).exits(0);
    let _: Report = serde_json::from_str(&fs::read_to_string(&place).unwrap()).unwrap();
}

#[test]
fn another_users_directory_is_said() {
    if lacks_root() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let root = small(scratch.path());
    let closed = scratch.path().join("closed");
    fs::create_dir(&closed).unwrap();
    let place = closed.join("report.json");
    let arguments = ["audit", "--host-root", text(&root), "--output", text(&place)];
    run_as(65_534, scratch.path(), arguments).exits(2).says(&[text(&place), "Permission denied"]);
    assert!(!place.exists());
}

/// However early or late a run ends, each report in place is a whole one.
#[test]
fn an_interrupted_run_leaves_whole_reports() {
    let scratch = tempfile::tempdir().unwrap();
    let root = small(scratch.path());
    let out = scratch.path().join("out");
    let audit = || {
        let mut command = command();
        command.args(["audit", "--host-root", text(&root), "--format", "json,html,text", "--output", text(&out)]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let begun = Instant::now();
    assert!(audit().status().unwrap().success());
    let whole = begun.elapsed();
    let attempts = 24;
    let mut interrupted = 0;
    for attempt in 0..attempts {
        let mut child = audit().spawn().unwrap();
        thread::sleep(whole * attempt / (attempts - 4));
        let number = child.id().to_string();
        let _ = Command::new("kill").args(["-INT", &number]).stderr(Stdio::null()).status();
        let status = child.wait().unwrap();
        interrupted += usize::from(!status.success());
        assert!(
            status.success() || status.signal() == Some(2) || status.code() == Some(130),
            "ended by neither itself nor SIGINT: {status:?}"
        );
        let json = fs::read_to_string(out.join("report.json")).unwrap();
        serde_json::from_str::<Report>(&json).unwrap_or_else(|error| panic!("half a report: {error}"));
        let page = fs::read_to_string(out.join("report.html")).unwrap();
        assert!(page.trim_end().ends_with("</html>"), "half a page");
    }
    assert!(interrupted > 0, "no run was interrupted");
    assert!(whole < Duration::from_secs(60));
}

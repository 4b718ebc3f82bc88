//! `run`: what it creates in a cluster it takes away again, whatever happens in between, and nothing else.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its world ends, with the place"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use kube_assay::evidence::frames::{self, Content, Header};
use serde_json::{Value, json};
use support::binary::{Ran, command};
use support::writable::{Mishap, Story, Writable};

/// What every cluster has.
const BEFORE: [&str; 4] = [
    "/api/v1/namespaces/default",
    "/api/v1/namespaces/kube-system",
    "/api/v1/namespaces/kube-node-lease",
    "/apis/x/v1/others/one",
];

fn story() -> Story {
    let header = |name: &str| Header {
        content: Content::File,
        name: name.to_owned(),
        pod: String::new(),
        at: "2026-01-01T00:00:00Z".to_owned(),
        encryption: None,
    };
    let packed = |name: &str, text: &str| {
        frames::frames(&header(name), &frames::compressed(text.as_bytes()).unwrap()).unwrap().join("\n")
    };
    let log = format!(
        "CIS Kubernetes Benchmark\u{1b}[2J\n{}\n{}\nthe end\n",
        packed("report.html", "<html>"),
        packed("report.json", "{}")
    );
    Story { log, ends: Some(0), mishap: None, meanwhile: None }
}

struct Setting {
    server: Writable,
    scratch: tempfile::TempDir,
}

impl Setting {
    fn new(story: Story) -> Self {
        Self::with(&[], story)
    }

    fn with(more: &[(&str, Value)], story: Story) -> Self {
        let mut objects: Vec<(&str, Value)> = BEFORE.map(|path| (path, json!({}))).to_vec();
        objects.extend_from_slice(more);
        let (server, scratch) = (Writable::start(&objects, story), tempfile::tempdir().unwrap());
        let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "c", "cluster": {"server": server.url()}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u"}}]});
        fs::write(scratch.path().join("kubeconfig"), config.to_string()).unwrap();
        Self { server, scratch }
    }

    fn out(&self) -> PathBuf {
        self.scratch.path().join("out")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command();
        command.arg("run").arg("--kubeconfig").arg(self.scratch.path().join("kubeconfig")).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&mut self.command(arguments))
    }

    fn start(&self) -> Child {
        let piped = Stdio::piped;
        self.command(&["--yes"]).stdout(piped()).stderr(piped()).spawn().unwrap()
    }

    #[track_caller]
    fn is_as_before(&self, what: &str) {
        let there: Vec<String> = self.server.objects().into_keys().collect();
        let mut before = BEFORE.to_vec();
        before.sort_unstable();
        assert_eq!(there, before, "{what}");
    }
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").arg(name).arg(child.id().to_string()).status().unwrap().success());
}

/// How many objects one run creates or changes.
fn creations() -> usize {
    let setting = Setting::new(story());
    setting.run(&["--yes"]).exits(0);
    setting.server.writes().iter().filter(|write| !write.starts_with("DELETE")).count()
}

/// Runs mostly wait: all of them at once.
fn at_every_step(each: impl Fn(usize) + Sync) {
    let each = &each;
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..creations()).map(|step| scope.spawn(move || each(step))).collect();
        assert!(runs.len() > 15);
        runs.into_iter().for_each(|run| run.join().unwrap());
    });
}

#[test]
fn reports_come_home_and_nothing_stays() {
    let setting = Setting::new(story());
    let out = setting.out();
    let ran = setting.run(&["--yes", "-o", out.to_str().unwrap()]).exits(0);
    assert!(ran.out.starts_with("CIS Kubernetes Benchmark\\u{1b}[2J\nthe end\n"), "{}", ran.out);
    assert_eq!(fs::read_to_string(out.join("report.html")).unwrap(), "<html>");
    assert_eq!(fs::read_to_string(out.join("report.json")).unwrap(), "{}");
    ran.says(&[
        "DaemonSet kube-assay/collector",
        "cp1: its collector runs",
        "w1: its collector runs",
        "the auditor has ended",
    ]);
    setting.is_as_before("after a whole run");
    // the namespace, all that is in it by its going, and seven pairs and singles beyond it
    let writes = setting.server.writes();
    let deleted: Vec<&String> = writes.iter().filter(|write| write.starts_with("DELETE")).collect();
    assert!(deleted.iter().all(|write| write.contains("kube-assay")), "{deleted:?}");
    let allowed = ["POST ", "PATCH /api/v1/namespaces/kube-assay/serviceaccounts/default", "DELETE "];
    assert!(writes.iter().all(|write| allowed.iter().any(|start| write.starts_with(start))), "{writes:?}");
}

/// What is shown is what is created, and what `manifests job` prints.
#[test]
fn it_shows_what_it_creates() {
    let setting = Setting::new(story());
    let ran = setting.run(&["--yes"]).exits(0);
    let shown = ran.err.lines().filter(|line| line.starts_with("  ")).count();
    let printed = Ran::of(command().args(["manifests", "job"])).out;
    assert_eq!(shown, printed.split("\n---\n").count());
    assert_eq!(shown, creations());
}

#[test]
fn without_a_word_nothing_is_created() {
    let setting = Setting::new(story());
    let ran = setting.run(&[]).exits(2).says(&["nothing was changed", "--yes"]);
    assert!(ran.err.contains("Role kube-node-lease/kube-assay-auditor"), "{}", ran.err);
    assert_eq!(setting.server.writes(), [""; 0]);
}

#[test]
fn what_is_there_stays_untouched() {
    for path in ["/api/v1/namespaces/kube-assay", "/apis/rbac.authorization.k8s.io/v1/clusterroles/kube-assay-auditor"]
    {
        let setting = Setting::with(
            &[(path, json!({"metadata": {"labels": {"app.kubernetes.io/name": "kube-assay"}}}))],
            story(),
        );
        setting.run(&["--yes"]).exits(2).says(&["there already", "--namespace"]);
        assert_eq!(setting.server.writes(), [""; 0]);
        setting.run(&["--yes", "--remove"]).exits(0);
        assert_eq!(setting.server.writes(), [""; 0], "it bears no mark");
    }
    // made by somebody between the look and the creation
    let path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/kube-assay-auditor";
    let setting = Setting::new(Story { meanwhile: Some((path.to_owned(), json!({}))), ..story() });
    setting.run(&["--yes"]).exits(2).says(&["there already: ClusterRole kube-assay-auditor"]);
    assert_eq!(setting.server.objects().get(path).map(String::as_str), Some("meanwhile"));
    assert_eq!(setting.server.objects().len(), BEFORE.len() + 1);
}

#[test]
fn a_refusal_at_any_step_leaves_nothing() {
    at_every_step(|step| {
        let setting = Setting::new(Story { mishap: Some((step, Mishap::Refused)), ..story() });
        setting.run(&["--yes"]).exits(3).says(&["you may not do this"]);
        setting.is_as_before(&format!("refused at write {step}"));
    });
}

#[test]
fn an_answer_that_is_lost_at_any_step_leaves_nothing() {
    at_every_step(|step| {
        let setting = Setting::new(Story { mishap: Some((step, Mishap::AnswerLost)), ..story() });
        setting.run(&["--yes"]).exits(0);
        setting.is_as_before(&format!("lost at write {step}"));
    });
}

/// Interrupted while a request to create is under way: the server finishes it afterwards.
#[test]
fn an_interrupt_at_any_step_leaves_nothing() {
    at_every_step(|step| {
        let setting = Setting::new(Story { mishap: Some((step, Mishap::Held)), ..story() });
        let child = setting.start();
        setting.server.until_writes(step + 1);
        signal(&child, if step % 2 == 0 { "-INT" } else { "-TERM" });
        setting.server.let_go();
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        // a signal that came just before the end of the last creation is one while it is followed
        assert_eq!(output.status.code(), Some(3), "write {step}: {err}");
        assert!(err.contains("interrupted (SIG") && err.contains("removing everything again"), "write {step}: {err}");
        setting.is_as_before(&format!("interrupted at write {step}"));
    });
}

#[test]
fn an_interrupt_while_it_waits_leaves_nothing() {
    for name in ["-INT", "-TERM", "-HUP"] {
        let setting = Setting::new(Story { ends: None, ..story() });
        let mut child = setting.start();
        // a line of its own tells that it waits
        let mut err = std::io::BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains("the auditor is at work") {
            assert!(std::io::BufRead::read_line(&mut err, &mut said).unwrap() > 0, "{said}");
        }
        signal(&child, name);
        std::io::Read::read_to_string(&mut err, &mut said).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(3), "{said}");
        setting.is_as_before(name);
    }
}

#[test]
fn what_was_kept_is_removed_when_that_is_said() {
    let setting = Setting::new(story());
    setting.run(&["--yes", "--keep"]).exits(0).says(&["--remove"]);
    assert!(setting.server.objects().len() > BEFORE.len() + 15);
    // another run does not mistake it for its own
    setting.run(&["--yes"]).exits(2).says(&["there already"]);
    setting.run(&["--remove"]).exits(2);
    setting.run(&["--remove", "--yes"]).exits(0).says(&["removed Namespace kube-assay"]);
    setting.is_as_before("after --remove");
}

#[test]
fn the_auditors_end_is_its_own() {
    for (ends, code) in [(0, 0), (1, 1), (3, 3), (137, 3)] {
        let setting = Setting::new(Story { ends: Some(ends), ..story() });
        setting.run(&["--yes"]).exits(code);
        setting.is_as_before("after an end");
    }
}

#[test]
fn kubectl_finds_it_by_its_name() {
    let scratch = tempfile::tempdir().unwrap();
    let plugin = scratch.path().join("kubectl-assay");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kube-assay"), &plugin).unwrap();
    let of = |program: &Path| Ran::of(Command::new(program).args(["run", "--help"])).exits(0).out;
    assert!(of(&plugin).contains("Usage: kubectl assay run"), "{}", of(&plugin));
    assert!(of(Path::new(env!("CARGO_BIN_EXE_kube-assay"))).contains("Usage: kube-assay run"));
}

//! Which version each instance is taken for, which benchmark is chosen by it, and what is decided when it is not known.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its world ends, with the place"
)]

mod support;

use std::path::Path;

use kube_assay::audit::report::Report;
use kube_assay::audit::verdict::Verdict;
use kube_assay::evidence::Component;
use support::auditor::{control, words};
use support::binary::run;
use support::case::File;
use support::world::{file, host, process};

const STATIC_POD: &str = "/kubepods/burstable/pod7c59c3878d19e79e68e1f984fd51416f/cc8cb6b9976d8f2a682835866c9cae47";

fn manifest(component: &str, image: &str) -> File {
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {component}}}\nspec:\n  containers:\n  - {{name: c, image: \"{image}\", command: [{component}]}}\n"
    );
    file(&format!("/etc/kubernetes/manifests/{component}.yaml"), &pod)
}

fn package(version: &str, status: &str) -> File {
    let text = format!(
        "Package: kubectl\nStatus: install ok installed\nVersion: 1.20.0\n\nPackage: kubelet\nStatus: {status}\nVersion: {version}\n\n"
    );
    file("/var/lib/dpkg/status", &text)
}

/// A control-plane node: all components run, with these files beside.
fn audited(files: Vec<File>, arguments: &[&str]) -> Report {
    let scratch = tempfile::tempdir().unwrap();
    let pods = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"];
    let mut processes: Vec<_> = pods.map(|name| process(&format!("/usr/local/bin/{name}"), &[])).into();
    for (pod, number) in processes.iter_mut().zip(0..) {
        pod.cgroup = Some(STATIC_POD.replace("7c59", &format!("7c5{number}")));
    }
    processes.push(process("/usr/bin/kubelet", &["--anonymous-auth=false"]));
    processes.push(process("/usr/bin/kube-proxy", &[]));
    let root = host(scratch.path(), processes, files);
    audit(&root, arguments)
}

fn audit(root: &Path, arguments: &[&str]) -> Report {
    let all = ["audit", "--host-root", root.to_str().unwrap(), "--format", "json"];
    let ran = run(all.iter().chain(arguments));
    assert!(matches!(ran.code, Some(0 | 3)), "{}", ran.err);
    serde_json::from_str(&ran.out).unwrap()
}

/// The versions that a component can be, as `first-last` or one.
fn versions(report: &Report, component: Component) -> String {
    let instance = report.nodes[0].instances.iter().find(|instance| instance.component == component).unwrap();
    match &instance.versions[..] {
        [one] => one.clone(),
        [first, .., last] => format!("{first}-{last}"),
        [] => "none".to_owned(),
    }
}

use Component::{Etcd, KubeApiserver, KubeControllerManager, KubeProxy, Kubelet};

#[test]
fn image_tags_tell_the_version_and_skew_the_rest() {
    let report = audited(
        vec![
            manifest("kube-apiserver", "registry.example.test:5000/kube-apiserver:v1.34.4"),
            manifest("kube-controller-manager", "kube-controller-manager:v1.33.1@sha256:00"),
            manifest("etcd", "etcd:3.6.5-0"),
        ],
        &[],
    );
    assert_eq!(versions(&report, KubeApiserver), "1.34");
    assert_eq!(versions(&report, KubeControllerManager), "1.33");
    assert_eq!(versions(&report, Etcd), "3.6");
    assert_eq!(versions(&report, Kubelet), "1.31-1.34", "a kubelet is at most three minors older");
    assert_eq!(versions(&report, KubeProxy), "1.31-1.34");
    assert_eq!(report.run.benchmark.id, "cis-2.0");
}

#[test]
fn the_package_tells_the_kubelets_version() {
    let api = || manifest("kube-apiserver", "x/kube-apiserver:v1.34.4");
    for (version, status, expected) in [
        ("1.32.1-1.1", "install ok installed", "1.32"),
        ("2:1.33.0+build", "hold ok installed", "1.33"),
        ("1.32.1-1.1", "deinstall ok config-files", "1.31-1.34"),
        ("nonsense", "install ok installed", "1.31-1.34"),
    ] {
        let report = audited(vec![api(), package(version, status)], &[]);
        assert_eq!(versions(&report, Kubelet), expected, "{version} {status}");
    }
}

#[test]
fn tags_that_tell_nothing_leave_every_version() {
    for image in ["kube-apiserver", "kube-apiserver:latest", "kube-apiserver@sha256:0123", "host:5000/kube-apiserver"] {
        let report = audited(vec![manifest("kube-apiserver", image)], &[]);
        assert_eq!(versions(&report, KubeApiserver), "1.29-1.37", "{image}");
        assert!(report.run.chosen.contains("not known"), "{image}: {}", report.run.chosen);
        assert!(report.run.benchmark.provisional.is_none(), "{image}: {}", report.run.benchmark.id);
    }
}

#[test]
fn what_all_versions_agree_on_is_decided() {
    for tag in ["v1.38.0", "v1.41.2", "latest"] {
        let report =
            audited(vec![manifest("kube-apiserver", &format!("kube-apiserver:{tag}"))], &["--benchmark", "cis-2.1"]);
        for (id, verdict) in [
            ("1.2.15", Verdict::Fail),
            ("1.2.20", Verdict::Pass),
            ("1.2.17", Verdict::Unknown),
            ("4.2.1", Verdict::Pass),
            ("4.3.1", Verdict::Pass),
        ] {
            let control = control(&report, id).unwrap();
            assert_eq!(control.verdict, verdict, "{tag}, {id}: {}", words(control));
        }
    }
}

#[test]
fn what_the_user_gives_decides() {
    let files =
        || vec![manifest("kube-apiserver", "kube-apiserver:v1.34.4"), package("1.34.4-1.1", "install ok installed")];
    let given = |arguments: &[&str]| audited(files(), arguments);
    let report = given(&["--kubernetes-version", "1.36"]);
    assert_eq!((versions(&report, KubeApiserver), versions(&report, Kubelet)), ("1.36".to_owned(), "1.36".to_owned()));
    assert_eq!(report.run.benchmark.id, "cis-2.1");
    let report = given(&[
        "--kubernetes-version",
        "1.36",
        "--kubernetes-version",
        "kubelet=1.33",
        "--kubernetes-version",
        "etcd=3.5",
    ]);
    assert_eq!((versions(&report, KubeApiserver), versions(&report, Kubelet)), ("1.36".to_owned(), "1.33".to_owned()));
    assert_eq!(versions(&report, Etcd), "3.5");
    let report = given(&["--kubernetes-version", "kubelet=1.33"]);
    assert_eq!((versions(&report, KubeApiserver), versions(&report, Kubelet)), ("1.34".to_owned(), "1.33".to_owned()));
    // the last one of its kind counts, whatever the order of the kinds
    let report = given(&[
        "--kubernetes-version",
        "kubelet=1.33",
        "--kubernetes-version",
        "1.35",
        "--kubernetes-version",
        "1.36",
    ]);
    assert_eq!((versions(&report, KubeApiserver), versions(&report, Kubelet)), ("1.36".to_owned(), "1.33".to_owned()));
}

#[test]
fn the_benchmark_follows_the_version() {
    let chosen = |version: &str| audited(vec![], &["--kubernetes-version", version]).run.benchmark.id;
    let expected = [
        ("1.29", "cis-1.11"),
        ("1.31", "cis-1.11"),
        ("1.32", "cis-1.12"),
        ("1.33", "cis-1.12"),
        ("1.34", "cis-2.0"),
        ("1.35", "cis-2.0"),
        ("v1.36.3", "cis-2.1"),
        ("1.37", "cis-2.1"),
        ("1.38", "cis-2.1"),
    ];
    for (version, id) in expected {
        assert_eq!(chosen(version), id, "{version}");
    }
}

#[test]
fn skew_holds_across_nodes() {
    let scratch = tempfile::tempdir().unwrap();
    let control_plane = host(
        &scratch.path().join("a"),
        vec![process("/usr/local/bin/kube-apiserver", &[])],
        vec![manifest("kube-apiserver", "kube-apiserver:v1.34.4")],
    );
    let worker = host(&scratch.path().join("b"), vec![process("/usr/bin/kubelet", &[])], vec![]);
    let evidence: Vec<_> = [control_plane, worker]
        .iter()
        .enumerate()
        .map(|(number, root)| {
            let place = scratch.path().join(format!("{number}.zst"));
            let arguments = ["collect", "--host-root", root.to_str().unwrap(), "--output", place.to_str().unwrap()];
            run(arguments).exits(0);
            place
        })
        .collect();
    let files = evidence.iter().map(|place| place.to_str().unwrap());
    let ran = run(["evaluate", "--format", "json"].into_iter().chain(files)).exits(0);
    let report: Report = serde_json::from_str(&ran.out).unwrap();
    let kubelet = report.nodes[1].instances.iter().find(|instance| instance.component == Kubelet).unwrap();
    assert_eq!(kubelet.versions, ["1.31", "1.32", "1.33", "1.34"], "{}", kubelet.version_from);
    assert!(kubelet.version_from.contains("skew"), "{}", kubelet.version_from);
}

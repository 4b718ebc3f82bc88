//! The mark of this program's own collectors: on what is as `manifests` prints it, by UID and the whole pod, and on nothing else.
//!
//! `tests/data/collectors.json` is what a real API server (1.36.3) made of the DaemonSet that `manifests job --namespace audits` prints.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its world ends, with the place"
)]

mod support;

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};
use support::api_server::{ApiServer, kubeconfig};
use support::binary::run;
use support::repository::root;

struct World {
    daemonset: Value,
    pods: Vec<Value>,
    /// Other objects.
    more: Vec<Value>,
    /// Objects that come after the look at the collectors: in the lists of the whole cluster alone.
    late: Vec<Value>,
}

impl World {
    fn recorded() -> Self {
        let recorded: Value =
            serde_json::from_str(&fs::read_to_string(root().join("tests/data/collectors.json")).unwrap()).unwrap();
        let pods = recorded["pods"].as_array().unwrap().clone();
        Self { daemonset: recorded["daemonset"].clone(), pods, more: Vec::new(), late: Vec::new() }
    }

    /// Changes the template, and the pods as the controller would make them from it.
    fn everywhere(mut self, change: impl Fn(&mut Value)) -> Self {
        change(&mut self.daemonset["spec"]["template"]["spec"]);
        self.pods.iter_mut().for_each(|pod| change(&mut pod["spec"]));
        self
    }

    fn audit(&self, format: &str) -> String {
        self.audit_with(format, None)
    }

    fn audit_with(&self, format: &str, waivers: Option<&str>) -> String {
        let namespaces = ["audits", "others"].map(|name| {
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name,
                "labels": {"pod-security.kubernetes.io/enforce": "privileged"}}})
        });
        let mut objects: Vec<Value> = namespaces.to_vec();
        objects.push(self.daemonset.clone());
        objects.extend(self.pods.iter().chain(&self.more).cloned());
        let of_namespace = |object: &&Value| object["kind"] == "Pod" && object["metadata"]["namespace"] == "audits";
        let pods: Vec<&Value> = objects.iter().filter(of_namespace).collect();
        let list = json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods});
        let server = ApiServer::start([objects.clone(), self.late.clone()].concat())
            .answers("/api/v1/namespaces/audits/pods", list)
            .answers("/apis/apps/v1/namespaces/audits/daemonsets/collector", self.daemonset.clone());
        let scratch = tempfile::tempdir().unwrap();
        let config = kubeconfig(scratch.path(), &server, &json!({}));
        let words =
            ["audit", "--collectors=audits/collector", "--deadline=1", "--benchmark=cis-2.1", "--format", format];
        let mut words = [&words[..], &["--kubeconfig", config.to_str().unwrap()]].concat();
        let file = scratch.path().join("waivers.yaml");
        if let Some(waivers) = waivers {
            fs::write(&file, waivers).unwrap();
            words.extend(["--waivers", file.to_str().unwrap()]);
        }
        let ran = run(words);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        ran.out
    }

    /// What is marked, without the fields.
    fn marked(&self) -> BTreeSet<String> {
        let report: Value = serde_json::from_str(&self.audit("json")).unwrap();
        let groups = report["controls"].as_array().unwrap().iter().flat_map(|one| one["groups"].as_array().unwrap());
        let offenders = groups.flat_map(|group| group["offenders"].as_array().into_iter().flatten());
        let own = offenders.filter(|offender| offender["own"] == true);
        own.map(|offender| offender["what"].as_str().unwrap().split(':').next().unwrap().to_owned()).collect()
    }
}

fn ours() -> BTreeSet<String> {
    ["audits/DaemonSet collector", "namespace audits"].map(str::to_owned).into()
}

fn container(spec: &mut Value) -> &mut Value {
    &mut spec["containers"][0]
}

#[test]
fn the_collectors_and_their_namespace_are_marked() {
    let world = World::recorded();
    assert_eq!(world.marked(), ours());
    for format in ["text", "html"] {
        let page = world.audit(format).replace("&#39;", "'").replace("&#x27;", "'");
        assert!(page.contains("(kube-assay's own collector)"), "{format}");
    }
}

/// What the options of `manifests`, users and the API server's own parts put there.
#[test]
fn what_may_differ_does_not_matter() {
    let differing: [fn(&mut Value); 6] = [
        |spec| container(spec)["image"] = json!("registry.example/audit/kube-assay@sha256:0a"),
        |spec| container(spec)["args"].as_array_mut().unwrap().push(json!("--every=60")),
        |spec| container(spec)["securityContext"]["capabilities"]["add"] = json!(["SYS_PTRACE", "DAC_READ_SEARCH"]),
        |spec| container(spec)["resources"]["limits"]["memory"] = json!("256Mi"),
        |spec| spec["nodeSelector"]["pool"] = json!("a"),
        |spec| spec["tolerations"] = json!([]),
    ];
    std::thread::scope(|scope| {
        for change in differing {
            scope.spawn(move || assert_eq!(World::recorded().everywhere(change).marked(), ours()));
        }
    });
}

#[test]
fn an_altered_collector_is_not_marked() {
    let alterations: [fn(&mut Value); 12] = [
        |spec| container(spec)["securityContext"]["privileged"] = json!(true),
        |spec| container(spec)["securityContext"]["capabilities"]["add"] = json!(["SYS_ADMIN"]),
        |spec| container(spec)["securityContext"]["allowPrivilegeEscalation"] = json!(true),
        |spec| container(spec)["command"] = json!(["/bin/sh"]),
        |spec| container(spec)["args"].as_array_mut().unwrap().push(json!("--every=1;x")),
        |spec| container(spec)["volumeMounts"][0]["readOnly"] = json!(false),
        |spec| {
            container(spec)["env"].as_array_mut().unwrap().push(json!({"name": "LD_PRELOAD", "value": "/host/x.so"}))
        },
        |spec| spec["hostNetwork"] = json!(true),
        |spec| spec["hostPID"] = json!(true),
        |spec| spec["automountServiceAccountToken"] = json!(true),
        |spec| spec["serviceAccountName"] = json!("auditor"),
        |spec| spec["containers"].as_array_mut().unwrap().push(json!({"name": "more", "image": "x"})),
    ];
    // audits mostly wait for collectors
    std::thread::scope(|scope| {
        for (at, change) in alterations.into_iter().enumerate() {
            scope.spawn(move || {
                assert_eq!(World::recorded().everywhere(change).marked(), BTreeSet::new(), "alteration {at} of all");
                // of one pod alone: an admission plugin, or one that was adopted
                let mut world = World::recorded();
                change(&mut world.pods[1]["spec"]);
                assert_eq!(world.marked(), BTreeSet::new(), "alteration {at} of a pod");
            });
        }
    });
}

#[test]
fn a_look_alike_is_not_marked() {
    // the same in another namespace: a name makes nothing own
    let mut world = World::recorded();
    for mut other in [vec![world.daemonset.clone()], world.pods.clone()].concat() {
        other["metadata"]["namespace"] = json!("others");
        other["metadata"]["uid"] = json!(format!("others-{}", other["metadata"]["uid"].as_str().unwrap()));
        world.more.push(other);
    }
    assert_eq!(world.marked(), ours());
    // a pod among them that says that the same DaemonSet, by name, owns it; one without any owner; one that bears the labels
    for owners in [
        json!([{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "collector", "uid": "x", "controller": true}]),
        json!([]),
    ] {
        for labelled in [true, false] {
            let mut world = World::recorded();
            let mut pod = world.pods[0].clone();
            pod["metadata"]["uid"] = json!("another");
            pod["metadata"]["name"] = json!("collector-zzzzz");
            pod["metadata"]["ownerReferences"] = owners.clone();
            if !labelled {
                pod["metadata"]["labels"] = json!({});
            }
            world.more.push(pod);
            assert_eq!(world.marked(), BTreeSet::new(), "{owners} {labelled}");
        }
    }
}

/// A pod stands in a report under its owner's name: one that came after the look at the collectors must not hide behind theirs.
#[test]
fn a_look_alike_that_came_later_is_not_marked() {
    let mut world = World::recorded();
    let mut pod = world.pods[0].clone();
    (pod["metadata"]["uid"], pod["metadata"]["name"]) = (json!("another"), json!("collector-zzzzz"));
    container(&mut pod["spec"])["securityContext"]["privileged"] = json!(true);
    world.late.push(pod);
    assert_eq!(world.marked(), BTreeSet::new());
}

/// The file that ships accepts what the collectors make fail, and nothing else; nothing applies it by itself.
#[test]
fn the_waiver_that_ships_accepts_what_is_own() {
    let waivers = fs::read_to_string(root().join("waivers.yaml")).unwrap();
    let report: Value = serde_json::from_str(&World::recorded().audit_with("json", Some(&waivers))).unwrap();
    let (mut accepted, mut others) = (0, 0);
    for group in report["controls"].as_array().unwrap().iter().flat_map(|one| one["groups"].as_array().unwrap()) {
        let waived = group["waiver"] == "kube-assay-collectors";
        for offender in group["offenders"].as_array().into_iter().flatten() {
            let own = offender["own"] == true;
            if group["verdict"] == "fail" {
                assert_eq!(own, waived, "{group:#}");
            }
            assert!(own || !waived, "{group:#}");
            accepted += usize::from(waived);
            others += usize::from(!own);
        }
    }
    assert!(accepted > 2 && others > 1, "{accepted} {others}");
    for file in ["job.yaml", "cronjob.yaml"] {
        assert!(!fs::read_to_string(root().join(file)).unwrap().contains("waivers"), "{file}");
    }
}

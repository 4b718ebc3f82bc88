//! What is applied to a cluster: the files of the repository are what the program prints, and hold no more than they may.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its world ends, with the place"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::binary::run;
use support::repository::{files, root};

fn printed(arguments: &[&str]) -> String {
    let ran = run([&["manifests"], arguments].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    ran.out
}

fn objects(text: &str) -> Vec<Value> {
    text.split("\n---\n").map(|document| serde_saphyr::from_str(document).unwrap()).collect()
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

/// Regenerate with `kube-assay manifests job > job.yaml`, likewise `cronjob`.
#[test]
fn the_files_are_what_the_program_prints() {
    for kind in ["job", "cronjob"] {
        let file = fs::read_to_string(root().join(format!("{kind}.yaml"))).unwrap();
        assert!(file == printed(&[kind]), "{kind}.yaml is not what `kube-assay manifests {kind}` prints");
    }
}

/// Regenerate with `kube-assay manifests kustomize -o kustomize`.
#[test]
fn the_bases_and_components_are_what_the_program_writes() {
    let scratch = tempfile::tempdir().unwrap();
    let ran = run(["manifests", "kustomize", "-o", scratch.path().to_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let written = |place: &Path| -> BTreeMap<PathBuf, String> {
        let read = |file: PathBuf| (file.strip_prefix(place).unwrap().to_owned(), fs::read_to_string(&file).unwrap());
        files(place).into_iter().map(read).collect()
    };
    let (now, kept) = (written(scratch.path()), written(&root().join("kustomize")));
    assert_eq!(now.keys().collect::<Vec<_>>(), kept.keys().collect::<Vec<_>>());
    let differing: Vec<&PathBuf> =
        now.iter().filter(|(path, text)| kept[*path] != **text).map(|(path, _)| path).collect();
    assert!(differing.is_empty(), "{differing:?}");
}

/// Without collectors nothing needs more than the strictest level, and nothing of theirs is there.
#[test]
fn an_audit_of_the_api_alone_needs_no_privilege() {
    let text = printed(&["api"]);
    assert!(!text.contains("privileged") && !text.contains("hostPath") && !text.contains("pods/log"), "{text}");
    let all = objects(&text);
    assert_eq!(of_kind(&all, "Namespace")[0]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
    assert!(of_kind(&all, "DaemonSet").is_empty());
}

#[test]
fn the_auditor_may_only_read() {
    for kind in ["job", "cronjob", "rbac", "api", "control-plane", "managed"] {
        let all = objects(&printed(&[kind]));
        let roles = [of_kind(&all, "ClusterRole"), of_kind(&all, "Role")].concat();
        assert!(roles.len() > 2);
        for rule in roles.iter().flat_map(|role| role["rules"].as_array().unwrap()) {
            let words = |field: &str| -> Vec<&str> {
                rule[field].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect()
            };
            assert!(words("verbs").iter().all(|verb| matches!(*verb, "get" | "list")), "{rule}");
            let forbidden = ["*", "secrets", "nodes/proxy", "pods/exec", "pods/attach", "pods/portforward"];
            assert!(!words("resources").iter().any(|resource| forbidden.contains(resource)), "{rule}");
            assert!(!words("apiGroups").contains(&"*"), "{rule}");
        }
        let logs = |role: &&Value| role["rules"].to_string().contains("pods/log");
        assert!(of_kind(&all, "ClusterRole").iter().all(|role| !logs(role)));
        for role in of_kind(&all, "Role").iter().filter(|role| logs(role)) {
            assert_eq!(role["metadata"]["namespace"], "kube-assay");
        }
    }
}

#[test]
fn the_collectors_hold_what_they_need() {
    for kind in ["job", "cronjob"] {
        let all = objects(&printed(&[kind]));
        let pod = &of_kind(&all, "DaemonSet")[0]["spec"]["template"]["spec"];
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert!(pod.get("hostPID").is_none() && pod.get("hostNetwork").is_none() && pod.get("hostIPC").is_none());
        assert_eq!(pod["tolerations"], serde_json::json!([{"operator": "Exists"}]));
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        let container = &pod["containers"][0];
        let context = &container["securityContext"];
        assert_eq!(context["readOnlyRootFilesystem"], true);
        assert_eq!(context["allowPrivilegeEscalation"], false);
        assert_eq!(context["capabilities"], serde_json::json!({"drop": ["ALL"]}));
        assert_eq!(container["volumeMounts"][0]["readOnly"], true);
        assert_eq!(container["volumeMounts"][0]["recursiveReadOnly"], "IfPossible");
        assert_eq!(container["resources"]["limits"]["memory"], "64Mi");
        // frames are bound to the pod
        assert_eq!(container["env"][0]["valueFrom"]["fieldRef"]["fieldPath"], "metadata.uid");
    }
    let all = objects(&printed(&["job", "--add-capability", "SYS_PTRACE"]));
    let container = &of_kind(&all, "DaemonSet")[0]["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(
        container["securityContext"]["capabilities"],
        serde_json::json!({"drop": ["ALL"], "add": ["SYS_PTRACE"]})
    );
}

#[test]
fn what_is_given_stands_everywhere() {
    let text = printed(&[
        "cronjob",
        "--namespace",
        "audits",
        "--image",
        "registry.example:5000/a/kube-assay@sha256:0a",
        "--schedule",
        "*/5 * * * *",
        "--time-zone",
        "Europe/Madrid",
        "--every",
        "600",
    ]);
    let all = objects(&text);
    let job = of_kind(&all, "CronJob")[0];
    assert_eq!(job["spec"]["schedule"], "*/5 * * * *");
    assert_eq!(job["spec"]["timeZone"], "Europe/Madrid");
    let namespaces: Vec<&Value> = all.iter().map(|object| &object["metadata"]["namespace"]).collect();
    assert!(!namespaces.contains(&&Value::from("kube-assay")), "{namespaces:?}");
    let container = &of_kind(&all, "DaemonSet")[0]["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], "registry.example:5000/a/kube-assay@sha256:0a");
    assert!(container["args"].as_array().unwrap().contains(&Value::from("--every=600")));
    let auditor = &job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0];
    assert!(auditor["args"].as_array().unwrap().contains(&Value::from("--collectors=audits/collector")));
    assert!(auditor["args"].as_array().unwrap().contains(&Value::from("--max-age=960")));
}

#[test]
fn a_history_is_a_claim_or_a_url() {
    let auditor = |arguments: &[&str]| {
        let all = objects(&printed(&[&["cronjob"], arguments].concat()));
        of_kind(&all, "CronJob")[0]["spec"]["jobTemplate"]["spec"]["template"]["spec"].clone()
    };
    let words = |pod: &Value| -> Vec<String> {
        pod["containers"][0]["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    let pod = auditor(&["--history", "pvc://audits", "--history-keep", "30"]);
    assert!(
        words(&pod).contains(&"--history=/history".to_owned()) && words(&pod).contains(&"--history-keep=30".to_owned())
    );
    assert_eq!(pod["volumes"][0]["persistentVolumeClaim"]["claimName"], "audits");
    assert_eq!(pod["containers"][0]["volumeMounts"][0]["mountPath"], "/history");
    assert_eq!(pod["securityContext"]["fsGroup"], 65532);
    let pod = auditor(&["--history", "s3://b/p", "--output-url", "s3://b/out/", "--credentials-secret", "store"]);
    assert!(
        words(&pod).contains(&"--history=s3://b/p".to_owned())
            && words(&pod).contains(&"--output=s3://b/out/".to_owned())
    );
    assert_eq!(pod["containers"][0]["envFrom"][0]["secretRef"]["name"], "store");
    assert!(pod.get("volumes").is_none() && pod["securityContext"].get("fsGroup").is_none());
    // what the Job is told is what the program takes
    let told = run(["audit", "--example", "--quiet", "--frames", "--format=text,json", "--output=ftp://a/b"]);
    assert!(told.exits(2).err.contains("ftp://a/b is no place"));
}

#[test]
fn nothing_that_is_given_becomes_yaml() {
    let wrong = [
        ["--namespace", "a: b"],
        ["--namespace", "a\nb"],
        ["--namespace", "-a"],
        ["--image", "a b"],
        ["--image", "a\n- x"],
        ["--image", "\"a"],
        ["--schedule", "* * * *"],
        ["--schedule", "* * * * \"x"],
        ["--time-zone", "a'b"],
        ["--history", "s3://a/b: c"],
        ["--history", "pvc://a}"],
        ["--history", "/somewhere"],
        ["--output-url", "s3://a/{b}"],
        ["--credentials-secret", "a, b"],
    ];
    for arguments in wrong {
        let ran = run([&["manifests", "cronjob"], &arguments[..]].concat());
        assert_eq!(ran.code, Some(2), "{arguments:?}");
    }
}

#[test]
fn every_right_stands_in_the_documentation() {
    let page = fs::read_to_string(root().join("docs/in-cluster.md")).unwrap();
    for right in kube_assay::collect::api::rights::RIGHTS {
        let named = right.resources.iter().take(5).all(|resource| page.contains(&format!("`{resource}`")));
        assert!(named && page.contains(right.why), "{right:?}");
    }
}

/// The image bears the version of the program that it holds.
#[test]
fn the_image_is_labelled_with_the_version() {
    let label = format!("org.opencontainers.image.version=\"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(fs::read_to_string(root().join("Dockerfile")).unwrap().contains(&label));
}

//! What labels and the plugin's configuration ask of a namespace, and what keeps it from a level.

use std::collections::BTreeMap;

use kube_assay::audit::pss::{
    self, Configuration, Evaluator, Exemption, Level, LevelVersion, Mode, Owners, Policy, PolicyVersion, Violation,
};
use kube_assay::evidence::objects::{Pod, Workload};
use kube_assay::evidence::{Document, DocumentRole, Gap, Observed, Origin, Reason, Value, Version};
use serde_json::{Value as Json, json};

const LATEST: PolicyVersion = PolicyVersion::Latest;

fn decoded<T: serde::de::DeserializeOwned>(json: Json) -> T {
    serde_json::from_value(json).unwrap()
}

/// A namespace's policy as `enforce/audit/warn`, and the labels that cannot be read.
fn policy(labels: &[(&str, &str)], defaults: &Policy) -> (String, Vec<String>) {
    let labels: BTreeMap<String, String> =
        labels.iter().map(|(key, value)| (format!("pod-security.kubernetes.io/{key}"), (*value).to_owned())).collect();
    let (policy, invalid) = Policy::of_labels(&labels, defaults);
    let text = Mode::ALL.map(|mode| policy.of(mode).to_string()).join(" ");
    (text, invalid.iter().map(ToString::to_string).collect())
}

#[test]
fn labels() {
    let unlabelled = Policy::PRIVILEGED;
    let stricter = Policy { enforce: LevelVersion::new(Level::Baseline, PolicyVersion::Minor(30)), ..unlabelled };
    let is = |labels: &[(&str, &str)], defaults: &Policy, expected: &str, invalid: usize| {
        let (found, problems) = policy(labels, defaults);
        assert_eq!((found.as_str(), problems.len()), (expected, invalid), "{labels:?}: {problems:?}");
    };
    is(&[], &unlabelled, "privileged:latest privileged:latest privileged:latest", 0);
    is(&[], &stricter, "baseline:v1.30 privileged:latest privileged:latest", 0);
    is(&[("audit", "baseline")], &stricter, "baseline:v1.30 baseline:latest privileged:latest", 0);
    // the version of the default stays when only the level is set
    is(&[("enforce", "restricted")], &stricter, "restricted:v1.30 privileged:latest restricted:v1.30", 0);
    is(&[("enforce-version", "v1.25")], &stricter, "baseline:v1.25 privileged:latest privileged:latest", 0);
    // warn follows enforce, unless it has a level of its own
    let enforce = ("enforce", "restricted");
    is(&[enforce, ("warn-version", "v1.25")], &unlabelled, "restricted:latest privileged:latest restricted:v1.25", 0);
    is(&[enforce, ("warn", "privileged")], &unlabelled, "restricted:latest privileged:latest privileged:latest", 0);
    // what cannot be read: enforce closes, the others open, versions are latest
    is(&[("enforce", "Baseline")], &unlabelled, "restricted:latest privileged:latest privileged:latest", 1);
    let both = [("audit", ""), ("warn", "none"), ("enforce", "baseline")];
    is(&both, &unlabelled, "baseline:latest privileged:latest privileged:latest", 2);
    is(&[("enforce-version", "1.25")], &stricter, "baseline:latest privileged:latest privileged:latest", 1);
    let (_, problems) = policy(&[("enforce", "high")], &unlabelled);
    let says = "pod-security.kubernetes.io/enforce=\"high\": must be one of privileged, baseline, restricted";
    assert_eq!(problems, [says]);
}

#[test]
fn versions() {
    for (text, minor) in [("v1.0", 0), ("v1.34", 34), ("v1.10000", 10_000), ("v1.9223372036854775807", i64::MAX as u64)]
    {
        assert_eq!(text.parse(), Ok(PolicyVersion::Minor(minor)));
    }
    assert_eq!("latest".parse(), Ok(LATEST));
    for text in
        ["", "v1", "v1.", "1.34", "v2.0", "v1.05", "v1.+5", "v1.-1", "v1.34.1", "v1.9223372036854775808", "Latest"]
    {
        assert!(text.parse::<PolicyVersion>().is_err(), "{text}");
    }
    // a server applies its own version where a newer one is asked
    let on = |version: PolicyVersion| LevelVersion::new(Level::Baseline, version).on(Version::kubernetes(33)).version;
    assert_eq!(on(LATEST), PolicyVersion::Minor(33));
    assert_eq!(on(PolicyVersion::Minor(34)), PolicyVersion::Minor(33));
    assert_eq!(on(PolicyVersion::Minor(24)), PolicyVersion::Minor(24));
}

fn value(json: Json) -> Value {
    decoded(json)
}

#[test]
fn configuration() {
    assert_eq!(Configuration::from_value(&value(json!({}))), Ok(Configuration::default()));
    let given = value(json!({
        "defaults": {"enforce": "baseline", "enforce-version": "v1.30", "audit": "", "warn": "restricted"},
        "exemptions": {
            "usernames": ["system:serviceaccount:kube-system:replicaset-controller", "jane"],
            "namespaces": ["kube-system"],
            "runtimeClasses": ["kata"],
        },
    }));
    let read = Configuration::from_value(&given).unwrap();
    assert_eq!(read.defaults.enforce.to_string(), "baseline:v1.30");
    assert_eq!(read.defaults.audit.to_string(), "privileged:latest");
    assert_eq!(read.defaults.warn.to_string(), "restricted:latest");
    assert_eq!(read.exemption("kube-system", None, "kata"), Some(Exemption::Namespace));
    assert_eq!(read.exemption("default", Some("jane"), "kata"), Some(Exemption::User));
    assert_eq!(read.exemption("default", Some("john"), "kata"), Some(Exemption::RuntimeClass));
    assert_eq!(read.exemption("default", None, ""), None);
    let controllers: Vec<&str> = read.exemptions.controllers().collect();
    assert_eq!(controllers, ["system:serviceaccount:kube-system:replicaset-controller"]);
    for (wrong, field) in [
        (json!({"defaults": {"enforce": "high"}}), "defaults.enforce"),
        (json!({"defaults": {"audit-version": "1.30"}}), "defaults.audit-version"),
        (json!({"defaults": {"warn": 1}}), "defaults.warn"),
        (json!({"exemptions": {"usernames": ["jane", ""]}}), "exemptions.usernames[1]"),
        (json!({"exemptions": {"namespaces": ["a", "a"]}}), "exemptions.namespaces[1]"),
    ] {
        assert_eq!(Configuration::from_value(&value(wrong)).unwrap_err().field, field);
    }
}

#[test]
fn configuration_of_documents() {
    let document = |role, plugin: Option<&str>, content: Observed<Value>| Document {
        plugin: plugin.map(str::to_owned),
        ..Document::new(role, "/etc/kubernetes/admission.yaml", Observed::unknown(Reason::NotAsked, ""), content)
    };
    let seen = |json: Json| Observed::seen(value(json), Origin::Given);
    let admission = |json: Json| document(DocumentRole::Admission, None, seen(json));
    let baseline = json!({"defaults": {"enforce": "baseline"}, "exemptions": {}});
    let enforced = |documents: &[Document]| {
        let read = Configuration::from_documents(documents);
        read.map(|read| read.map(|read| read.defaults.enforce.level)).map_err(|gap: Gap| gap.reason)
    };
    assert_eq!(enforced(&[]), Ok(None));
    assert_eq!(enforced(&[admission(json!({"plugins": []}))]), Ok(Some(Level::Privileged)));
    let plugin = |path: &str, inline: bool, kept: Json| {
        admission(json!({"plugins": [{"name": "Other"}, {"name": "PodSecurity", "path": path, "inline": inline,
            "pod-security": kept}]}))
    };
    assert_eq!(enforced(&[plugin("", false, Json::Null)]), Ok(Some(Level::Privileged)));
    assert_eq!(enforced(&[plugin("", true, baseline.clone())]), Ok(Some(Level::Baseline)));
    assert_eq!(enforced(&[plugin("", true, Json::Null)]), Err(Reason::Malformed));
    assert_eq!(enforced(&[plugin("", true, json!({"defaults": {"enforce": "x"}}))]), Err(Reason::Malformed));
    let role = DocumentRole::AdmissionPlugin;
    let file = document(role, Some("PodSecurity"), seen(baseline.clone()));
    assert_eq!(enforced(&[plugin("p.yaml", false, Json::Null), file.clone()]), Ok(Some(Level::Baseline)));
    // what is written in place counts, not the file beside it
    assert_eq!(enforced(&[plugin("p.yaml", true, json!({})), file]), Ok(Some(Level::Privileged)));
    let denied = document(role, Some("PodSecurity"), Observed::unknown(Reason::Denied, ""));
    assert_eq!(enforced(&[plugin("p.yaml", false, Json::Null), denied]), Err(Reason::Denied));
    assert_eq!(enforced(&[plugin("p.yaml", false, Json::Null)]), Err(Reason::Malformed));
    let unread = document(DocumentRole::Admission, None, Observed::unknown(Reason::Denied, ""));
    assert_eq!(enforced(&[unread]), Err(Reason::Denied));
}

fn owned(kind: &str, name: &str) -> Json {
    json!([{"kind": "Quota", "name": "x"}, {"kind": kind, "name": name, "controller": true}])
}

fn workload(kind: &str, name: &str, owners: Json, spec: Json) -> Workload {
    decoded(
        json!({"kind": kind, "metadata": {"name": name, "namespace": "shop", "ownerReferences": owners}, "spec": spec}),
    )
}

fn pod(name: &str, owners: Json, spec: Json) -> Pod {
    decoded(json!({"metadata": {"name": name, "namespace": "shop", "ownerReferences": owners}, "spec": spec}))
}

#[test]
fn workloads_show_their_own_paths() {
    let bad = json!({"spec": {"hostPID": true}});
    let baseline = LevelVersion::new(Level::Baseline, LATEST);
    let fields = |workload: &Workload| {
        let first = |violations: Vec<Violation>| violations[0].fields.clone();
        Evaluator::new(baseline).workload(workload).map(first)
    };
    let deployment = workload("Deployment", "web", json!([]), json!({"template": bad}));
    assert_eq!(fields(&deployment).unwrap(), ["spec.template.spec.hostPID"]);
    let cron = workload("CronJob", "web", json!([]), json!({"jobTemplate": {"spec": {"template": bad}}}));
    assert_eq!(fields(&cron).unwrap(), ["spec.jobTemplate.spec.template.spec.hostPID"]);
    let annotations = json!({"container.apparmor.security.beta.kubernetes.io/c": "unconfined"});
    let annotated = json!({"template": {"metadata": {"annotations": annotations}, "spec": {}}});
    let annotated = fields(&workload("DaemonSet", "web", json!([]), annotated)).unwrap();
    let field = "spec.template.metadata.annotations[container.apparmor.security.beta.kubernetes.io/c]";
    assert_eq!(annotated, [field]);
    assert_eq!(fields(&workload("ReplicationController", "web", json!([]), json!({}))), None);
}

#[test]
fn what_blocks_a_level() {
    let (good, bad) = (json!({"containers": [{"name": "c"}]}), json!({"hostPID": true, "containers": [{"name": "c"}]}));
    let template = |spec: &Json| json!({"template": {"spec": spec}});
    let workloads = [
        workload("Deployment", "web", json!([]), template(&bad)),
        workload("ReplicaSet", "web-1", owned("Deployment", "web"), template(&bad)),
        workload("Deployment", "db", json!([]), template(&good)),
        workload("ReplicaSet", "db-1", owned("Deployment", "db"), template(&good)),
        // an earlier revision: nothing makes pods of it
        workload("ReplicaSet", "db-0", owned("Deployment", "db"), template(&bad)),
        workload("CronJob", "nightly", json!([]), json!({"jobTemplate": {"spec": template(&bad)}})),
        workload("ReplicaSet", "canary-1", owned("Rollout", "canary"), template(&bad)),
    ];
    let mut mirror = pod("etcd-cp1", owned("Node", "cp1"), bad.clone());
    mirror.metadata.annotations.insert("kubernetes.io/config.mirror".to_owned(), "1".to_owned());
    let mut debugged = bad.clone();
    debugged["hostNetwork"] = true.into();
    let pods = [
        pod("web-1-b", owned("ReplicaSet", "web-1"), bad.clone()),
        pod("web-1-a", owned("ReplicaSet", "web-1"), debugged),
        pod("db-1-a", owned("ReplicaSet", "db-1"), bad.clone()),
        pod("db-1-b", owned("ReplicaSet", "db-1"), good.clone()),
        pod("bare", json!([]), bad.clone()),
        pod("exempt", json!([]), {
            let mut exempt = bad.clone();
            exempt["runtimeClassName"] = "kata".into();
            exempt
        }),
        mirror,
    ];
    let owners = Owners::new(&workloads);
    let exemptions = json!({"exemptions": {"runtimeClasses": ["kata"]}});
    let configuration = Configuration::from_value(&value(exemptions)).unwrap();
    let baseline = LevelVersion::new(Level::Baseline, PolicyVersion::Minor(34));
    let found = pss::raise(baseline, &configuration, &pods, &workloads, &owners);
    let blocked = &found["shop"];
    let lines: Vec<String> = blocked
        .workloads
        .iter()
        .map(|blocker| {
            let marks = [(blocker.template, " template"), (blocker.static_pod, " static")];
            let marks: String = marks.iter().filter(|(set, _)| *set).map(|(_, mark)| *mark).collect();
            format!("{}: {} {}{marks}", blocker.owner, blocker.pods, blocker.example)
        })
        .collect();
    assert_eq!(
        lines,
        [
            "CronJob nightly: 0  template",
            "Deployment db: 1 db-1-a",
            "Deployment web: 2 web-1-a template",
            "Pod bare: 1 bare",
            "Pod etcd-cp1: 1 etcd-cp1 static",
            "Rollout canary: 0  template",
        ]
    );
    // fields of all its pods and of its template, as those of a pod
    assert_eq!(blocked.workloads[2].violations[0].fields, ["spec.hostPID", "spec.hostNetwork"]);
    let says = "5 pods of 4 workloads and the templates of 2 workloads without pods block baseline:v1.34";
    assert_eq!(blocked.to_string(), says);
    let one = pss::raise(baseline, &configuration, &pods[4..5], &[], &owners);
    assert_eq!(one["shop"].to_string(), "1 pod of 1 workload blocks baseline:v1.34");
    assert!(pss::raise(baseline, &configuration, &pods[3..4], &workloads[2..5], &owners).is_empty());
    let exempt = Configuration::from_value(&value(json!({"exemptions": {"namespaces": ["shop"]}}))).unwrap();
    assert!(pss::raise(baseline, &exempt, &pods, &workloads, &owners).is_empty());
}

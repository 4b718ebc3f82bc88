//! The Pod Security Standards, check by check: what passes, what is refused and in which fields, when a check is not asked; then
//! labels, configuration and what blocks a namespace. `tests/real/differential/pss.rs` compares with Kubernetes' own evaluator.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set up its world ends, with the place")]

#[path = "pss/questions.rs"]
mod questions;

#[path = "pss/namespaces.rs"]
mod namespaces;

use kube_assay::audit::pss::{Evaluator, Level, LevelVersion, NEWEST, PolicyVersion};
use kube_assay::evidence::objects::Pod;
use serde_json::{Value as Json, json};

use Level::{Baseline, Restricted};

fn at(level: Level, minor: u64) -> LevelVersion {
    LevelVersion::new(level, PolicyVersion::Minor(minor))
}

fn pod(spec: &Json) -> Pod {
    serde_json::from_value(json!({"metadata": {"name": "p"}, "spec": spec})).unwrap()
}

/// The fields that a check refuses at a level and version; `None` when it does not.
fn refused(check: &str, level: Level, minor: u64, pod: &Pod) -> Option<Vec<String>> {
    let violations = Evaluator::new(at(level, minor)).pod(pod);
    violations.into_iter().find(|violation| violation.check == check).map(|violation| violation.fields)
}

/// One check on one value: set in a container of each kind, or in the pod.
#[track_caller]
fn expect(check: &str, level: Level, minor: u64, spec: &Json, fields: &[&str]) {
    let found = refused(check, level, minor, &pod(spec)).unwrap_or_default();
    assert_eq!(found, fields, "{check} at {level} v1.{minor} of {spec}");
}

/// A pod with one container of each kind, all of them the same.
fn three(container: &Json) -> Json {
    let mut container = container.clone();
    container["name"] = "c".into();
    json!({"initContainers": [container], "containers": [container], "ephemeralContainers": [container]})
}

/// The same field in a container of each kind.
fn thrice(field: &str) -> [String; 3] {
    ["initContainers", "containers", "ephemeralContainers"].map(|list| format!("spec.{list}[0].{field}"))
}

/// A check of a container's field: each kind of container is refused, all of them and alone, and allowed with another value.
#[track_caller]
fn expect_containers(check: &str, level: Level, minor: u64, bad: &Json, field: &str, good: &Json) {
    let fields = thrice(field);
    expect(check, level, minor, &three(bad), &fields.each_ref().map(String::as_str));
    for (list, field) in ["initContainers", "containers", "ephemeralContainers"].iter().zip(&fields) {
        expect(check, level, minor, &json!({*list: [bad]}), &[field]);
    }
    expect(check, level, minor, &three(good), &[]);
}

#[test]
fn app_armor() {
    let bad = json!({"securityContext": {"appArmorProfile": {"type": "Unconfined"}}});
    let good = json!({"securityContext": {"appArmorProfile": {"type": "Localhost"}}});
    expect_containers("appArmorProfile", Baseline, 0, &bad, "securityContext.appArmorProfile.type", &good);
    expect("appArmorProfile", Restricted, 37, &bad, &["spec.securityContext.appArmorProfile.type"]);
    let key = "container.apparmor.security.beta.kubernetes.io/other";
    for (value, allowed) in [("unconfined", false), ("runtime/default", true), ("localhost/x", true), ("", true)] {
        let pod = json!({"metadata": {"annotations": {key: value}}, "spec": {}});
        let fields = refused("appArmorProfile", Baseline, 30, &serde_json::from_value(pod).unwrap());
        assert_eq!(fields, (!allowed).then(|| vec![format!("metadata.annotations[{key}]")]), "{value}");
    }
}

#[test]
fn capabilities() {
    let adds = |names: &[&str]| json!({"securityContext": {"capabilities": {"add": names, "drop": ["ALL"]}}});
    let (bad, good) = (adds(&["CHOWN", "NET_RAW"]), adds(&["CHOWN", "SYS_CHROOT"]));
    expect_containers("capabilities_baseline", Baseline, 0, &bad, "securityContext.capabilities.add[1]", &good);
    expect_containers(
        "capabilities_baseline",
        Baseline,
        37,
        &adds(&["CAP_CHOWN"]),
        "securityContext.capabilities.add[0]",
        &good,
    );
    // the restricted level has its own from 1.22 on
    expect(
        "capabilities_baseline",
        Restricted,
        21,
        &json!({"containers": [adds(&["NET_RAW"])]}),
        &["spec.containers[0].securityContext.capabilities.add[0]"],
    );
    expect("capabilities_baseline", Restricted, 22, &json!({"containers": [adds(&["NET_RAW"])]}), &[]);
    let check = "capabilities_restricted";
    expect_containers(
        check,
        Restricted,
        22,
        &json!({}),
        "securityContext.capabilities.drop",
        &adds(&["NET_BIND_SERVICE"]),
    );
    expect_containers(check, Restricted, 22, &adds(&["CHOWN"]), "securityContext.capabilities.add[0]", &adds(&[]));
    expect(check, Restricted, 21, &three(&json!({})), &[]);
    skipped_on_windows(check);
}

/// From 1.25 on a pod that names Windows as its system is not asked.
#[track_caller]
fn skipped_on_windows(check: &str) {
    let windows = |name: &str| json!({"os": {"name": name}, "containers": [{"name": "c"}]});
    for (minor, name, asked) in
        [(24, "windows", true), (25, "windows", false), (25, "linux", true), (25, "Windows", true)]
    {
        let found = refused(check, Restricted, minor, &pod(&windows(name)));
        assert_eq!(found.is_some(), asked, "{check} of {name} at v1.{minor}");
    }
}

#[test]
fn host_namespaces_and_ports() {
    let all = json!({"hostNetwork": true, "hostPID": true, "hostIPC": true});
    expect("hostNamespaces", Baseline, 0, &all, &["spec.hostNetwork", "spec.hostPID", "spec.hostIPC"]);
    expect("hostNamespaces", Restricted, 37, &json!({"hostPID": true, "hostIPC": false}), &["spec.hostPID"]);
    expect("hostNamespaces", Baseline, 37, &json!({"hostNetwork": false}), &[]);
    let ports = |host: u16| json!({"ports": [{"containerPort": 80}, {"containerPort": 81, "hostPort": host}]});
    expect_containers("hostPorts", Baseline, 0, &ports(81), "ports[1].hostPort", &ports(0));
}

#[test]
fn host_probes() {
    let check = "hostProbesAndHostLifecycle";
    for place in ["livenessProbe", "readinessProbe", "startupProbe", "lifecycle.postStart", "lifecycle.preStop"] {
        for kind in ["httpGet", "tcpSocket"] {
            let container = |host: &str| {
                let handler = json!({kind: {"port": 80, "host": host}});
                match place.split_once('.') {
                    Some((outer, inner)) => json!({outer: {inner: handler}}),
                    None => json!({place: handler}),
                }
            };
            expect_containers(
                check,
                Baseline,
                34,
                &container("127.0.0.1"),
                &format!("{place}.{kind}.host"),
                &container(""),
            );
            expect(check, Baseline, 33, &three(&container("127.0.0.1")), &[]);
        }
    }
}

#[test]
fn privileged_and_host_process() {
    let privileged = |set: Option<bool>| json!({"securityContext": {"privileged": set}});
    for good in [Some(false), None] {
        expect_containers(
            "privileged",
            Baseline,
            0,
            &privileged(Some(true)),
            "securityContext.privileged",
            &privileged(good),
        );
    }
    let host = |set: bool| json!({"securityContext": {"windowsOptions": {"hostProcess": set}}});
    let field = "securityContext.windowsOptions.hostProcess";
    expect_containers("windowsHostProcess", Baseline, 0, &host(true), field, &host(false));
    expect("windowsHostProcess", Restricted, 37, &host(true), &[&format!("spec.{field}")]);
}

#[test]
fn proc_mount() {
    let mount = |kind: &str| json!({"securityContext": {"procMount": kind}});
    let field = "securityContext.procMount";
    expect_containers("procMount", Baseline, 0, &mount("Unmasked"), field, &mount("Default"));
    let user_namespace = json!({"hostUsers": false, "containers": [mount("Unmasked")]});
    let one = [&*format!("spec.containers[0].{field}")];
    expect("procMount", Baseline, 34, &user_namespace, &one);
    expect("procMount", Baseline, 35, &user_namespace, &[]);
    expect("procMount", Restricted, 34, &user_namespace, &one);
    expect("procMount", Restricted, 35, &user_namespace, &[]);
    expect("procMount_restricted", Restricted, 34, &user_namespace, &[]);
    expect("procMount_restricted", Restricted, 35, &user_namespace, &one);
    expect_containers("procMount_restricted", Restricted, 35, &mount("Unmasked"), field, &mount("Default"));
}

#[test]
fn se_linux() {
    let options = |kind: &str, user: &str, role: &str| json!({"securityContext": {"seLinuxOptions": {"type": kind, "user": user, "role": role, "level": "s0"}}});
    let field = "securityContext.seLinuxOptions";
    let good = options("container_kvm_t", "", "");
    expect_containers("seLinuxOptions", Baseline, 0, &options("spc_t", "", ""), &format!("{field}.type"), &good);
    let engine = options("container_engine_t", "", "");
    expect("seLinuxOptions", Baseline, 30, &engine, &[&format!("spec.{field}.type")]);
    expect("seLinuxOptions", Baseline, 31, &engine, &[]);
    let both = [&*format!("spec.{field}.user"), &*format!("spec.{field}.role")];
    expect("seLinuxOptions", Restricted, 37, &options("", "u", "r"), &both);
}

#[test]
fn seccomp() {
    let profile = |kind: &str| json!({"securityContext": {"seccompProfile": {"type": kind}}});
    let field = "securityContext.seccompProfile.type";
    let (baseline, restricted) = ("seccompProfile_baseline", "seccompProfile_restricted");
    expect_containers(baseline, Baseline, 19, &profile("Unconfined"), field, &profile("RuntimeDefault"));
    expect_containers(baseline, Baseline, 37, &profile("Unconfined"), field, &json!({}));
    expect(baseline, Baseline, 37, &profile(""), &[&format!("spec.{field}")]);
    expect(baseline, Restricted, 19, &profile("Unconfined"), &[]);
    expect_containers(restricted, Restricted, 19, &json!({}), field, &profile("Localhost"));
    expect(restricted, Restricted, 18, &three(&json!({})), &[]);
    // what the pod sets holds for containers that are silent, also once it is repaired
    let mut silent = profile("RuntimeDefault");
    silent["containers"] = json!([{"name": "c"}]);
    expect(restricted, Restricted, 37, &silent, &[]);
    silent["securityContext"] = profile("Unconfined")["securityContext"].clone();
    expect(restricted, Restricted, 37, &silent, &[&format!("spec.{field}")]);
    let mixed = json!({"containers": [profile("Unconfined"), {}]});
    expect(
        restricted,
        Restricted,
        37,
        &mixed,
        &thrice(field)[1..2]
            .iter()
            .map(String::as_str)
            .chain([&*format!("spec.containers[1].{field}")])
            .collect::<Vec<_>>(),
    );
    skipped_on_windows(restricted);
    let annotated = json!({"metadata": {"annotations": {
        "seccomp.security.alpha.kubernetes.io/pod": "unconfined",
        "container.seccomp.security.alpha.kubernetes.io/c": "unconfined",
        "container.seccomp.security.alpha.kubernetes.io/nobody": "unconfined",
    }}, "spec": {"containers": [{"name": "c"}, {"name": "c"}]}});
    let annotated: Pod = serde_json::from_value(annotated).unwrap();
    let fields = refused(baseline, Baseline, 18, &annotated).unwrap();
    assert_eq!(
        fields,
        [
            "metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]",
            "metadata.annotations[container.seccomp.security.alpha.kubernetes.io/c]",
        ]
    );
    assert_eq!(refused(baseline, Baseline, 19, &annotated), None);
}

#[test]
fn sysctls() {
    for (name, since) in [
        ("net.ipv4.tcp_syncookies", 0),
        ("net.ipv4.ip_local_reserved_ports", 27),
        ("net.ipv4.tcp_keepalive_time", 29),
        ("net.ipv4.tcp_rmem", 32),
        ("net.ipv4.tcp_notsent_lowat", 37),
        ("kernel.msgmax", u64::MAX),
    ] {
        let spec = json!({"securityContext": {"sysctls": [{"name": "kernel.shm_rmid_forced"}, {"name": name}]}});
        for minor in [0, 26, 27, 28, 29, 31, 32, 36, 37] {
            let fields: &[&str] = if minor < since { &["spec.securityContext.sysctls[1].name"] } else { &[] };
            expect("sysctls", Baseline, minor, &spec, fields);
        }
    }
}

#[test]
fn volumes() {
    let spec = json!({"volumes": [{"name": "a", "hostPath": {"path": "/"}}, {"name": "b", "nfs": {}}, {"name": "c"}]});
    expect("hostPathVolumes", Baseline, 0, &spec, &["spec.volumes[0].hostPath"]);
    expect("hostPathVolumes", Restricted, 0, &spec, &[]);
    let fields = ["spec.volumes[0].hostPath", "spec.volumes[1].nfs", "spec.volumes[2]"];
    expect("restrictedVolumes", Restricted, 0, &spec, &fields);
    let allowed = "configMap csi downwardAPI emptyDir ephemeral image persistentVolumeClaim projected secret";
    for kind in allowed.split(' ') {
        expect("restrictedVolumes", Restricted, 37, &json!({"volumes": [{"name": "v", kind: {}}]}), &[]);
    }
}

#[test]
fn allow_privilege_escalation() {
    let check = "allowPrivilegeEscalation";
    let set = |set: Option<bool>| json!({"securityContext": {"allowPrivilegeEscalation": set}});
    for bad in [set(Some(true)), set(None), json!({})] {
        expect_containers(check, Restricted, 8, &bad, "securityContext.allowPrivilegeEscalation", &set(Some(false)));
    }
    expect(check, Restricted, 7, &three(&json!({})), &[]);
    skipped_on_windows(check);
}

#[test]
fn run_as() {
    let root = |set: Option<bool>| json!({"securityContext": {"runAsNonRoot": set}});
    let field = "securityContext.runAsNonRoot";
    for bad in [root(Some(false)), root(None)] {
        expect_containers("runAsNonRoot", Restricted, 0, &bad, field, &root(Some(true)));
    }
    let with_pod = |set: Option<bool>, containers: Json| {
        let mut pod = root(set);
        pod["containers"] = containers;
        pod
    };
    expect("runAsNonRoot", Restricted, 34, &with_pod(Some(true), json!([{}])), &[]);
    expect(
        "runAsNonRoot",
        Restricted,
        34,
        &with_pod(Some(false), json!([{}, root(Some(true))])),
        &[&format!("spec.{field}")],
    );
    // the silent one is to be changed as well: nothing of the pod speaks for it
    let both = [&*format!("spec.containers[1].{field}"), &*format!("spec.containers[0].{field}")];
    expect("runAsNonRoot", Restricted, 34, &with_pod(None, json!([{}, root(Some(false))])), &both);
    let user = |id: i64| json!({"securityContext": {"runAsUser": id}});
    expect_containers("runAsUser", Restricted, 23, &user(0), "securityContext.runAsUser", &user(1));
    expect("runAsUser", Restricted, 23, &user(0), &["spec.securityContext.runAsUser"]);
    expect("runAsUser", Restricted, 22, &user(0), &[]);
    for check in ["runAsNonRoot", "runAsUser"] {
        for (minor, own, asked) in
            [(34, Some(false), true), (35, Some(false), false), (35, Some(true), true), (35, None, true)]
        {
            let spec = json!({"hostUsers": own, "containers": [user(0)]});
            assert_eq!(refused(check, Restricted, minor, &pod(&spec)).is_some(), asked, "{check} {minor} {own:?}");
        }
    }
}

#[test]
fn checks_of_levels_and_versions() {
    let ids = |level, minor| Evaluator::new(at(level, minor)).checks().collect::<Vec<_>>().join(" ");
    assert_eq!(ids(Level::Privileged, 37), "");
    let oldest = "appArmorProfile capabilities_baseline hostNamespaces hostPathVolumes hostPorts privileged procMount \
                  seLinuxOptions seccompProfile_baseline sysctls windowsHostProcess";
    assert_eq!(ids(Baseline, 0), oldest);
    let newest = "appArmorProfile hostNamespaces hostPorts hostProbesAndHostLifecycle privileged seLinuxOptions sysctls \
                  windowsHostProcess allowPrivilegeEscalation capabilities_restricted procMount_restricted \
                  restrictedVolumes runAsNonRoot runAsUser seccompProfile_restricted";
    assert_eq!(ids(Restricted, NEWEST), newest);
    let latest = Evaluator::new(LevelVersion::new(Restricted, PolicyVersion::Latest));
    assert_eq!(latest.checks().collect::<Vec<_>>().join(" "), newest);
    assert_eq!(ids(Restricted, 99), newest);
}

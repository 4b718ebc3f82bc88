//! Checks of the restricted level, but for profiles. Each is named after its file in k8s.io/pod-security-admission/policy.

use std::collections::BTreeSet;

use super::check::{Refusal, Setters, Subject};
use super::wording::{containers, plural, quoted};

/// check_restrictedVolumes.go: the sources that are allowed.
const ALLOWED_VOLUMES: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// check_restrictedVolumes.go: the refused sources that it knows by name.
const REFUSED_VOLUMES: [&str; 21] = [
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "gitRepo",
    "nfs",
    "iscsi",
    "glusterfs",
    "rbd",
    "flexVolume",
    "cinder",
    "cephfs",
    "flocker",
    "fc",
    "azureFile",
    "vsphereVolume",
    "quobyte",
    "azureDisk",
    "photonPersistentDisk",
    "portworxVolume",
    "scaleIO",
    "storageos",
];

/// check_allowPrivilegeEscalation.go.
pub(super) fn allow_privilege_escalation(pod: &Subject<'_>) -> Option<Refusal> {
    let mut bad = Setters::default();
    for placed in pod.containers() {
        if placed.security().and_then(|security| security.allow_privilege_escalation) != Some(false) {
            bad.add(&placed, "securityContext.allowPrivilegeEscalation");
        }
    }
    bad.refusal("allowPrivilegeEscalation != false", |who| {
        format!("{who} must set securityContext.allowPrivilegeEscalation=false")
    })
}

/// check_capabilities_restricted.go.
pub(super) fn capabilities(pod: &Subject<'_>) -> Option<Refusal> {
    let (mut keep, mut add, mut values) = (Setters::default(), Vec::new(), BTreeSet::new());
    for placed in pod.containers() {
        let set = placed.security().and_then(|security| security.capabilities.as_ref());
        if set.is_none_or(|set| !set.drop.iter().any(|name| name == "ALL")) {
            keep.add(&placed, "securityContext.capabilities.drop");
        }
        let before = keep.fields.len();
        for (index, name) in set.into_iter().flat_map(|set| &set.add).enumerate() {
            if name != "NET_BIND_SERVICE" {
                values.insert(name.as_str());
                keep.fields.push(placed.path(&format!("securityContext.capabilities.add[{index}]")));
            }
        }
        if keep.fields.len() > before {
            add.push(placed.container.name.as_str());
        }
    }
    let mut details = Vec::new();
    if !keep.is_empty() {
        details.push(format!("{} must set securityContext.capabilities.drop=[\"ALL\"]", keep.who()));
    }
    if !add.is_empty() {
        let (who, what) = (containers(&add), quoted(values));
        details.push(format!("{who} must not include {what} in securityContext.capabilities.add"));
    }
    (!details.is_empty()).then(|| Refusal {
        reason: "unrestricted capabilities",
        detail: details.join("; "),
        fields: keep.fields,
    })
}

/// check_restrictedVolumes.go.
pub(super) fn volumes(pod: &Subject<'_>) -> Option<Refusal> {
    let (mut names, mut fields, mut kinds) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (index, volume) in pod.spec.volumes.iter().enumerate() {
        let source = volume.source.as_str();
        if ALLOWED_VOLUMES.contains(&source) {
            continue;
        }
        names.push(volume.name.as_str());
        // no source at all, or one that is not known
        let known = REFUSED_VOLUMES.contains(&source);
        kinds.insert(if known { source } else { "unknown" });
        fields.push(if known { format!("spec.volumes[{index}].{source}") } else { format!("spec.volumes[{index}]") });
    }
    let detail = || {
        format!(
            "{} {} {} {} {}",
            plural("volume", "volumes", names.len()),
            quoted(names.iter().copied()),
            plural("uses", "use", names.len()),
            plural("restricted volume type", "restricted volume types", kinds.len()),
            quoted(kinds)
        )
    };
    (!names.is_empty()).then(|| Refusal { reason: "restricted volume types", detail: detail(), fields })
}

/// check_runAsNonRoot.go. The plugin names those that say `false` alone when there are any; the fields name the silent ones too
/// where no setting of the pod can speak for them.
pub(super) fn run_as_non_root(pod: &Subject<'_>) -> Option<Refusal> {
    const FIELD: &str = "securityContext.runAsNonRoot";
    const REASON: &str = "runAsNonRoot != true";
    let (mut explicit, mut silent) = (Setters::default(), Setters::default());
    let of_pod = pod.security().and_then(|security| security.run_as_non_root);
    if of_pod == Some(false) {
        explicit.add_pod(FIELD);
    }
    for placed in pod.containers() {
        match placed.security().and_then(|security| security.run_as_non_root) {
            Some(false) => explicit.add(&placed, FIELD),
            None if of_pod.is_none() => silent.add(&placed, FIELD),
            _ => {}
        }
    }
    if explicit.is_empty() {
        return silent.refusal(REASON, |who| format!("pod or {who} must set {FIELD}=true"));
    }
    explicit.fields.append(&mut silent.fields);
    explicit.refusal(REASON, |who| format!("{who} must not set {FIELD}=false"))
}

/// check_runAsUser.go.
pub(super) fn run_as_user(pod: &Subject<'_>) -> Option<Refusal> {
    const FIELD: &str = "securityContext.runAsUser";
    let mut bad = Setters::default();
    if pod.security().and_then(|security| security.run_as_user) == Some(0) {
        bad.add_pod(FIELD);
    }
    for placed in pod.containers() {
        if placed.security().and_then(|security| security.run_as_user) == Some(0) {
            bad.add(&placed, FIELD);
        }
    }
    bad.refusal("runAsUser=0", |who| format!("{who} must not set runAsUser=0"))
}

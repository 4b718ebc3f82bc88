//! Checks of AppArmor, seccomp and SELinux, of both levels. Each is named after its file in k8s.io/pod-security-admission/policy.

use std::collections::BTreeSet;

use super::check::{Refusal, Setters, Subject};
use super::wording::{annotation, listed, plural, quoted};
use crate::evidence::objects::SeLinuxOptions;

const APP_ARMOR_ANNOTATION: &str = "container.apparmor.security.beta.kubernetes.io/";
const SECCOMP_POD_ANNOTATION: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_ANNOTATION: &str = "container.seccomp.security.alpha.kubernetes.io/";

/// The types that AppArmor and seccomp profiles may have alike.
fn is_confined(kind: &str) -> bool {
    matches!(kind, "RuntimeDefault" | "Localhost")
}

/// check_appArmorProfile.go.
pub(super) fn app_armor(pod: &Subject<'_>) -> Option<Refusal> {
    const FIELD: &str = "securityContext.appArmorProfile.type";
    let (mut bad, mut values) = (Setters::default(), BTreeSet::new());
    if let Some(profile) = pod.security().and_then(|security| security.app_armor_profile.as_ref())
        && !is_confined(&profile.kind)
    {
        bad.add_pod(FIELD);
        values.insert(profile.kind.as_str());
    }
    for placed in pod.containers() {
        if let Some(profile) = placed.security().and_then(|security| security.app_armor_profile.as_ref())
            && !is_confined(&profile.kind)
        {
            bad.add(&placed, FIELD);
            values.insert(&profile.kind);
        }
    }
    // any container's annotation counts, even of one that is not there
    let mut annotations = Vec::new();
    for (key, value) in pod.meta.annotations.iter() {
        let allowed = value.is_empty() || value == "runtime/default" || value.starts_with("localhost/");
        if key.starts_with(APP_ARMOR_ANNOTATION) && !allowed {
            annotations.push(annotation(key, value));
            bad.fields.push(format!("metadata.annotations[{key}]"));
        }
    }
    annotations.sort();
    let mut who = if bad.is_empty() { Vec::new() } else { vec![bad.who()] };
    if !annotations.is_empty() {
        who.push(plural("annotation", "annotations", annotations.len()).to_owned());
    }
    if who.is_empty() {
        return None;
    }
    let values: Vec<&str> = values.into_iter().chain(annotations.iter().map(String::as_str)).collect();
    Some(Refusal {
        reason: plural("forbidden AppArmor profile", "forbidden AppArmor profiles", values.len()),
        detail: format!("{} must not set AppArmor profile type to {}", who.join(" and "), quoted(values)),
        fields: bad.fields,
    })
}

/// check_seccompProfile_baseline.go `seccompProfileBaseline_1_0`: before 1.19 annotations said it.
pub(super) fn seccomp_annotations(pod: &Subject<'_>) -> Option<Refusal> {
    let (mut forbidden, mut fields) = (BTreeSet::new(), Vec::new());
    let of_containers = pod.containers().map(|placed| format!("{SECCOMP_ANNOTATION}{}", placed.container.name));
    for key in std::iter::once(SECCOMP_POD_ANNOTATION.to_owned()).chain(of_containers) {
        let Some(value) = pod.meta.annotations.get(&key) else { continue };
        let allowed = value == "runtime/default" || value == "docker/default" || value.starts_with("localhost/");
        // two containers may have one name in a manifest
        if !allowed && forbidden.insert(annotation(&key, value)) {
            fields.push(format!("metadata.annotations[{key}]"));
        }
    }
    let detail =
        || format!("forbidden {} {}", plural("annotation", "annotations", forbidden.len()), listed(&forbidden));
    (!forbidden.is_empty()).then(|| Refusal { reason: "seccompProfile", detail: detail(), fields })
}

/// check_seccompProfile_baseline.go `seccompProfileBaseline_1_19`.
pub(super) fn seccomp_baseline(pod: &Subject<'_>) -> Option<Refusal> {
    seccomp(pod, false)
}

/// check_seccompProfile_restricted.go. The plugin names those with a bad profile alone when there are any; the fields name the
/// silent ones too where no setting of the pod can speak for them.
pub(super) fn seccomp_restricted(pod: &Subject<'_>) -> Option<Refusal> {
    seccomp(pod, true)
}

fn seccomp(pod: &Subject<'_>, demanded: bool) -> Option<Refusal> {
    const FIELD: &str = "securityContext.seccompProfile.type";
    const REASON: &str = "seccompProfile";
    let (mut bad, mut silent, mut values) = (Setters::default(), Setters::default(), BTreeSet::new());
    let of_pod = pod.security().and_then(|security| security.seccomp_profile.as_ref());
    if let Some(profile) = of_pod.filter(|profile| !is_confined(&profile.kind)) {
        bad.add_pod(FIELD);
        values.insert(profile.kind.as_str());
    }
    for placed in pod.containers() {
        match placed.security().and_then(|security| security.seccomp_profile.as_ref()) {
            Some(profile) if !is_confined(&profile.kind) => {
                bad.add(&placed, FIELD);
                values.insert(&profile.kind);
            }
            None if demanded && of_pod.is_none() => silent.add(&placed, FIELD),
            _ => {}
        }
    }
    if bad.is_empty() {
        let demand = |who: &str| format!("pod or {who} must set {FIELD} to \"RuntimeDefault\" or \"Localhost\"");
        return silent.refusal(REASON, demand);
    }
    bad.fields.append(&mut silent.fields);
    bad.refusal(REASON, |who| format!("{who} must not set {FIELD} to {}", quoted(values)))
}

/// check_seLinuxOptions.go, as of a minor version.
pub(super) fn se_linux_options(pod: &Subject<'_>, minor: u64) -> Option<Refusal> {
    let (mut bad, mut types, mut user, mut role) = (Setters::default(), BTreeSet::new(), false, false);
    let allowed = |kind: &str| match kind {
        "" | "container_t" | "container_init_t" | "container_kvm_t" => true,
        "container_engine_t" => minor >= 31,
        _ => false,
    };
    let wrong = |options: &SeLinuxOptions| {
        let wrong =
            [("type", !allowed(&options.kind)), ("user", !options.user.is_empty()), ("role", !options.role.is_empty())];
        wrong.into_iter().filter_map(|(field, wrong)| wrong.then_some(field)).collect::<Vec<_>>()
    };
    let mut note = |options: &SeLinuxOptions, wrong: &[&str]| {
        if wrong.contains(&"type") {
            types.insert(options.kind.clone());
        }
        user |= wrong.contains(&"user");
        role |= wrong.contains(&"role");
    };
    if let Some(options) = pod.security().and_then(|security| security.se_linux_options.as_ref()) {
        let wrong = wrong(options);
        note(options, &wrong);
        bad.pod = !wrong.is_empty();
        bad.fields.extend(wrong.iter().map(|field| format!("spec.securityContext.seLinuxOptions.{field}")));
    }
    for placed in pod.containers() {
        let Some(options) = placed.security().and_then(|security| security.se_linux_options.as_ref()) else { continue };
        let wrong = wrong(options);
        note(options, &wrong);
        if !wrong.is_empty() {
            bad.containers.push(&placed.container.name);
        }
        bad.fields.extend(wrong.iter().map(|field| placed.path(&format!("securityContext.seLinuxOptions.{field}"))));
    }
    let mut what = Vec::new();
    if !types.is_empty() {
        let kinds = types.iter().map(String::as_str);
        what.push(format!("{} {}", plural("type", "types", types.len()), quoted(kinds)));
    }
    if user {
        what.push("user may not be set".to_owned());
    }
    if role {
        what.push("role may not be set".to_owned());
    }
    bad.refusal("seLinuxOptions", |who| {
        format!("{who} set forbidden securityContext.seLinuxOptions: {}", what.join("; "))
    })
}

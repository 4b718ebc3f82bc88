//! Puts an allowed value into a field that a violation names. A pod with every named field changed must be allowed, and with all
//! but one it must not: so the fields are the right ones, all of them, and no more.

use serde_json::{Value as Json, json};

/// Changes `field` of a pod so that `check` is content with it.
pub fn repair(pod: &mut Json, check: &str, field: &str) {
    let place = place(pod, field);
    let value = match (check, field) {
        ("appArmorProfile" | "seccompProfile_baseline", _) if field.starts_with("metadata.") => {
            json!("runtime/default")
        }
        ("appArmorProfile" | "seccompProfile_baseline" | "seccompProfile_restricted", _) => json!("RuntimeDefault"),
        ("capabilities_baseline" | "capabilities_restricted", _) if field.ends_with(']') => json!("NET_BIND_SERVICE"),
        ("capabilities_restricted", _) => json!(["ALL"]),
        ("hostNamespaces" | "privileged" | "windowsHostProcess" | "allowPrivilegeEscalation", _) => json!(false),
        ("hostPathVolumes", _) => Json::Null,
        ("restrictedVolumes", _) => {
            let volume = field.split_inclusive(']').next().unwrap_or(field);
            let place = self::place(pod, volume);
            *place = json!({"name": place["name"], "emptyDir": {}});
            return;
        }
        ("hostPorts", _) => json!(0),
        ("hostProbesAndHostLifecycle" | "seLinuxOptions", _) => json!(""),
        ("procMount" | "procMount_restricted", _) => json!("Default"),
        ("runAsNonRoot", _) => json!(true),
        ("runAsUser", _) => json!(1000),
        ("sysctls", _) => json!("kernel.shm_rmid_forced"),
        _ => panic!("no repair for {check}"),
    };
    *place = value;
}

/// What stands at a path; maps are made on the way, list members must be there.
fn place<'j>(pod: &'j mut Json, path: &str) -> &'j mut Json {
    if let Some(key) = path.strip_prefix("metadata.annotations[").and_then(|rest| rest.strip_suffix(']')) {
        return &mut pod["metadata"]["annotations"][key];
    }
    path.split('.').fold(pod, |object, step| match step.split_once('[') {
        Some((name, index)) => {
            let index: usize = index.trim_end_matches(']').parse().unwrap_or_else(|_| panic!("{path}"));
            &mut object[name][index]
        }
        None => &mut object[step],
    })
}

//! Checks of the baseline level, but for profiles. Each is named after its file in k8s.io/pod-security-admission/policy.

use std::collections::BTreeSet;

use super::check::{Refusal, Setters, Subject};
use super::wording::{containers, listed, plural, quoted};
use crate::evidence::objects::Probe;

/// check_capabilities_baseline.go: only these may be added; compared letter by letter, so `CAP_CHOWN` is none of them.
const CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// check_sysctls.go: what may be set, and since which minor version.
const SYSCTLS: [(u64, &str); 14] = [
    (0, "kernel.shm_rmid_forced"),
    (0, "net.ipv4.ip_local_port_range"),
    (0, "net.ipv4.tcp_syncookies"),
    (0, "net.ipv4.ping_group_range"),
    (0, "net.ipv4.ip_unprivileged_port_start"),
    (27, "net.ipv4.ip_local_reserved_ports"),
    (29, "net.ipv4.tcp_keepalive_time"),
    (29, "net.ipv4.tcp_fin_timeout"),
    (29, "net.ipv4.tcp_keepalive_intvl"),
    (29, "net.ipv4.tcp_keepalive_probes"),
    (32, "net.ipv4.tcp_rmem"),
    (32, "net.ipv4.tcp_wmem"),
    (37, "net.ipv4.tcp_slow_start_after_idle"),
    (37, "net.ipv4.tcp_notsent_lowat"),
];

/// check_capabilities_baseline.go.
pub(super) fn capabilities(pod: &Subject<'_>) -> Option<Refusal> {
    let (mut bad, mut fields, mut values) = (Vec::new(), Vec::new(), BTreeSet::new());
    for placed in pod.containers() {
        let before = fields.len();
        let added = placed.security().and_then(|security| security.capabilities.as_ref());
        for (index, name) in added.into_iter().flat_map(|capabilities| &capabilities.add).enumerate() {
            if !CAPABILITIES.contains(&name.as_str()) {
                values.insert(name.as_str());
                fields.push(placed.path(&format!("securityContext.capabilities.add[{index}]")));
            }
        }
        if fields.len() > before {
            bad.push(placed.container.name.as_str());
        }
    }
    let detail =
        || format!("{} must not include {} in securityContext.capabilities.add", containers(&bad), quoted(values));
    (!bad.is_empty()).then(|| Refusal { reason: "non-default capabilities", detail: detail(), fields })
}

/// check_hostNamespaces.go.
pub(super) fn host_namespaces(pod: &Subject<'_>) -> Option<Refusal> {
    let all = [("hostNetwork", pod.spec.host_network), ("hostPID", pod.spec.host_pid), ("hostIPC", pod.spec.host_ipc)];
    let set: Vec<&str> = all.into_iter().filter_map(|(name, set)| set.then_some(name)).collect();
    if set.is_empty() {
        return None;
    }
    let detail: Vec<String> = set.iter().map(|name| format!("{name}=true")).collect();
    let fields = set.iter().map(|name| format!("spec.{name}")).collect();
    Some(Refusal { reason: "host namespaces", detail: detail.join(", "), fields })
}

/// check_hostPathVolumes.go.
pub(super) fn host_path_volumes(pod: &Subject<'_>) -> Option<Refusal> {
    let volumes = pod.spec.volumes.iter().enumerate().filter(|(_, volume)| volume.source == "hostPath");
    let (fields, names): (Vec<String>, Vec<&str>) =
        volumes.map(|(index, volume)| (format!("spec.volumes[{index}].hostPath"), volume.name.as_str())).unzip();
    let detail = || format!("{} {}", plural("volume", "volumes", names.len()), quoted(names.iter().copied()));
    (!names.is_empty()).then(|| Refusal { reason: "hostPath volumes", detail: detail(), fields })
}

/// check_hostPorts.go.
pub(super) fn host_ports(pod: &Subject<'_>) -> Option<Refusal> {
    let (mut bad, mut fields, mut ports) = (Vec::new(), Vec::new(), BTreeSet::new());
    for placed in pod.containers() {
        let before = fields.len();
        for (index, port) in placed.container.ports.iter().enumerate() {
            if port.host_port != 0 {
                ports.insert(port.host_port.to_string());
                fields.push(placed.path(&format!("ports[{index}].hostPort")));
            }
        }
        if fields.len() > before {
            bad.push(placed.container.name.as_str());
        }
    }
    let detail = || {
        let uses = plural("uses", "use", bad.len());
        format!("{} {uses} {} {}", containers(&bad), plural("hostPort", "hostPorts", ports.len()), listed(&ports))
    };
    (!bad.is_empty()).then(|| Refusal { reason: "hostPort", detail: detail(), fields })
}

/// check_hostProbesAndhostLifecycle.go, from 1.34: a probe or handler that names a host makes the kubelet call it.
pub(super) fn host_probes(pod: &Subject<'_>) -> Option<Refusal> {
    let (mut bad, mut fields, mut hosts) = (BTreeSet::new(), Vec::new(), BTreeSet::new());
    for placed in pod.containers() {
        let container = placed.container;
        let lifecycle = container.lifecycle.as_ref();
        let handlers: [(&str, Option<&Probe>); 5] = [
            ("livenessProbe", container.liveness_probe.as_ref()),
            ("readinessProbe", container.readiness_probe.as_ref()),
            ("startupProbe", container.startup_probe.as_ref()),
            ("lifecycle.postStart", lifecycle.and_then(|lifecycle| lifecycle.post_start.as_ref())),
            ("lifecycle.preStop", lifecycle.and_then(|lifecycle| lifecycle.pre_stop.as_ref())),
        ];
        for (name, handler) in handlers {
            let Some(handler) = handler else { continue };
            for (kind, target) in [("httpGet", &handler.http_get), ("tcpSocket", &handler.tcp_socket)] {
                if let Some(target) = target.as_ref().filter(|target| !target.host.is_empty()) {
                    bad.insert(container.name.as_str());
                    hosts.insert(target.host.as_str());
                    fields.push(placed.path(&format!("{name}.{kind}.host")));
                }
            }
        }
    }
    let detail = || {
        let bad: Vec<&str> = bad.iter().copied().collect();
        let what = plural("probe or lifecycle host", "probe or lifecycle hosts", hosts.len());
        format!("{} {} {what} {}", containers(&bad), plural("uses", "use", bad.len()), quoted(hosts))
    };
    (!bad.is_empty()).then(|| Refusal { reason: "probe or lifecycle host", detail: detail(), fields })
}

/// check_privileged.go.
pub(super) fn privileged(pod: &Subject<'_>) -> Option<Refusal> {
    let mut bad = Setters::default();
    for placed in pod.containers() {
        if placed.security().and_then(|security| security.privileged) == Some(true) {
            bad.add(&placed, "securityContext.privileged");
        }
    }
    bad.refusal("privileged", |who| format!("{who} must not set securityContext.privileged=true"))
}

/// check_procMount_baseline.go `procMount_1_0`, which check_procMount_restricted.go keeps on asking from 1.35 on.
pub(super) fn proc_mount(pod: &Subject<'_>) -> Option<Refusal> {
    let (mut bad, mut values) = (Setters::default(), BTreeSet::new());
    for placed in pod.containers() {
        let set = placed.security().and_then(|security| security.proc_mount.as_deref());
        if let Some(kind) = set.filter(|kind| *kind != "Default") {
            bad.add(&placed, "securityContext.procMount");
            values.insert(kind);
        }
    }
    bad.refusal("procMount", |who| format!("{who} must not set securityContext.procMount to {}", quoted(values)))
}

/// check_sysctls.go, as of a minor version.
pub(super) fn sysctls(pod: &Subject<'_>, minor: u64) -> Option<Refusal> {
    let allowed = |name: &str| SYSCTLS.iter().any(|(since, allowed)| *since <= minor && *allowed == name);
    let set = pod.security().into_iter().flat_map(|security| &security.sysctls).enumerate();
    let (fields, names): (Vec<String>, Vec<&str>) = set
        .filter(|(_, sysctl)| !allowed(&sysctl.name))
        .map(|(index, sysctl)| (format!("spec.securityContext.sysctls[{index}].name"), sysctl.name.as_str()))
        .unzip();
    (!names.is_empty()).then(|| Refusal { reason: "forbidden sysctls", detail: names.join(", "), fields })
}

/// check_windowsHostProcess.go.
pub(super) fn windows_host_process(pod: &Subject<'_>) -> Option<Refusal> {
    const FIELD: &str = "securityContext.windowsOptions.hostProcess";
    let mut bad = Setters::default();
    if pod.security().and_then(|security| security.windows_options.as_ref()?.host_process) == Some(true) {
        bad.add_pod(FIELD);
    }
    for placed in pod.containers() {
        if placed.security().and_then(|security| security.windows_options.as_ref()?.host_process) == Some(true) {
            bad.add(&placed, FIELD);
        }
    }
    bad.refusal("hostProcess", |who| format!("{who} must not set {FIELD}=true"))
}

//! What pods do that a control minimises: one question a function, over every container, with the fields that offend.

use crate::audit::pss::Level;
use crate::evidence::objects::{Container, Meta, OwnerReference, Pod, PodSpec, Workload};

/// A question about pods.
pub struct Question {
    /// Its name in facts: `pods.NAME`.
    pub name: &'static str,
    /// The level that refuses such pods; `None` where the control is about pods, not about admission.
    pub refused_by: Option<Level>,
    /// The checks of the standards that refuse them, by id.
    pub checks: &'static [&'static str],
    /// The fields that offend, with what stands there.
    pub ask: fn(&PodSpec) -> Vec<(String, String)>,
}

/// Every question.
pub const QUESTIONS: [Question; 17] = [
    question("privileged", Some(Level::Baseline), &["privileged"], privileged),
    question("host-pid", Some(Level::Baseline), &["hostNamespaces"], |spec| flag(spec.host_pid, "hostPID")),
    question("host-ipc", Some(Level::Baseline), &["hostNamespaces"], |spec| flag(spec.host_ipc, "hostIPC")),
    question("host-network", Some(Level::Baseline), &["hostNamespaces"], |spec| flag(spec.host_network, "hostNetwork")),
    question("privilege-escalation", Some(Level::Restricted), &["allowPrivilegeEscalation"], privilege_escalation),
    question("root", Some(Level::Restricted), &["runAsNonRoot"], root),
    question("net-raw", Some(Level::Restricted), &["capabilities_restricted"], net_raw),
    question("added-capabilities", Some(Level::Restricted), &["capabilities_restricted"], added_capabilities),
    question("kept-capabilities", Some(Level::Restricted), &["capabilities_restricted"], kept_capabilities),
    question("windows-host-process", Some(Level::Baseline), &["windowsHostProcess"], windows_host_process),
    question("host-path", Some(Level::Baseline), &["hostPathVolumes", "restrictedVolumes"], host_path),
    question("host-port", Some(Level::Baseline), &["hostPorts"], host_port),
    question("unmasked-proc", Some(Level::Restricted), &["procMount", "procMount_restricted"], unmasked_proc),
    question("secret-variables", None, &[], secret_variables),
    question("unconfined-seccomp", None, &[], |spec| unconfined_seccomp(spec, false)),
    question("without-security-context", None, &[], without_security_context),
    question("mounted-token", None, &[], |_| Vec::new()),
];

const fn question(
    name: &'static str,
    refused_by: Option<Level>,
    checks: &'static [&'static str],
    ask: fn(&PodSpec) -> Vec<(String, String)>,
) -> Question {
    Question { name, refused_by, checks, ask }
}

fn flag(on: bool, field: &str) -> Vec<(String, String)> {
    if on { vec![(format!("spec.{field}"), "true".to_owned())] } else { Vec::new() }
}

fn windows(spec: &PodSpec) -> bool {
    spec.os.as_ref().is_some_and(|os| os.name == "windows")
}

fn each(spec: &PodSpec, field: &str, ask: impl Fn(&Container) -> Option<String>) -> Vec<(String, String)> {
    let named = |(list, container): (&str, &Container)| {
        ask(container).map(|found| (format!("spec.{list}[{}].{field}", container.name), found))
    };
    spec.all_containers().filter_map(named).collect()
}

fn privileged(spec: &PodSpec) -> Vec<(String, String)> {
    each(spec, "securityContext.privileged", |container| is_privileged(container).then(|| "true".to_owned()))
}

fn privilege_escalation(spec: &PodSpec) -> Vec<(String, String)> {
    if windows(spec) {
        return Vec::new();
    }
    each(spec, "securityContext.allowPrivilegeEscalation", |container| {
        match container.security_context.as_ref().and_then(|context| context.allow_privilege_escalation) {
            Some(false) => None,
            Some(true) => Some("true".to_owned()),
            None => Some("unset, which means true".to_owned()),
        }
    })
}

/// A container may run as root unless it, or its pod, says that it does not.
fn root(spec: &PodSpec) -> Vec<(String, String)> {
    let pod = spec.security_context.as_ref();
    each(spec, "securityContext", |container| {
        let own = container.security_context.as_ref();
        let user = own.and_then(|context| context.run_as_user).or(pod.and_then(|context| context.run_as_user));
        let non_root =
            own.and_then(|context| context.run_as_non_root).or(pod.and_then(|context| context.run_as_non_root));
        match (user, non_root) {
            (Some(0), _) => Some("runAsUser is 0".to_owned()),
            (Some(_), _) | (None, Some(true)) => None,
            (None, Some(false)) => Some("runAsNonRoot is false".to_owned()),
            (None, None) => Some("neither runAsNonRoot nor runAsUser is set".to_owned()),
        }
    })
}

/// True for a container whose capabilities and seccomp profile count for nothing, because it has all there is.
///
/// Source: containerd internal/cri/server (`container_create.go`: `oci.WithPrivileged` comes after `WithCapabilities`, and a privileged
/// container gets no seccomp profile).
fn is_privileged(container: &Container) -> bool {
    container.security_context.as_ref().and_then(|context| context.privileged) == Some(true)
}

/// True when a list of capabilities has one of these. Kubernetes writes names without `CAP_`; with it Pod Security does not know them, and
/// containerd drops none by them: it puts `CAP_` before whatever stands there.
fn lists(names: &[String], wanted: &[&str]) -> bool {
    names.iter().any(|name| wanted.iter().any(|one| name.eq_ignore_ascii_case(one)))
}

fn net_raw(spec: &PodSpec) -> Vec<(String, String)> {
    if windows(spec) {
        return Vec::new();
    }
    each(spec, "securityContext.capabilities", |container| {
        if is_privileged(container) {
            return Some("a privileged container has every capability".to_owned());
        }
        let capabilities = container.security_context.as_ref().and_then(|context| context.capabilities.as_ref());
        let added = capabilities.is_some_and(|set| lists(&set.add, &["NET_RAW", "ALL", "CAP_NET_RAW", "CAP_ALL"]));
        let dropped = capabilities.is_some_and(|set| lists(&set.drop, &["NET_RAW", "ALL"]));
        match (added, dropped) {
            (true, _) => Some("NET_RAW is added".to_owned()),
            (false, false) => Some("NET_RAW is not dropped".to_owned()),
            (false, true) => None,
        }
    })
}

fn added_capabilities(spec: &PodSpec) -> Vec<(String, String)> {
    each(spec, "securityContext.capabilities.add", |container| {
        let added = &container.security_context.as_ref()?.capabilities.as_ref()?.add;
        (!added.is_empty()).then(|| added.join(", "))
    })
}

fn kept_capabilities(spec: &PodSpec) -> Vec<(String, String)> {
    if windows(spec) {
        return Vec::new();
    }
    each(spec, "securityContext.capabilities.drop", |container| {
        if is_privileged(container) {
            return Some("a privileged container has every capability".to_owned());
        }
        let capabilities = container.security_context.as_ref().and_then(|context| context.capabilities.as_ref());
        let dropped = capabilities.map(|set| set.drop.as_slice()).unwrap_or_default();
        (!lists(dropped, &["ALL"])).then(|| {
            if dropped.is_empty() {
                "nothing is dropped".to_owned()
            } else {
                format!("only {} dropped", dropped.join(", "))
            }
        })
    })
}

fn windows_host_process(spec: &PodSpec) -> Vec<(String, String)> {
    let of_pod =
        spec.security_context.as_ref().and_then(|context| context.windows_options.as_ref()?.host_process) == Some(true);
    let mut found = flag(of_pod, "securityContext.windowsOptions.hostProcess");
    found.extend(each(spec, "securityContext.windowsOptions.hostProcess", |container| {
        let on = container.security_context.as_ref()?.windows_options.as_ref()?.host_process?;
        on.then(|| "true".to_owned())
    }));
    found
}

fn host_path(spec: &PodSpec) -> Vec<(String, String)> {
    let paths = spec.volumes.iter().filter(|volume| volume.source == "hostPath");
    paths.map(|volume| (format!("spec.volumes[{}].hostPath", volume.name), volume.host_path.clone())).collect()
}

fn host_port(spec: &PodSpec) -> Vec<(String, String)> {
    each(spec, "ports.hostPort", |container| {
        let ports: Vec<String> =
            container.ports.iter().filter(|port| port.host_port != 0).map(|port| port.host_port.to_string()).collect();
        (!ports.is_empty()).then(|| ports.join(", "))
    })
}

fn unmasked_proc(spec: &PodSpec) -> Vec<(String, String)> {
    each(spec, "securityContext.procMount", |container| {
        let mount = container.security_context.as_ref()?.proc_mount.as_ref()?;
        (mount != "Default" && !mount.is_empty()).then(|| mount.clone())
    })
}

fn secret_variables(spec: &PodSpec) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (list, container) in spec.all_containers() {
        for source in &container.env {
            found.push((
                format!("spec.{list}[{}].env[{}]", container.name, source.variable),
                format!("secret {}", source.secret),
            ));
        }
        for source in &container.env_from {
            found.push((
                format!("spec.{list}[{}].envFrom", container.name),
                format!("every key of secret {}", source.secret),
            ));
        }
    }
    found
}

/// The container's profile wins over the pod's; unset is unconfined unless the kubelets have a default.
pub fn unconfined_seccomp(spec: &PodSpec, confined_by_default: bool) -> Vec<(String, String)> {
    if windows(spec) {
        return Vec::new();
    }
    let pod = spec.security_context.as_ref().and_then(|context| context.seccomp_profile.as_ref());
    each(spec, "securityContext.seccompProfile", |container| {
        let own = container.security_context.as_ref().and_then(|context| context.seccomp_profile.as_ref());
        match own.or(pod).map(|profile| profile.kind.as_str()) {
            _ if is_privileged(container) => Some("a privileged container is not confined".to_owned()),
            Some("RuntimeDefault" | "Localhost") => None,
            Some(other) => Some(other.to_owned()),
            None => (!confined_by_default).then(|| "unset".to_owned()),
        }
    })
}

fn without_security_context(spec: &PodSpec) -> Vec<(String, String)> {
    let of_pod = spec.security_context.as_ref().is_some_and(|context| *context != Default::default());
    each(spec, "securityContext", |container| {
        let own = container.security_context.as_ref().is_some_and(|context| *context != Default::default());
        (!own && !of_pod).then(|| "unset, in the pod as well".to_owned())
    })
}

/// Whether a pod belongs to Kubernetes itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Belonging {
    /// A control plane's mirror pod, kube-proxy's DaemonSet, CoreDNS: exempt.
    Stock,
    /// A known network or storage agent in a system namespace: a person decides.
    Agent(String),
    /// Anything else: judged.
    Ordinary,
}

/// A pod as a workload's template will make it.
pub fn of_template(workload: &Workload) -> Option<Pod> {
    let template = workload.template()?;
    let meta = &workload.metadata;
    // a Deployment's pods are those of its ReplicaSet, which is called by it and a hash
    let (kind, name) = match workload.kind.as_str() {
        "Deployment" => ("ReplicaSet", format!("{}-", meta.name)),
        kind => (kind, meta.name.clone()),
    };
    let owner = OwnerReference { kind: kind.to_owned(), name, controller: true };
    let metadata = Meta {
        name: meta.name.clone(),
        namespace: meta.namespace.clone(),
        owner_references: vec![owner].into(),
        labels: template.metadata.labels.clone(),
        annotations: template.metadata.annotations.clone(),
        ..Meta::default()
    };
    let mut spec = template.spec.clone();
    spec.default_host_ports();
    Some(Pod { metadata, spec, ..Pod::default() })
}

/// By owner, account and shape, never by name alone.
pub fn belonging(pod: &Pod) -> Belonging {
    let meta = &pod.metadata;
    let owner =
        |kind: &str| meta.owner_references.iter().find(|owner| owner.kind == kind).map(|owner| owner.name.as_str());
    if meta.namespace == "kube-system" {
        let mirror = pod.is_mirror();
        let node = pod.spec.node_name.as_str();
        let static_pod = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];
        if mirror && !node.is_empty() && static_pod.iter().any(|name| meta.name == format!("{name}-{node}")) {
            return Belonging::Stock;
        }
        if owner("DaemonSet") == Some("kube-proxy")
            && pod.spec.service_account_name == "kube-proxy"
            && runs(&pod.spec, "kube-proxy")
        {
            return Belonging::Stock;
        }
        let replica_set = owner("ReplicaSet").is_some_and(|name| name.starts_with("coredns-"));
        if replica_set && pod.spec.service_account_name == "coredns" && runs(&pod.spec, "coredns") {
            return Belonging::Stock;
        }
    }
    super::agents::known(pod).map_or(Belonging::Ordinary, |name| Belonging::Agent(name.to_owned()))
}

/// One container, whose image is called so.
fn runs(spec: &PodSpec, image: &str) -> bool {
    let name = |container: &Container| {
        let bare = container.image.split('@').next().unwrap_or_default();
        bare.rsplit('/').next().unwrap_or_default().split(':').next() == Some(image)
    };
    spec.containers.len() == 1
        && spec.init_containers.is_empty()
        && spec.ephemeral_containers.is_empty()
        && spec.containers.iter().all(name)
}

//! Pods, and the controllers that make them.

use serde::{Deserialize, Serialize};

use super::environment::{EnvSource, env_from_sources, env_sources};
use super::volume::Volume;
use super::{Meta, Shared, list, null_is_default, shared_list};

/// A pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Pod {
    /// Name, namespace, labels, owners.
    #[serde(deserialize_with = "null_is_default")]
    pub metadata: Meta,
    /// What it runs.
    #[serde(deserialize_with = "null_is_default")]
    pub spec: PodSpec,
    /// Status.
    #[serde(deserialize_with = "null_is_default")]
    pub status: PodStatus,
}

/// Status of a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodStatus {
    /// `Pending`, `Running`, `Succeeded`, `Failed`.
    #[serde(deserialize_with = "null_is_default")]
    pub phase: Shared<String>,
}

/// A controller with its pod template: Deployment, DaemonSet, StatefulSet, ReplicaSet, ReplicationController, Job, CronJob; and
/// the object PodTemplate, which is nothing but one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Workload {
    /// Kind.
    #[serde(deserialize_with = "null_is_default")]
    pub kind: Shared<String>,
    /// Name, namespace, owners.
    #[serde(deserialize_with = "null_is_default")]
    pub metadata: Meta,
    /// Its template.
    #[serde(deserialize_with = "null_is_default")]
    pub spec: WorkloadSpec,
    /// The template of a PodTemplate, which has no spec.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<Box<PodTemplate>>,
}

/// Where a controller keeps its template; a CronJob's is one level deeper.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadSpec {
    /// The template.
    pub template: Option<PodTemplate>,
    /// The Job of a CronJob.
    pub job_template: Option<Box<JobTemplate>>,
}

/// The Job that a CronJob makes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JobTemplate {
    /// Its spec.
    #[serde(deserialize_with = "null_is_default")]
    pub spec: WorkloadSpec,
}

impl Workload {
    /// The pod template.
    pub fn template(&self) -> Option<&PodTemplate> {
        let of_job = || self.spec.job_template.as_ref()?.spec.template.as_ref();
        self.spec.template.as_ref().or_else(of_job).or(self.template.as_deref())
    }

    /// The field in which the template stands.
    pub fn template_field(&self) -> &'static str {
        match (&self.spec.template, &self.spec.job_template) {
            (Some(_), _) => "spec.template",
            (None, Some(_)) => "spec.jobTemplate.spec.template",
            (None, None) => "template",
        }
    }
}

/// A pod template.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodTemplate {
    /// Labels and annotations of the pods.
    #[serde(deserialize_with = "null_is_default")]
    pub metadata: Meta,
    /// What they run.
    #[serde(deserialize_with = "null_is_default")]
    pub spec: PodSpec,
}

/// What a pod runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the fields of the API")]
pub struct PodSpec {
    #[serde(deserialize_with = "shared_list")]
    pub containers: Shared<Vec<Container>>,
    #[serde(deserialize_with = "shared_list")]
    pub init_containers: Shared<Vec<Container>>,
    #[serde(deserialize_with = "shared_list")]
    pub ephemeral_containers: Shared<Vec<Container>>,
    #[serde(deserialize_with = "shared_list")]
    pub volumes: Shared<Vec<Volume>>,
    #[serde(deserialize_with = "null_is_default")]
    pub service_account_name: Shared<String>,
    pub automount_service_account_token: Option<bool>,
    #[serde(deserialize_with = "null_is_default")]
    pub node_name: Shared<String>,
    #[serde(deserialize_with = "null_is_default")]
    pub host_network: bool,
    #[serde(rename = "hostPID", deserialize_with = "null_is_default")]
    pub host_pid: bool,
    #[serde(rename = "hostIPC", deserialize_with = "null_is_default")]
    pub host_ipc: bool,
    pub host_users: Option<bool>,
    pub os: Option<Shared<Os>>,
    pub security_context: Option<Shared<PodSecurityContext>>,
    #[serde(deserialize_with = "null_is_default")]
    pub runtime_class_name: Shared<String>,
}

impl Pod {
    /// True for what the API shows of a static pod of the system: the kubelet of a node made it, and nobody else can.
    ///
    /// Source: plugin/pkg/admission/noderestriction (`admitPodCreate`), pkg/registry/core/pod: only a node may create a pod
    /// with the mirror annotation, owned by itself and bound to itself.
    pub fn is_system_mirror(&self) -> bool {
        let node = &self.spec.node_name;
        self.metadata.namespace == "kube-system"
            && self.metadata.annotations.contains_key("kubernetes.io/config.mirror")
            && !node.is_empty()
            && self.metadata.owner_references.iter().any(|owner| owner.kind == "Node" && *node == owner.name.as_str())
    }

    /// Forgets the words of every container that is no static pod's of the system: arguments of ordinary pods are nobody's
    /// business here.
    pub fn drop_words(&mut self) {
        if !self.is_system_mirror() {
            self.spec.drop_words();
        }
    }
}

impl Workload {
    /// Forgets the words of every container.
    pub fn drop_words(&mut self) {
        let of_job = self.spec.job_template.as_mut().and_then(|job| job.spec.template.as_mut());
        for template in self.spec.template.iter_mut().chain(of_job).chain(self.template.as_deref_mut()) {
            template.spec.drop_words();
        }
    }
}

impl PodSpec {
    /// Forgets the words and variables of every container; where variables come from secrets stays.
    pub fn drop_words(&mut self) {
        // most have none left: what equal pods share is copied only where something is dropped
        let told = |container: &Container| {
            let other = |variable: &EnvSource| variable.secret.is_empty() || variable.value.is_some();
            !container.command.is_empty()
                || !container.args.is_empty()
                || container.env.iter().any(other)
                || container.env_from.iter().any(other)
        };
        let lists = [&mut self.containers, &mut self.init_containers, &mut self.ephemeral_containers];
        let lists = lists.into_iter().filter(|list| list.iter().any(told));
        for container in lists.flat_map(|list| list.iter_mut()) {
            container.command = Vec::new();
            container.args = Vec::new();
            container.env.retain(|variable| !variable.secret.is_empty());
            container.env.iter_mut().for_each(|variable| variable.value = None);
            container.env_from.retain(|source| !source.secret.is_empty());
        }
    }

    /// Every container with the field that it stands in: init, regular, ephemeral.
    pub fn all_containers(&self) -> impl Iterator<Item = (&'static str, &Container)> {
        let init = self.init_containers.iter().map(|container| ("initContainers", container));
        let regular = self.containers.iter().map(|container| ("containers", container));
        let ephemeral = self.ephemeral_containers.iter().map(|container| ("ephemeralContainers", container));
        init.chain(regular).chain(ephemeral)
    }
}

/// The operating system that a pod names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Os {
    /// `linux` or `windows`.
    #[serde(deserialize_with = "null_is_default")]
    pub name: String,
}

/// A container of any kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the fields of the API")]
pub struct Container {
    #[serde(deserialize_with = "null_is_default")]
    pub name: String,
    #[serde(deserialize_with = "null_is_default")]
    pub image: String,
    /// Kept for control plane components in mirror pods only; the collector empties it everywhere else.
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// As `command`.
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    pub security_context: Option<ContainerSecurityContext>,
    #[serde(deserialize_with = "list")]
    pub ports: Vec<ContainerPort>,
    /// Variables that come from a secret; the collector drops all others once it has read static pods of the system.
    #[serde(deserialize_with = "env_sources")]
    pub env: Vec<EnvSource>,
    /// Secrets and config maps whose every key becomes a variable.
    #[serde(deserialize_with = "env_from_sources")]
    pub env_from: Vec<EnvSource>,
    pub liveness_probe: Option<Probe>,
    pub readiness_probe: Option<Probe>,
    pub startup_probe: Option<Probe>,
    pub lifecycle: Option<Lifecycle>,
}

/// A port of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the fields of the API")]
pub struct ContainerPort {
    #[serde(deserialize_with = "null_is_default")]
    pub container_port: i32,
    #[serde(deserialize_with = "null_is_default")]
    pub host_port: i32,
}

/// Security settings of a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the fields of the API")]
pub struct PodSecurityContext {
    pub run_as_non_root: Option<bool>,
    pub run_as_user: Option<i64>,
    pub seccomp_profile: Option<SeccompProfile>,
    pub se_linux_options: Option<SeLinuxOptions>,
    pub app_armor_profile: Option<AppArmorProfile>,
    #[serde(deserialize_with = "list")]
    pub sysctls: Vec<Sysctl>,
    pub windows_options: Option<WindowsOptions>,
}

/// Security settings of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the fields of the API")]
pub struct ContainerSecurityContext {
    pub privileged: Option<bool>,
    pub allow_privilege_escalation: Option<bool>,
    pub run_as_non_root: Option<bool>,
    pub run_as_user: Option<i64>,
    pub read_only_root_filesystem: Option<bool>,
    pub capabilities: Option<Capabilities>,
    pub proc_mount: Option<String>,
    pub seccomp_profile: Option<SeccompProfile>,
    pub se_linux_options: Option<SeLinuxOptions>,
    pub app_armor_profile: Option<AppArmorProfile>,
    pub windows_options: Option<WindowsOptions>,
}

/// Linux capabilities.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields of the API")]
pub struct Capabilities {
    #[serde(deserialize_with = "list")]
    pub add: Vec<String>,
    #[serde(deserialize_with = "list")]
    pub drop: Vec<String>,
}

/// A seccomp profile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SeccompProfile {
    /// `Unconfined`, `RuntimeDefault`, `Localhost`.
    #[serde(rename = "type", deserialize_with = "null_is_default")]
    pub kind: String,
}

/// An AppArmor profile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AppArmorProfile {
    /// `Unconfined`, `RuntimeDefault`, `Localhost`.
    #[serde(rename = "type", deserialize_with = "null_is_default")]
    pub kind: String,
}

/// SELinux options.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the fields of the API")]
pub struct SeLinuxOptions {
    #[serde(rename = "type", deserialize_with = "null_is_default")]
    pub kind: String,
    #[serde(deserialize_with = "null_is_default")]
    pub user: String,
    #[serde(deserialize_with = "null_is_default")]
    pub role: String,
}

/// A sysctl.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Sysctl {
    /// Its name.
    #[serde(deserialize_with = "null_is_default")]
    pub name: String,
}

/// Windows options.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WindowsOptions {
    /// Runs as a host process.
    pub host_process: Option<bool>,
}

/// A probe; only its handler matters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the fields of the API")]
pub struct Probe {
    pub http_get: Option<HostField>,
    pub tcp_socket: Option<HostField>,
}

/// What runs after the start and before the end of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the fields of the API")]
pub struct Lifecycle {
    pub post_start: Option<Handler>,
    pub pre_stop: Option<Handler>,
}

/// A handler of a lifecycle event.
pub type Handler = Probe;

/// The host that a handler calls; empty for the pod itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct HostField {
    /// The host.
    #[serde(deserialize_with = "null_is_default")]
    pub host: String,
}

//! Pods, and the controllers that make them.

use serde::{Deserialize, Serialize};

use super::environment::{EnvSource, env_from_sources, env_sources};
use super::security::{ContainerSecurityContext, PodSecurityContext};
use super::volume::Volume;
use super::{Meta, Shared, list, null_is_default, shared_list};

/// What runs pods when it is created: API group and plural of pods and of their controllers.
pub const RUNS_PODS: [(&str, &str); 8] = [
    ("", "pods"),
    ("", "replicationcontrollers"),
    ("apps", "deployments"),
    ("apps", "daemonsets"),
    ("apps", "statefulsets"),
    ("apps", "replicasets"),
    ("batch", "jobs"),
    ("batch", "cronjobs"),
];

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
    /// A Job that is done, and so makes no more pods.
    #[serde(rename = "status", deserialize_with = "is_done", skip_serializing_if = "std::ops::Not::not")]
    pub done: bool,
}

/// Whether a status tells of a Job that is done; evidence files hold the answer itself.
///
/// Source: pkg/controller/job/utils.go (`IsJobFinished`, 1.36).
fn is_done<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Status {
        #[serde(deserialize_with = "list")]
        conditions: Vec<Condition>,
    }
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Condition {
        #[serde(rename = "type", deserialize_with = "null_is_default")]
        kind: String,
        #[serde(deserialize_with = "null_is_default")]
        status: String,
    }
    struct Answer;
    impl<'de> serde::de::Visitor<'de> for Answer {
        type Value = bool;
        fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            out.write_str("a status")
        }
        fn visit_unit<E>(self) -> Result<bool, E> {
            Ok(false)
        }
        fn visit_bool<E>(self, done: bool) -> Result<bool, E> {
            Ok(done)
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(self, access: A) -> Result<bool, A::Error> {
            let status = Status::deserialize(serde::de::value::MapAccessDeserializer::new(access))?;
            let ends = |condition: &Condition| {
                matches!(condition.kind.as_str(), "Complete" | "Failed") && condition.status == "True"
            };
            Ok(status.conditions.iter().any(ends))
        }
    }
    deserializer.deserialize_any(Answer)
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
    /// True for what the API shows of a static pod: its kubelet runs a file, and nothing of it passes admission.
    pub fn is_mirror(&self) -> bool {
        self.metadata.annotations.contains_key("kubernetes.io/config.mirror")
    }

    /// The name of the service account that it runs under; `None` for the mirror of a static pod, which may not have one.
    ///
    /// Source: plugin/pkg/admission/serviceaccount (`Admit`, `Validate`, 1.36): mirror pods are let through before an account is given
    /// to them, and refused when they name one.
    pub fn account(&self) -> Option<&str> {
        match self.spec.service_account_name.as_str() {
            _ if self.is_mirror() => None,
            "" => Some("default"),
            name => Some(name),
        }
    }

    /// The service account's token that admission mounted, which is a volume of its own: by its name, and only where the pod does not say
    /// that it wants none.
    ///
    /// Source: plugin/pkg/admission/serviceaccount (`mountServiceAccountToken`, 1.36): `kube-api-access-` and five random characters.
    pub fn is_admissions_token(&self, volume: &Volume) -> bool {
        volume.token
            && volume.name.starts_with("kube-api-access-")
            && self.spec.automount_service_account_token != Some(false)
    }

    /// True for what the API shows of a static pod of the system: the kubelet of a node made it, and nobody else can.
    ///
    /// Source: plugin/pkg/admission/noderestriction (`admitPodCreate`), pkg/registry/core/pod: only a node may create a pod
    /// with the mirror annotation, owned by itself and bound to itself.
    pub fn is_system_mirror(&self) -> bool {
        let node = &self.spec.node_name;
        self.metadata.namespace == "kube-system"
            && self.is_mirror()
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

    /// Gives each port of a pod on the host's network its port of the host, as the API does with a Pod before admission looks at it. A
    /// template has none of its own: its pods get theirs when they are made.
    ///
    /// Source: pkg/apis/core/v1/defaults.go (`SetDefaults_Pod`, `defaultHostNetworkPorts`, 1.28 to 1.36).
    pub fn default_host_ports(&mut self) {
        let lacking = |port: &ContainerPort| port.host_port == 0 && port.container_port != 0;
        for list in [&mut self.containers, &mut self.init_containers].into_iter().filter(|_| self.host_network) {
            if list.iter().flat_map(|container| &container.ports).any(lacking) {
                let ports = list.iter_mut().flat_map(|container| &mut container.ports);
                ports.filter(|port| lacking(port)).for_each(|port| port.host_port = port.container_port);
            }
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

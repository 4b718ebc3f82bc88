//! The evidence of one host: who runs there, what they were told, which files they rest on.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::components::Component;
use super::{Gap, Observed, Value, Version};

/// Everything that was read of one host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeEvidence {
    /// The node's name: its host name, until the API says otherwise.
    pub name: String,
    /// When the collection ended, RFC 3339, UTC.
    pub collected_at: String,
    /// Facts of the host.
    pub host: HostFacts,
    /// Whether every process was seen: `None` is a complete table.
    pub process_table: Option<Gap>,
    /// Kubernetes distributions that left a trace here.
    pub distributions: Vec<Distribution>,
    /// Traces of components that do not run (a manifest, a unit): `trace -> where`.
    pub traces: Vec<Trace>,
    /// Running instances, and static pods without their process.
    pub instances: Vec<Instance>,
    /// Named sets of files.
    pub files: BTreeMap<FileSetName, FileSet>,
    /// User and group ids of the names that a check asks for.
    pub accounts: Observed<Accounts>,
    /// The kubelet's unit as systemd would load it.
    pub kubelet_unit: Option<Unit>,
    /// Where two sources tell different things of the same setting, one line each; the host's own evidence decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<String>,
    /// What this collector may do here.
    pub collector: CollectorRights,
}

/// Kind of a node of which the API alone was asked.
pub const API_VIEW: &str = "api";

impl NodeEvidence {
    /// True when nobody looked at the host itself: what is here is what the cluster's API shows of it.
    pub fn is_api_view(&self) -> bool {
        self.host.kind == API_VIEW
    }

    /// Its own instances of a component.
    pub fn own(&self, component: Component) -> impl Iterator<Item = &Instance> {
        self.instances
            .iter()
            .filter(move |instance| instance.component == component && instance.ownership == Ownership::Own)
    }

    /// True when an own instance of one of these components is here.
    pub fn has_any(&self, components: &[Component]) -> bool {
        let own = |instance: &&Instance| instance.ownership != Ownership::Tenant;
        self.instances.iter().filter(own).any(|instance| components.contains(&instance.component))
    }
}

/// Facts of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostFacts {
    /// `live`: this very host; `recorded`: a directory that stands for one; [`API_VIEW`]: a node of the cluster's API.
    pub kind: String,
    /// Operating system, as os-release names it.
    pub os: Option<String>,
    /// Kernel release.
    pub kernel: Option<String>,
    /// CPU architecture.
    pub architecture: Option<String>,
    /// systemd's machine id.
    pub machine_id: Option<String>,
    /// Number of CPUs.
    pub cpus: Option<u32>,
    /// Memory in MiB.
    pub memory_mib: Option<u64>,
}

/// What the collector itself may do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CollectorRights {
    /// Numeric user id.
    pub uid: u32,
    /// Effective capabilities that matter here.
    pub capabilities: Vec<String>,
}

/// A Kubernetes distribution that was recognised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distribution {
    /// `k3s`, `rke2`, `microk8s`, `talos`, `k0s`.
    pub name: String,
    /// What gave it away.
    pub trace: String,
    /// The components that it runs inside its own process.
    pub embeds: Vec<Component>,
    /// A process of it is running.
    pub running: bool,
}

/// Something that says that a component belongs here although no process was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trace {
    /// Whose trace.
    pub component: Component,
    /// What and where.
    pub what: String,
}

/// Whose process it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ownership {
    /// The node's own: outside of pods, or in a static pod.
    Own,
    /// It cannot be told: judged, but its words direct nothing on the host.
    Undetermined,
    /// A pod's own business: listed, not judged.
    Tenant,
}

/// One running component, or a static pod's manifest without its process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    /// Which component.
    pub component: Component,
    /// Process id; `None` for a manifest without its process.
    pub pid: Option<u32>,
    /// Whose it is.
    pub ownership: Ownership,
    /// Id of its pod, when it runs in one.
    pub pod: Option<String>,
    /// Its executable.
    pub executable: Observed<String>,
    /// The words after argv\[0\], redacted: values of known flags, names of unknown ones.
    pub arguments: Observed<Vec<String>>,
    /// The variables that the component reads.
    pub environment: Observed<BTreeMap<String, String>>,
    /// Versions that it can be, oldest first, and what says so.
    pub versions: Vec<Version>,
    /// What tells the version.
    pub version_from: String,
    /// Seconds since the epoch at which it started, where that can be told.
    pub started_at: Option<i64>,
    /// The static pod manifest that it comes from.
    pub manifest: Option<String>,
    /// How the manifest's words differ from those of the process.
    pub manifest_differs: Option<String>,
    /// Configuration documents that its words name.
    pub documents: Vec<Document>,
    /// Certificates that its configuration names, by setting.
    pub certificates: BTreeMap<String, Observed<Vec<Certificate>>>,
    /// What of the cluster's API shows it where no process was looked at: `mirror pod kube-system/etcd-cp1`, `configz`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_in: Option<String>,
    /// Of an API server: how many Secrets in etcd were written by which encryption provider (`identity` is in clear); `None` where nobody
    /// asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_secrets: Option<Observed<BTreeMap<String, u64>>>,
    /// What an API server's metrics tell, where they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none", alias = "storage")]
    pub metrics: Option<Observed<ServerMetrics>>,
    /// Settings of which the component itself tells something else than its words and files, and what that is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub contradicted: BTreeMap<String, String>,
}

/// What an API server tells of itself in its metrics: of values on their way to etcd and back since it started, and of what is in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerMetrics {
    /// By resource, direction and transformer. An API server without an encryption configuration counts none.
    pub transformations: Vec<Transformation>,
    /// Reloads of the encryption configuration that failed.
    pub failed_reloads: u64,
    /// The digest of each configuration as it was loaded last, as `sha256:` and hexadecimal digits.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub loaded: BTreeMap<DocumentRole, String>,
    /// Feature gates in force, as far as the tables know them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub gates: BTreeMap<String, bool>,
    /// What it audited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditCounts>,
    /// API servers of which one told this; 0 where it is not known how many there are.
    #[serde(default)]
    pub servers: usize,
}

/// What an API server audited since it started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditCounts {
    /// Events that it made and sent to its log or webhook.
    pub events: u64,
    /// Events that may not have been recorded because a log or webhook failed.
    pub errors: u64,
    /// Requests that it refused because they could not be audited.
    pub rejected: u64,
    /// Requests by the level that its policy gave them.
    pub requests: BTreeMap<String, u64>,
}

/// How often values of a resource went one way through one transformer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transformation {
    /// Plural name of the resource, with its group where it has one.
    pub resource: String,
    /// To etcd; otherwise out of it.
    pub writes: bool,
    /// `identity`, `aescbc`, `aesgcm`, `secretbox`, `kms-v1`, `kms-v2`, or `unknown` for what none could read.
    pub transformer: String,
    /// Values that went through.
    pub done: u64,
    /// Values that did not.
    pub failed: u64,
}

impl Instance {
    /// What this very API server tells in its metrics: nothing where another one may have answered.
    pub fn own_metrics(&self) -> Option<&ServerMetrics> {
        self.metrics.as_ref()?.value().filter(|told| told.servers == 1)
    }

    /// True when it runs: a process was seen, or the API shows that it does.
    pub fn runs(&self) -> bool {
        self.pid.is_some() || self.seen_in.is_some()
    }
}

/// What a document is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DocumentRole {
    /// The component's configuration file (`--config`, `--config-file`).
    Configuration,
    /// A drop-in of the kubelet.
    DropIn,
    /// What a kubelet tells at `/configz`: everything merged.
    Configz,
    /// EncryptionConfiguration.
    Encryption,
    /// The audit policy.
    AuditPolicy,
    /// AuthenticationConfiguration.
    Authentication,
    /// AuthorizationConfiguration.
    Authorization,
    /// AdmissionConfiguration.
    Admission,
    /// The configuration file of one admission plugin.
    AdmissionPlugin,
    /// A kubeconfig.
    Kubeconfig,
}

impl DocumentRole {
    /// True of what an API server reads again by itself while it tells, in its metrics, the digest of what it loaded last.
    pub const fn is_told_by_digest(self) -> bool {
        matches!(self, Self::Encryption | Self::Authorization)
    }
}

/// A document that a process reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// What it is for.
    pub role: DocumentRole,
    /// The path that the process names.
    pub path: String,
    /// Mode, owner and kind.
    pub file: Observed<FileFacts>,
    /// The part of its content that a check may need.
    pub content: Observed<Value>,
    /// For an admission plugin's file: the plugin.
    pub plugin: Option<String>,
    /// Why the process may work with another content than the one that is there, where only the process itself could tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Gap>,
    /// SHA-256 of the file, as `sha256:` and hexadecimal digits, where the process tells that of what it loaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

impl Document {
    /// A document whose content is what its process works with.
    pub fn new(
        role: DocumentRole,
        path: impl Into<String>,
        file: Observed<FileFacts>,
        content: Observed<Value>,
    ) -> Self {
        Self { role, path: path.into(), file, content, plugin: None, pending: None, digest: None }
    }
}

/// Mode, owner and kind of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileFacts {
    /// Permission bits with setuid, setgid and sticky (octal 07777).
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// `file`, `directory` or another kind.
    pub kind: FileKind,
    /// Where a link at this path leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Last change of the content, seconds since the epoch.
    pub modified: i64,
}

/// What kind of file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link that was not followed.
    Link,
    /// A FIFO, a socket or a device.
    Special,
}

/// A named set of files that a check judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is what its name says")]
pub enum FileSetName {
    KubeApiserverManifest,
    KubeControllerManagerManifest,
    KubeSchedulerManifest,
    EtcdManifest,
    CniConfiguration,
    EtcdDataDirectory,
    AdminKubeconfigs,
    SchedulerKubeconfig,
    ControllerManagerKubeconfig,
    PkiTree,
    KubeletService,
    KubeProxyKubeconfig,
    KubeletKubeconfig,
    KubeletClientCa,
    KubeletConfigurationFile,
    KubeletDropIns,
}

/// Files of one kind: those that exist, and where was looked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSet {
    /// Paths and directories that were looked at.
    pub looked_at: Vec<String>,
    /// The files, by path.
    pub files: Vec<FileEntry>,
    /// A part that could not be listed.
    pub gap: Option<Gap>,
    /// Why the set does not apply although the component is here (no kubeconfig in use, inline configuration).
    pub not_used: Option<String>,
}

/// One file of a set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its path on the host, or as its reader names it.
    pub path: String,
    /// What names it, such as `--config of pid 171`.
    pub named_by: Option<String>,
    /// Its facts.
    pub facts: Observed<FileFacts>,
}

/// Ids by name, for the names that a check asks for and the ids that were seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accounts {
    /// User ids by name.
    pub users: BTreeMap<String, u32>,
    /// Group ids by name.
    pub groups: BTreeMap<String, u32>,
}

/// A certificate's facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// Distinguished name of its subject.
    pub subject: String,
    /// Distinguished name of its issuer.
    pub issuer: String,
    /// SHA-256 of the subject public key info, hexadecimal.
    pub key_sha256: String,
    /// Key type and size, such as `RSA 2048`.
    pub key: String,
    /// RFC 3339, UTC.
    pub not_before: String,
    /// RFC 3339, UTC.
    pub not_after: String,
    /// It may sign others.
    pub authority: bool,
}

/// What the kubelet's systemd unit says, drop-ins merged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unit {
    /// Unit file and drop-ins, in the order in which systemd reads them.
    pub files: Vec<String>,
    /// `IPAddressDeny=` entries in force.
    pub ip_address_deny: Vec<String>,
    /// A file that could not be read.
    pub gap: Option<Gap>,
}

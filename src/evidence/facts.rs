//! The facts that checks may name: what each is called, whose it is and of which type.
//!
//! Settings of components (`kube-apiserver.profiling`, `kubelet.readOnlyPort`) and feature gates (`kubelet.gate.Name`) are
//! facts by themselves; those that take more than one value to establish stand in the table below. How each is established
//! lives in `audit/facts`.

use super::components::{Component, ComponentTable, Tables};

/// The type of a fact: it decides which operators a check may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactKind {
    /// A truth value.
    Bool,
    /// A text.
    Text,
    /// A whole number.
    Number,
    /// A span of time.
    Duration,
    /// A list of texts.
    List,
    /// A map; only whether it was set can be asked.
    Map,
    /// Files with mode and owner.
    Files,
    /// Things that offend, by name.
    Findings,
}

impl FactKind {
    /// As messages name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Text => "text",
            Self::Number => "number",
            Self::Duration => "duration",
            Self::List => "list",
            Self::Map => "map",
            Self::Files => "files",
            Self::Findings => "findings",
        }
    }
}

/// Whose fact it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactOwner {
    /// Of every instance of a component.
    Component(Component),
    /// Of a node.
    Node,
    /// Of the cluster as a whole.
    Cluster,
}

/// A fact that takes more than one value to establish.
#[derive(Debug)]
pub struct FactSpec {
    /// Its name in checks.
    pub name: &'static str,
    /// Whose it is.
    pub owner: FactOwner,
    /// Its type.
    pub kind: FactKind,
    /// What it says, for people.
    pub about: &'static str,
}

use Component::{Etcd, KubeApiserver, KubeControllerManager, KubeProxy, KubeScheduler, Kubelet};
use FactKind::{Bool, Duration, Files, Findings, List, Map, Number, Text};

const fn of(component: Component, name: &'static str, kind: FactKind, about: &'static str) -> FactSpec {
    FactSpec { name, owner: FactOwner::Component(component), kind, about }
}

const fn files(name: &'static str, about: &'static str) -> FactSpec {
    FactSpec { name, owner: FactOwner::Node, kind: Files, about }
}

/// Every fact beside settings and gates.
pub const FACTS: [FactSpec; 39] = [
    of(
        KubeApiserver,
        "kube-apiserver.anonymous-access",
        Text,
        "who is served without a credential: disabled, health-endpoints, enabled",
    ),
    of(KubeApiserver, "kube-apiserver.authorizers", List, "authorizers in force, in order"),
    of(KubeApiserver, "kube-apiserver.admission-plugins", List, "admission plugins in force"),
    of(KubeApiserver, "kube-apiserver.event-rate-limit-configuration", Text, "where EventRateLimit is configured"),
    of(KubeApiserver, "kube-apiserver.offered-cipher-suites", List, "TLS 1.2 cipher suites that clients can negotiate"),
    of(
        KubeApiserver,
        "kube-apiserver.secrets-encryption",
        Text,
        "what writes Secrets to etcd: none, identity, aescbc, aesgcm, secretbox, kms-v1, kms-v2; mixed where some are there in clear",
    ),
    of(KubeApiserver, "kube-apiserver.audit-policy-records", Bool, "an audit policy is loaded and records something"),
    of(
        KubeApiserver,
        "kube-apiserver.audit-policy-gaps",
        Findings,
        "requests that the audit policy does not record as it should",
    ),
    of(KubeControllerManager, "kube-controller-manager.loopback-only", Bool, "it listens on a loopback address only"),
    of(KubeScheduler, "kube-scheduler.loopback-only", Bool, "it listens on a loopback address only"),
    of(KubeProxy, "kube-proxy.loopback-only", Bool, "its metrics are served on a loopback address only"),
    of(Kubelet, "kubelet.offered-cipher-suites", List, "TLS 1.2 cipher suites that clients can negotiate"),
    of(
        Kubelet,
        "kubelet.serving-certificate",
        Text,
        "where its serving certificate comes from: configured, bootstrapped, issued, self-signed",
    ),
    of(
        Kubelet,
        "kubelet.unit-denies-addresses",
        Bool,
        "systemd denies all addresses that are not allowed (IPAddressDeny=any)",
    ),
    of(Etcd, "etcd.open-client-listeners", Findings, "client listeners in plain http beyond loopback"),
    of(Etcd, "etcd.plain-client-listeners", Findings, "client listeners in plain http"),
    of(Etcd, "etcd.open-peer-listeners", Findings, "peer listeners in plain http beyond loopback"),
    of(Etcd, "etcd.plain-peer-listeners", Findings, "peer listeners in plain http"),
    of(Etcd, "etcd.single-member", Bool, "proven to have no peers"),
    of(Etcd, "etcd.own-certificate-authority", Bool, "its certificate authority is not the cluster's"),
    files("files.kube-apiserver-manifest", "static pod manifest of the API server"),
    files("files.kube-controller-manager-manifest", "static pod manifest of the controller manager"),
    files("files.kube-scheduler-manifest", "static pod manifest of the scheduler"),
    files("files.etcd-manifest", "static pod manifest of etcd"),
    files("files.cni-configuration", "files of the CNI configuration directory"),
    files("files.etcd-data-directory", "etcd's data directory"),
    files("files.admin-kubeconfigs", "kubeconfigs with administrator's rights"),
    files("files.scheduler-kubeconfig", "kubeconfig of the scheduler"),
    files("files.controller-manager-kubeconfig", "kubeconfig of the controller manager"),
    files("files.pki-tree", "the PKI directory and everything in it"),
    files("files.pki-certificates", "certificates"),
    files("files.pki-keys", "private keys"),
    files("files.kubelet-service", "the kubelet's systemd unit and its drop-ins"),
    files("files.kube-proxy-kubeconfig", "kubeconfig of kube-proxy, where it is a file of the host"),
    files("files.kubelet-kubeconfig", "kubeconfig of the kubelet"),
    files("files.kubelet-client-ca", "the kubelet's client CA file"),
    files("files.kubelet-configuration", "the kubelet's configuration file and its drop-ins"),
    files("files.kubelet-configuration-file", "the kubelet's configuration file"),
    files("files.kubelet-drop-ins", "the kubelet's drop-in directory and its files"),
];

/// Questions about pods. Each is three facts: `pods.NAME` (pods that offend), `agents.NAME` (known network and storage agents of
/// system namespaces that do), `admitting.NAME` (user namespaces where admission would let them in).
pub const POD_QUESTIONS: [&str; 17] = [
    "privileged",
    "host-pid",
    "host-ipc",
    "host-network",
    "privilege-escalation",
    "root",
    "net-raw",
    "added-capabilities",
    "kept-capabilities",
    "windows-host-process",
    "host-path",
    "host-port",
    "unmasked-proc",
    "secret-variables",
    "unconfined-seccomp",
    "without-security-context",
    "mounted-token",
];

/// Questions about rights. Each is two facts: `rights.NAME` (specific subjects outside Kubernetes' own set that hold them) and
/// `broad.NAME` (groups that everybody is in, or nobody in particular).
pub const RIGHTS: [&str; 12] = [
    "cluster-admin",
    "read-secrets",
    "wildcards",
    "create-pods",
    "masters",
    "escalate",
    "create-volumes",
    "proxy-nodes",
    "approve-certificates",
    "change-webhooks",
    "mint-tokens",
    "read-nodes",
];

/// Rights that one can reach without holding them: `reaching.NAME` (specific subjects outside Kubernetes' own set that can, each with its
/// shortest way; broad groups that can are among `broad.NAME`).
pub const REACHED: [&str; 2] = ["cluster-admin", "read-secrets"];

/// Other facts of the cluster: name, type, what it says.
pub const CLUSTER_FACTS: [(&str, FactKind, &str); 14] = [
    (
        "namespaces.without-pod-security",
        Findings,
        "user namespaces with pods where nothing enforces a Pod Security Standard",
    ),
    (
        "namespaces.empty-without-pod-security",
        Findings,
        "other user namespaces where nothing, or an engine that a person must look at, enforces one",
    ),
    ("namespaces.without-network-policy", Findings, "namespaces with pods and without any network policy"),
    ("namespaces.with-open-pods", Findings, "namespaces whose policies leave pods open, or without pods and policy"),
    ("namespaces.objects-in-default", Findings, "users' objects in the namespace default"),
    ("namespaces.all", List, "namespaces"),
    ("accounts.default-in-use", Findings, "default service accounts that are mounted, bound or used"),
    ("nodes.windows", Findings, "Windows nodes"),
    (
        "network.plugin",
        Text,
        "whether the network plugin enforces policies: enforces-policies, does-not-enforce, unrecognised",
    ),
    ("secrets.external-stores", List, "external secret stores in use"),
    ("images.verifiers", List, "what could verify images before they run"),
    ("people.certificates", List, "users in bindings, who may come by client certificate"),
    ("people.tokens", List, "long-lived service account tokens"),
    ("people.bootstrap-tokens", List, "bootstrap tokens"),
];

/// What a name in a check stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FactRef {
    /// A setting of a component.
    Setting {
        /// Whose.
        component: Component,
        /// Flag, or dotted path of the field.
        name: String,
    },
    /// A feature gate of a component.
    Gate {
        /// Whose.
        component: Component,
        /// The gate.
        gate: String,
    },
    /// An entry of [`FACTS`].
    Computed(usize),
    /// A fact of the cluster, by name.
    Cluster(String),
}

impl FactRef {
    /// Whose fact it is.
    pub fn owner(&self) -> FactOwner {
        match self {
            Self::Setting { component, .. } | Self::Gate { component, .. } => FactOwner::Component(*component),
            Self::Computed(index) => FACTS[*index].owner,
            Self::Cluster(_) => FactOwner::Cluster,
        }
    }

    /// Its name in checks.
    pub fn name(&self) -> String {
        match self {
            Self::Setting { component, name } => format!("{component}.{name}"),
            Self::Gate { component, gate } => format!("{component}.gate.{gate}"),
            Self::Computed(index) => FACTS[*index].name.to_owned(),
            Self::Cluster(name) => name.clone(),
        }
    }

    /// The part of the name behind the component, as sentences use it.
    pub fn short_name(&self) -> String {
        match self {
            Self::Setting { name, .. } => name.clone(),
            Self::Gate { gate, .. } => format!("feature gate {gate}"),
            Self::Cluster(name) => cluster_words(name),
            Self::Computed(index) => {
                FACTS[*index].name.split_once('.').map_or(FACTS[*index].name, |(_, name)| name).replace('-', " ")
            }
        }
    }
}

/// Finds the fact of a name and its type; `None` when there is no such fact.
pub fn find(tables: &Tables, name: &str) -> Option<(FactRef, FactKind)> {
    if let Some(index) = FACTS.iter().position(|spec| spec.name == name) {
        return Some((FactRef::Computed(index), FACTS[index].kind));
    }
    if let Some(kind) = cluster_kind(name) {
        return Some((FactRef::Cluster(name.to_owned()), kind));
    }
    let (component, rest) = name.split_once('.')?;
    let component = Component::named(component)?;
    if let Some(gate) = rest.strip_prefix("gate.") {
        let known = tables.gates.contains_key(gate);
        return known.then(|| (FactRef::Gate { component, gate: gate.to_owned() }, Bool));
    }
    kind_of(tables.of(component), rest).map(|kind| (FactRef::Setting { component, name: rest.to_owned() }, kind))
}

fn cluster_kind(name: &str) -> Option<FactKind> {
    if let Some((_, kind, _)) = CLUSTER_FACTS.iter().find(|(known, ..)| *known == name) {
        return Some(*kind);
    }
    match name.split_once('.')? {
        ("pods" | "agents" | "admitting", question) if POD_QUESTIONS.contains(&question) => Some(Findings),
        ("rights" | "broad", question) if RIGHTS.contains(&question) => Some(Findings),
        ("reaching", question) if REACHED.contains(&question) => Some(Findings),
        _ => None,
    }
}

/// What a question asks of pods, as a sentence goes on after "pod".
fn pod_words(question: &str) -> &str {
    match question {
        "privileged" => "that is privileged",
        "host-pid" => "with hostPID",
        "host-ipc" => "with hostIPC",
        "host-network" => "with hostNetwork",
        "privilege-escalation" => "that allows privilege escalation",
        "root" => "that may run as root",
        "net-raw" => "that keeps NET_RAW",
        "added-capabilities" => "with added capabilities",
        "kept-capabilities" => "that keeps capabilities",
        "windows-host-process" => "that is a HostProcess",
        "host-path" => "with a hostPath volume",
        "host-port" => "with a port of the host",
        "unmasked-proc" => "with an unmasked /proc",
        "secret-variables" => "with a Secret in its environment",
        "unconfined-seccomp" => "without a seccomp profile",
        "without-security-context" => "without a security context",
        "mounted-token" => "that mounts a token",
        other => other,
    }
}

/// What a question asks of rights, as a sentence goes on after "may".
fn right_words(question: &str) -> &str {
    match question {
        "read-secrets" => "read Secrets",
        "create-pods" => "create pods",
        "escalate" => "bind, escalate or impersonate",
        "create-volumes" => "create persistent volumes",
        "proxy-nodes" => "reach kubelets through nodes/proxy",
        "read-nodes" => "read kubelets through nodes/proxy",
        "approve-certificates" => "approve certificate requests",
        "change-webhooks" => "change admission webhooks",
        "mint-tokens" => "create tokens of service accounts",
        other => other,
    }
}

/// The name of a cluster's fact as sentences use it.
fn cluster_words(name: &str) -> String {
    let words = match name {
        "rights.cluster-admin" => "subject that is cluster-admin",
        "broad.cluster-admin" => "broad group that is or becomes cluster-admin",
        "reaching.cluster-admin" => "subject that can become cluster-admin",
        "reaching.read-secrets" => "subject that can get to every Secret",
        "rights.wildcards" => "role with a wildcard",
        "broad.wildcards" => "broad group with a wildcard",
        "rights.masters" => "binding of system:masters",
        "broad.masters" => "broad group in system:masters",
        "namespaces.without-pod-security" => "user namespace with pods that enforces no Pod Security",
        "namespaces.empty-without-pod-security" => "other user namespace that may enforce none",
        "namespaces.without-network-policy" => "namespace with pods and no network policy",
        "namespaces.with-open-pods" => "other namespace that is open or has no policy",
        "namespaces.objects-in-default" => "object of users in namespace default",
        "namespaces.all" => "namespaces",
        "accounts.default-in-use" => "use of a default service account",
        "nodes.windows" => "Windows node",
        "people.certificates" => "users in bindings",
        "people.tokens" => "long-lived tokens of service accounts",
        "people.bootstrap-tokens" => "bootstrap tokens",
        "secrets.external-stores" => "external secret stores",
        "images.verifiers" => "image verifiers",
        _ => "",
    };
    match name.split_once('.') {
        _ if !words.is_empty() => words.to_owned(),
        Some(("pods", question)) => format!("pod {}", pod_words(question)),
        Some(("agents", question)) => format!("system agent {}", pod_words(question)),
        Some(("admitting", question)) => format!("namespace that admits a pod {}", pod_words(question)),
        Some(("rights", question)) => format!("subject that may {}", right_words(question)),
        Some(("broad", question)) => format!("broad group that may {}", right_words(question)),
        Some((area, rest)) => format!("{area} {}", rest.replace('-', " ")),
        None => name.to_owned(),
    }
}

/// What a cluster's fact says, for people.
pub fn about_cluster(name: &str) -> String {
    CLUSTER_FACTS
        .iter()
        .find(|(known, ..)| *known == name)
        .map_or_else(|| cluster_words(name), |(_, _, about)| (*about).to_owned())
}

/// Every name that [`find`] knows, for suggestions.
pub fn names(tables: &Tables) -> Vec<String> {
    let settings = tables.components.values().flat_map(|table| {
        let flags = table.flags.keys().map(|flag| table.setting_of(flag));
        flags.chain(table.fields.keys().map(String::as_str)).map(|name| format!("{}.{name}", table.component))
    });
    let pods = POD_QUESTIONS
        .iter()
        .flat_map(|question| ["pods", "agents", "admitting"].map(|part| format!("{part}.{question}")));
    let rights = RIGHTS.iter().flat_map(|question| ["rights", "broad"].map(|part| format!("{part}.{question}")));
    let rights = rights.chain(REACHED.iter().map(|question| format!("reaching.{question}")));
    let cluster = CLUSTER_FACTS.iter().map(|(name, ..)| (*name).to_owned());
    FACTS.iter().map(|spec| spec.name.to_owned()).chain(settings).chain(pods).chain(rights).chain(cluster).collect()
}

fn kind_of(table: &ComponentTable, setting: &str) -> Option<FactKind> {
    // a flag that backs a field is known by the field's name only: one name for one value
    let flag = table.flags.get(setting).filter(|spec| spec.field.is_none()).map(|spec| spec.kind.as_str());
    let field = table.fields.get(setting).filter(|_| table.component != Etcd).map(|spec| spec.kind.as_str());
    Some(match flag.or(field)? {
        "bool" | "tristate" => Bool,
        "duration" => Duration,
        "stringSlice" | "stringArray" | "list" => List,
        kind if kind.to_ascii_lowercase().contains("map") || kind == "stringToString" => Map,
        kind if kind.ends_with("Slice") || kind == "object-list" => Map,
        kind if kind.contains("int") || kind.starts_with("float") || kind == "Level" => Number,
        _ => Text,
    })
}

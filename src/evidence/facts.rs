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
pub const FACTS: [FactSpec; 37] = [
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
        "what writes Secrets to etcd: none, identity, aescbc, aesgcm, secretbox, kms-v1, kms-v2",
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
}

impl FactRef {
    /// Whose fact it is.
    pub fn owner(&self) -> FactOwner {
        match self {
            Self::Setting { component, .. } | Self::Gate { component, .. } => FactOwner::Component(*component),
            Self::Computed(index) => FACTS[*index].owner,
        }
    }

    /// Its name in checks.
    pub fn name(&self) -> String {
        match self {
            Self::Setting { component, name } => format!("{component}.{name}"),
            Self::Gate { component, gate } => format!("{component}.gate.{gate}"),
            Self::Computed(index) => FACTS[*index].name.to_owned(),
        }
    }

    /// The part of the name behind the component, as sentences use it.
    pub fn short_name(&self) -> String {
        match self {
            Self::Setting { name, .. } => name.clone(),
            Self::Gate { gate, .. } => format!("feature gate {gate}"),
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
    let (component, rest) = name.split_once('.')?;
    let component = Component::named(component)?;
    if let Some(gate) = rest.strip_prefix("gate.") {
        let known = tables.gates.contains_key(gate);
        return known.then(|| (FactRef::Gate { component, gate: gate.to_owned() }, Bool));
    }
    kind_of(tables.of(component), rest).map(|kind| (FactRef::Setting { component, name: rest.to_owned() }, kind))
}

/// Every name that [`find`] knows, for suggestions.
pub fn names(tables: &Tables) -> Vec<String> {
    let settings = tables.components.values().flat_map(|table| {
        let flags = table.flags.keys().map(|flag| table.setting_of(flag));
        flags.chain(table.fields.keys().map(String::as_str)).map(|name| format!("{}.{name}", table.component))
    });
    FACTS.iter().map(|spec| spec.name.to_owned()).chain(settings).collect()
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

//! Facts: what a check asks for, established from evidence at one version. Pure.

mod api_server;
pub mod audit_policy;
mod audit_requests;
pub mod cluster;
mod encryption_proof;
mod etcd;
mod files;
mod kubelet;

use crate::audit::report::Offender;
use crate::evidence::components::at_version;
use crate::evidence::effective::Effective;
use crate::evidence::facts::{FACTS, FactRef};
use crate::evidence::{Component, Gap, Instance, NodeEvidence, Observed, Origin, Reason, Tables, Value, Version};

use api_server::admission_plugins;
pub use files::FilesFound;

/// An established fact.
#[derive(Debug, Clone)]
pub enum Fact {
    /// A value, with what a person should know about how it came about.
    Value(Observed<Value>, Option<String>),
    /// Files.
    Files(FilesFound),
    /// Things that offend, with what a person should know beside them.
    Findings(Observed<Vec<Offender>>, Option<String>),
}

/// What facts are established from.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Tables of the components.
    pub tables: &'a Tables,
    /// The node; an empty one for facts of the cluster.
    pub node: &'a NodeEvidence,
    /// The cluster, for its facts.
    pub cluster: Option<cluster::ClusterContext<'a>>,
    /// The instance and its effective values, for a component's facts.
    pub instance: Option<(&'a Instance, &'a Effective)>,
    /// The version that is assumed.
    pub version: Version,
}

impl Context<'_> {
    fn setting(&self, name: &str) -> Observed<Value> {
        match self.instance {
            Some((_, effective)) => effective.get(name),
            None => Observed::unknown(Reason::NotAsked, "no instance"),
        }
    }
}

/// Establishes a fact.
pub fn establish(fact: &FactRef, context: &Context<'_>) -> Fact {
    match fact {
        FactRef::Setting { name, .. } => Fact::Value(context.setting(name), None),
        FactRef::Gate { gate, .. } => Fact::Value(feature_gate(gate, context), None),
        FactRef::Computed(index) => computed(FACTS[*index].name, context),
        FactRef::Cluster(name) => match &context.cluster {
            Some(cluster) => cluster::establish(name, cluster),
            None => Fact::Findings(Observed::unknown(Reason::NeedsApi, ""), None),
        },
    }
}

/// The establishing functions, by name of the fact. `tests` hold this list against the table of facts.
fn computed(name: &str, context: &Context<'_>) -> Fact {
    let plain = |value| Fact::Value(value, None);
    match name {
        "kube-apiserver.anonymous-access" => plain(api_server::anonymous_access(context)),
        "kube-apiserver.authorizers" => plain(api_server::authorizers(context)),
        "kube-apiserver.admission-plugins" => plain(admission_plugins(context)),
        "kube-apiserver.event-rate-limit-configuration" => plain(api_server::event_rate_limit(context)),
        "kube-apiserver.secrets-encryption" => {
            let (value, note) = api_server::secrets_encryption(context);
            encryption_proof::with_proof(value, note, context)
        }
        "kube-apiserver.audit-policy-records" => {
            Fact::Value(audit_policy::records(context), audit_policy::counted(context))
        }
        "kube-apiserver.audit-policy-gaps" => {
            let notes: Vec<String> =
                audit_policy::unreachable_note(context).into_iter().chain(audit_policy::counted(context)).collect();
            Fact::Findings(audit_policy::gaps(context), (!notes.is_empty()).then(|| notes.join("; ")))
        }
        "kube-apiserver.offered-cipher-suites" => cipher_suites(context, "tls-min-version", "tls-cipher-suites"),
        "kubelet.offered-cipher-suites" => cipher_suites(context, "tlsMinVersion", "tlsCipherSuites"),
        "kube-controller-manager.loopback-only" | "kube-scheduler.loopback-only" => serves_loopback(context),
        "kube-proxy.loopback-only" => loopback(context, "metricsBindAddress"),
        "kubelet.serving-certificate" => kubelet::serving_certificate(context),
        "kubelet.unit-denies-addresses" => kubelet::unit_denies_addresses(context),
        "etcd.open-client-listeners" => Fact::Findings(etcd::plain_listeners(context, &etcd::CLIENTS, true), None),
        "etcd.plain-client-listeners" => Fact::Findings(etcd::plain_listeners(context, &etcd::CLIENTS, false), None),
        "etcd.open-peer-listeners" => Fact::Findings(etcd::plain_listeners(context, &etcd::PEERS, true), None),
        "etcd.plain-peer-listeners" => Fact::Findings(etcd::plain_listeners(context, &etcd::PEERS, false), None),
        "etcd.single-member" => plain(etcd::single_member(context)),
        "etcd.own-certificate-authority" => plain(etcd::own_authority(context)),
        other => match other.strip_prefix("files.") {
            Some(set) => Fact::Files(files::find(set, context)),
            None => plain(Observed::unknown(Reason::Unsupported, format!("fact {other} has no source"))),
        },
    }
}

/// The effective state of a feature gate: what the API server tells of itself, set by name, else as `AllAlpha` or `AllBeta` says, else the version's default.
///
/// Source: k8s.io/component-base/featuregate: a gate set by name is not touched by the two; locked gates are not either.
fn feature_gate(gate: &str, context: &Context<'_>) -> Observed<Value> {
    let Some((instance, effective)) = context.instance else {
        return Observed::unknown(Reason::NotAsked, "no instance");
    };
    if let Some(on) = instance.own_metrics().and_then(|told| told.gates.get(gate)) {
        return Observed::seen(Value::Bool(*on), Origin::Api { what: "metrics".to_owned() });
    }
    if let Some((on, origin)) = effective.gates.get(gate) {
        return Observed::seen(Value::Bool(*on), origin.clone());
    }
    if let Some(gap) = &effective.gates_gap {
        return Observed::Unknown(gap.clone());
    }
    let Some(stage) = context.tables.gates.get(gate).and_then(|stages| at_version(stages, context.version)) else {
        return Observed::unknown(
            Reason::Unsupported,
            format!("feature gate {gate} is not known at {}", context.version),
        );
    };
    let group = match stage.stage.as_str() {
        "alpha" => Some("AllAlpha"),
        "beta" => Some("AllBeta"),
        _ => None,
    };
    if let Some((on, origin)) = group.filter(|_| !stage.locked).and_then(|group| effective.gates.get(group)) {
        let group = if stage.stage == "alpha" { "AllAlpha" } else { "AllBeta" };
        return Observed::seen(Value::Bool(*on), Origin::Derived { rule: format!("{group}={on}, {origin}") });
    }
    Observed::seen(
        Value::Bool(stage.default),
        Origin::Default { version: context.version.to_string(), from_source: false },
    )
}

/// The TLS 1.2 suites that clients can negotiate: none when TLS 1.3 is the minimum, the configured list, or Go's own.
fn cipher_suites(context: &Context<'_>, minimum: &str, list: &str) -> Fact {
    let minimum = context.setting(minimum);
    if let Observed::Unknown(gap) = minimum {
        return Fact::Value(Observed::Unknown(gap), None);
    }
    if minimum.value().and_then(Value::as_text) == Some("VersionTLS13")
        && let Observed::Seen { origin, overridden, .. } = minimum
    {
        let note = "TLS 1.3 is the minimum: no TLS 1.2 suite can be negotiated".to_owned();
        return Fact::Value(Observed::Seen { value: Value::List(Vec::new()), origin, overridden }, Some(note));
    }
    match context.setting(list) {
        Observed::Seen { value: Value::List(items), origin, overridden } if !items.is_empty() => {
            Fact::Value(Observed::Seen { value: Value::List(items), origin, overridden }, None)
        }
        Observed::Unknown(gap) => Fact::Value(Observed::Unknown(gap), None),
        _ => match at_version(&context.tables.ciphers.default_suites, context.version) {
            Some(suites) => {
                let origin = Origin::Default {
                    version: format!("the Go release that Kubernetes {} is built with", context.version),
                    from_source: false,
                };
                Fact::Value(
                    Observed::seen(Value::texts(suites.iter().cloned()), origin),
                    Some("no list is configured".to_owned()),
                )
            }
            None => Fact::Value(Observed::unknown(Reason::Unsupported, "default cipher suites are not known"), None),
        },
    }
}

/// Where the controller manager or the scheduler serves HTTPS; at port 0 it does not serve at all.
///
/// Source: k8s.io/apiserver/pkg/server/options/serving.go (`SecureServingOptions.ApplyTo`).
fn serves_loopback(context: &Context<'_>) -> Fact {
    let at_address = loopback(context, "bind-address");
    if matches!(&at_address, Fact::Value(Observed::Seen { value: Value::Bool(true), .. }, _)) {
        return at_address;
    }
    match context.setting("secure-port") {
        Observed::Unknown(gap) => Fact::Value(Observed::Unknown(gap), None),
        Observed::Seen { value: Value::Int(0), origin, .. } => {
            Fact::Value(Observed::seen(Value::Bool(true), origin), Some("secure-port is 0: nothing listens".to_owned()))
        }
        _ => at_address,
    }
}

fn loopback(context: &Context<'_>, setting: &str) -> Fact {
    let address = context.setting(setting);
    let note = address.value().map(|value| format!("{setting} is {value}"));
    Fact::Value(address.map(|value| Value::Bool(value.as_text().is_some_and(is_loopback))), note)
}

/// True for a loopback address, with or without a port.
fn is_loopback(address: &str) -> bool {
    let host = match address.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None if address.matches(':').count() == 1 => address.split(':').next().unwrap_or_default(),
        None => address,
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Whether a component that no process was seen of is proven absent here.
///
/// # Errors
/// Why absence cannot be claimed.
pub fn proven_absent(node: &NodeEvidence, component: Component) -> Result<(), Gap> {
    if let Some(distribution) = node.distributions.iter().find(|distribution| distribution.embeds.contains(&component))
    {
        let detail = format!(
            "{} runs the {} in a way of its own ({}); that is not supported yet",
            distribution.name,
            component.title(),
            distribution.trace
        );
        return Err(Gap::new(Reason::Embedded, detail));
    }
    if let Some(gap) = &node.process_table {
        return Err(gap.clone());
    }
    match node.traces.iter().find(|trace| trace.component == component) {
        Some(trace) => Err(Gap::new(
            Reason::NotRunning,
            format!("no process of {component} was seen, but there is {}", trace.what),
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_addresses() {
        for address in ["127.0.0.1", "127.0.0.1:10249", "[::1]:10249", "::1", "localhost:10249", "::ffff:127.0.0.1"] {
            assert!(is_loopback(address), "{address}");
        }
        for address in ["0.0.0.0", "", "[::]:10249", "10.0.0.1:1", "localhost.example"] {
            assert!(!is_loopback(address), "{address}");
        }
    }
}

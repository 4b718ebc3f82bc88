//! Which pods network policies isolate, and in which direction.
//!
//! Source: k8s.io/api 0.37 networking/v1, `NetworkPolicySpec`: a pod is isolated in a direction when a policy of its namespace selects it
//! and is of that type; without `policyTypes` a policy is for ingress, and for egress when it has such rules. Pods on the
//! host's network are outside of any policy.

use std::collections::HashMap;

use super::ClusterContext;
use super::namespaces::{named, named_gap};
use super::network_plugin::network_plugin;
use crate::audit::report::Offender;
use crate::evidence::Value;
use crate::evidence::objects::{ClusterEvidence, LabelSelector, NetworkPolicy, Pod};

/// Kinds beside the core policies that isolate pods of every namespace that they select.
const OTHER_POLICIES: [&str; 11] = [
    "AdminNetworkPolicy.policy.networking.k8s.io",
    "ClusterNetworkPolicy.policy.networking.k8s.io",
    "BaselineAdminNetworkPolicy.policy.networking.k8s.io",
    "CiliumNetworkPolicy.cilium.io",
    "CiliumClusterwideNetworkPolicy.cilium.io",
    "GlobalNetworkPolicy.crd.projectcalico.org",
    "NetworkPolicy.crd.projectcalico.org",
    "GlobalNetworkPolicy.projectcalico.org",
    "NetworkPolicy.projectcalico.org",
    "ClusterNetworkPolicy.crd.antrea.io",
    "NetworkPolicy.crd.antrea.io",
];

/// How the network policies of a cluster leave its namespaces.
#[derive(Debug, Default)]
pub(super) struct Isolation {
    /// Namespaces with pods and without any policy.
    pub open: Vec<Offender>,
    /// Namespaces without pods and without any policy, or whose policies leave pods open.
    pub doubtful: Vec<Offender>,
    /// The whole cluster in a line.
    pub summary: String,
}

/// Pods of a namespace by what isolates them.
#[derive(Debug, Default)]
struct Counts<'a> {
    pods: usize,
    ingress: usize,
    egress: usize,
    host_network: usize,
    /// Selected by no policy.
    open: Vec<&'a str>,
}

/// Looks at every namespace.
pub(super) fn isolation(context: &ClusterContext<'_>) -> Isolation {
    let (cluster, inventory) = (context.cluster, context.inventory);
    let mut found = Isolation::default();
    let mut total = Counts::default();
    let (mut denied_in, mut denied_out) = (0, 0);
    let (wide, local) = others(cluster);
    // policies that could not be listed may isolate every namespace
    let unlisted = OTHER_POLICIES.iter().find_map(|kind| named_gap(cluster, kind));
    for name in inventory.namespaces.keys() {
        let policies = inventory.policies.get(name).map(Vec::as_slice).unwrap_or_default();
        let others = local.get(name).copied().unwrap_or_default();
        let counts = count(&inventory.pods(name), policies);
        let denies = |egress| policies.iter().any(|policy| denies_all(policy, egress));
        let deny = (denies(false), denies(true));
        denied_in += usize::from(deny.0);
        denied_out += usize::from(deny.1);
        total.pods += counts.pods;
        total.ingress += counts.ingress;
        total.egress += counts.egress;
        total.host_network += counts.host_network;
        let what = format!("namespace {name}");
        let outside = match counts.host_network {
            0 => String::new(),
            count => format!("; {count} more on the host's network, outside of any policy"),
        };
        if policies.is_empty() && others == 0 {
            let suffix = match &unlisted {
                _ if wide > 0 => "; cluster-wide policies exist".to_owned(),
                Some(gap) => format!("; whether other policies exist is not known: {}", gap.detail),
                None => String::new(),
            };
            let doubtful = counts.pods == 0 || wide > 0 || unlisted.is_some();
            let list = if doubtful { &mut found.doubtful } else { &mut found.open };
            list.push(Offender {
                what,
                found: format!("no policy, {} pods{outside}{suffix}", counts.pods),
                own: false,
            });
        } else if !counts.open.is_empty() {
            // their own selectors say whom policies of other kinds isolate: that takes a person
            let by_others = match others + wide {
                0 => String::new(),
                count => format!("; {count} policies of other kinds may select them"),
            };
            let mut shown = counts.open.iter().take(5).copied().collect::<Vec<_>>().join(", ");
            if counts.open.len() > 5 {
                shown.push_str(", ...");
            }
            let found_there = format!(
                "{} pods that no policy selects: {shown}; of {} pods {} are isolated for ingress and {} for egress{outside}{}{by_others}",
                counts.open.len(),
                counts.pods,
                counts.ingress,
                counts.egress,
                default_deny(deny),
            );
            found.doubtful.push(Offender { what, found: found_there, own: false });
        }
    }
    let plugin = network_plugin(context);
    let plugin = match plugin.value().and_then(Value::as_text) {
        Some("enforces-policies") => "",
        Some("does-not-enforce") => "; the network plugin enforces none of it",
        _ => "; whether the network plugin enforces policies is not known",
    };
    let outside = match total.host_network {
        0 => String::new(),
        count => format!(", {count} more are on the host's network and outside of any policy"),
    };
    found.summary = format!(
        "of {} pods {} are isolated for ingress and {} for egress{outside}; {denied_in} of {} namespaces deny all ingress by default, {denied_out} all egress{plugin}",
        total.pods,
        total.ingress,
        total.egress,
        inventory.namespaces.len(),
    );
    found
}

/// Policies of other kinds: how many are for the whole cluster, and how many each namespace has.
fn others(cluster: &ClusterEvidence) -> (usize, HashMap<&str, usize>) {
    let mut local: HashMap<&str, usize> = HashMap::new();
    for policy in OTHER_POLICIES.iter().flat_map(|kind| named(cluster, kind)) {
        *local.entry(&policy.metadata.namespace).or_default() += 1;
    }
    (local.remove("").unwrap_or_default(), local)
}

fn count<'a>(pods: &[&'a Pod], policies: &[&NetworkPolicy]) -> Counts<'a> {
    let mut counts = Counts::default();
    for pod in pods {
        if pod.spec.host_network {
            counts.host_network += 1;
            continue;
        }
        counts.pods += 1;
        let (mut ingress, mut egress) = (false, false);
        for policy in policies.iter().filter(|policy| policy.spec.pod_selector.selects(&pod.metadata.labels)) {
            ingress |= is_of(policy, false);
            egress |= is_of(policy, true);
        }
        counts.ingress += usize::from(ingress);
        counts.egress += usize::from(egress);
        if !ingress && !egress {
            counts.open.push(&pod.metadata.name);
        }
    }
    counts
}

/// True when a policy is for a direction.
fn is_of(policy: &NetworkPolicy, egress: bool) -> bool {
    let types = &policy.spec.policy_types;
    match (types.is_empty(), egress) {
        (true, false) => true,
        (true, true) => policy.spec.egress.is_some_and(|rules| rules > 0),
        (false, false) => types.iter().any(|kind| kind == "Ingress"),
        (false, true) => types.iter().any(|kind| kind == "Egress"),
    }
}

/// True when a policy selects every pod of its namespace and allows nothing in a direction.
fn denies_all(policy: &NetworkPolicy, egress: bool) -> bool {
    let rules = if egress { policy.spec.egress } else { policy.spec.ingress };
    policy.spec.pod_selector == LabelSelector::default() && is_of(policy, egress) && rules.unwrap_or_default() == 0
}

fn default_deny(deny: (bool, bool)) -> &'static str {
    match deny {
        (true, true) => "; everything is denied by default",
        (true, false) => "; ingress is denied by default",
        (false, true) => "; egress is denied by default",
        (false, false) => "",
    }
}

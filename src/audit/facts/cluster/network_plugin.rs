//! Whether the network plugin enforces policies, by the DaemonSet that brings it.
//!
//! A name alone is no proof: the set is in a namespace of the plugin's, runs its image, and where pods were listed it has some. A
//! plugin that enforces only from some version on, or only when it is told to, is judged by what its image and containers show.

use std::collections::BTreeMap;

use super::{ClusterContext, gap};
use crate::evidence::objects::{PodSpec, Source};
use crate::evidence::{Observed, Value};

/// Where plugins are installed by their own manifests. Whoever may name a DaemonSet in a namespace of its own must not decide this.
const NAMESPACES: [&str; 6] =
    ["kube-system", "calico-system", "cilium", "kube-flannel", "ovn-kubernetes", "openshift-ovn-kubernetes"];

/// DaemonSets of plugins that enforce policies in every version, and a word of their images.
const ENFORCE: [(&str, &str); 9] = [
    ("calico-node", "calico"),
    ("canal", "calico"),
    ("rke2-canal", "calico"),
    ("cilium", "cilium"),
    ("antrea-agent", "antrea"),
    ("weave-net", "weave"),
    ("kube-router", "kube-router"),
    ("ovnkube-node", "ovn"),
    ("kube-network-policies", "kube-network-policies"),
];

/// The first kindnetd that enforces policies, and the last that does not, by the date in their tags: those of kind 0.24 and 0.23.
const KINDNETD: (u32, u32) = (20_240_813, 20_240_513);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Enforcement {
    Enforces,
    DoesNot,
    /// It takes what the objects do not tell.
    Depends,
}

/// The network plugin: one that enforces policies, one that does not, or unknown.
pub(super) fn network_plugin(context: &ClusterContext<'_>) -> Observed<Value> {
    let cluster = context.cluster;
    let workloads = gap(&cluster.workloads);
    let pods = gap(&cluster.pods);
    let mut sets: BTreeMap<(&str, &str), &PodSpec> = BTreeMap::new();
    // manifests hold templates in place of the pods that they will make
    if cluster.source == Source::Manifests {
        for workload in cluster.workloads.items.iter().filter(|workload| workload.kind == "DaemonSet") {
            let meta = &workload.metadata;
            sets.extend(
                workload.template().map(|template| ((meta.namespace.as_str(), meta.name.as_str()), &template.spec)),
            );
        }
    }
    for pod in &cluster.pods.items {
        let owners = pod.metadata.owner_references.iter().filter(|owner| owner.kind == "DaemonSet");
        sets.extend(owners.map(|owner| ((pod.metadata.namespace.as_str(), owner.name.as_str()), &pod.spec)));
    }
    let found: Vec<Enforcement> = sets
        .into_iter()
        .filter(|((namespace, _), _)| NAMESPACES.contains(namespace))
        .filter_map(|((namespace, name), spec)| enforcement(namespace, name, spec))
        .collect();
    let verdict = if found.contains(&Enforcement::Enforces) {
        "enforces-policies"
    } else if let Some(gap) = pods.or(workloads.filter(|_| cluster.source == Source::Manifests)) {
        // another set may enforce what this one does not
        return Observed::Unknown(gap.clone());
    } else if found.contains(&Enforcement::DoesNot) && !found.contains(&Enforcement::Depends) {
        "does-not-enforce"
    } else {
        "unrecognised"
    };
    Observed::seen(Value::from(verdict), context.origin())
}

/// What a set does; `None` for one that is no plugin.
fn enforcement(namespace: &str, name: &str, spec: &PodSpec) -> Option<Enforcement> {
    let runs = |word: &str| spec.containers.iter().any(|container| repository(&container.image).contains(word));
    // OpenShift's images are named by their digests alone
    let by_digest = namespace == "openshift-ovn-kubernetes";
    if ENFORCE.iter().any(|(set, word)| *set == name && (by_digest || runs(word))) {
        return Some(Enforcement::Enforces);
    }
    match name {
        // flannel's chart can add a container that enforces what flannel itself does not
        "kube-flannel-ds" | "kube-flannel" if runs("kube-network-policies") => Some(Enforcement::Enforces),
        "kube-flannel-ds" | "kube-flannel" => Some(Enforcement::DoesNot),
        // from 1.14 on an agent beside it enforces, when it is told to, and by default it is not
        "aws-node" if runs("network-policy-agent") => Some(Enforcement::Depends),
        "aws-node" if runs("amazon-k8s-cni") => Some(Enforcement::DoesNot),
        "kindnet" => {
            let mut images =
                spec.containers.iter().filter(|container| repository(&container.image).contains("kindnetd"));
            Some(match images.find_map(|container| kindnetd(&container.image)) {
                Some(date) if date >= KINDNETD.0 => Enforcement::Enforces,
                Some(date) if date <= KINDNETD.1 => Enforcement::DoesNot,
                _ => Enforcement::Depends,
            })
        }
        _ => None,
    }
}

/// An image's name without registry host, tag and digest.
fn repository(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or_default();
    let image = match image.rsplit_once(':') {
        Some((before, tag)) if !tag.contains('/') => before,
        _ => image,
    };
    match image.split_once('/') {
        Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => rest,
        _ => image,
    }
}

/// The date in a tag such as `v20240813-c6f155d6`.
fn kindnetd(image: &str) -> Option<u32> {
    let (_, tag) = image.split('@').next()?.rsplit_once(':')?;
    tag.strip_prefix('v')?.split('-').next()?.parse().ok().filter(|date| *date > 20_000_000)
}

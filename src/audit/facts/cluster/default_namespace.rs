//! What lies in the namespace `default` and is not Kubernetes' own.

use std::collections::BTreeSet;

use super::inventory::made_by;
use super::namespaces::{named, named_gap};
use super::{ClusterContext, gap};
use crate::audit::facts::Fact;
use crate::audit::pss::Owners;
use crate::audit::report::Offender;
use crate::evidence::objects::{Meta, Source};

/// Kinds beside pods, workloads and accounts, with the one object of each that Kubernetes itself keeps there.
const KINDS: [(&str, &str); 5] = [
    ("Service", "kubernetes"),
    ("ConfigMap", "kube-root-ca.crt"),
    ("Ingress.networking.k8s.io", ""),
    ("PersistentVolumeClaim", ""),
    ("Secret", ""),
];

/// Kinds that an API is asked for only on request, or never: manifests show them.
const NOT_LISTED: [&str; 2] = ["PersistentVolumeClaim", "Secret"];

/// Objects of users in the namespace `default`. Pods stand under the workload that makes them, whatever kind that is of.
pub(super) fn objects(context: &ClusterContext<'_>) -> Fact {
    let cluster = context.cluster;
    let here = |meta: &Meta| meta.namespace == "default";
    let owners = Owners::new(&cluster.workloads.items);
    let pods = cluster.pods.items.iter().filter(|pod| here(&pod.metadata));
    let mut found: Vec<String> = pods.map(|pod| made_by(pod, &owners).to_string()).collect();
    let workloads = cluster.workloads.items.iter().filter(|workload| here(&workload.metadata));
    found
        .extend(workloads.filter(|workload| !owners.is_owned(workload)).map(|all| owners.of_workload(all).to_string()));
    for (kind, stock) in KINDS {
        let objects = named(cluster, kind).iter().filter(|object| here(&object.metadata));
        let own = objects.filter(|object| object.metadata.name != stock);
        found.extend(own.map(|object| format!("{} {}", object.kind, object.metadata.name)));
    }
    let accounts = cluster.service_accounts.items.iter().filter(|account| here(&account.metadata));
    let own = accounts.filter(|account| account.metadata.name != "default");
    found.extend(own.map(|account| format!("ServiceAccount {}", account.metadata.name)));

    let mut seen = BTreeSet::new();
    found.retain(|what| seen.insert(what.clone()));
    let offender = |what: String| Offender {
        what: format!("default/{what}"),
        found: "in the namespace default".to_owned(),
        own: false,
    };
    let unasked =
        |kind: &str| cluster.source == Source::Api && NOT_LISTED.contains(&kind) && !cluster.named.contains_key(kind);
    let asked = KINDS.iter().filter(|(kind, _)| !unasked(kind));
    let of_kinds: Vec<_> = asked.filter_map(|(kind, _)| named_gap(cluster, kind)).collect();
    let listings = [gap(&cluster.pods), gap(&cluster.workloads), gap(&cluster.service_accounts)];
    let gaps: Vec<_> = listings.into_iter().chain(of_kinds.iter().map(Some)).collect();
    let unasked: Vec<&str> = KINDS.iter().map(|(kind, _)| *kind).filter(|kind| unasked(kind)).collect();
    match context.findings(found.into_iter().map(offender).collect(), &gaps) {
        Fact::Findings(seen, None) if seen.value().is_some_and(Vec::is_empty) && !unasked.is_empty() => {
            Fact::Findings(seen, Some(format!("not looked for: {}", unasked.join(", "))))
        }
        other => other,
    }
}

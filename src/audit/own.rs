//! The mark of this program's own collectors on what they and their namespace change in a report. It exempts nothing.

use super::report::Offender;
use crate::evidence::objects::{ClusterEvidence, Pod};
use crate::evidence::{Evidence, OwnCollectors};

/// Marks the offenders of a finding about the cluster that are the collectors themselves or their namespace.
pub fn mark(offenders: &mut [Offender], evidence: &Evidence) {
    let Some((own, cluster)) = evidence.own.as_ref().zip(evidence.cluster.as_ref()) else { return };
    if offenders.is_empty() || !is_all_there_is(own, cluster) {
        return;
    }
    let (namespace, owner) =
        (format!("namespace {}", own.namespace), format!("{}/DaemonSet {}", own.namespace, own.daemonset));
    for offender in offenders {
        let field = offender.what.strip_prefix(&owner);
        offender.own =
            offender.what == namespace || field.is_some_and(|field| field.is_empty() || field.starts_with(": "));
    }
}

/// Pods stand in a report under the name of their owner: one of that name that is not of these pods must not hide among them. The
/// list of the cluster's pods is of another moment than the look at the collectors.
fn is_all_there_is(own: &OwnCollectors, cluster: &ClusterEvidence) -> bool {
    let claims = |pod: &&Pod| {
        let owners = &pod.metadata.owner_references;
        pod.metadata.namespace == own.namespace.as_str()
            && owners.iter().any(|owner| owner.kind == "DaemonSet" && owner.name == own.daemonset)
    };
    cluster.pods.items.iter().filter(claims).all(|pod| own.pods.contains(&pod.metadata.uid))
}

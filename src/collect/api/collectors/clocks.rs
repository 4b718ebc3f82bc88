//! How the clock of each node goes: its kubelet renews its lease every ten seconds by it, and evidence is dated by it too.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;

use super::super::ask::Asker;
use super::super::list::Object;
use crate::evidence::objects::null_is_default;

/// How a node's clock goes, as its lease tells it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    /// What it is ahead of the auditor's; a lease is up to ten seconds old, and much older when it is not renewed any more.
    pub(super) skew: TimeDelta,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Lease {
    metadata: Name,
    #[serde(deserialize_with = "null_is_default")]
    spec: Spec,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Name {
    name: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    renew_time: Option<DateTime<Utc>>,
}

impl Object for Lease {
    fn key(&self) -> (&str, &str) {
        ("", &self.metadata.name)
    }
}

/// The clocks of all nodes whose leases can be read, by node: a few pages, not a request a node.
pub(super) async fn of_all(asker: &Asker) -> HashMap<String, Clock> {
    let path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
    let leases = asker.objects::<Lease>(path, "leases").await;
    let now = Utc::now();
    let clock = |lease: Lease| Some((lease.metadata.name, Clock { skew: lease.spec.renew_time? - now }));
    leases.items.into_iter().filter_map(clock).collect()
}

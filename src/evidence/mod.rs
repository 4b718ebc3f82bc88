//! Floor 0: the vocabulary of evidence. No I/O, no YAML.

pub mod components;
mod digest;
pub mod effective;
pub mod facts;
pub mod file;
mod flag_values;
pub mod flags;
pub mod frames;
pub mod golang;
mod join;
mod node;
pub mod objects;
mod observed;
mod presence;
mod value;
mod version;

use serde::{Deserialize, Serialize};

pub use components::{Component, ComponentTable, Tables};
pub use digest::sha256;
pub use node::{
    API_VIEW, Accounts, AuditCounts, Certificate, CollectorRights, Distribution, Document, DocumentRole, FileEntry,
    FileFacts, FileKind, FileSet, FileSetName, HostFacts, Instance, NodeEvidence, Ownership, ServerMetrics, Trace,
    Transformation, Unit,
};
pub use objects::Listing;
pub use observed::{Gap, Observed, Origin, Overridden, Reason};
pub use presence::{NodeState, Unseen};
pub use value::Value;
pub use version::{KNOWN, NotAVersion, Version};

/// Evidence of one run: what its subjects are and what was read of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evidence {
    /// The hosts.
    pub nodes: Vec<NodeEvidence>,
    /// Nodes that exist, by the cluster's API, and could not be looked at.
    pub unseen: Vec<Unseen>,
    /// The cluster, through its API or from manifests.
    pub cluster: Option<objects::ClusterEvidence>,
    /// Other limits of this evidence, one line each: records of a kind that this version does not know, logs that were refused.
    pub skipped: Vec<String>,
    /// The collectors that brought the evidence, where they are what `manifests` prints, unchanged.
    pub own: Option<OwnCollectors>,
    /// SHA-256 of each evidence file that was read, hexadecimal.
    pub sha256: Vec<String>,
}

/// This program's own collectors in the cluster: a DaemonSet as `manifests` prints it, and the pods that the API says it controls, all
/// of them as it says. Whoever is called like it is not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnCollectors {
    /// Their namespace.
    pub namespace: String,
    /// Name of the DaemonSet.
    pub daemonset: String,
    /// Its UID.
    pub uid: String,
    /// UIDs of its pods.
    pub pods: std::collections::BTreeSet<String>,
}

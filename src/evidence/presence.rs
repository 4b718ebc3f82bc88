//! Which nodes exist and are not in the evidence, and why: the node list of the API is the truth, a missing node is no secret.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether a node that exists was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NodeState {
    /// Its evidence is here.
    #[default]
    Seen,
    /// Its evidence is too old.
    Stale,
    /// No evidence came.
    Missing,
    /// No machine stands behind it (virtual-kubelet, Fargate).
    Virtual,
    /// Not Linux.
    Unsupported,
}

impl NodeState {
    /// As people read it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Stale => "stale",
            Self::Missing => "missing",
            Self::Virtual => "virtual",
            Self::Unsupported => "unsupported",
        }
    }
}

/// A node that exists and whose evidence is not here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unseen {
    /// Its name in the API.
    pub name: String,
    /// Never `seen`.
    pub state: NodeState,
    /// Why, in one line; never with the node's own name, so that equal reasons are equal.
    pub why: String,
    /// Operating system, as the API says.
    pub os: Option<String>,
}

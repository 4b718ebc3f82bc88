//! What a report says of earlier runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::drift::Drift;

/// What changed since earlier runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// Since the run before this one; absent when there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Comparison>,
    /// Since the report that was pinned as baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Comparison>,
    /// Figures of earlier runs against this benchmark, oldest first, and of this one; the newest sixty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trend: Vec<TrendPoint>,
    /// What in the history could not be read, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A comparison with an earlier report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// Name of the run, or of the file.
    pub with: String,
    /// What changed from there to here.
    pub drift: Drift,
}

/// A run in figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrendPoint {
    /// When its evidence was collected, RFC 3339, UTC.
    pub at: String,
    /// CIS score, percent; absent when there is no score.
    pub cis: Option<f64>,
    /// Full score, percent.
    pub full: Option<f64>,
    /// Coverage, percent.
    pub coverage: Option<f64>,
    /// Controls that fail.
    pub fails: usize,
}

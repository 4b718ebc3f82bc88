//! The report: what every format is rendered from. Its JSON form is version 1, its schema is generated from these types.
//!
//! Equal input gives equal bytes: lists are ordered, maps are sorted, and every time comes from the evidence.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::history::History;
use super::verdict::{Severity, Verdict};
use crate::evidence::{Component, NodeState, Ownership, Reason};

/// Name and major version of the report's JSON form.
pub const SCHEMA: &str = "kube-assay.report/v1";
/// Minor version: grows when fields are added. 1: `history`.
pub const MINOR: u32 = 1;

/// One audit against one benchmark.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Always `kube-assay.report/v1`.
    pub schema: String,
    /// Minor version of the form: 1 more when fields are added; absent in reports of minor version 0.
    #[serde(default)]
    pub minor: u32,
    /// What was run, on what, when.
    pub run: Run,
    /// Scores, each with its formula.
    pub scores: Scores,
    /// What was looked at, of what exists.
    pub coverage: Coverage,
    /// The nodes; `subjects` of a group are indexes into this list.
    pub nodes: Vec<Node>,
    /// Sections of the benchmark in its order, subsections after their section.
    pub sections: Vec<Section>,
    /// Every control of the benchmark, in its order.
    pub controls: Vec<Control>,
    /// The user's own checks; they count in no score.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub own_checks: Vec<Control>,
    /// Waivers that were given, with what became of them; they change no verdict and no score.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waivers: Vec<Waived>,
    /// What changed since earlier runs, where a history or a baseline was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
}

/// A waiver and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Waived {
    /// Its name.
    pub id: String,
    /// Who accepted what it is about.
    pub accepted_by: String,
    /// Why.
    pub reason: String,
    /// The last day on which it holds, such as `2027-01-31`.
    pub until: String,
    /// Whether it holds, on the day of the evidence.
    pub state: WaiverState,
    /// Ids of the controls with findings that it accepts, or would if it held.
    pub controls: Vec<String>,
}

/// For people: who accepted it, until when and why.
impl fmt::Display for Waived {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "accepted by {} until {}: {} ({})", self.accepted_by, self.until, self.reason, self.id)
    }
}

/// Whether a waiver holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WaiverState {
    /// Its day is over: it accepts nothing.
    Expired,
    /// It accepts findings.
    Valid,
    /// There is nothing for it to accept.
    Unused,
}

impl WaiverState {
    /// As people read it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Valid => "valid",
            Self::Unused => "unused",
        }
    }
}

/// What was run, on what, when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The tool that made the report.
    pub tool: Tool,
    /// The benchmark.
    pub benchmark: BenchmarkName,
    /// SHA-256 of the library of checks, hexadecimal.
    pub checks_sha256: String,
    /// SHA-256 of each evidence file, hexadecimal; empty when the evidence was not kept.
    pub evidence_sha256: Vec<String>,
    /// What was audited, one line each.
    pub subjects: Vec<String>,
    /// Kubernetes versions that were found or given, oldest first.
    pub kubernetes: Vec<String>,
    /// When the evidence was collected, RFC 3339, UTC.
    pub collected_at: String,
    /// Profile level that counts in the scores: 1, or 2 for both.
    pub level: u8,
    /// Why this benchmark was chosen.
    pub chosen: String,
}

/// The tool that made the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// `kube-assay`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The benchmark of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BenchmarkName {
    /// Such as `cis-1.12`.
    pub id: String,
    /// Such as `CIS Kubernetes Benchmark`.
    pub title: String,
    /// Such as `1.12`.
    pub version: String,
    /// SHA-256 of the index, hexadecimal.
    pub sha256: String,
    /// Why this index is provisional, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisional: Option<String>,
}

/// The scores of a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scores {
    /// Over the automated controls of the level.
    pub cis: Score,
    /// Over all controls of the level.
    pub full: Score,
}

/// One score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// Controls that pass.
    pub numerator: usize,
    /// Controls that are applicable.
    pub denominator: usize,
    /// `100 * numerator / denominator`, one decimal; absent when there is no score.
    pub percent: Option<f64>,
    /// How it is counted, for people.
    pub formula: String,
    /// Why there is no score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub none_because: Option<String>,
}

/// What was looked at, of what exists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Coverage {
    /// Controls with a decided verdict, or with evidence laid out for a person.
    pub covered: usize,
    /// Controls that are not not-applicable.
    pub applicable: usize,
    /// `100 * covered / applicable`, one decimal; absent when nothing applies.
    pub percent: Option<f64>,
    /// Nodes whose evidence is here.
    pub nodes_seen: usize,
    /// Nodes that exist, when the API was asked.
    pub nodes_expected: Option<usize>,
    /// What was not looked at, grouped by reason, largest group first.
    pub gaps: Vec<CoverageGap>,
    /// Other limits of this audit, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<String>,
}

/// Controls that are unknown for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CoverageGap {
    /// The class of the obstacle.
    pub reason: Reason,
    /// What and where, for people; the first of its kind.
    pub detail: String,
    /// Ids of the controls, in the benchmark's order.
    pub controls: Vec<String>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Whether its evidence is here; what it is not seen for stands in `why`.
    #[serde(default, skip_serializing_if = "is_seen")]
    pub state: NodeState,
    /// Why it was not seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// `control-plane`, `etcd`, `worker`: by what runs there.
    pub roles: Vec<String>,
    /// Its node pool, by the label of the provider that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// Operating system.
    pub os: Option<String>,
    /// Kernel release.
    pub kernel: Option<String>,
    /// `live` or `recorded`; `api` for a node of which only the API was asked.
    pub kind: String,
    /// When it was collected, RFC 3339, UTC.
    pub collected_at: String,
    /// Distributions that were recognised.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub distributions: Vec<String>,
    /// Numeric user id and capabilities of the collector.
    pub collector: String,
    /// Running instances: own ones are judged, tenants are listed.
    pub instances: Vec<Instance>,
    /// Differences between what is written and what is in force, and other remarks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_seen(state: &NodeState) -> bool {
    *state == NodeState::Seen
}

/// A running component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    /// Which component.
    pub component: Component,
    /// Process id; absent for a static pod manifest without its process.
    pub pid: Option<u32>,
    /// Id of its pod.
    pub pod: Option<String>,
    /// Whose it is.
    pub ownership: Ownership,
    /// Versions that it can be.
    pub versions: Vec<String>,
    /// What tells the version.
    pub version_from: String,
    /// What of the API shows it, where no process was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_in: Option<String>,
}

/// A section of the benchmark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// Such as `1` or `1.2`.
    pub id: String,
    /// Our own words.
    pub title: String,
    /// Verdicts of its controls, subsections included.
    pub counts: Counts,
}

/// How many controls have each verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each is what its name says")]
pub struct Counts {
    pub pass: usize,
    pub fail: usize,
    pub review: usize,
    pub unknown: usize,
    pub not_applicable: usize,
}

impl Counts {
    /// Counts one more verdict.
    pub fn add(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Pass => self.pass += 1,
            Verdict::Fail => self.fail += 1,
            Verdict::Review => self.review += 1,
            Verdict::Unknown => self.unknown += 1,
            Verdict::NotApplicable => self.not_applicable += 1,
        }
    }

    /// All together.
    pub fn total(&self) -> usize {
        self.pass + self.fail + self.review + self.unknown + self.not_applicable
    }

    /// Of one verdict.
    pub fn of(&self, verdict: Verdict) -> usize {
        match verdict {
            Verdict::Pass => self.pass,
            Verdict::Fail => self.fail,
            Verdict::Review => self.review,
            Verdict::Unknown => self.unknown,
            Verdict::NotApplicable => self.not_applicable,
        }
    }
}

/// One control with its verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// Id in this benchmark version.
    pub id: String,
    /// Stable name of the check.
    pub slug: String,
    /// Our own words: the good state.
    pub title: String,
    /// Over everything that exists.
    pub verdict: Verdict,
    /// Over what was seen.
    pub seen_verdict: Verdict,
    /// Everything that makes up the verdict is accepted by a waiver.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waived: bool,
    /// How much it matters.
    pub severity: Severity,
    /// Profile level.
    pub level: u8,
    /// The benchmark's own `automated` or `manual`; `own` for a user's check.
    pub status: String,
    /// Id of its section.
    pub section: String,
    /// `control-plane`, `node`, `etcd-member` or `cluster`.
    pub scope: String,
    /// Why it matters.
    pub reason: String,
    /// The convention that the verdict rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Equal findings together, worst first.
    pub groups: Vec<Group>,
    /// What to do, by platform (`kubeadm`, `k3s`, `rke2`, `other`).
    pub remediation: BTreeMap<String, Remedy>,
    /// References by catalogue (`nist-800-53`, `disa-stig`).
    pub references: BTreeMap<String, Vec<String>>,
}

/// What to do on one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Remedy {
    /// In words.
    pub text: String,
    /// To paste.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<String>,
}

/// Equal findings on several subjects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The verdict on these subjects.
    pub verdict: Verdict,
    /// What must be, for people.
    pub required: String,
    /// What was found; the node's own name is written `{node}`.
    pub found: String,
    /// Where the found values come from, and what they overrode.
    pub origins: Vec<String>,
    /// Class of the obstacle, when the verdict is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<Reason>,
    /// Single objects or files that offend, with what was found there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offenders: Vec<Offender>,
    /// The waiver that accepts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiver: Option<String>,
    /// On which nodes.
    pub subjects: Subjects,
    /// Which instances, such as `kube-apiserver, pid 458`; not named where they are more than 200.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<String>,
    /// How many nodes or objects.
    pub count: usize,
}

/// A single thing that offends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Offender {
    /// Path of the file, or name of the object with the path of the field.
    pub what: String,
    /// What was found there.
    pub found: String,
    /// It is kube-assay's own collector or its namespace: verified by namespace, UID and pod template, never by a name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own: bool,
}

impl Offender {
    /// Its name, with the mark before it that no name can imitate.
    pub fn name(&self) -> Cow<'_, str> {
        if self.own {
            Cow::Owned(format!("(kube-assay's own collector) {}", self.what))
        } else {
            Cow::Borrowed(&self.what)
        }
    }
}

/// A set of nodes, as indexes into the report's `nodes`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Subjects {
    /// These nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<usize>,
    /// All nodes but these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all_except: Option<Vec<usize>>,
    /// The cluster as a whole.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cluster: bool,
}

impl Subjects {
    /// The nodes of the set, in order, of so many in all; an index beyond them names nothing.
    pub fn members(&self, total: usize) -> Vec<usize> {
        let mut nodes: Vec<usize> = match &self.all_except {
            None => self.nodes.iter().copied().filter(|at| *at < total).collect(),
            Some(except) => {
                let mut is_in = vec![true; total];
                except.iter().filter(|at| **at < total).for_each(|at| is_in[*at] = false);
                (0..total).filter(|at| is_in[*at]).collect()
            }
        };
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }

    /// How many nodes, without the list.
    pub fn number(&self, total: usize) -> usize {
        match &self.all_except {
            None => self.nodes.len(),
            Some(except) => total.saturating_sub(except.len()),
        }
    }

    /// These of so many nodes, by the shorter of both lists.
    pub fn of(nodes: Vec<usize>, total: usize) -> Self {
        if total <= 2 || nodes.len() * 2 <= total {
            return Self { nodes, ..Self::default() };
        }
        let members: HashSet<usize> = nodes.into_iter().collect();
        Self { all_except: Some((0..total).filter(|node| !members.contains(node)).collect()), ..Self::default() }
    }
}

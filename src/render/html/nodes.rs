//! The nodes and what runs on them. A few nodes stand alone, each with its processes; many stand in pools, with those that differ.

use serde::Serialize;

use super::controls::More;
use super::data::Sets;
use super::text::{self, NAME, SENTENCE, short};
use super::words;
use crate::audit::pools::by_node;
use crate::audit::report::{Counts, Instance, Node, Report};
use crate::evidence::NodeState;

/// Up to so many nodes each has its own entry.
pub(super) const ALONE: usize = 12;
/// Most instances and notes of a node.
const INSTANCES: usize = 40;

mod pools;

/// The nodes of a report.
#[derive(Serialize)]
pub(super) struct Nodes {
    heading: String,
    /// The entries are pools.
    pooled: bool,
    entries: Vec<Entry>,
}

/// A node, or a pool of them.
#[derive(Serialize)]
struct Entry {
    name: String,
    /// The node's roles, or how many nodes the pool has.
    roles: String,
    /// The node's verdicts, or how many nodes of the pool differ.
    at: String,
    facts: Vec<Fact>,
    /// Nodes of a pool that differ, those that differ alike together.
    outliers: Vec<pools::OutliersView>,
    /// Those that have no room.
    more_outliers: Option<More>,
    instances: Vec<InstanceView>,
    notes: Vec<String>,
}

/// A name and its value.
#[derive(Serialize)]
struct Fact {
    name: &'static str,
    value: String,
}

/// A running component.
#[derive(Serialize)]
struct InstanceView {
    component: &'static str,
    version: String,
    /// Of a node's own.
    process: String,
    whose: &'static str,
    /// Listed, not judged.
    quiet: bool,
    /// On how many nodes of a pool.
    nodes: String,
}

impl Nodes {
    /// The nodes of a report; `anchors` are those of its controls, the user's own behind them.
    pub(super) fn of(report: &Report, anchors: &[&str], sets: &mut Sets) -> Self {
        let total = report.nodes.len();
        if total > ALONE {
            let entries = pools::entries(report, anchors, sets);
            let pools = if entries.len() > 1 { format!(" in {} pools", entries.len()) } else { String::new() };
            return Self { heading: format!("{} nodes{pools}", text::count(total)), pooled: true, entries };
        }
        let heading = if total == 1 { "The node".to_owned() } else { format!("{total} nodes") };
        let entries = report.nodes.iter().zip(verdicts(report)).map(|(node, counts)| Entry::of(node, &counts));
        Self { heading, pooled: false, entries: entries.collect() }
    }
}

/// Per node, the verdicts of the controls that concern it.
fn verdicts(report: &Report) -> Vec<Counts> {
    let mut counts = vec![Counts::default(); report.nodes.len()];
    for control in report.controls.iter().filter(|control| control.scope != "cluster") {
        for (counts, verdict) in counts.iter_mut().zip(by_node(control, report.nodes.len())) {
            verdict.into_iter().for_each(|verdict| counts.add(verdict));
        }
    }
    counts
}

impl Entry {
    fn of(node: &Node, verdicts: &Counts) -> Self {
        let mut facts = Vec::new();
        let mut fact = |name, value: String| {
            if !value.is_empty() {
                facts.push(Fact { name, value });
            }
        };
        fact("Pool", short(node.pool.as_deref().unwrap_or_default(), NAME));
        fact("System", system(node));
        fact("Distribution", short(&node.distributions.join(", "), NAME));
        fact("Not seen", not_seen(node).map(|why| text::sentence(&why)).unwrap_or_default());
        let from = if node.kind == "live" { "on the running host" } else { "from a recorded host" };
        if node.state == NodeState::Seen {
            fact("Collected", format!("{}, {from}", text::time(&node.collected_at)));
        }
        fact("Collector’s rights", short(&node.collector, NAME));
        Self {
            name: short(&node.name, 80),
            roles: short(&node.roles.join(", "), NAME),
            at: words::counts(verdicts),
            facts,
            outliers: Vec::new(),
            more_outliers: None,
            instances: node.instances.iter().take(INSTANCES).map(InstanceView::of).collect(),
            notes: node.notes.iter().take(INSTANCES).map(|note| text::sentence(&short(note, SENTENCE))).collect(),
        }
    }
}

/// Operating system and kernel.
fn system(node: &Node) -> String {
    let parts: Vec<&str> = [node.os.as_deref(), node.kernel.as_deref()].into_iter().flatten().collect();
    short(&parts.join(", "), NAME)
}

/// Why a node was not seen.
fn not_seen(node: &Node) -> Option<String> {
    let why = node.why.as_deref()?;
    Some(short(&format!("{}: {why}", node.state.word()), SENTENCE))
}

/// Versions, and what tells them where that is needed.
fn version(instance: &Instance) -> String {
    let versions = text::either(&instance.versions.iter().map(|version| short(version, 40)).collect::<Vec<_>>());
    let from = short(&instance.version_from, NAME);
    match (versions.is_empty(), from.is_empty()) {
        (true, _) => from,
        (false, true) => versions,
        (false, false) => format!("{versions} ({from})"),
    }
}

impl InstanceView {
    fn of(instance: &Instance) -> Self {
        let process = match (instance.pid, &instance.seen_in) {
            (Some(pid), _) => format!("pid {pid}"),
            (None, Some(object)) => short(object, NAME),
            (None, None) => "no process, only its manifest".to_owned(),
        };
        Self {
            component: instance.component.title(),
            version: version(instance),
            process: match instance.pod.as_ref().filter(|_| instance.pid.is_some()) {
                Some(pod) => format!("{process}, pod {}", short(pod, 80)),
                None => process,
            },
            whose: words::ownership(instance.ownership),
            quiet: instance.ownership == crate::evidence::Ownership::Tenant,
            nodes: String::new(),
        }
    }
}

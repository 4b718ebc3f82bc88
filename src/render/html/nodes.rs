//! The nodes and what runs on them. A few nodes stand alone; many are drawn together where they are alike.

use std::collections::BTreeMap;

use serde::Serialize;

use super::controls::members;
use super::text::{self, NAME, SENTENCE, short};
use super::words;
use crate::audit::report::{Counts, Instance, Node, Report};
use crate::evidence::NodeState;

/// Up to so many nodes each has its own entry.
const ALONE: usize = 12;
/// Most entries, however different the nodes are.
const ENTRIES: usize = 24;
/// Most instances and notes of a node.
const INSTANCES: usize = 40;
/// Most names in a list of alike nodes.
const NAMES: usize = 400;

/// The nodes of a report.
#[derive(Serialize)]
pub(super) struct Nodes {
    heading: String,
    /// Equal nodes are together.
    together: bool,
    entries: Vec<Entry>,
    /// Nodes beyond the last entry.
    more: Option<String>,
}

/// A node, or several that are alike.
#[derive(Serialize)]
struct Entry {
    name: String,
    roles: String,
    verdicts: String,
    facts: Vec<Fact>,
    names: Option<String>,
    /// One node, so that its processes can be named.
    alone: bool,
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
    process: String,
    whose: &'static str,
    /// Listed, not judged.
    quiet: bool,
}

/// What makes nodes alike: everything that is shown but names, process ids and times.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Likeness<'a> {
    seen: (NodeState, Option<&'a str>),
    roles: &'a [String],
    os: Option<&'a str>,
    kernel: Option<&'a str>,
    kind: &'a str,
    distributions: &'a [String],
    collector: &'a str,
    instances: Vec<(&'static str, &'static str, &'a [String])>,
    notes: &'a [String],
    verdicts: [usize; 5],
}

impl Nodes {
    /// The nodes of a report.
    pub(super) fn of(report: &Report) -> Self {
        let verdicts = verdicts(report);
        let together = report.nodes.len() > ALONE;
        let mut groups: Vec<Vec<usize>> = Vec::new();
        if together {
            let mut known: BTreeMap<Likeness<'_>, usize> = BTreeMap::new();
            for (at, node) in report.nodes.iter().enumerate() {
                let group = *known.entry(likeness(node, &verdicts[at])).or_insert(groups.len());
                if group == groups.len() {
                    groups.push(Vec::new());
                }
                groups[group].push(at);
            }
            groups.sort_by_key(|group| (std::cmp::Reverse(group.len()), group[0]));
        } else {
            groups = (0..report.nodes.len()).map(|at| vec![at]).collect();
        }
        let rest: Vec<usize> = groups.split_off(groups.len().min(ENTRIES)).into_iter().flatten().collect();
        Self {
            heading: if report.nodes.len() == 1 {
                "The node".to_owned()
            } else {
                format!("{} nodes", text::count(report.nodes.len()))
            },
            together,
            entries: groups.iter().map(|group| Entry::of(report, group, &verdicts[group[0]])).collect(),
            more: (!rest.is_empty()).then(|| {
                text::lines(
                    rest.iter().map(|at| {
                        let node = &report.nodes[*at];
                        format!(
                            "{} ({}): {}",
                            short(&node.name, 80),
                            short(&node.roles.join(", "), 80),
                            words::counts(&verdicts[*at])
                        )
                    }),
                    NAMES,
                )
            }),
        }
    }
}

/// Per node, the verdicts of the groups that it is in.
fn verdicts(report: &Report) -> Vec<Counts> {
    let mut counts = vec![Counts::default(); report.nodes.len()];
    for control in report.controls.iter().filter(|control| control.scope != "cluster") {
        for group in control.groups.iter().filter(|group| !group.subjects.cluster) {
            members(report, &group.subjects).into_iter().for_each(|at| counts[at].add(group.verdict));
        }
    }
    counts
}

fn likeness<'a>(node: &'a Node, verdicts: &Counts) -> Likeness<'a> {
    Likeness {
        seen: (node.state, node.why.as_deref()),
        roles: &node.roles,
        os: node.os.as_deref(),
        kernel: node.kernel.as_deref(),
        kind: &node.kind,
        distributions: &node.distributions,
        collector: &node.collector,
        instances: node
            .instances
            .iter()
            .map(|instance| {
                (instance.component.name(), words::ownership(instance.ownership), instance.versions.as_slice())
            })
            .collect(),
        notes: &node.notes,
        verdicts: [verdicts.fail, verdicts.unknown, verdicts.review, verdicts.pass, verdicts.not_applicable],
    }
}

impl Entry {
    fn of(report: &Report, group: &[usize], verdicts: &Counts) -> Self {
        let node = &report.nodes[group[0]];
        let name = |at: &usize| short(&report.nodes[*at].name, 80);
        let mut facts = Vec::new();
        let mut fact = |name, value: String| {
            if !value.is_empty() {
                facts.push(Fact { name, value });
            }
        };
        fact(
            "System",
            short(
                &[node.os.as_deref(), node.kernel.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(", "),
                NAME,
            ),
        );
        fact("Distribution", short(&node.distributions.join(", "), NAME));
        if let Some(why) = &node.why {
            fact("Not seen", text::sentence(&short(&format!("{}: {why}", node.state.word()), SENTENCE)));
        }
        let seen = node.state == NodeState::Seen;
        fact(
            "Collected",
            if seen {
                let from = if node.kind == "live" { "on the running host" } else { "from a recorded host" };
                format!("{}, {from}", text::time(&node.collected_at))
            } else {
                String::new()
            },
        );
        fact("Collector’s rights", short(&node.collector, NAME));
        Self {
            name: if group.len() == 1 {
                name(&group[0])
            } else {
                format!("{} nodes like {}", text::count(group.len()), name(&group[0]))
            },
            roles: short(&node.roles.join(", "), NAME),
            verdicts: words::counts(verdicts),
            facts,
            names: (group.len() > 1).then(|| text::lines(group.iter().map(name), NAMES).replace('\n', ", ")),
            alone: group.len() == 1,
            instances: node.instances.iter().take(INSTANCES).map(InstanceView::of).collect(),
            notes: node.notes.iter().take(INSTANCES).map(|note| text::sentence(&short(note, SENTENCE))).collect(),
        }
    }
}

impl InstanceView {
    fn of(instance: &Instance) -> Self {
        let versions = text::either(&instance.versions.iter().map(|version| short(version, 40)).collect::<Vec<_>>());
        let from = short(&instance.version_from, NAME);
        let process = match (instance.pid, &instance.seen_in) {
            (Some(pid), _) => format!("pid {pid}"),
            (None, Some(object)) => short(object, NAME),
            (None, None) => "no process, only its manifest".to_owned(),
        };
        Self {
            component: instance.component.title(),
            version: match (versions.is_empty(), from.is_empty()) {
                (true, _) => from,
                (false, true) => versions,
                (false, false) => format!("{versions} ({from})"),
            },
            process: match instance.pod.as_ref().filter(|_| instance.pid.is_some()) {
                Some(pod) => format!("{process}, pod {}", short(pod, 80)),
                None => process,
            },
            whose: words::ownership(instance.ownership),
            quiet: instance.ownership == crate::evidence::Ownership::Tenant,
        }
    }
}

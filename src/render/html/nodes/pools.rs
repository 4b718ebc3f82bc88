//! Many nodes: what is usual in a pool, and which nodes differ from it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use super::super::controls::More;
use super::super::data::Sets;
use super::super::text::{self, NAME, SENTENCE, short};
use super::super::words;
use super::{Entry, Fact, INSTANCES, InstanceView, not_seen, system, version};
use crate::audit::pools::{Deviation, Outliers, Pool, pools};
use crate::audit::report::{Node, Report};
use crate::evidence::{NodeState, Ownership};

/// Most pools with an entry of their own.
const POOLS: usize = 24;
/// Most rows of outliers over all pools, and at least so many in each.
const OUTLIERS: (usize, usize) = (24, 3);
/// Most names of nodes in a row.
const NAMES: usize = 8;
/// Names of nodes where they are more than that.
const EXAMPLES: usize = 3;
/// Most controls in a row.
const DIFFERS: usize = 6;
/// Most lines that open on demand.
const LINES: usize = 200;
/// Most values of a fact.
const VALUES: usize = 3;

/// Nodes that differ alike.
#[derive(Serialize)]
pub(super) struct OutliersView {
    nodes: String,
    /// Where the page's data hold the set of nodes; empty where all are named.
    set: String,
    differs: Vec<Differs>,
    more: usize,
}

/// A control with another verdict than is usual.
#[derive(Serialize)]
struct Differs {
    anchor: String,
    id: String,
    class: &'static str,
    word: &'static str,
    usual: &'static str,
}

/// The pools of a report; `anchors` are those of its controls, the user's own behind them.
pub(super) fn entries(report: &Report, anchors: &[&str], sets: &mut Sets) -> Vec<Entry> {
    let pools = pools(report);
    let rows = (OUTLIERS.0 / pools.len().clamp(1, POOLS)).max(OUTLIERS.1);
    let mut entries: Vec<Entry> =
        pools.iter().take(POOLS).map(|pool| entry(report, anchors, pool, rows, sets)).collect();
    if pools.len() > POOLS {
        entries.push(rest(&pools[POOLS..]));
    }
    entries
}

/// Pools beyond the last entry, as lines.
fn rest(pools: &[Pool]) -> Entry {
    let line = |pool: &Pool| format!("{}: {}", short(&pool.name, 80), text::counted(pool.nodes.len(), "node", "nodes"));
    Entry {
        name: format!("{} more pools", text::count(pools.len())),
        roles: text::counted(pools.iter().map(|pool| pool.nodes.len()).sum(), "node", "nodes"),
        at: String::new(),
        facts: vec![Fact { name: "Pools", value: text::lines(pools.iter().map(line), LINES) }],
        outliers: Vec::new(),
        more_outliers: None,
        instances: Vec::new(),
        notes: Vec::new(),
    }
}

fn entry(report: &Report, anchors: &[&str], pool: &Pool, rows: usize, sets: &mut Sets) -> Entry {
    let nodes = || pool.nodes.iter().map(|at| &report.nodes[*at]);
    let seen = || nodes().filter(|node| node.state == NodeState::Seen);
    let mut facts = Vec::new();
    let mut fact = |name, value: String| {
        if !value.is_empty() {
            facts.push(Fact { name, value });
        }
    };
    fact("Usual", words::counts(&pool.usual));
    fact("Runs as", values(nodes().map(|node| node.roles.join(", "))));
    fact("System", values(nodes().map(system)));
    fact("Distribution", values(nodes().map(|node| short(&node.distributions.join(", "), NAME))));
    fact("Not seen", values(nodes().map(|node| not_seen(node).unwrap_or_default())));
    fact("Collected", times(seen()));
    fact("Collector’s rights", values(seen().map(|node| short(&node.collector, NAME))));
    let differ: usize = pool.outliers.iter().map(|outliers| outliers.nodes.len()).sum();
    let (shown, more) = pool.outliers.split_at(pool.outliers.len().min(rows));
    let notes = histogram(seen().flat_map(|node| node.notes.iter().map(|note| short(note, SENTENCE))));
    Entry {
        name: short(&pool.name, 80),
        roles: text::counted(pool.nodes.len(), "node", "nodes"),
        at: match differ {
            0 => "all seen nodes are alike".to_owned(),
            1 => "1 node differs".to_owned(),
            many => format!("{} nodes differ", text::count(many)),
        },
        facts,
        instances: instances(seen()),
        notes: notes
            .into_iter()
            .take(INSTANCES)
            .map(|(note, count)| format!("{} ({})", text::sentence(&note), text::counted(count, "node", "nodes")))
            .collect(),
        outliers: shown.iter().map(|outliers| OutliersView::of(report, anchors, outliers, sets)).collect(),
        more_outliers: (!more.is_empty()).then(|| More {
            summary: format!("{} more that differ", text::count(more.iter().map(|one| one.nodes.len()).sum())),
            lines: text::lines(more.iter().map(|outliers| line(report, outliers)), LINES),
        }),
    }
}

impl OutliersView {
    fn of(report: &Report, anchors: &[&str], outliers: &Outliers, sets: &mut Sets) -> Self {
        let differs = outliers.differs.iter().take(DIFFERS).map(|deviation| Differs {
            anchor: anchors[deviation.control].to_owned(),
            id: short(id(report, deviation), 40),
            class: deviation.verdict.map_or("na", words::class),
            word: word(deviation.verdict),
            usual: word(deviation.usual),
        });
        Self {
            nodes: names(report, &outliers.nodes),
            set: if outliers.nodes.len() > NAMES { sets.place(&outliers.nodes) } else { String::new() },
            differs: differs.collect(),
            more: outliers.differs.len().saturating_sub(DIFFERS),
        }
    }
}

fn id<'a>(report: &'a Report, deviation: &Deviation) -> &'a str {
    report.controls.iter().chain(&report.own_checks).nth(deviation.control).map_or("", |control| &control.id)
}

fn word(verdict: Option<crate::audit::verdict::Verdict>) -> &'static str {
    verdict.map_or("not concerned", crate::audit::verdict::Verdict::word)
}

/// All names, or how many with the first.
fn names(report: &Report, nodes: &[usize]) -> String {
    let name = |at: &usize| short(&report.nodes[*at].name, 80);
    if nodes.len() <= NAMES {
        return nodes.iter().map(name).collect::<Vec<_>>().join(", ");
    }
    let first: Vec<String> = nodes.iter().take(EXAMPLES).map(name).collect();
    format!("{} nodes, such as {}", text::count(nodes.len()), first.join(", "))
}

fn line(report: &Report, outliers: &Outliers) -> String {
    let differs = outliers.differs.iter().take(DIFFERS).map(|deviation| {
        format!("{} {} (usual: {})", id(report, deviation), word(deviation.verdict), word(deviation.usual))
    });
    let more = match outliers.differs.len().saturating_sub(DIFFERS) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    format!("{}: {}{more}", names(report, &outliers.nodes), differs.collect::<Vec<_>>().join(", "))
}

/// How often each text is there, the most frequent first.
fn histogram(texts: impl Iterator<Item = String>) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for text in texts.filter(|text| !text.is_empty()) {
        *counts.entry(text).or_default() += 1;
    }
    let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| Reverse(*count));
    counts
}

/// The most frequent values; with their numbers where they differ.
fn values(texts: impl Iterator<Item = String>) -> String {
    let mut total = 0;
    let counts = histogram(texts.inspect(|_| total += 1));
    match counts.as_slice() {
        [] => String::new(),
        [(one, count)] if *count == total => one.clone(),
        several => {
            let line = |(value, count): &(String, usize)| format!("{value} ({})", text::count(*count));
            let mut lines: Vec<String> = several.iter().take(VALUES).map(line).collect();
            if several.len() > VALUES {
                lines.push(format!("{} others", text::count(several.len() - VALUES)));
            }
            lines.join("\n")
        }
    }
}

/// From the first to the last time.
fn times<'a>(nodes: impl Iterator<Item = &'a Node>) -> String {
    let times: Vec<&str> = nodes.map(|node| node.collected_at.as_str()).collect();
    match (times.iter().min(), times.iter().max()) {
        (Some(first), Some(last)) if text::time(first) != text::time(last) => {
            format!("{} to {}", text::time(first), text::time(last))
        }
        (Some(first), _) => text::time(first),
        _ => String::new(),
    }
}

fn instances<'a>(nodes: impl Iterator<Item = &'a Node>) -> Vec<InstanceView> {
    let mut counts: BTreeMap<(&'static str, &'static str, bool, String), usize> = BTreeMap::new();
    for node in nodes {
        let mut of_node: Vec<_> = node
            .instances
            .iter()
            .map(|instance| {
                let whose = words::ownership(instance.ownership);
                let quiet = instance.ownership == Ownership::Tenant;
                (instance.component.title(), whose, quiet, version(instance))
            })
            .collect();
        of_node.sort_unstable();
        of_node.dedup();
        of_node.into_iter().for_each(|one| *counts.entry(one).or_default() += 1);
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| Reverse(*count));
    counts
        .into_iter()
        .take(INSTANCES)
        .map(|((component, whose, quiet, version), count)| InstanceView {
            component,
            version,
            process: String::new(),
            whose,
            quiet,
            nodes: text::count(count),
        })
        .collect()
}

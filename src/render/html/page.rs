//! The page as a whole: what the templates are filled with.

use serde::Serialize;

use super::change::Change;
use super::data;
use super::nodes::Nodes;
use super::sections::{self, Section};
use super::summary::Summary;
use super::text::{self, NAME, SENTENCE, short};
use super::words;
use crate::audit::report::Report;
use crate::audit::verdict::Verdict;

/// Everything that the page shows.
#[derive(Serialize)]
pub(super) struct Page<'a> {
    style: &'a str,
    script: &'a str,
    policy: &'a str,
    /// The window's title.
    title: String,
    /// The one first-level heading: what was audited.
    name: String,
    benchmark: String,
    subjects: String,
    provisional: Option<String>,
    facts: Vec<Fact>,
    summary: Summary,
    change: Option<Change>,
    sections: Vec<Section>,
    /// Verdicts with their number of controls, for the filter.
    chips: Vec<Chip>,
    has_levels: bool,
    nodes: Nodes,
    /// What the filters ask of many nodes, for the script alone; none of a few nodes.
    data: Option<String>,
    meanings: Vec<Meaning>,
    digests: Vec<Fact>,
    tool: String,
    level: &'static str,
}

/// A name and its value.
#[derive(Serialize)]
pub(super) struct Fact {
    name: &'static str,
    value: String,
}

/// A verdict that can be filtered for.
#[derive(Serialize)]
struct Chip {
    class: &'static str,
    word: &'static str,
    count: usize,
}

/// What a verdict means.
#[derive(Serialize)]
struct Meaning {
    class: &'static str,
    word: &'static str,
    text: &'static str,
}

impl<'a> Page<'a> {
    /// The view of a report.
    pub(super) fn of(report: &Report, style: &'a str, script: &'a str, policy: &'a str) -> Self {
        let run = &report.run;
        let name = name_of(report);
        let benchmark = short(&format!("{} {}", run.benchmark.title, run.benchmark.version), NAME);
        let anchors = text::anchors("c", report.controls.iter().map(|control| control.id.as_str()));
        let own_anchors = text::anchors("own", report.own_checks.iter().map(|control| control.id.as_str()));
        let everywhere: Vec<&str> = anchors.iter().chain(&own_anchors).map(String::as_str).collect();
        let mut sets = data::Sets::of(report);
        let all = || report.controls.iter().chain(&report.own_checks);
        Self {
            style,
            script,
            policy,
            title: format!("{}: {}", short(&text::visible(&name), 30), short(&text::visible(&benchmark), 36)),
            benchmark,
            provisional: run.benchmark.provisional.as_deref().map(|why| short(why, SENTENCE)),
            subjects: subjects(report),
            facts: facts(report),
            summary: Summary::of(report, &anchors),
            sections: sections::sections(report, &anchors, &own_anchors, &mut sets),
            change: Change::of(report, &anchors),
            chips: Verdict::ALL
                .into_iter()
                .map(|verdict| Chip {
                    class: words::class(verdict),
                    word: verdict.word(),
                    count: all().filter(|control| control.verdict == verdict).count(),
                })
                .collect(),
            has_levels: all().any(|control| control.level > 1),
            nodes: Nodes::of(report, &everywhere, &mut sets),
            data: data::block(report, &everywhere, &sets),
            meanings: Verdict::ALL
                .into_iter()
                .map(|verdict| Meaning {
                    class: words::class(verdict),
                    word: verdict.word(),
                    text: words::meaning(verdict),
                })
                .collect(),
            digests: digests(report),
            tool: short(&format!("{} {}", run.tool.name, run.tool.version), NAME),
            level: if run.level > 1 { "levels 1 and 2" } else { "level 1" },
            name,
        }
    }
}

/// What the report is about, in a few words.
fn name_of(report: &Report) -> String {
    let name = |at: usize| short(&report.nodes[at].name, 60);
    match report.nodes.len() {
        0 => report.run.subjects.first().map_or_else(|| "Nothing was audited".to_owned(), |subject| short(subject, 60)),
        1 => name(0),
        2 => format!("{} and {}", name(0), name(1)),
        many => format!("{} and {} more nodes", name(0), text::count(many - 1)),
    }
}

/// What was audited, in a line.
fn subjects(report: &Report) -> String {
    const SHOWN: usize = 4;
    let all = &report.run.subjects;
    let mut named: Vec<String> = all.iter().take(SHOWN).map(|subject| short(subject, NAME)).collect();
    if all.len() > SHOWN {
        named.push(format!("{} more", text::count(all.len() - SHOWN)));
    }
    named.join(" · ")
}

/// The facts beside the title.
fn facts(report: &Report) -> Vec<Fact> {
    let seen = report.coverage.nodes_seen;
    let nodes = match report.coverage.nodes_expected {
        Some(expected) => format!("{} of {} seen", text::count(seen), text::count(expected)),
        None => format!("{} seen", text::count(seen)),
    };
    let mut facts = Vec::new();
    if !report.run.kubernetes.is_empty() {
        facts.push(Fact { name: "Kubernetes", value: short(&report.run.kubernetes.join(", "), NAME) });
    }
    facts.push(Fact { name: "Audited", value: text::time(&report.run.collected_at) });
    facts.push(Fact { name: "Nodes", value: nodes });
    facts.push(Fact {
        name: "Scored",
        value: if report.run.level > 1 { "levels 1 and 2" } else { "level 1" }.to_owned(),
    });
    facts
}

/// What the report can be traced back to.
fn digests(report: &Report) -> Vec<Fact> {
    let run = &report.run;
    let mut facts = vec![
        Fact {
            name: "Benchmark",
            value: short(&format!("{}\nindex {}", run.benchmark.id, run.benchmark.sha256), NAME),
        },
        Fact { name: "Chosen because", value: short(&run.chosen, SENTENCE) },
        Fact { name: "Library of checks", value: short(&run.checks_sha256, NAME) },
    ];
    if !run.evidence_sha256.is_empty() {
        facts.push(Fact {
            name: "Evidence",
            value: text::lines(run.evidence_sha256.iter().map(|digest| short(digest, NAME)), 20),
        });
    }
    facts.push(Fact {
        name: "Subjects",
        value: if run.subjects.is_empty() {
            "none".to_owned()
        } else {
            text::lines(run.subjects.iter().map(|subject| short(subject, NAME)), 20)
        },
    });
    facts.push(Fact { name: "Collected", value: short(&run.collected_at, NAME) });
    facts.push(Fact { name: "Tool", value: short(&format!("{} {}", run.tool.name, run.tool.version), NAME) });
    facts.push(Fact { name: "Report", value: short(&report.schema, NAME) });
    facts
}

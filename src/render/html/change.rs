//! What changed since earlier runs: a part of the first screen, and what opens below it.

use serde::Serialize;

use super::controls::{LINES, More};
use super::text::{self, NAME, SENTENCE, short};
use super::words;
use crate::audit::drift::{Change as Changed, Drift};
use crate::audit::history::{Comparison, TrendPoint};
use crate::audit::report::{Report, Subjects};
use crate::render::trend::series;

/// Changes of one kind that are named at once.
const SHOWN: usize = 6;
/// Nodes that are named at once.
const NAMES: usize = 3;
/// Width and height of a trend's drawing, in its own units.
const DRAWN: (usize, usize) = (600, 60);

/// What changed.
#[derive(Serialize)]
pub(super) struct Change {
    comparisons: Vec<ComparisonView>,
    trend: Option<Trend>,
    notes: Vec<String>,
    first: bool,
}

/// Since one earlier report.
#[derive(Serialize)]
struct ComparisonView {
    id: &'static str,
    title: &'static str,
    since: String,
    with: String,
    summary: String,
    lists: Vec<List>,
    more: Option<More>,
}

/// Changes of one kind.
#[derive(Serialize)]
struct List {
    heading: &'static str,
    entries: Vec<Entry>,
}

/// One control that changed.
#[derive(Serialize)]
struct Entry {
    anchor: Option<String>,
    id: String,
    title: String,
    class: &'static str,
    word: &'static str,
    at: String,
}

/// A score over the runs.
#[derive(Serialize)]
struct Trend {
    label: String,
    /// Points of the line, as SVG takes them.
    points: String,
    from: String,
    to: String,
}

impl Change {
    /// What a report says of earlier ones.
    pub(super) fn of(report: &Report, anchors: &[String]) -> Option<Self> {
        let history = report.history.as_ref()?;
        let view = |id, title, comparison: &Option<Comparison>| {
            comparison.as_ref().map(|comparison| view(report, anchors, id, title, comparison))
        };
        let comparisons = [
            view("change", "Change since the previous run", &history.previous),
            view("change-baseline", "Change since the baseline", &history.baseline),
        ];
        Some(Self {
            comparisons: comparisons.into_iter().flatten().collect(),
            trend: trend(&history.trend),
            notes: history.notes.iter().take(LINES).map(|note| short(note, SENTENCE)).collect(),
            first: history.previous.is_none() && !history.trend.is_empty(),
        })
    }
}

fn view(
    report: &Report,
    anchors: &[String],
    id: &'static str,
    title: &'static str,
    comparison: &Comparison,
) -> ComparisonView {
    let drift = &comparison.drift;
    let lists = drift.lists().into_iter().take(3).filter(|(_, changes)| !changes.is_empty());
    let lists = lists.map(|(heading, changes)| List {
        heading,
        entries: changes.iter().take(SHOWN).map(|change| entry(report, anchors, change)).collect(),
    });
    let lines = lines(report, drift);
    ComparisonView {
        id,
        title,
        since: text::time(&drift.from),
        with: short(&comparison.with, NAME),
        summary: text::sentence(&drift.summary()),
        lists: lists.collect(),
        more: (!lines.is_empty())
            .then(|| More { summary: "what exactly changed".to_owned(), lines: text::lines(lines.into_iter(), LINES) }),
    }
}

fn entry(report: &Report, anchors: &[String], change: &Changed) -> Entry {
    let moved = change.moved.iter().find(|group| group.before != group.after);
    let verdict = moved.map_or(change.after, |group| group.after);
    let place = report.controls.iter().position(|control| control.slug == change.slug);
    let subjects = change.moved.iter().map(|group| names(report, &group.subjects));
    let at: Vec<String> = subjects.take(NAMES).collect();
    Entry {
        anchor: place.and_then(|place| anchors.get(place)).cloned(),
        id: short(&change.id, 40),
        title: short(&change.title, NAME),
        class: words::class(verdict),
        word: verdict.word(),
        at: at.join("; "),
    }
}

/// Every change in lines, with what was found before and after.
fn lines(report: &Report, drift: &Drift) -> Vec<String> {
    let mut lines = Vec::new();
    for (heading, changes) in drift.lists() {
        for change in changes {
            lines.push(format!("{heading}: {} {}", short(&change.id, 40), short(&change.title, NAME)));
            for group in &change.moved {
                let verdicts = if group.before == group.after {
                    String::new()
                } else {
                    format!(", {} to {}", group.before, group.after)
                };
                lines.push(format!("    {}{verdicts}", names(report, &group.subjects)));
                lines.push(format!("    was {}", short(&group.found_before, NAME)));
                lines.push(format!("    is  {}", short(&group.found_after, NAME)));
            }
        }
    }
    for (what, names) in [("New nodes", &drift.nodes_new), ("Nodes that are gone", &drift.nodes_gone)] {
        if !names.is_empty() {
            let names: Vec<String> = names.iter().take(LINES).map(|name| short(name, NAME)).collect();
            lines.push(format!("{what}: {}", names.join(", ")));
        }
    }
    lines
}

fn names(report: &Report, subjects: &Subjects) -> String {
    if subjects.cluster {
        return "the cluster".to_owned();
    }
    let members = subjects.members(report.nodes.len());
    let shown = if members.len() > NAMES + 1 { NAMES } else { members.len() };
    let named: Vec<String> = members[..shown].iter().map(|at| short(&report.nodes[*at].name, NAME)).collect();
    match members.len() - shown {
        0 => named.join(", "),
        more => format!("{} and {} more nodes", named.join(", "), text::count(more)),
    }
}

/// The line of a score; nothing for fewer than two runs.
fn trend(points: &[TrendPoint]) -> Option<Trend> {
    let (name, values) = series(points)?;
    let [first, .., last] = values.as_slice() else { return None };
    let (low, high) =
        values.iter().fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(*value), high.max(*value)));
    // a line that never moved lies in the middle
    let share = |value: f64| if high > low { (value - low) / (high - low) } else { 0.5 };
    let (width, height) = DRAWN;
    // Saturating by definition of `as`; a hostile number ends at an end of the drawing.
    let y = |value: f64| 4 + ((1.0 - share(value)) * (height - 8) as f64).round() as usize;
    let x = |at: usize| 4 + at * (width - 8) / (values.len() - 1);
    let drawn: Vec<String> =
        values.iter().enumerate().map(|(at, value)| format!("{},{}", x(at), y(*value).min(height))).collect();
    Some(Trend {
        label: format!(
            "{name} over {}: from {} to {} percent, lowest {}, highest {}",
            text::counted(values.len(), "run", "runs"),
            text::percent(*first),
            text::percent(*last),
            text::percent(low),
            text::percent(high)
        ),
        points: drawn.join(" "),
        from: points.first().map(|point| text::time(&point.at)).unwrap_or_default(),
        to: points.last().map(|point| text::time(&point.at)).unwrap_or_default(),
    })
}

//! What changed since earlier runs.

use std::io;

use anstyle::Style;

use super::{Page, style_of, symbol};
use crate::audit::drift::Change;
use crate::audit::history::Comparison;
use crate::audit::report::Report;
use crate::audit::verdict::Verdict;
use crate::render::escape::visible;
use crate::render::trend::sparkline;

/// Changes of one kind that are named at once.
const SHOWN: usize = 8;
/// Nodes that are named at once.
const NAMES: usize = 3;

impl Page<'_> {
    pub(super) fn change(&mut self, report: &Report) -> io::Result<()> {
        let Some(history) = &report.history else { return Ok(()) };
        if let Some(previous) = &history.previous {
            self.comparison(report, "Change since the previous run", previous)?;
        } else if !history.trend.is_empty() {
            self.heading("Change since the previous run")?;
            self.wrapped(2, "This is the first run that the history keeps.", Style::new())?;
        }
        if let Some(baseline) = &history.baseline {
            self.comparison(report, "Change since the baseline", baseline)?;
        }
        if let Some(line) = sparkline(&history.trend, self.layout.width.saturating_sub(50)) {
            self.wrapped(2, &line, Style::new())?;
        }
        for note in &history.notes {
            self.wrapped(2, &format!("Not read: {}", visible(note)), Style::new())?;
        }
        Ok(())
    }

    fn comparison(&mut self, report: &Report, heading: &str, comparison: &Comparison) -> io::Result<()> {
        let drift = &comparison.drift;
        self.heading(&format!("{heading}, {}", visible(&drift.from)))?;
        self.wrapped(2, &format!("{} ({})", drift.summary(), visible(&comparison.with)), Style::new())?;
        let told = if self.layout.verbose { drift.lists().len() } else { 3 };
        for (_, changes) in drift.lists().into_iter().take(told) {
            self.changes(report, changes)?;
        }
        for (what, names) in [("new", &drift.nodes_new), ("gone", &drift.nodes_gone)] {
            if !names.is_empty() {
                self.wrapped(2, &format!("nodes {what}: {}", listed(names.iter().map(String::as_str))), Style::new())?;
            }
        }
        Ok(())
    }

    fn changes(&mut self, report: &Report, changes: &[Change]) -> io::Result<()> {
        let most = if self.layout.verbose { usize::MAX } else { SHOWN };
        for change in changes.iter().take(most) {
            let (verdict, style) = verdict_of(change);
            let before = change.moved.first().map_or(change.before, |group| group.before);
            let text = format!(
                "{} {before} -> {verdict}  {} {}{}",
                symbol(verdict),
                visible(&change.id),
                visible(&change.title),
                places(report, change)
            );
            self.wrapped(2, &text, style)?;
        }
        if changes.len() > most {
            self.wrapped(2, &format!("and {} more", changes.len() - most), Style::new().dimmed())?;
        }
        Ok(())
    }
}

/// The verdict that a change led to, where it changed: over all nodes it may be what it was.
fn verdict_of(change: &Change) -> (Verdict, Style) {
    let moved = change.moved.iter().find(|group| group.before != group.after);
    let verdict = moved.map_or(change.after, |group| group.after);
    (verdict, style_of(verdict))
}

/// On which nodes.
fn places(report: &Report, change: &Change) -> String {
    let places = change.moved.iter().flat_map(|group| group.subjects.members(report.nodes.len()));
    let names = places.filter_map(|place| report.nodes.get(place)).map(|node| node.name.as_str());
    let listed = listed(names);
    if listed.is_empty() { String::new() } else { format!(" on {listed}") }
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    let more = if names.len() > NAMES + 1 { names.len() - NAMES } else { 0 };
    let shown = visible(&names[..names.len() - more].join(", ")).into_owned();
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

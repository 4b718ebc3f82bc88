//! The sections of the benchmark with the rows of their controls.

use serde::Serialize;

use super::controls::{Limits, Row};
use super::data::Sets;
use super::summary::Bar;
use super::text::{self, NAME, short};
use super::words;
use crate::audit::report::{Counts, Report};

/// A section of the first order.
#[derive(Serialize)]
pub(super) struct Section {
    anchor: String,
    id: String,
    title: String,
    bar: Bar,
    counts: String,
    /// Why these controls count in no score.
    aside: Option<&'static str>,
    parts: Vec<Part>,
}

/// A subsection; a section's own controls have one without a title.
#[derive(Serialize)]
struct Part {
    anchor: String,
    id: String,
    title: Option<String>,
    rows: Vec<Row>,
}

/// Sections in the benchmark's order, then what belongs to none, then the user's own checks.
pub(super) fn sections(report: &Report, anchors: &[String], own_anchors: &[String], sets: &mut Sets) -> Vec<Section> {
    let limits = Limits::of(report);
    let section_anchors = text::anchors("s", report.sections.iter().map(|section| section.id.as_str()));
    let mut sections: Vec<Section> = Vec::new();
    // Where the controls of a section of the report go: section, part.
    let mut places: Vec<(&str, usize, usize)> = Vec::new();
    let mut top = "";
    for (place, section) in report.sections.iter().enumerate() {
        let inner = !sections.is_empty() && section.id.strip_prefix(top).is_some_and(|rest| rest.starts_with('.'));
        if inner {
            let at = sections.len() - 1;
            let parts = &mut sections[at].parts;
            parts.push(Part {
                anchor: section_anchors[place].clone(),
                id: short(&section.id, 40),
                title: Some(short(&section.title, NAME)),
                rows: Vec::new(),
            });
            places.push((&section.id, at, sections[at].parts.len() - 1));
        } else {
            top = &section.id;
            sections.push(new(section_anchors[place].clone(), &section.id, &section.title, &section.counts));
            places.push((&section.id, sections.len() - 1, 0));
        }
    }
    let mut others = Vec::new();
    for (place, control) in report.controls.iter().enumerate() {
        let row = Row::of(report, &limits, anchors[place].clone(), control, sets);
        match places.iter().find(|(id, ..)| *id == control.section) {
            Some((_, section, part)) => sections[*section].parts[*part].rows.push(row),
            None => others.push((control.verdict, row)),
        }
    }
    if !others.is_empty() {
        sections.push(aside("others", "Other controls", None, others));
    }
    let own: Vec<_> = report
        .own_checks
        .iter()
        .zip(own_anchors)
        .map(|(control, anchor)| (control.verdict, Row::of(report, &limits, anchor.clone(), control, sets)))
        .collect();
    if !own.is_empty() {
        sections.push(aside("own-checks", "Own checks", Some("Checks of your own. They count in no score."), own));
    }
    for section in &mut sections {
        section.parts.retain(|part| !part.rows.is_empty());
    }
    sections
}

fn new(anchor: String, id: &str, title: &str, counts: &Counts) -> Section {
    let own = Part { anchor: String::new(), id: String::new(), title: None, rows: Vec::new() };
    Section {
        anchor,
        id: short(id, 40),
        title: short(title, NAME),
        bar: Bar::of(counts),
        counts: words::counts(counts),
        aside: None,
        parts: vec![own],
    }
}

/// A section that is none of the benchmark's.
fn aside(
    anchor: &str,
    title: &str,
    why: Option<&'static str>,
    rows: Vec<(crate::audit::verdict::Verdict, Row)>,
) -> Section {
    let mut counts = Counts::default();
    rows.iter().for_each(|(verdict, _)| counts.add(*verdict));
    let mut section = new(anchor.to_owned(), "", title, &counts);
    section.aside = why;
    section.parts[0].rows = rows.into_iter().map(|(_, row)| row).collect();
    section
}

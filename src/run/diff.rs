//! `diff`: what changed between two reports.

use std::io::Write;

use super::audit::read_report;
use super::{FINDINGS, FINISHED, Failure};
use crate::audit::drift::{Change, Drift, drift};
use crate::benchmark::Severity;
use crate::cli::DiffArgs;
use crate::render::escape::visible;

pub(super) fn diff(args: &DiffArgs) -> Result<u8, Failure> {
    let (before, after) = (read_report(&args.before)?, read_report(&args.after)?);
    let found = drift(&before, &after);
    let mut out = std::io::stdout().lock();
    if args.format == "json" {
        serde_json::to_writer_pretty(&mut out, &found).map_err(|error| Failure::internal(error.to_string()))?;
        writeln!(out)?;
    } else {
        out.write_all(text(&found).as_bytes())?;
    }
    out.flush()?;
    let threshold = args.fail_on.map(Severity::from);
    let worse = found.new_failures.iter().any(|change| threshold.is_some_and(|least| change.severity >= least));
    Ok(if worse { FINDINGS } else { FINISHED })
}

fn text(drift: &Drift) -> String {
    let mut lines = vec![format!("From {} to {}", drift.from, drift.to)];
    if drift.is_empty() {
        lines.push("Nothing changed.".to_owned());
    }
    let sections = [
        ("New failures", &drift.new_failures),
        ("Fixed", &drift.fixed),
        ("Other verdicts", &drift.other),
        ("Only because nodes came or went", &drift.by_presence),
        ("Same verdict, other evidence", &drift.evidence),
    ];
    for (heading, changes) in sections.into_iter().filter(|(_, changes)| !changes.is_empty()) {
        lines.push(format!("\n{heading} ({})", changes.len()));
        changes.iter().for_each(|change| tell(change, &mut lines));
    }
    for (heading, names) in [("Nodes that are new", &drift.nodes_new), ("Nodes that are gone", &drift.nodes_gone)] {
        if !names.is_empty() {
            lines.push(format!("\n{heading} ({}): {}", names.len(), visible(&names.join(", "))));
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

fn tell(change: &Change, lines: &mut Vec<String>) {
    let verdicts = if change.before == change.after {
        change.after.to_string()
    } else {
        format!("{} -> {}", change.before, change.after)
    };
    let (id, title) = (visible(&change.id), visible(&change.title));
    lines.push(format!("  {verdicts:<18} {:<8} {id:<7} {title}", change.severity.to_string()));
    const MOST: usize = 5;
    for subject in change.subjects.iter().take(MOST) {
        let moved = if subject.before == subject.after {
            String::new()
        } else {
            format!(" {} -> {}", subject.before, subject.after)
        };
        lines.push(format!("      {}{moved}", visible(&subject.name)));
        lines.push(format!("        was {}", cut(&subject.found_before)));
        lines.push(format!("        is  {}", cut(&subject.found_after)));
    }
    if change.subjects.len() > MOST {
        lines.push(format!("      and {} more", change.subjects.len() - MOST));
    }
}

fn cut(text: &str) -> String {
    const MOST: usize = 200;
    let text = visible(text);
    if text.chars().count() > MOST { text.chars().take(MOST).chain("...".chars()).collect() } else { text.into_owned() }
}

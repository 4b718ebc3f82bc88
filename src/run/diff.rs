//! `diff`: what changed between two reports, or two runs of a history.

use std::io::Write;

use super::audit::read_report;
use super::history::reports_of;
use super::{FINDINGS, FINISHED, Failure};
use crate::audit::drift::{Change, Drift, Moved, drift};
use crate::benchmark::Severity;
use crate::cli::DiffArgs;
use crate::render::escape::visible;

pub(super) fn diff(args: &DiffArgs) -> Result<u8, Failure> {
    let mut of_runs = [None, None];
    if let Some(location) = &args.history {
        let names = [args.before.to_string_lossy(), args.after.to_string_lossy()];
        of_runs = reports_of(location, [&names[0], &names[1]], args.benchmark.as_deref())?;
    }
    let [before, after] = of_runs;
    let before = before.map_or_else(|| read_report(&args.before), Ok)?;
    let after = after.map_or_else(|| read_report(&args.after), Ok)?;
    let mut found = drift(&before, &after);
    found.nodes = after.nodes.into_iter().map(|node| node.name).collect();
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
    let mut lines = vec![format!("From {} to {}", visible(&drift.from), visible(&drift.to))];
    if drift.is_empty() {
        lines.push("Nothing changed.".to_owned());
    }
    for (heading, changes) in drift.lists().into_iter().filter(|(_, changes)| !changes.is_empty()) {
        lines.push(format!("\n{heading} ({})", changes.len()));
        changes.iter().for_each(|change| tell(change, &drift.nodes, &mut lines));
    }
    for (heading, names) in [("Nodes that are new", &drift.nodes_new), ("Nodes that are gone", &drift.nodes_gone)] {
        if !names.is_empty() {
            lines.push(format!("\n{heading} ({}): {}", names.len(), visible(&names.join(", "))));
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

fn tell(change: &Change, nodes: &[String], lines: &mut Vec<String>) {
    let verdicts = if change.before == change.after {
        change.after.to_string()
    } else {
        format!("{} -> {}", change.before, change.after)
    };
    let (id, title) = (visible(&change.id), visible(&change.title));
    lines.push(format!("  {verdicts:<18} {:<8} {id:<7} {title}", change.severity.to_string()));
    const MOST: usize = 5;
    for group in change.moved.iter().take(MOST) {
        let verdicts =
            if group.before == group.after { String::new() } else { format!(" {} -> {}", group.before, group.after) };
        lines.push(format!("      {}{verdicts}", visible(&names(group, nodes))));
        lines.push(format!("        was {}", cut(&group.found_before)));
        lines.push(format!("        is  {}", cut(&group.found_after)));
    }
    if change.moved.len() > MOST {
        lines.push(format!("      and {} more", change.moved.len() - MOST));
    }
}

/// `cp1, w1 and 3 more`.
fn names(group: &Moved, nodes: &[String]) -> String {
    const MOST: usize = 5;
    if group.subjects.cluster {
        return "cluster".to_owned();
    }
    let places = group.subjects.members(nodes.len());
    let named: Vec<&str> = places.iter().take(MOST).filter_map(|place| Some(nodes.get(*place)?.as_str())).collect();
    let more = if places.len() > MOST { format!(" and {} more", places.len() - MOST) } else { String::new() };
    format!("{}{more}", named.join(", "))
}

fn cut(text: &str) -> String {
    const MOST: usize = 200;
    let text = visible(text);
    if text.chars().count() > MOST { text.chars().take(MOST).chain("...".chars()).collect() } else { text.into_owned() }
}

//! Nodes: what runs on each, and by pool those that differ.

use std::io;

use anstyle::Style;

use super::super::escape::visible;
use super::Page;
use crate::audit::pools::{Deviation, Pool, pools};
use crate::audit::report::Report;
use crate::audit::verdict::Verdict;
use crate::evidence::NodeState;

/// Most rows of outliers in a pool.
const OUTLIERS: usize = 6;
/// Most names, and most controls, in a row of outliers.
const NAMES: usize = 4;

impl Page<'_> {
    pub(super) fn nodes(&mut self, report: &Report) -> io::Result<()> {
        self.heading(&format!("Nodes ({})", report.nodes.len()))?;
        for node in report.nodes.iter().filter(|node| node.state == NodeState::Seen) {
            let roles = if node.roles.is_empty() { "no component seen".to_owned() } else { node.roles.join(", ") };
            self.wrapped(
                2,
                &format!(
                    "{}: {roles}; {}; collected as {}",
                    visible(&node.name),
                    visible(node.os.as_deref().unwrap_or("unknown system")),
                    node.collector
                ),
                Style::new(),
            )?;
            for instance in &node.instances {
                let process = match (instance.pid, &instance.seen_in) {
                    (Some(pid), _) => format!("pid {pid}"),
                    (None, Some(object)) => visible(object).into_owned(),
                    (None, None) => "not running".to_owned(),
                };
                let versions = if instance.versions.len() == 1 {
                    instance.versions[0].clone()
                } else {
                    format!(
                        "{} to {}",
                        instance.versions.first().map_or("?", String::as_str),
                        instance.versions.last().map_or("?", String::as_str)
                    )
                };
                let owner = match instance.ownership {
                    crate::evidence::Ownership::Own => "",
                    crate::evidence::Ownership::Undetermined => "; whose it is cannot be told, judged",
                    crate::evidence::Ownership::Tenant => "; a pod's own, not judged",
                };
                self.wrapped(
                    4,
                    &format!("{} {versions}, {process}{owner}", instance.component),
                    Style::new().dimmed(),
                )?;
            }
            for note in &node.notes {
                self.wrapped(4, &visible(note), Style::new())?;
            }
        }
        Ok(())
    }

    /// Pools with nodes that differ from what is usual there.
    pub(super) fn outliers(&mut self, report: &Report) -> io::Result<()> {
        let pools: Vec<Pool> = pools(report).into_iter().filter(|pool| !pool.outliers.is_empty()).collect();
        if pools.is_empty() {
            return Ok(());
        }
        self.heading("Nodes that differ from their pool")?;
        let controls: Vec<&str> =
            report.controls.iter().chain(&report.own_checks).map(|control| control.id.as_str()).collect();
        let word = |verdict: Option<Verdict>| verdict.map_or("not concerned", Verdict::word);
        let differs = |one: &Deviation| {
            format!("{} {} (usual: {})", visible(controls[one.control]), word(one.verdict), word(one.usual))
        };
        for pool in pools {
            let seen = pool.nodes.iter().filter(|at| report.nodes[**at].state == NodeState::Seen).count();
            let differ: usize = pool.outliers.iter().map(|outliers| outliers.nodes.len()).sum();
            let text =
                format!("{}: {seen} of {} nodes seen, {differ} of them differ", visible(&pool.name), pool.nodes.len());
            self.wrapped(2, &text, Style::new())?;
            for outliers in pool.outliers.iter().take(OUTLIERS) {
                let names = some(&outliers.nodes, |at| visible(&report.nodes[*at].name).into_owned());
                let text = format!("{names}: {}", some(&outliers.differs, differs));
                self.wrapped(4, &text, Style::new().dimmed())?;
            }
            if pool.outliers.len() > OUTLIERS {
                let more: usize = pool.outliers[OUTLIERS..].iter().map(|outliers| outliers.nodes.len()).sum();
                self.wrapped(4, &format!("and {more} more (in the HTML report)"), Style::new().dimmed())?;
            }
        }
        Ok(())
    }
}

/// The first few, and how many more.
fn some<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
    let mut shown: Vec<String> = items.iter().take(NAMES).map(text).collect();
    if items.len() > NAMES {
        shown.push(format!("{} more", items.len() - NAMES));
    }
    shown.join(", ")
}

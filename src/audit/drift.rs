//! What changed between two reports: by check and subject, never by a benchmark's number. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::report::{Control, Report, Subjects};
use super::verdict::{Severity, Verdict};

/// What changed from one report to a later one.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Drift {
    /// Time of the earlier evidence, RFC 3339, UTC.
    pub from: String,
    /// Time of the later evidence.
    pub to: String,
    /// Controls that fail and did not.
    pub new_failures: Vec<Change>,
    /// Controls that failed and do not.
    pub fixed: Vec<Change>,
    /// Other changes of a verdict.
    pub other: Vec<Change>,
    /// Verdicts that changed only because nodes came or went: no node that is in both changed.
    pub by_presence: Vec<Change>,
    /// Controls with the verdict that they had, on other evidence.
    pub evidence: Vec<Change>,
    /// Nodes that are in the later report alone.
    pub nodes_new: Vec<String>,
    /// Nodes that are in the earlier report alone.
    pub nodes_gone: Vec<String>,
}

/// One control that changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Id in the later report's benchmark.
    pub id: String,
    /// Stable name of the check.
    pub slug: String,
    /// What must be.
    pub title: String,
    /// How much it matters.
    pub severity: Severity,
    /// Verdict before.
    pub before: Verdict,
    /// Verdict after.
    pub after: Verdict,
    /// Subjects in both reports whose verdict or findings changed: names of nodes, or `cluster`.
    pub subjects: Vec<Subject>,
}

/// What changed on one subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Subject {
    /// Name of the node, or `cluster`.
    pub name: String,
    /// Verdict before.
    pub before: Verdict,
    /// Verdict after.
    pub after: Verdict,
    /// What was found before.
    pub found_before: String,
    /// What was found after.
    pub found_after: String,
}

impl Drift {
    /// True when nothing changed at all.
    pub fn is_empty(&self) -> bool {
        let changes = [&self.new_failures, &self.fixed, &self.other, &self.by_presence, &self.evidence];
        changes.iter().all(|list| list.is_empty()) && self.nodes_new.is_empty() && self.nodes_gone.is_empty()
    }
}

/// What changed from `before` to `after`. Checks that only one of them holds (another benchmark) are not compared.
pub fn drift(before: &Report, after: &Report) -> Drift {
    let names = |report: &Report| -> BTreeSet<String> { report.nodes.iter().map(|node| node.name.clone()).collect() };
    let (old_names, new_names) = (names(before), names(after));
    let mut drift = Drift {
        from: before.run.collected_at.clone(),
        to: after.run.collected_at.clone(),
        nodes_new: new_names.difference(&old_names).cloned().collect(),
        nodes_gone: old_names.difference(&new_names).cloned().collect(),
        ..Drift::default()
    };
    let controls = |report: &'_ Report| -> BTreeMap<String, Control> {
        let all = report.controls.iter().chain(&report.own_checks);
        all.map(|control| (control.slug.clone(), control.clone())).collect()
    };
    let old = controls(before);
    for control in after.controls.iter().chain(&after.own_checks) {
        let Some(known) = old.get(&control.slug) else { continue };
        let (was, is) = (by_subject(known, before), by_subject(control, after));
        let changed: Vec<Subject> = is
            .iter()
            .filter_map(|(name, (verdict, found))| {
                let (old_verdict, old_found) = was.get(name)?;
                (old_verdict != verdict || old_found != found).then(|| Subject {
                    name: name.clone(),
                    before: *old_verdict,
                    after: *verdict,
                    found_before: old_found.join("; "),
                    found_after: found.join("; "),
                })
            })
            .collect();
        let same_verdict = known.verdict == control.verdict;
        if same_verdict && changed.is_empty() {
            continue;
        }
        let verdict_moved = changed.iter().any(|subject| subject.before != subject.after);
        let list = if verdict_moved || same_verdict {
            let fails = |verdict: Verdict| verdict == Verdict::Fail;
            let newly = changed.iter().any(|subject| fails(subject.after) && !fails(subject.before));
            let mended = changed.iter().any(|subject| fails(subject.before) && !fails(subject.after));
            match (newly, mended) {
                (true, _) => &mut drift.new_failures,
                (false, true) => &mut drift.fixed,
                (false, false) if verdict_moved => &mut drift.other,
                (false, false) => &mut drift.evidence,
            }
        } else {
            &mut drift.by_presence
        };
        list.push(Change {
            id: control.id.clone(),
            slug: control.slug.clone(),
            title: control.title.clone(),
            severity: control.severity,
            before: known.verdict,
            after: control.verdict,
            subjects: changed,
        });
    }
    drift
}

/// The worst verdict of each subject, with all that was found on it.
fn by_subject(control: &Control, report: &Report) -> BTreeMap<String, (Verdict, Vec<String>)> {
    let mut found: BTreeMap<String, (Verdict, Vec<String>)> = BTreeMap::new();
    for group in &control.groups {
        for name in names(&group.subjects, report) {
            let entry = found.entry(name).or_insert_with(|| (group.verdict, Vec::new()));
            entry.0 = Verdict::over([entry.0, group.verdict]).unwrap_or(group.verdict);
            entry.1.push(without_processes(&group.found));
            entry
                .1
                .extend(group.offenders.iter().map(|one| without_processes(&format!("{}: {}", one.what, one.found))));
        }
    }
    found.values_mut().for_each(|(_, texts)| texts.sort());
    found
}

fn names(subjects: &Subjects, report: &Report) -> Vec<String> {
    if subjects.cluster {
        return vec!["cluster".to_owned()];
    }
    let all = report.nodes.iter().enumerate();
    let of = |at: &usize| match &subjects.all_except {
        Some(except) => !except.contains(at),
        None => subjects.nodes.contains(at),
    };
    all.filter(|(at, _)| of(at)).map(|(_, node)| node.name.clone()).collect()
}

/// A process that was started anew has another id: no change of what is in force.
fn without_processes(text: &str) -> String {
    let mut words = text.split(' ');
    let mut kept: Vec<&str> = Vec::new();
    while let Some(word) = words.next() {
        kept.push(word);
        if word == "pid" && words.next().is_some() {
            kept.push("{pid}");
        }
    }
    kept.join(" ")
}

#[cfg(test)]
mod tests {
    use super::without_processes;

    #[test]
    fn another_process_is_no_change() {
        assert_eq!(without_processes("argv of pid 12 and pid 13, x"), "argv of pid {pid} and pid {pid} x");
    }
}

//! What changed between two reports: by check and subject, never by a benchmark's number. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::report::{Control, Report, Subjects};
use super::verdict::{Severity, Verdict};

/// What changed from one report to a later one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Drift {
    /// Time of the earlier evidence, RFC 3339, UTC.
    pub from: String,
    /// Time of the later evidence.
    pub to: String,
    /// Controls that fail and did not.
    pub new_failures: Vec<Change>,
    /// Controls that failed and do not, as far as they can be told.
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
    /// The later report's nodes, into which `subjects` are indexes; left out inside of that report.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,
}

/// One control that changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
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
    /// What changed on subjects that both reports have, equal changes together.
    pub moved: Vec<Moved>,
}

/// The same change on several subjects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Moved {
    /// On which of the later report's nodes.
    pub subjects: Subjects,
    /// On how many.
    pub count: usize,
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
        self.lists().iter().all(|(_, list)| list.is_empty()) && self.nodes_new.is_empty() && self.nodes_gone.is_empty()
    }

    /// The lists of changes with their headings, the most important first.
    pub fn lists(&self) -> [(&'static str, &[Change]); 5] {
        [
            ("New failures", &self.new_failures),
            ("Fixed", &self.fixed),
            ("Other verdicts", &self.other),
            ("Only because nodes came or went", &self.by_presence),
            ("Same verdict, other evidence", &self.evidence),
        ]
    }

    /// How many of each, in words: `1 new failure, 2 fixed`; `nothing changed` where it is so.
    pub fn summary(&self) -> String {
        let several = |count: usize, one: &str, many: &str| {
            (count > 0).then(|| if count == 1 { format!("1 {one}") } else { format!("{count} {many}") })
        };
        let parts = [
            several(self.new_failures.len(), "new failure", "new failures"),
            several(self.fixed.len(), "fixed", "fixed"),
            several(self.other.len() + self.by_presence.len(), "other verdict", "other verdicts"),
            several(self.evidence.len(), "on other evidence", "on other evidence"),
            several(self.nodes_new.len(), "new node", "new nodes"),
            several(self.nodes_gone.len(), "node gone", "nodes gone"),
        ];
        let told: Vec<String> = parts.into_iter().flatten().collect();
        if told.is_empty() { "nothing changed".to_owned() } else { told.join(", ") }
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
    // places of the nodes that both have, the later report's first
    let old_places: HashMap<&str, usize> =
        before.nodes.iter().enumerate().map(|(place, node)| (node.name.as_str(), place)).collect();
    let common: Vec<(usize, usize)> = (after.nodes.iter().enumerate())
        .filter_map(|(place, node)| Some((place, *old_places.get(node.name.as_str())?)))
        .collect();
    let old: BTreeMap<&str, &Control> =
        before.controls.iter().chain(&before.own_checks).map(|control| (control.slug.as_str(), control)).collect();
    for control in after.controls.iter().chain(&after.own_checks) {
        let Some(known) = old.get(control.slug.as_str()) else { continue };
        let moved = moved(known, before.nodes.len(), control, after.nodes.len(), &common);
        let same_verdict = known.verdict == control.verdict;
        if same_verdict && moved.is_empty() {
            continue;
        }
        let verdict_moved = moved.iter().any(|group| group.before != group.after);
        let list = if verdict_moved || same_verdict {
            let fails = |verdict: Verdict| verdict == Verdict::Fail;
            let newly = moved.iter().any(|group| fails(group.after) && !fails(group.before));
            // what cannot be told any more is not mended
            let known = |verdict: Verdict| !fails(verdict) && verdict != Verdict::Unknown;
            let mended = moved.iter().any(|group| fails(group.before) && known(group.after));
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
            moved,
        });
    }
    drift
}

/// What changed on the subjects that both have, equal changes together, in the order of their first subject.
fn moved(
    before: &Control,
    before_total: usize,
    after: &Control,
    total: usize,
    common: &[(usize, usize)],
) -> Vec<Moved> {
    let (was, is) = (BySubject::of(before, before_total), BySubject::of(after, total));
    let mut groups: Vec<(Vec<usize>, Moved)> = Vec::new();
    // thousands of nodes lie in a few groups: each pair of groups is compared once
    let mut known: HashMap<(&[usize], &[usize]), Option<usize>> = HashMap::new();
    for (new, old) in common {
        let (Some(earlier), Some(found)) = (was.nodes.get(old), is.nodes.get(new)) else { continue };
        let at = *known.entry((earlier, found)).or_insert_with(|| {
            let change = change(was.found(earlier), is.found(found))?;
            groups.push((Vec::new(), change));
            Some(groups.len() - 1)
        });
        if let Some(at) = at {
            groups[at].0.push(*new);
        }
    }
    let of_nodes = groups.into_iter().map(|(nodes, moved)| {
        let (count, subjects) = (nodes.len(), Subjects::of(nodes, total));
        Moved { subjects, count, ..moved }
    });
    let of_cluster = (!was.cluster.is_empty() && !is.cluster.is_empty())
        .then(|| change(was.found(&was.cluster), is.found(&is.cluster)))
        .flatten()
        .map(|moved| Moved { subjects: Subjects { cluster: true, ..Subjects::default() }, count: 1, ..moved });
    of_cluster.into_iter().chain(of_nodes).collect()
}

/// The worst verdict on a subject, with all that was found on it, in order.
type Found = (Verdict, Vec<String>);

fn change(before: Found, after: Found) -> Option<Moved> {
    (before != after).then(|| Moved {
        subjects: Subjects::default(),
        count: 0,
        before: before.0,
        after: after.0,
        found_before: before.1.join("; "),
        found_after: after.1.join("; "),
    })
}

/// What was found on each subject of a control.
struct BySubject {
    /// Of each group, in order.
    groups: Vec<Found>,
    /// The groups of each node.
    nodes: HashMap<usize, Vec<usize>>,
    /// The groups of the cluster.
    cluster: Vec<usize>,
}

impl BySubject {
    fn of(control: &Control, total: usize) -> Self {
        let mut all = Self { groups: Vec::new(), nodes: HashMap::new(), cluster: Vec::new() };
        for (place, group) in control.groups.iter().enumerate() {
            let offenders =
                group.offenders.iter().map(|one| without_processes(&format!("{}: {}", one.what, one.found)));
            all.groups
                .push((group.verdict, std::iter::once(without_processes(&group.found)).chain(offenders).collect()));
            if group.subjects.cluster {
                all.cluster.push(place);
            }
            for node in group.subjects.members(total) {
                all.nodes.entry(node).or_default().push(place);
            }
        }
        all
    }

    fn found(&self, groups: &[usize]) -> Found {
        let own = || groups.iter().map(|place| &self.groups[*place]);
        let mut texts: Vec<String> = own().flat_map(|(_, texts)| texts.clone()).collect();
        texts.sort();
        (Verdict::over(own().map(|(verdict, _)| *verdict)).unwrap_or(Verdict::Unknown), texts)
    }
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

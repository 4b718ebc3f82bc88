//! Scores and coverage, each with its formula.

use std::collections::BTreeMap;

use super::Input;
use super::report::{Control, Coverage, CoverageGap, Score, Scores};
use super::verdict::Verdict;
use crate::evidence::Evidence;
use crate::evidence::objects::{ClusterEvidence, Source};

/// Both scores over the controls of a level.
pub fn scores(controls: &[Control], level: u8, with_nodes: bool) -> Scores {
    let counted: Vec<&Control> = controls.iter().filter(|control| control.level <= level).collect();
    let automated: Vec<&Control> = counted.iter().copied().filter(|control| control.status == "automated").collect();
    let mut cis = score(&automated, &format!("automated controls of level {level}"));
    if !with_nodes {
        cis.percent = None;
        cis.none_because = Some("no node was looked at: all automated controls are about nodes".to_owned());
    }
    Scores { cis, full: score(&counted, &format!("controls of level {level}, manual ones included")) }
}

fn score(controls: &[&Control], what: &str) -> Score {
    let count = |verdict| controls.iter().filter(|control| control.verdict == verdict).count();
    let numerator = count(Verdict::Pass);
    let excluded = count(Verdict::NotApplicable);
    let denominator = controls.len() - excluded;
    let level_note = if what.contains("level 2") { what.replace("level 2", "levels 1 and 2") } else { what.to_owned() };
    let formula = format!(
        "{numerator} pass of {denominator} {level_note}; failing, unread and open ones do not pass, {excluded} not applicable are left out"
    );
    let decided = denominator - count(Verdict::Unknown);
    let none_because = match (denominator, decided) {
        (0, _) => Some("nothing applies here".to_owned()),
        (_, 0) => Some("nothing could be assessed".to_owned()),
        _ => None,
    };
    let percent = none_because.is_none().then(|| percent(numerator, denominator));
    Score { numerator, denominator, percent, formula, none_because }
}

/// With one decimal, and never rounded up to 100.
#[expect(clippy::cast_precision_loss, reason = "counts of controls are small")]
fn percent(part: usize, whole: usize) -> f64 {
    let exact = 1000.0 * part as f64 / whole as f64;
    (if part < whole { exact.floor() } else { exact }) / 10.0
}

/// Nodes that exist: those that were looked at or waited for, and those that the API lists.
fn nodes_expected(evidence: &Evidence) -> Option<usize> {
    let listed =
        evidence.cluster.as_ref().filter(|cluster| cluster.source == Source::Api && cluster.nodes.gap.is_none());
    // an API server that no node shows is none
    let servers = evidence.nodes.iter().filter(|node| node.is_answering_server()).count();
    let known = evidence.node_count() - servers;
    match listed {
        Some(cluster) => Some(known.max(cluster.nodes.items.len())),
        None => (!evidence.unseen.is_empty()).then_some(known),
    }
}

/// What was looked at, and what was not.
pub fn coverage(controls: &[Control], input: &Input<'_>) -> Coverage {
    let applicable = controls.iter().filter(|control| control.verdict != Verdict::NotApplicable).count();
    let unknown = controls.iter().filter(|control| control.verdict == Verdict::Unknown).count();
    let covered = applicable - unknown;
    let mut gaps: BTreeMap<_, CoverageGap> = BTreeMap::new();
    for control in controls {
        for group in &control.groups {
            let Some(reason) = group.gap else { continue };
            let detail = group.found.clone();
            let gap = gaps.entry((reason, detail.clone())).or_insert_with(|| CoverageGap {
                reason,
                detail,
                controls: Vec::new(),
            });
            if !gap.controls.contains(&control.id) {
                gap.controls.push(control.id.clone());
            }
        }
    }
    let mut gaps: Vec<CoverageGap> = gaps.into_values().collect();
    // a list that no control turned out to rest on is missing all the same
    let lists = input.evidence.cluster.iter().filter(|cluster| cluster.source == Source::Api);
    let missing = lists.flat_map(ClusterEvidence::gaps).map(|gap| format!("A list is not complete: {gap}"));
    gaps.sort_by(|one, other| {
        other
            .controls
            .len()
            .cmp(&one.controls.len())
            .then(one.reason.cmp(&other.reason))
            .then(one.detail.cmp(&other.detail))
    });
    Coverage {
        covered,
        applicable,
        percent: (applicable > 0).then(|| percent(covered, applicable)),
        nodes_seen: input.evidence.nodes.iter().filter(|node| !node.is_api_view()).count(),
        nodes_expected: nodes_expected(input.evidence),
        gaps,
        limits: input.evidence.skipped.iter().cloned().chain(missing).collect(),
    }
}

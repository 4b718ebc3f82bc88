//! The figures of a report for monitoring, in OpenMetrics text (which Prometheus reads): a scrape target, a textfile collector.
//!
//! No series per node and control: 5,000 nodes would make 650,000. What fails on how many nodes is one series a control.

use std::collections::BTreeMap;
use std::io::Write;

use super::{Layout, RenderError};
use crate::audit::report::{Report, Score};
use crate::audit::verdict::Verdict;

const VERDICTS: [Verdict; 5] =
    [Verdict::Pass, Verdict::Fail, Verdict::Review, Verdict::Unknown, Verdict::NotApplicable];

pub(super) fn render(report: &Report, _layout: &Layout, out: &mut dyn Write) -> Result<(), RenderError> {
    let benchmark = label(&report.run.benchmark.id);
    let mut family = |name: &str, help: &str, samples: Vec<(String, String)>| -> std::io::Result<()> {
        if samples.is_empty() {
            return Ok(());
        }
        writeln!(out, "# HELP kube_assay_{name} {help}\n# TYPE kube_assay_{name} gauge")?;
        for (labels, value) in samples {
            writeln!(out, "kube_assay_{name}{{benchmark=\"{benchmark}\"{labels}}} {value}")?;
        }
        Ok(())
    };
    let top = report.sections.iter().filter(|section| !section.id.contains('.'));
    let verdicts = top.flat_map(|section| {
        VERDICTS.map(|verdict| {
            let labels = format!(",section=\"{}\",verdict=\"{}\"", label(&section.id), verdict.word());
            (labels, section.counts.of(verdict).to_string())
        })
    });
    family("verdicts", "Controls by section and verdict.", verdicts.collect())?;
    let ratio = |name: &str, score: &Score| {
        score.percent.map(|percent| (format!(",score=\"{name}\""), decimal(percent / 100.0)))
    };
    let scores = [ratio("cis", &report.scores.cis), ratio("full", &report.scores.full)];
    family("score_ratio", "Score between 0 and 1.", scores.into_iter().flatten().collect())?;
    let coverage = report.coverage.percent.map(|percent| (String::new(), decimal(percent / 100.0)));
    family("coverage_ratio", "Applicable controls with evidence, between 0 and 1.", coverage.into_iter().collect())?;
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    for node in &report.nodes {
        *states.entry(node.state.word()).or_default() += 1;
    }
    let states = states.into_iter().map(|(state, count)| (format!(",state=\"{state}\""), count.to_string()));
    family("nodes", "Nodes by what was seen of them.", states.collect())?;
    let failing = report.controls.iter().filter(|control| control.verdict == Verdict::Fail).map(|control| {
        let groups = control.groups.iter().filter(|group| group.verdict == Verdict::Fail);
        let labels = format!(
            ",control=\"{}\",check=\"{}\",severity=\"{}\"",
            label(&control.id),
            label(&control.slug),
            control.severity
        );
        (labels, groups.map(|group| group.count).sum::<usize>().to_string())
    });
    family("failing_subjects", "Nodes on which a control fails; 1 for the cluster as a whole.", failing.collect())?;
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    for waiver in &report.waivers {
        *states.entry(waiver.state.word()).or_default() += 1;
    }
    let states = states.into_iter().map(|(state, count)| (format!(",state=\"{state}\""), count.to_string()));
    family("waivers", "Waivers by whether they hold.", states.collect())?;
    let ends = report.waivers.iter().filter_map(|waiver| {
        let after = waiver.until.parse::<chrono::NaiveDate>().ok()?.succ_opt()?.and_hms_opt(0, 0, 0)?;
        Some((format!(",waiver=\"{}\"", label(&waiver.id)), after.and_utc().timestamp().to_string()))
    });
    family("waiver_expiry_timestamp_seconds", "When a waiver stops to hold.", ends.collect())?;
    let at = chrono::DateTime::parse_from_rfc3339(&report.run.collected_at).ok();
    let at = at.map(|at| (String::new(), at.timestamp().to_string()));
    family("last_run_timestamp_seconds", "When the evidence was collected.", at.into_iter().collect())?;
    writeln!(out, "# EOF")?;
    Ok(())
}

fn decimal(value: f64) -> String {
    format!("{value:.4}")
}

/// A label's value: backslash, quote and line feed are escaped, other control characters have no place in it.
fn label(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' => escaped.push_str("\\\\"),
            '"' => escaped.push_str("\\\""),
            '\n' => escaped.push_str("\\n"),
            letter if letter.is_control() => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn labels_end_where_they_end() {
        assert_eq!(label("a\"} 1\nb\\\u{1b}"), "a\\\"} 1\\nb\\\\\u{fffd}");
    }
}

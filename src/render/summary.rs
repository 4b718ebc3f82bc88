//! One line of JSON: what a log pipeline or a script wants to know of a run.

use std::io::Write;

use serde::Serialize;

use super::{Layout, RenderError};
use crate::audit::report::{Counts, Report};
use crate::audit::verdict::Verdict;

#[derive(Serialize)]
struct Line<'a> {
    schema: &'static str,
    benchmark: &'a str,
    collected_at: &'a str,
    kubernetes: &'a [String],
    cis_score: Option<f64>,
    full_score: Option<f64>,
    coverage: Option<f64>,
    nodes_seen: usize,
    nodes_expected: Option<usize>,
    verdicts: Counts,
    failing: Vec<&'a str>,
    /// Failing controls that are accepted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    waived: Vec<&'a str>,
}

pub(super) fn render(report: &Report, _layout: &Layout, out: &mut dyn Write) -> Result<(), RenderError> {
    let mut verdicts = Counts::default();
    report.controls.iter().for_each(|control| verdicts.add(control.verdict));
    let failing = report.controls.iter().filter(|control| control.verdict == Verdict::Fail);
    let line = Line {
        schema: "kube-assay.summary/v1",
        benchmark: &report.run.benchmark.id,
        collected_at: &report.run.collected_at,
        kubernetes: &report.run.kubernetes,
        cis_score: report.scores.cis.percent,
        full_score: report.scores.full.percent,
        coverage: report.coverage.percent,
        nodes_seen: report.coverage.nodes_seen,
        nodes_expected: report.coverage.nodes_expected,
        verdicts,
        waived: failing.clone().filter(|control| control.waived).map(|control| control.id.as_str()).collect(),
        failing: failing.map(|control| control.id.as_str()).collect(),
    };
    serde_json::to_writer(&mut *out, &line)?;
    writeln!(out)?;
    Ok(())
}

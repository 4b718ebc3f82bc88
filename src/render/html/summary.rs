//! The first screen: the verdict in a sentence, the scores, the bar, what to do first and what was not looked at.

use std::collections::BTreeSet;

use serde::Serialize;

use super::controls::{LINES, More, where_seen};
use super::text::{self, NAME, SENTENCE, short};
use super::words;
use crate::audit::report::{Control, Counts, CoverageGap, Report, Score};
use crate::audit::verdict::{Severity, Verdict};
use crate::evidence::Reason;
use waivers::{WaiverView, waivers};

mod waivers;

/// Failing controls that are named at once; the rest opens.
const ACTS: usize = 14;
/// Controls that need a person and are named at once.
const REVIEWS: usize = 8;
/// Obstacles of one reason that are named at once.
const DETAILS: usize = 4;

/// The first screen.
#[derive(Serialize)]
pub(super) struct Summary {
    lede: Vec<Phrase>,
    scores: Vec<ScoreView>,
    bar: Bar,
    legend: Vec<Legend>,
    acts: Vec<Entry>,
    more_acts: Vec<Entry>,
    waivers: Vec<WaiverView>,
    /// Waivers beyond the last one, as lines.
    more_waivers: Option<More>,
    reviews: Vec<Entry>,
    more_reviews: Vec<Entry>,
    gaps: Vec<Gap>,
    limits: Vec<String>,
    controls: usize,
}

/// A phrase of the verdict sentence; plain where it has no class.
#[derive(Serialize)]
struct Phrase {
    class: &'static str,
    text: String,
}

/// A score, or why there is none.
#[derive(Serialize)]
struct ScoreView {
    title: &'static str,
    percent: Option<String>,
    /// In thousandths, for the bar.
    share: u32,
    text: String,
}

/// A bar of verdicts.
#[derive(Serialize)]
pub(super) struct Bar {
    label: String,
    parts: Vec<Part>,
}

/// A part of a bar, in thousandths.
#[derive(Serialize)]
struct Part {
    class: &'static str,
    at: usize,
    width: usize,
}

/// A verdict and its number of controls.
#[derive(Serialize)]
struct Legend {
    class: &'static str,
    word: &'static str,
    count: usize,
}

/// A link to a control.
#[derive(Serialize)]
struct Entry {
    anchor: String,
    id: String,
    title: String,
    severity: &'static str,
    at: String,
}

/// What was not looked at for one reason.
#[derive(Serialize)]
struct Gap {
    title: String,
    remedy: &'static str,
    count: String,
    details: Vec<Detail>,
    /// Details beyond the first ones, as lines.
    more: Option<More>,
}

/// One obstacle and what it hides.
#[derive(Serialize)]
struct Detail {
    text: String,
    controls: Vec<Range>,
}

/// Neighbouring controls, named by the first and the last.
#[derive(Serialize)]
struct Range {
    anchor: Option<String>,
    text: String,
}

impl Summary {
    /// The first screen of a report.
    pub(super) fn of(report: &Report, anchors: &[String]) -> Self {
        let mut counts = Counts::default();
        report.controls.iter().for_each(|control| counts.add(control.verdict));
        let mut acts: Vec<(usize, &Control)> =
            of_verdict(report, Verdict::Fail).filter(|(_, control)| !control.waived).collect();
        acts.sort_by_key(|(place, control)| (std::cmp::Reverse(control.severity), *place));
        let (acts, more_acts) =
            shown(acts.into_iter().map(|(place, control)| entry(report, &anchors[place], control)).collect(), ACTS);
        let reviews = of_verdict(report, Verdict::Review)
            .filter(|(_, control)| !control.waived)
            .map(|(place, control)| entry(report, &anchors[place], control))
            .collect();
        let (reviews, more_reviews) = shown(reviews, REVIEWS);
        let (waivers, more_waivers) = waivers(report, anchors);
        Self {
            lede: lede(report, &counts),
            waivers,
            more_waivers,
            scores: vec![
                score("CIS score", &report.scores.cis),
                score("Full score", &report.scores.full),
                coverage(report),
            ],
            bar: Bar::of(&counts),
            legend: Verdict::ALL
                .into_iter()
                .map(|verdict| Legend { class: words::class(verdict), word: verdict.word(), count: counts.of(verdict) })
                .collect(),
            acts,
            more_acts,
            reviews,
            more_reviews,
            gaps: gaps(report, anchors),
            limits: report.coverage.limits.iter().map(|limit| text::sentence(&short(limit, SENTENCE))).collect(),
            controls: counts.total(),
        }
    }
}

impl Bar {
    /// Verdicts side by side, worst first, each at least wide enough to be seen.
    pub(super) fn of(counts: &Counts) -> Self {
        const GAP: usize = 3;
        let total = counts.total();
        let mut parts: Vec<Part> = Verdict::ALL
            .into_iter()
            .filter(|verdict| counts.of(*verdict) > 0)
            .map(|verdict| Part {
                class: words::class(verdict),
                at: 0,
                width: (1_000 * counts.of(verdict) / total.max(1)).max(10),
            })
            .collect();
        let drawn: usize = parts.iter().map(|part| part.width).sum();
        if let Some(widest) = parts.iter_mut().max_by_key(|part| part.width) {
            widest.width = (widest.width + 1_000).saturating_sub(drawn);
        }
        let mut at = 0;
        for part in &mut parts {
            part.at = at;
            at += part.width;
            part.width -= if at < 1_000 { GAP } else { 0 };
        }
        Self { label: words::counts(counts), parts }
    }
}

/// Controls of a verdict with their place in the report.
fn of_verdict(report: &Report, verdict: Verdict) -> impl Iterator<Item = (usize, &Control)> {
    report.controls.iter().enumerate().filter(move |(_, control)| control.verdict == verdict)
}

/// What is named at once, and what opens. One more line costs no more room than the line that says so.
fn shown(mut entries: Vec<Entry>, most: usize) -> (Vec<Entry>, Vec<Entry>) {
    let more = if entries.len() > most + 1 { entries.split_off(most) } else { Vec::new() };
    (entries, more)
}

fn entry(report: &Report, anchor: &str, control: &Control) -> Entry {
    Entry {
        anchor: anchor.to_owned(),
        id: short(&control.id, 40),
        title: short(&control.title, NAME),
        severity: words::severity(control.severity),
        at: where_seen(report, control),
    }
}

/// The verdict on everything, in a sentence or two.
fn lede(report: &Report, counts: &Counts) -> Vec<Phrase> {
    let mut phrases = Vec::new();
    let mut say = |class, text: String| phrases.push(Phrase { class, text });
    let total = counts.total();
    if total == 0 {
        say("", "There is no control to judge, so there is no verdict.".to_owned());
        return phrases;
    }
    if counts.unknown == total {
        say("unknown", "Nothing could be read".to_owned());
        say("", format!(": all {} are unknown.", text::counted(total, "control", "controls")));
        return phrases;
    }
    if counts.not_applicable == total {
        say("", "No control applies here.".to_owned());
        return phrases;
    }
    let of = |severity| {
        report
            .controls
            .iter()
            .filter(|control| control.verdict == Verdict::Fail && control.severity == severity)
            .count()
    };
    let open = counts.review + counts.unknown > 0;
    match counts.fail {
        0 if !open => {
            say("pass", "Every control that applies passes".to_owned());
            say("", ".".to_owned());
        }
        0 => {
            say("pass", "No control is known to fail".to_owned());
            say("", "; ".to_owned());
        }
        fails => {
            say("fail", text::counted(fails, "control fails", "controls fail"));
            let (critical, high) = (of(Severity::Critical), of(Severity::High));
            let worst = if critical > 0 {
                Some((critical, "critical"))
            } else {
                (high > 0).then_some((high, "of high severity"))
            };
            let tail = match worst {
                Some((number, word)) if number == fails => {
                    format!(", {}{word}", if fails == 1 { "" } else { "all of them " })
                }
                Some((number, word)) => {
                    format!(", {} of them {word}", if number == 1 { "one".to_owned() } else { text::count(number) })
                }
                None => String::new(),
            };
            let waived = match of_verdict(report, Verdict::Fail).filter(|(_, control)| control.waived).count() {
                0 => String::new(),
                number => {
                    format!("; {} waived", if number == fails { "all are".to_owned() } else { text::count(number) })
                }
            };
            say("", format!("{tail}{waived}.{}", if open { " " } else { "" }));
        }
    }
    if counts.review > 0 {
        say(
            "review",
            format!("{} {} a person", text::count(counts.review), if counts.review == 1 { "needs" } else { "need" }),
        );
        say("", if counts.unknown > 0 { ", " } else { "." }.to_owned());
    }
    if counts.unknown > 0 {
        say("unknown", format!("{} could not be read", text::count(counts.unknown)));
        say("", ".".to_owned());
    }
    phrases
}

fn score(title: &'static str, score: &Score) -> ScoreView {
    match score.percent {
        Some(percent) => ScoreView {
            title,
            percent: Some(text::percent(percent)),
            share: thousandths(percent),
            text: short(&score.formula, SENTENCE),
        },
        None => ScoreView {
            title,
            percent: None,
            share: 0,
            text: short(
                &format!(
                    "{}. {}",
                    text::sentence(score.none_because.as_deref().unwrap_or("nothing was assessed")),
                    score.formula
                ),
                SENTENCE,
            ),
        },
    }
}

fn coverage(report: &Report) -> ScoreView {
    let coverage = &report.coverage;
    let nodes = match coverage.nodes_expected {
        Some(expected) => {
            format!("{} of {}", text::count(coverage.nodes_seen), text::counted(expected, "node", "nodes"))
        }
        None => format!("{} seen, how many exist was not asked", text::counted(coverage.nodes_seen, "node", "nodes")),
    };
    ScoreView {
        title: "Coverage",
        percent: coverage.percent.map(text::percent),
        share: coverage.percent.map_or(0, thousandths),
        text: if coverage.applicable == 0 {
            format!("no control applies; {nodes}")
        } else {
            let applicable = text::counted(coverage.applicable, "applicable control", "applicable controls");
            format!("evidence for {} of {applicable}; {nodes}", text::count(coverage.covered))
        },
    }
}

/// A percentage as thousandths of a bar.
fn thousandths(percent: f64) -> u32 {
    // Saturating by definition of `as`; a hostile number ends at an end of the bar.
    ((percent * 10.0).round() as u32).min(1_000)
}

/// One entry for each reason, in the order of the report, with its obstacles.
fn gaps(report: &Report, anchors: &[String]) -> Vec<Gap> {
    let mut reasons: Vec<(Reason, Vec<&CoverageGap>)> = Vec::new();
    for gap in &report.coverage.gaps {
        match reasons.iter_mut().find(|(reason, _)| *reason == gap.reason) {
            Some((_, gaps)) => gaps.push(gap),
            None => reasons.push((gap.reason, vec![gap])),
        }
    }
    let view = |(reason, gaps): (Reason, Vec<&CoverageGap>)| {
        let controls: BTreeSet<&String> = gaps.iter().flat_map(|gap| &gap.controls).collect();
        let shown = if gaps.len() > DETAILS + 1 { DETAILS } else { gaps.len() };
        let line = |gap: &&CoverageGap| format!("{}: {}", gap.controls.join(", "), short(&gap.detail, NAME));
        Gap {
            title: text::sentence(&reason.to_string()),
            remedy: words::remedy(reason),
            count: text::counted(controls.len(), "control", "controls"),
            details: gaps[..shown]
                .iter()
                // What only repeats the reason says nothing.
                .map(|gap| Detail {
                    text: {
                        let said = reason.to_string();
                        let rest = gap.detail.strip_prefix(&said).map(|rest| rest.trim_start_matches(": "));
                        short(rest.unwrap_or(&gap.detail), SENTENCE)
                    },
                    controls: ranges(report, anchors, &gap.controls),
                })
                .collect(),
            more: (shown < gaps.len()).then(|| More {
                summary: format!("{} more", text::count(gaps.len() - shown)),
                lines: text::lines(gaps[shown..].iter().map(line), LINES),
            }),
        }
    };
    reasons.into_iter().map(view).collect()
}

/// Ids with neighbours drawn together: `5.1.1 to 5.1.13`.
fn ranges(report: &Report, anchors: &[String], ids: &[String]) -> Vec<Range> {
    let place = |id: &String| report.controls.iter().position(|control| control.id == *id);
    let mut runs: Vec<(Option<usize>, Vec<&String>)> = Vec::new();
    for id in ids {
        let at = place(id);
        match (runs.last_mut(), at) {
            (Some((Some(first), run)), Some(at))
                if at == *first + run.len() && report.controls[at].section == report.controls[*first].section =>
            {
                run.push(id);
            }
            _ => runs.push((at, vec![id])),
        }
    }
    let named = |id: &String| short(id, 40);
    let mut ranges = Vec::new();
    for (first, run) in runs {
        let anchor = |offset: usize| first.map(|first| anchors[first + offset].clone());
        match run.as_slice() {
            [from, .., to] if run.len() > 2 => {
                ranges.push(Range { anchor: anchor(0), text: format!("{} to {}", named(from), named(to)) })
            }
            few => ranges
                .extend(few.iter().enumerate().map(|(offset, id)| Range { anchor: anchor(offset), text: named(id) })),
        }
    }
    ranges
}

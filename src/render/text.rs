//! The summary that a person reads in a terminal: what fails first, what to do about it, what was not looked at.

mod change;
mod nodes;

use std::collections::BTreeMap;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

use super::escape::visible;
use super::{Layout, RenderError};
use crate::audit::report::{Control, Counts, Group, Report, Score, Waived, WaiverState};
use crate::audit::verdict::{Severity, Verdict};
use crate::evidence::{NodeState, Reason};

pub(super) fn render(report: &Report, layout: &Layout, out: &mut dyn Write) -> Result<(), RenderError> {
    let mut page = Page { out, layout, waivers: &report.waivers };
    page.head(report)?;
    page.scores(report)?;
    page.change(report)?;
    page.controls(report, Verdict::Fail, "Fails")?;
    page.controls(report, Verdict::Review, "Needs a person")?;
    page.idle_waivers(report)?;
    page.gaps(report)?;
    page.outliers(report)?;
    if layout.verbose {
        page.controls(report, Verdict::Unknown, "Not known")?;
        page.controls(report, Verdict::Pass, "Passes")?;
        page.controls(report, Verdict::NotApplicable, "Not applicable")?;
        page.nodes(report)?;
    }
    page.own(report)?;
    page.foot(report)
}

struct Page<'a> {
    out: &'a mut dyn Write,
    layout: &'a Layout,
    waivers: &'a [Waived],
}

/// Findings of one control that are told.
const GROUPS: usize = 5;
/// Where the rest is.
const ELSEWHERE: &str = "all in the JSON and HTML reports, or with --verbose";

/// The symbol that stands beside the word.
const fn symbol(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Fail => "✕",
        Verdict::Review => "?",
        Verdict::Unknown => "∅",
        Verdict::Pass => "✓",
        Verdict::NotApplicable => "–",
    }
}

fn style_of(verdict: Verdict) -> Style {
    let colour = match verdict {
        Verdict::Fail => AnsiColor::Red,
        Verdict::Review => AnsiColor::Yellow,
        Verdict::Unknown => AnsiColor::Magenta,
        Verdict::Pass => AnsiColor::Green,
        Verdict::NotApplicable => return Style::new().dimmed(),
    };
    colour.on_default()
}

impl Page<'_> {
    fn paint(&self, style: Style, text: &str) -> String {
        if self.layout.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")
    }

    /// Words wrapped to the width, every line with the same indentation.
    fn wrapped(&mut self, indent: usize, text: &str, style: Style) -> io::Result<()> {
        let width = self.layout.width.saturating_sub(indent).max(24);
        for line in wrap(text, width) {
            let painted = self.paint(style, &line);
            writeln!(self.out, "{:indent$}{painted}", "")?;
        }
        Ok(())
    }

    fn heading(&mut self, text: &str) -> io::Result<()> {
        let painted = self.paint(Style::new().bold(), text);
        writeln!(self.out, "\n{painted}")
    }

    fn head(&mut self, report: &Report) -> io::Result<()> {
        let run = &report.run;
        let title = format!("{} {}", run.benchmark.title, run.benchmark.version);
        let painted = self.paint(Style::new().bold(), &title);
        self.line(&painted)?;
        for subject in &run.subjects {
            self.wrapped(0, &format!("Subject: {}", visible(subject)), Style::new())?;
        }
        let versions = if run.kubernetes.is_empty() { "not known".to_owned() } else { run.kubernetes.join(", ") };
        self.wrapped(
            0,
            &format!(
                "Kubernetes {versions}; evidence of {}; benchmark chosen: {}",
                run.collected_at,
                visible(&run.chosen)
            ),
            Style::new(),
        )?;
        if let Some(provisional) = &run.benchmark.provisional {
            self.wrapped(0, &format!("Provisional: {provisional}"), Style::new())?;
        }
        self.line("")?;
        let sentence = sentence(report);
        self.wrapped(0, &sentence, Style::new().bold())
    }

    fn scores(&mut self, report: &Report) -> io::Result<()> {
        self.line("")?;
        self.score("CIS score", &report.scores.cis)?;
        self.score("Full score", &report.scores.full)?;
        let coverage = &report.coverage;
        let percent = coverage.percent.map_or("none".to_owned(), |percent| format!("{percent:.1} %"));
        let nodes = match coverage.nodes_expected {
            Some(expected) => format!("{} of {expected} nodes", coverage.nodes_seen),
            None => format!("{} node{}", coverage.nodes_seen, if coverage.nodes_seen == 1 { "" } else { "s" }),
        };
        self.row(
            "Coverage",
            &percent,
            &format!("evidence for {} of {} applicable controls; {nodes}", coverage.covered, coverage.applicable),
        )
    }

    fn score(&mut self, name: &str, score: &Score) -> io::Result<()> {
        let value = score.percent.map_or("no score".to_owned(), |percent| format!("{percent:.1} %"));
        self.row(name, &value, score.none_because.as_deref().unwrap_or(&score.formula))
    }

    fn row(&mut self, name: &str, value: &str, text: &str) -> io::Result<()> {
        let label = format!("{name:<11}{value:>9}  ");
        let width = self.layout.width.saturating_sub(label.width()).max(24);
        for (index, line) in wrap(text, width).into_iter().enumerate() {
            let left = if index == 0 { self.paint(Style::new().bold(), &label) } else { " ".repeat(label.width()) };
            writeln!(self.out, "{left}{line}")?;
        }
        Ok(())
    }

    fn controls(&mut self, report: &Report, verdict: Verdict, heading: &str) -> io::Result<()> {
        let mut controls: Vec<&Control> = report.controls.iter().filter(|control| control.verdict == verdict).collect();
        if controls.is_empty() {
            return Ok(());
        }
        if matches!(verdict, Verdict::Fail | Verdict::Review) {
            controls.sort_by_key(|control| (control.waived, std::cmp::Reverse(control.severity)));
        }
        let waived = match controls.iter().filter(|control| control.waived).count() {
            0 => String::new(),
            some => format!(", {some} of them waived"),
        };
        self.heading(&format!("{heading} ({}{waived})", controls.len()))?;
        for control in controls {
            self.control(control, report.nodes.len())?;
        }
        Ok(())
    }

    fn control(&mut self, control: &Control, nodes: usize) -> io::Result<()> {
        let mark = self
            .paint(style_of(control.verdict), &format!("{} {:<14}", symbol(control.verdict), control.verdict.word()));
        let severity = format!("{:<8}", control.severity.to_string());
        let severity = if control.verdict == Verdict::Fail && control.severity >= Severity::High {
            self.paint(AnsiColor::Red.on_default(), &severity)
        } else {
            severity
        };
        let head = 2 + 14 + 1 + 8 + 1 + 7;
        let titles = wrap(&control.title, self.layout.width.saturating_sub(head).max(24));
        for (index, title) in titles.iter().enumerate() {
            if index == 0 {
                writeln!(self.out, "{mark} {severity} {:<6} {title}", visible(&control.id))?;
            } else {
                writeln!(self.out, "{:head$}{title}", "")?;
            }
        }
        let quiet = matches!(control.verdict, Verdict::Pass | Verdict::NotApplicable) && !self.layout.verbose;
        if quiet {
            return Ok(());
        }
        // a node that was not seen is told once, not at every control that fails elsewhere
        let told = |group: &&Group| {
            let quiet = matches!(group.verdict, Verdict::Pass | Verdict::NotApplicable);
            self.layout.verbose || !(quiet || group.gap == Some(Reason::NodeUnseen))
        };
        let groups: Vec<&Group> = control.groups.iter().filter(told).collect();
        // one more than the last is told in the place of the line that would count it
        let most = if self.layout.verbose || groups.len() <= GROUPS + 1 { groups.len() } else { GROUPS };
        for group in &groups[..most] {
            self.group(group, nodes, control.groups.len() > 1)?;
        }
        if let rest @ [_, ..] = &groups[most..] {
            self.wrapped(17, &format!("and {} more findings ({ELSEWHERE})", rest.len()), Style::new().dimmed())?;
        }
        if control.verdict == Verdict::Fail
            && let Some(remedy) = control.remediation.get("kubeadm")
        {
            self.wrapped(17, &format!("do: {}", visible(&first_step(&remedy.text))), Style::new())?;
        }
        Ok(())
    }

    fn group(&mut self, group: &Group, nodes: usize, several: bool) -> io::Result<()> {
        let mut found = visible(&group.found).into_owned();
        if several {
            found = format!("{}: {found}", group.verdict);
        }
        if !group.origins.is_empty() {
            found = format!(
                "{found} [{}]",
                group.origins.iter().map(|origin| visible(origin)).collect::<Vec<_>>().join("; ")
            );
        }
        if nodes > 1 && !group.subjects.cluster {
            found = format!("{found} on {} of {nodes} nodes", group.count);
        }
        self.wrapped(17, &found, Style::new().dimmed())?;
        if let Some(waiver) = self.waivers.iter().find(|waiver| group.waiver.as_ref() == Some(&waiver.id)) {
            self.wrapped(17, &visible(&waiver.to_string()), Style::new())?;
        }
        let most = if self.layout.verbose { usize::MAX } else { 4 };
        for offender in group
            .offenders
            .iter()
            .take(most)
            .filter(|offender| group.offenders.len() > 1 || offender.own || !group.found.contains(&offender.what))
        {
            self.wrapped(
                19,
                &format!("{}: {}", visible(&offender.name()), visible(&offender.found)),
                Style::new().dimmed(),
            )?;
        }
        if group.offenders.len() > most {
            self.wrapped(
                19,
                &format!("and {} more ({ELSEWHERE})", group.offenders.len() - most),
                Style::new().dimmed(),
            )?;
        }
        Ok(())
    }

    fn gaps(&mut self, report: &Report) -> io::Result<()> {
        let gaps = &report.coverage.gaps;
        if gaps.is_empty() && report.coverage.limits.is_empty() {
            return Ok(());
        }
        let unknown = report.controls.iter().filter(|control| control.verdict == Verdict::Unknown).count();
        self.heading(&format!("Not looked at ({unknown})"))?;
        for gap in gaps.iter().filter(|gap| gap.reason != Reason::NodeUnseen) {
            let shown = if gap.controls.len() > 8 && !self.layout.verbose {
                format!("{} and {} more", gap.controls[..6].join(", "), gap.controls.len() - 6)
            } else {
                gap.controls.join(", ")
            };
            let mark = self.paint(style_of(Verdict::Unknown), &format!("{} ", symbol(Verdict::Unknown)));
            let lines = wrap(&visible(&gap.detail), self.layout.width.saturating_sub(2).max(24));
            for (index, line) in lines.iter().enumerate() {
                writeln!(self.out, "{}{line}", if index == 0 { mark.clone() } else { "  ".to_owned() })?;
            }
            self.wrapped(4, &shown, Style::new().dimmed())?;
        }
        self.unseen(report)?;
        for limit in &report.coverage.limits {
            self.wrapped(2, &visible(limit), Style::new())?;
        }
        Ok(())
    }

    /// Waivers that accept nothing, or nothing any more.
    fn idle_waivers(&mut self, report: &Report) -> io::Result<()> {
        let idle: Vec<&Waived> = report.waivers.iter().filter(|waiver| waiver.state != WaiverState::Valid).collect();
        if idle.is_empty() {
            return Ok(());
        }
        self.heading("Waivers that accept nothing")?;
        for waiver in idle {
            let about = match waiver.controls.as_slice() {
                [] => String::new(),
                controls => format!("; about {}", controls.join(", ")),
            };
            let text = format!("{} ({} {}){about}", waiver.id, waiver.state.word(), waiver.until);
            self.wrapped(2, &visible(&text), Style::new())?;
        }
        Ok(())
    }

    /// Nodes that were not seen, those with one reason together.
    fn unseen(&mut self, report: &Report) -> io::Result<()> {
        let mut by_reason: BTreeMap<(NodeState, &str), Vec<&str>> = BTreeMap::new();
        for node in report.nodes.iter().filter(|node| node.state != NodeState::Seen) {
            by_reason.entry((node.state, node.why.as_deref().unwrap_or_default())).or_default().push(&node.name);
        }
        for ((state, why), names) in by_reason {
            let most = if self.layout.verbose { usize::MAX } else { 6 };
            let mut shown: Vec<String> = names.iter().take(most).map(|name| visible(name).into_owned()).collect();
            if names.len() > most {
                shown.push(format!("{} more", names.len() - most));
            }
            let word = if names.len() == 1 { "Node" } else { "Nodes" };
            self.wrapped(
                2,
                &format!("{word} {} ({}): {}", shown.join(", "), state.word(), visible(why)),
                Style::new(),
            )?;
        }
        Ok(())
    }

    fn own(&mut self, report: &Report) -> io::Result<()> {
        if report.own_checks.is_empty() {
            return Ok(());
        }
        self.heading(&format!("Your own checks ({}), in no score", report.own_checks.len()))?;
        for control in &report.own_checks {
            self.control(control, report.nodes.len())?;
        }
        Ok(())
    }

    fn foot(&mut self, report: &Report) -> Result<(), RenderError> {
        let mut counts = Counts::default();
        for control in &report.controls {
            counts.add(control.verdict);
        }
        let totals = [Verdict::Fail, Verdict::Review, Verdict::Unknown, Verdict::Pass, Verdict::NotApplicable];
        let texts: Vec<String> = totals
            .iter()
            .map(|verdict| {
                self.paint(
                    style_of(*verdict),
                    &format!("{} {} {}", symbol(*verdict), counts.of(*verdict), verdict.word()),
                )
            })
            .collect();
        let plain: usize = texts.len() * 2
            + totals
                .iter()
                .map(|verdict| 4 + verdict.word().len() + counts.of(*verdict).to_string().len())
                .sum::<usize>();
        self.line("")?;
        if plain > self.layout.width {
            for text in texts {
                self.line(&text)?;
            }
        } else {
            self.line(&texts.join("   "))?;
        }
        if !self.layout.verbose {
            self.wrapped(
                0,
                "Every control with its evidence: --verbose, or --format html --output report.html",
                Style::new().dimmed(),
            )?;
        }
        Ok(())
    }
}

/// The first sentence of a remedy, cut where it would fill more than two lines.
fn first_step(text: &str) -> String {
    const MOST: usize = 150;
    let first = text.split(". ").next().unwrap_or(text).trim_end_matches('.');
    if first.chars().count() <= MOST {
        return first.to_owned();
    }
    let cut: String = first.chars().take(MOST).collect();
    format!("{} ...", cut.rsplit_once(' ').map_or(cut.as_str(), |(whole, _)| whole))
}

/// The verdict in one sentence.
pub(super) fn sentence(report: &Report) -> String {
    let count = |verdict| report.controls.iter().filter(|control| control.verdict == verdict).count();
    let plural = |number: usize, one: &str, many: &str| {
        if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
    };
    let fails = count(Verdict::Fail);
    let worst = report
        .controls
        .iter()
        .filter(|control| control.verdict == Verdict::Fail && control.severity == Severity::Critical)
        .count();
    let critical = match worst {
        0 => String::new(),
        1 if fails == 1 => ", and it is critical".to_owned(),
        1 => ", one of them critical".to_owned(),
        worst => format!(", {worst} of them critical"),
    };
    let first = if fails == 0 {
        "No control fails".to_owned()
    } else {
        format!("{}{critical}", plural(fails, "control fails", "controls fail"))
    };
    let mut parts = vec![first];
    for (verdict, one, many) in [
        (Verdict::Review, "needs a person", "need a person"),
        (Verdict::Unknown, "could not be read", "could not be read"),
    ] {
        let number = count(verdict);
        if number > 0 {
            parts.push(plural(number, one, many));
        }
    }
    format!("{}.", parts.join("; "))
}

/// Greedy wrapping by display width; a word longer than the line is cut.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let mut word = word;
        if !line.is_empty() && line.width() + 1 + word.width() > width {
            lines.push(std::mem::take(&mut line));
        }
        while word.width() > width {
            let mut end = 0;
            for (at, letter) in word.char_indices() {
                if word[..at + letter.len_utf8()].width() > width {
                    break;
                }
                end = at + letter.len_utf8();
            }
            let end = if end == 0 { word.chars().next().map_or(word.len(), char::len_utf8) } else { end };
            lines.push(word[..end].to_owned());
            word = &word[end..];
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn lines_fit() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("", 4), [""]);
    }
}

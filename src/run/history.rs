//! `audit --history`, `--baseline`: what a run is compared with, and how it is kept; `history`: the runs that were.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use serde::Serialize;

use super::audit::{VERSION, now_to_the_millisecond, parse_report, read_report};
use super::{FINISHED, Failure, say};
use crate::audit::drift::{Drift, drift};
use crate::audit::history::{self, Comparison, TrendPoint};
use crate::audit::report::{Counts, Report};
use crate::cli::{HistoryArgs, RunsArgs};
use crate::evidence::{Evidence, file, sha256};
use crate::history::{
    ChangeCounts, Entry, Figures, History, KeptReport, Location, NewReport, NewRun, Pruned, Runs, StoreError, Verdicts,
};
use crate::render::escape::visible;
use crate::render::trend::sparkline;

/// Points of a trend, this run's included.
const TREND: usize = 60;

/// What an audit is compared with, and where it is kept. A store that fails never keeps the report from being made: what went
/// wrong is told at the end.
pub(super) struct Since<'a> {
    args: &'a HistoryArgs,
    /// The history and its runs of what is audited, oldest first.
    kept: Option<(History, Vec<Entry>)>,
    /// The baseline: its name, and the report where it came from a file.
    baseline: Option<(String, Baseline)>,
    /// The evidence file, when it is kept.
    evidence: Vec<u8>,
    /// What is audited: an id that stays the same, and a name.
    subject: (String, String),
    /// What could not be read, for the report.
    notes: Vec<String>,
    failure: Option<String>,
}

/// A report that was pinned: of a file, or of a run.
enum Baseline {
    File(Box<Report>),
    Run(Box<Entry>),
}

impl<'a> Since<'a> {
    /// Reads what there is, before the audit is judged; the evidence is to be kept as it was collected.
    ///
    /// # Errors
    /// When `--baseline` names nothing.
    pub(super) fn of(args: &'a HistoryArgs, evidence: &mut Evidence) -> Result<Self, Failure> {
        let mut since = Self {
            args,
            kept: None,
            baseline: None,
            evidence: Vec::new(),
            subject: subject(evidence),
            notes: Vec::new(),
            failure: None,
        };
        if let Some(location) = &args.history {
            file::write(evidence, VERSION, &mut since.evidence)?;
            evidence.sha256.push(sha256(&since.evidence));
            match History::make(location).and_then(|history| Ok((history.runs()?, history))) {
                Ok((runs, history)) => since.kept = Some((history, since.own(runs))),
                Err(error) => since.failure = Some(error.to_string()),
            }
        }
        if let Some(name) = &args.baseline {
            since.baseline = since.pinned(name)?;
        }
        Ok(since)
    }

    /// The runs of what is audited; what is no run is told.
    fn own(&mut self, runs: Runs) -> Vec<Entry> {
        self.notes.extend(runs.skipped);
        runs.entries.into_iter().filter(|entry| entry.cluster == self.subject.0).collect()
    }

    fn pinned(&self, name: &str) -> Result<Option<(String, Baseline)>, Failure> {
        let path = Path::new(name);
        if path.exists() {
            return Ok(Some((name.to_owned(), Baseline::File(Box::new(read_report(path)?)))));
        }
        let Some((_, entries)) = &self.kept else {
            // a history that cannot be read is told at the end
            let told = self.failure.is_some();
            return if told { Ok(None) } else { Err(Failure::usage(format!("--baseline: there is no file {name}"))) };
        };
        let entry = find(entries, name).map_err(|why| Failure::usage(format!("--baseline: no file, and {why}")))?;
        Ok(Some((entry.run.clone(), Baseline::Run(Box::new(entry.clone())))))
    }

    /// Says in a report what changed.
    pub(super) fn compare(&mut self, report: &mut Report) {
        let mut told = history::History::default();
        if let Some((name, baseline)) = &self.baseline {
            let earlier = match baseline {
                Baseline::File(earlier) => Some(Ok(drift(earlier, report))),
                Baseline::Run(entry) => self.kept.as_ref().map(|(history, _)| compared(history, entry, report)),
            };
            match earlier {
                Some(Ok(drift)) => told.baseline = Some(Comparison { with: name.clone(), drift }),
                Some(Err(why)) => self.notes.push(why),
                None => {}
            }
        }
        if let Some((history, entries)) = &self.kept {
            // a report that cannot be read is passed over, as if its run had not been
            for entry in entries.iter().rev() {
                match compared(history, entry, report) {
                    Ok(drift) => {
                        told.previous = Some(Comparison { with: entry.run.clone(), drift });
                        break;
                    }
                    Err(why) => self.notes.push(why),
                }
            }
            let of_benchmark = |entry: &Entry| {
                entry
                    .reports
                    .iter()
                    .find(|kept| kept.benchmark == report.run.benchmark.id)
                    .map(|kept| point(&kept.figures))
            };
            let mut trend: Vec<TrendPoint> = entries.iter().filter_map(of_benchmark).collect();
            trend.push(point(&figures(report)));
            told.trend = trend.split_off(trend.len().saturating_sub(TREND));
        }
        told.notes.clone_from(&self.notes);
        if told != history::History::default() {
            report.history = Some(told);
        }
    }

    /// Keeps the run and prunes what is too much.
    ///
    /// # Errors
    /// When the history could not be read or written. The runs that were there are there still.
    pub(super) fn keep(self, reports: &[Report], quiet: bool) -> Result<(), Failure> {
        let Some(location) = &self.args.history else { return Ok(()) };
        self.notes.iter().collect::<BTreeSet<_>>().iter().for_each(|note| say(&format!("history: skipped {note}")));
        let failed = |why: &str| {
            Failure::usage(format!(
                "the history {location} does not hold this run: {why}; the runs before it are unchanged"
            ))
        };
        let Some((history, entries)) = &self.kept else {
            return Err(failed(self.failure.as_deref().unwrap_or_default()));
        };
        let now = now_to_the_millisecond();
        let reports: Result<Vec<NewReport>, Failure> = reports.iter().map(new_report).collect();
        let (cluster, name) = (&self.subject.0, &self.subject.1);
        let run = NewRun { now: &now, tool: VERSION, cluster, name, evidence: &self.evidence, reports: reports? };
        let kept = history.add(&run).map_err(|error| failed(&error.to_string()))?;
        let pruned = self.prune(history, entries, &now).map_err(|error| {
            Failure::usage(format!("the history {location} holds this run, and could not be pruned: {error}"))
        })?;
        if !quiet {
            let more = if pruned > 0 { format!(", {pruned} pruned") } else { String::new() };
            say(&format!("history: run {kept} kept in {location}{more}"));
        }
        Ok(())
    }

    /// Prunes by number and by age; the pinned run stays. Returns how many went.
    fn prune(&self, history: &History, entries: &[Entry], now: &str) -> Result<usize, StoreError> {
        let pinned = self.baseline.as_ref().map(|(name, _)| name.as_str());
        let mut rest: Vec<&Entry> = entries.iter().filter(|entry| Some(entry.run.as_str()) != pinned).collect();
        let mut pruned = 0;
        if let Some(keep) = self.args.history_keep {
            // this run is one of them
            let keep = usize::try_from(keep).unwrap_or(usize::MAX) - 1;
            let surplus: Vec<&Entry> = rest.drain(..rest.len().saturating_sub(keep)).collect();
            history.prune(&surplus, &format!("--history-keep {}", keep + 1), now)?;
            pruned += surplus.len();
        }
        if let Some(age) = self.args.history_max_age {
            let time = |text: &str| chrono::DateTime::parse_from_rfc3339(text).ok();
            let old =
                |entry: &&Entry| time(&entry.written_at).zip(time(now)).is_some_and(|(then, now)| now - then > age);
            let old: Vec<&Entry> = rest.into_iter().filter(old).collect();
            history.prune(&old, &format!("--history-max-age {} h", age.num_hours()), now)?;
            pruned += old.len();
        }
        Ok(pruned)
    }
}

/// What is audited: an id that stays the same from run to run, and a name for people.
fn subject(evidence: &Evidence) -> (String, String) {
    if let Some(cluster) = &evidence.cluster {
        // a cluster has no id of its own; that of kube-system is taken for it, as Kubernetes' own conventions do
        let system = cluster.namespaces.items.iter().find(|namespace| namespace.metadata.name == "kube-system");
        let id = system.map(|namespace| namespace.metadata.uid.as_str()).filter(|uid| !uid.is_empty());
        return (
            id.map_or_else(|| format!("cluster {}", cluster.name), |uid| format!("uid {uid}")),
            cluster.name.clone(),
        );
    }
    let names: Vec<&str> = evidence.nodes.iter().map(|node| node.name.as_str()).collect();
    let names = names.join(", ");
    (format!("hosts {names}"), names)
}

fn compared(history: &History, entry: &Entry, report: &Report) -> Result<Drift, String> {
    Ok(drift(&kept_report(history, entry, &report.run.benchmark.id)?, report))
}

fn kept_report(history: &History, entry: &Entry, benchmark: &str) -> Result<Report, String> {
    let kept = entry.report(benchmark).ok_or_else(|| format!("run {} has no report", entry.run))?;
    let bytes = history.report(entry, kept)?;
    parse_report(&bytes).map_err(|why| format!("run {}: {} {why}", entry.run, kept.file.name))
}

/// The run that a text names: `latest`, `previous`, the name of a run, or the beginning of one of its two parts.
fn find<'a>(entries: &'a [Entry], text: &str) -> Result<&'a Entry, String> {
    let back = match text {
        "latest" => Some(1),
        "previous" => Some(2),
        _ => None,
    };
    if let Some(back) = back {
        let clusters: BTreeSet<&str> = entries.iter().map(|entry| entry.cluster.as_str()).collect();
        if clusters.len() > 1 {
            return Err(format!("the history holds runs of {} clusters: name a run", clusters.len()));
        }
        let found = entries.len().checked_sub(back).and_then(|at| entries.get(at));
        return found.ok_or_else(|| format!("the history has no {text} run"));
    }
    let is_it = |entry: &&Entry| {
        let random = entry.run.split_once('-').map_or("", |(_, random)| random);
        entry.run.starts_with(text) || (text.len() >= 4 && random.starts_with(text))
    };
    let mut found = entries.iter().filter(is_it);
    match (found.next(), found.next()) {
        (Some(entry), None) => Ok(entry),
        (Some(_), Some(_)) => Err(format!("several runs of the history begin with {text}")),
        _ => Err(format!("no run of the history is called {text}")),
    }
}

/// The reports of two runs of a history, for `diff`; a benchmark that is not named is that of the later one's first report.
pub(super) fn reports_of(
    location: &Location,
    names: [&str; 2],
    benchmark: Option<&str>,
) -> Result<[Option<Report>; 2], Failure> {
    let failed = |why: String| Failure::usage(why);
    let history = History::open(location).map_err(|error| failed(error.to_string()))?;
    let runs = history.runs().map_err(|error| failed(error.to_string()))?;
    let mut benchmark = benchmark.map(ToOwned::to_owned);
    let mut read = |name: &str| -> Result<Option<Report>, Failure> {
        if Path::new(name).exists() {
            return Ok(None);
        }
        let entry = find(&runs.entries, name).map_err(|why| failed(format!("no file is called {name}, and {why}")))?;
        let wanted = benchmark
            .get_or_insert_with(|| entry.reports.first().map(|report| report.benchmark.clone()).unwrap_or_default());
        kept_report(&history, entry, wanted).map(Some).map_err(failed)
    };
    let after = read(names[1])?;
    Ok([read(names[0])?, after])
}

fn new_report(report: &Report) -> Result<NewReport, Failure> {
    let json = crate::render::format("json").ok_or_else(|| Failure::internal("there is no format json"))?;
    let mut bytes = Vec::new();
    json.render(report, &crate::render::Layout::default(), &mut bytes)
        .map_err(|error| Failure::internal(error.to_string()))?;
    let previous = report.history.as_ref().and_then(|history| history.previous.as_ref());
    let change = previous.map(|Comparison { with, drift }| ChangeCounts {
        since: with.clone(),
        new_failures: drift.new_failures.len(),
        fixed: drift.fixed.len(),
        other: drift.other.len() + drift.by_presence.len(),
        evidence: drift.evidence.len(),
        nodes_new: drift.nodes_new.len(),
        nodes_gone: drift.nodes_gone.len(),
    });
    Ok(NewReport { benchmark: report.run.benchmark.id.clone(), json: bytes, figures: figures(report), change })
}

fn figures(report: &Report) -> Figures {
    let mut counts = Counts::default();
    report.controls.iter().for_each(|control| counts.add(control.verdict));
    let Counts { pass, fail, review, unknown, not_applicable } = counts;
    Figures {
        collected_at: report.run.collected_at.clone(),
        cis: report.scores.cis.percent,
        full: report.scores.full.percent,
        coverage: report.coverage.percent,
        nodes_seen: report.coverage.nodes_seen,
        nodes_expected: report.coverage.nodes_expected,
        verdicts: Verdicts { pass, fail, review, unknown, not_applicable },
    }
}

fn point(figures: &Figures) -> TrendPoint {
    TrendPoint {
        at: figures.collected_at.clone(),
        cis: figures.cis,
        full: figures.full,
        coverage: figures.coverage,
        fails: figures.verdicts.fail,
    }
}

/// What `history --format json` prints.
#[derive(Serialize)]
struct Listed<'a> {
    runs: Vec<&'a Entry>,
    pruned: &'a [Pruned],
    unfinished: &'a [String],
    skipped: &'a [String],
}

/// Lists runs.
pub(super) fn history(args: &RunsArgs) -> Result<u8, Failure> {
    let refused = |error: StoreError| Failure::usage(error.to_string());
    let history = History::open(&args.history).map_err(refused)?;
    let runs = history.runs().map_err(refused)?;
    let (pruned, unfinished) = (history.pruned().map_err(refused)?, history.unfinished(&runs).map_err(refused)?);
    let wanted =
        |entry: &&Entry| args.cluster.as_ref().is_none_or(|name| *name == entry.name || *name == entry.cluster);
    let mut entries: Vec<&Entry> = runs.entries.iter().filter(wanted).collect();
    let entries = entries.split_off(entries.len().saturating_sub(args.last));
    let mut out = std::io::stdout().lock();
    if args.format == "json" {
        let listed = Listed { runs: entries, pruned: &pruned, unfinished: &unfinished, skipped: &runs.skipped };
        serde_json::to_writer_pretty(&mut out, &listed).map_err(|error| Failure::internal(error.to_string()))?;
        writeln!(out)?;
    } else {
        out.write_all(table(&entries, args.benchmark.as_deref()).as_bytes())?;
        let gone: usize = pruned.iter().map(|note| note.runs.len()).sum();
        if gone > 0 {
            writeln!(out, "{gone} runs were pruned; notes of them are in pruned/.")?;
        }
    }
    out.flush()?;
    drop(out);
    if args.format == "text" {
        unfinished
            .iter()
            .for_each(|run| say(&format!("history: run {run} has no entry: it is being written, or was cut short")));
        runs.skipped.iter().for_each(|skipped| say(&format!("history: skipped {skipped}")));
    }
    Ok(FINISHED)
}

/// A line a report, and a trend of each cluster and benchmark.
fn table(entries: &[&Entry], benchmark: Option<&str>) -> String {
    let rows: Vec<(&Entry, &KeptReport)> = entries
        .iter()
        .flat_map(|entry| entry.reports.iter().map(move |report| (*entry, report)))
        .filter(|(_, report)| benchmark.is_none_or(|id| id == report.benchmark))
        .collect();
    if rows.is_empty() {
        return "No runs.\n".to_owned();
    }
    let percent = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.1} %"));
    let name = |entry: &Entry| visible(&entry.name).chars().take(30).collect::<String>();
    let width = rows.iter().map(|(entry, _)| name(entry).chars().count()).max().unwrap_or_default().max(7);
    let head = ["time", "run", "cluster", "benchmark", "score", "fails", "coverage", "change"];
    let line = |cells: [&str; 8]| {
        let [time, run, cluster, benchmark, score, fails, coverage, change] = cells;
        let text = format!(
            "{time:<19}  {run:<8}  {cluster:<width$}  {benchmark:<9}  {score:>7}  {fails:>5}  {coverage:>8}  {change}"
        );
        format!("{}\n", text.trim_end())
    };
    let mut text = line(head);
    for (entry, report) in &rows {
        let figures = &report.figures;
        let time: String =
            entry.written_at.chars().take(19).map(|letter| if letter == 'T' { ' ' } else { letter }).collect();
        let random: String = entry.run.chars().skip(21).take(8).collect();
        text.push_str(&line([
            &visible(&time),
            &random,
            &name(entry),
            &visible(&report.benchmark),
            &percent(figures.cis.or(figures.full)),
            &figures.verdicts.fail.to_string(),
            &percent(figures.coverage),
            &report.change.as_ref().map_or("-".to_owned(), changed),
        ]));
    }
    let series: BTreeSet<(&str, &str)> =
        rows.iter().map(|(entry, report)| (entry.cluster.as_str(), report.benchmark.as_str())).collect();
    text.push('\n');
    for (cluster, benchmark) in series {
        let own: Vec<_> =
            rows.iter().filter(|(entry, report)| entry.cluster == cluster && report.benchmark == benchmark).collect();
        let trend: Vec<TrendPoint> = own.iter().map(|(_, report)| point(&report.figures)).collect();
        if let (Some((entry, _)), Some(line)) = (own.first(), sparkline(&trend, TREND)) {
            text.push_str(&format!("{}, {}: {line}\n", name(entry), visible(benchmark)));
        }
    }
    text
}

/// How much changed, in as few words as a table has room for.
fn changed(counts: &ChangeCounts) -> String {
    let several = [
        (counts.new_failures, "new failure", "new failures"),
        (counts.fixed, "fixed", "fixed"),
        (counts.other, "other", "other"),
        (counts.evidence, "evidence", "evidence"),
        (counts.nodes_new, "node new", "nodes new"),
        (counts.nodes_gone, "node gone", "nodes gone"),
    ];
    let told = several.iter().filter(|(count, ..)| *count > 0);
    let told: Vec<String> =
        told.map(|(count, one, many)| format!("{count} {}", if *count == 1 { one } else { many })).collect();
    if told.is_empty() { "none".to_owned() } else { told.join(", ") }
}

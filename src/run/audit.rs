//! `audit`, `collect`, `evaluate` and `render`.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Deserialize;

use super::history::Since;
use super::output::{Plan, plan, write_file};
use super::subject::{self, Subjects};
use super::{FINDINGS, FINISHED, Failure, INCOMPLETE, say};
use crate::audit::report::{MINOR, Report, SCHEMA};
use crate::audit::verdict::Verdict;
use crate::audit::{self, Input};
use crate::benchmark::{self, Index, Library, Severity, Waiver};
use crate::cli::{AuditArgs, CollectArgs, EvaluateArgs, JudgeArgs, RenderArgs};
use crate::evidence::frames::Content;
use crate::evidence::{Evidence, Tables, file, sha256};

/// The version of this program.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Now, RFC 3339, UTC, whole seconds; `SOURCE_DATE_EPOCH` takes its place where it is set.
pub(crate) fn now() -> String {
    clock().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// The same with milliseconds: runs that follow each other closely are in order.
pub(super) fn now_to_the_millisecond() -> String {
    clock().to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

fn clock() -> chrono::DateTime<chrono::Utc> {
    let fixed = std::env::var("SOURCE_DATE_EPOCH")
        .ok()
        .and_then(|text| text.parse().ok())
        .and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0));
    fixed.unwrap_or_else(chrono::Utc::now)
}

/// The library, with the user's own checks.
pub(crate) fn library(tables: &Tables, own: &[PathBuf]) -> Result<Library, Failure> {
    let mut library = benchmark::library(tables)?;
    for path in own {
        for file in yaml_files(path)? {
            let text = read_text(&file)?;
            benchmark::add_own(&mut library, &file.display().to_string(), &text, tables)?;
        }
    }
    Ok(library)
}

/// Waivers that the user gave.
fn waivers(paths: &[PathBuf], library: &Library) -> Result<Vec<Waiver>, Failure> {
    let mut waivers = Vec::new();
    for path in paths {
        for file in yaml_files(path)? {
            benchmark::add_waivers(&mut waivers, &file.display().to_string(), &read_text(&file)?, library)?;
        }
    }
    Ok(waivers)
}

/// The YAML files at a path, which is one or holds some.
pub(crate) fn yaml_files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error: &io::Error| Failure::usage(format!("cannot read {}: {error}", path.display()));
    if !fs::metadata(path).map_err(|error| failed(&error))?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(|error| failed(&error))? {
        let file = entry.map_err(|error| failed(&error))?.path();
        if file.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            files.push(file);
        }
    }
    files.sort();
    if files.is_empty() { Err(Failure::usage(format!("{} holds no .yaml file", path.display()))) } else { Ok(files) }
}

/// A user's text file.
pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))
}

pub(crate) fn audit(args: &AuditArgs) -> Result<u8, Failure> {
    if args.explain_permissions {
        return super::permissions::explain(args);
    }
    let started = Instant::now();
    let plan = plan(&args.output, args.judge.benchmark.len().max(1))?;
    let tables = benchmark::tables()?;
    let library = library(&tables, &args.judge.checks)?;
    let waivers = waivers(&args.judge.waivers, &library)?;
    let mut subjects = subject::collect(&args.host, &tables, args.output.quiet)?;
    let nothing = subject::nothing_found(&subjects.evidence);
    if nothing && plan.shows_text() && args.host.host_root.is_none() {
        return Err(Failure::incomplete(
            "found nothing of Kubernetes on this host: run it on a node as root, or with --host-root DIR in a container that has the host mounted; `kube-assay audit --example` shows a report of a recorded cluster",
        ));
    }
    // nothing is nothing to keep
    let since = if nothing { None } else { Some(Since::of(&args.history, &mut subjects.evidence)?) };
    let code = judge(&args.judge, subjects, &plan, Rules { tables, library, waivers: &waivers }, since)?;
    if args.output.verbose {
        say(&footprint(started));
    }
    if nothing {
        return Err(Failure::incomplete(
            "found nothing of Kubernetes there: is it a host's tree, with its /proc? `kube-assay audit --example` shows a report of a recorded cluster",
        ));
    }
    Ok(code)
}

/// What the run took of this machine.
fn footprint(started: Instant) -> String {
    let own = sysinfo::get_current_pid().ok();
    let memory = own.zip(sysinfo::System::new().ok()).and_then(|(pid, mut system)| {
        system.refresh_processes(sysinfo::ProcessesToUpdate::Some(&[pid]), false);
        system.process(pid).map(sysinfo::Process::memory)
    });
    let memory = memory.map_or(String::new(), |bytes| format!(", {} MiB in memory", bytes >> 20));
    format!("took {:.1} ms{memory}", started.elapsed().as_secs_f64() * 1000.0)
}

pub(crate) fn collect(args: &CollectArgs) -> Result<u8, Failure> {
    let tables = benchmark::tables()?;
    let subjects = subject::collect(&args.host, &tables, args.quiet)?;
    match &args.output {
        Some(path) if path != Path::new("-") => {
            let size = write_file(path, |out| Ok(file::write(&subjects.evidence, VERSION, out)?))?;
            if !args.quiet {
                let lines = subjects.lines.join(", ");
                say(&format!("wrote {} ({} KiB): {lines}", path.display(), size.div_ceil(1024)));
            }
        }
        _ => {
            let mut bytes = Vec::new();
            file::write(&subjects.evidence, VERSION, &mut bytes)?;
            if args.frames {
                super::frames::write(Content::Evidence, "", &bytes)?;
            } else {
                io::stdout().write_all(&bytes)?;
            }
        }
    }
    if subject::nothing_found(&subjects.evidence) {
        return Err(Failure::incomplete("found nothing of Kubernetes there; the evidence says so"));
    }
    Ok(FINISHED)
}

pub(crate) fn evaluate(args: &EvaluateArgs) -> Result<u8, Failure> {
    let plan = plan(&args.output, args.judge.benchmark.len().max(1))?;
    let tables = benchmark::tables()?;
    let library = library(&tables, &args.judge.checks)?;
    let waivers = waivers(&args.judge.waivers, &library)?;
    let mut evidence = Evidence::default();
    let mut lines = Vec::new();
    for path in &args.evidence {
        let before = evidence.nodes.len();
        read_evidence(path, &mut evidence)?;
        lines.extend(
            evidence.nodes[before..]
                .iter()
                .map(|node| format!("evidence of host {}, collected {}", node.name, node.collected_at)),
        );
    }
    judge(&args.judge, Subjects { evidence, lines }, &plan, Rules { tables, library, waivers: &waivers }, None)
}

/// Reads an evidence file, or standard input, and its digest.
pub(crate) fn read_evidence(path: &Path, evidence: &mut Evidence) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().read_to_end(&mut bytes)
    } else {
        fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes))
    };
    read.map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?;
    file::read(bytes.as_slice(), evidence).map_err(|error| Failure::usage(format!("{} {error}", path.display())))?;
    evidence.sha256.push(sha256(&bytes));
    Ok(())
}

pub(crate) fn render(args: &RenderArgs) -> Result<u8, Failure> {
    let plan = plan(&args.output, 1)?;
    plan.write(&read_report(&args.report)?, false)?;
    Ok(FINISHED)
}

/// Reads a JSON report, or standard input.
pub(crate) fn read_report(path: &Path) -> Result<Report, Failure> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().read_to_end(&mut bytes)
    } else {
        fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes))
    };
    read.map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?;
    parse_report(&bytes).map_err(|why| Failure::usage(format!("{} {why}", path.display())))
}

/// What of a report tells whether this version reads it.
#[derive(Deserialize)]
struct Form {
    schema: String,
    #[serde(default)]
    minor: u32,
}

/// Reads a report in its JSON form; otherwise what is wrong with it, behind its name.
pub(super) fn parse_report(bytes: &[u8]) -> Result<Report, String> {
    let wrong = |error: &serde_json::Error| format!("is no report of the form {SCHEMA}: {error}");
    let form: Form = serde_json::from_slice(bytes).map_err(|error| wrong(&error))?;
    if form.schema != SCHEMA {
        return Err(format!("has the form {:?}, this version reads {SCHEMA}", form.schema));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        if form.minor > MINOR {
            format!(
                "is of minor version {}, this version reads {SCHEMA} up to {MINOR}: use a newer kube-assay",
                form.minor
            )
        } else {
            wrong(&error)
        }
    })
}

/// What evidence is judged by.
struct Rules<'a> {
    tables: Tables,
    library: Library,
    waivers: &'a [Waiver],
}

/// The benchmarks to hold the evidence against, each with why it was chosen.
fn choose(args: &JudgeArgs, evidence: &Evidence, library: &Library) -> Result<Vec<(Index, String)>, Failure> {
    if args.benchmark.is_empty() {
        let (index, why) = match subject::cluster_version(evidence, &args.kubernetes_version) {
            Some(version) => (benchmark::choose(version, library)?, format!("by Kubernetes {version}")),
            None => (
                benchmark::newest(library)?,
                "the newest that is not provisional, because the version is not known".to_owned(),
            ),
        };
        return Ok(vec![(index, why)]);
    }
    args.benchmark.iter().map(|id| Ok((benchmark::benchmark(id, library)?, "by --benchmark".to_owned()))).collect()
}

fn judge(
    args: &JudgeArgs,
    mut subjects: Subjects,
    plan: &Plan,
    rules: Rules<'_>,
    mut since: Option<Since<'_>>,
) -> Result<u8, Failure> {
    let Rules { tables, library, waivers } = rules;
    subjects.evidence.join_views(&tables);
    let chosen = choose(args, &subjects.evidence, &library)?;
    subject::narrow_by_skew(&mut subjects.evidence);
    subject::given_versions(&mut subjects.evidence, &args.kubernetes_version);
    let stock = [benchmark::bootstrap::kubernetes()?, benchmark::bootstrap::kubeadm()?];
    let judged = |(index, why): &(Index, String)| {
        audit::evaluate(&Input {
            evidence: &subjects.evidence,
            library: &library,
            index,
            tables: &tables,
            stock: &stock,
            waivers,
            subjects: &subjects.lines,
            chosen: why,
            level: args.level,
            version: VERSION,
        })
    };
    let mut reports: Vec<Report> = chosen.iter().map(judged).collect();
    // a page is made of its report alone: what the report was made of would double the memory of the run
    drop((subjects, stock, chosen, library, tables));
    if let Some(since) = &mut since {
        reports.iter_mut().for_each(|report| since.compare(report));
    }
    let (mut code, mut complaints) = (FINISHED, Vec::new());
    let mut written = Ok(());
    for report in &reports {
        written = written.and(plan.write(report, reports.len() > 1));
        if !plan.shows_text() && !plan.quiet {
            say(&crate::render::sentence(report));
        }
        let (one, complaint) = exit_code(args, report);
        complaints.extend(complaint);
        code = match (code, one) {
            (INCOMPLETE, _) | (_, INCOMPLETE) => INCOMPLETE,
            (old, new) => old.max(new),
        };
    }
    for complaint in complaints {
        say(&format!("kube-assay: {complaint}"));
    }
    let kept = since.map_or(Ok(()), |since| since.keep(&reports, plan.quiet));
    if let (Err(failure), Err(_)) = (&kept, &written) {
        failure.tell();
    }
    written.and(kept).map(|()| code)
}

fn exit_code(args: &JudgeArgs, report: &Report) -> (u8, Option<String>) {
    let coverage = &report.coverage;
    if coverage.covered == 0 && coverage.applicable > 0 {
        return (INCOMPLETE, Some("nothing could be assessed".to_owned()));
    }
    if let (Some(least), Some(percent)) = (args.min_coverage, coverage.percent)
        && percent < least
    {
        return (
            INCOMPLETE,
            Some(format!("coverage is {percent:.1} %, below the {least} % that --min-coverage asks for")),
        );
    }
    let Some(threshold) = args.fail_on.map(Severity::from) else { return (FINISHED, None) };
    let counted = report.controls.iter().filter(|control| control.level <= args.level).chain(&report.own_checks);
    let failing: Vec<&str> = counted
        .filter(|control| control.verdict == Verdict::Fail && !control.waived && control.severity >= threshold)
        .map(|control| control.id.as_str())
        .collect();
    if failing.is_empty() {
        (FINISHED, None)
    } else {
        (FINDINGS, Some(format!("{} failing of severity {threshold} or higher: {}", failing.len(), failing.join(", "))))
    }
}

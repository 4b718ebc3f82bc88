//! `benchmarks`, `explain` and `lint`.

use std::io::{self, Write};

use super::audit::{library, read_text, yaml_files};
use super::{FINISHED, Failure};
use crate::audit::predicate::describe;
use crate::benchmark::{self, Check, Predicate};
use crate::cli::{BenchmarksArgs, ExplainArgs, LintArgs};
use crate::evidence::facts::{FACTS, FactRef, about_cluster};
use crate::evidence::{Tables, Version};

pub(crate) fn benchmarks(args: &BenchmarksArgs) -> Result<u8, Failure> {
    let tables = benchmark::tables()?;
    let library = benchmark::library(&tables)?;
    let mut out = String::new();
    match &args.id {
        None => {
            for id in benchmark::benchmarks() {
                let index = benchmark::benchmark(&id, &library)?;
                let automated = index.controls.iter().filter(|line| line.automated).count();
                let versions: Vec<String> = index.kubernetes.iter().map(ToString::to_string).collect();
                let provisional = if index.provisional.is_some() { ", provisional" } else { "" };
                out.push_str(&format!(
                    "{id:<10} {} {}, {} controls ({automated} automated), chosen for Kubernetes {}{provisional}\n",
                    index.title,
                    index.version,
                    index.controls.len(),
                    versions.join(", ")
                ));
            }
        }
        Some(id) => {
            let index = benchmark::benchmark(id, &library)?;
            for (section, title) in &index.sections {
                out.push_str(&format!("{section} {title}\n"));
                for line in index.controls.iter().filter(|line| line.section == *section) {
                    let check = &library.checks[&line.check];
                    let status = if line.automated { "automated" } else { "manual" };
                    out.push_str(&format!(
                        "  {:<8} level {} {status:<10} {:<8} {}\n",
                        line.id,
                        line.level,
                        check.severity.to_string(),
                        check.title
                    ));
                }
            }
        }
    }
    io::stdout().write_all(out.as_bytes())?;
    Ok(FINISHED)
}

pub(crate) fn explain(args: &ExplainArgs) -> Result<u8, Failure> {
    let tables = benchmark::tables()?;
    let library = library(&tables, &args.checks)?;
    let index = match &args.benchmark {
        Some(id) => benchmark::benchmark(id, &library)?,
        None => benchmark::newest(&library)?,
    };
    let line = index.controls.iter().find(|line| line.id == args.control);
    let check = line.map(|line| &library.checks[&line.check]).or_else(|| library.checks.get(&args.control));
    let Some(check) = check else {
        let known = index.controls.iter().map(|line| line.id.as_str()).chain(library.checks.keys().map(String::as_str));
        let hint =
            benchmark::closest(&args.control, known).map_or(String::new(), |name| format!("; did you mean {name}?"));
        return Err(Failure::usage(format!("{} has no control {}{hint}", index.id, args.control)));
    };
    let head = match line {
        Some(line) => format!(
            "{} in {} {} (level {}, {})",
            line.id,
            index.title,
            index.version,
            line.level,
            if line.automated { "automated" } else { "manual" }
        ),
        None => "not a control of that benchmark".to_owned(),
    };
    io::stdout().write_all(text(check, &head, &tables).as_bytes())?;
    Ok(FINISHED)
}

fn text(check: &Check, head: &str, tables: &Tables) -> String {
    let mut out = format!(
        "{}\n{} - {head}\nSeverity {}, scope {}\n\n{}\n",
        check.title,
        check.id,
        check.severity,
        check.scope.name(),
        check.reason.trim()
    );
    let mut facts: Vec<FactRef> = Vec::new();
    for (title, predicates) in [
        ("Passes when", &check.pass),
        ("Left to a person when", &check.review),
        ("Not applicable when", &check.not_applicable_when),
    ] {
        if !predicates.is_empty() {
            out.push_str(&format!("\n{title}\n"));
            for predicate in predicates {
                out.push_str(&format!("  {}\n", sentence(predicate)));
                collect(predicate, &mut facts);
            }
        }
    }
    if check.pass.is_empty() {
        out.push_str("\nNeeds the cluster's API: unknown without it.\n");
    }
    out.push_str(&format!("\nNot applicable means: {}\n", check.not_applicable));
    if let Some(note) = &check.note {
        out.push_str(&format!("\nConvention: {}\n", note.trim()));
    }
    if !facts.is_empty() {
        out.push_str("\nFacts\n");
        for fact in &facts {
            out.push_str(&format!("  {}: {}\n", fact.name(), about(fact, tables)));
        }
    }
    out.push_str("\nWhat to do\n");
    for (platform, remedy) in &check.remediation {
        out.push_str(&format!("  {platform}: {}\n", remedy.text.trim()));
        for line in remedy.patch.iter().flat_map(|patch| patch.lines()) {
            out.push_str(&format!("      {line}\n"));
        }
    }
    for (catalogue, ids) in &check.references {
        out.push_str(&format!("\n{catalogue}: {}\n", ids.join(", ")));
    }
    out
}

fn sentence(predicate: &Predicate) -> String {
    match predicate {
        Predicate::All(inner) => inner.iter().map(sentence).collect::<Vec<_>>().join(", and "),
        Predicate::Any(inner) => inner.iter().map(sentence).collect::<Vec<_>>().join(", or "),
        Predicate::Not(inner) => format!("not: {}", sentence(inner)),
        Predicate::Fact(fact, test) => describe(&fact.short_name(), test),
    }
}

fn collect(predicate: &Predicate, facts: &mut Vec<FactRef>) {
    match predicate {
        Predicate::All(inner) | Predicate::Any(inner) => inner.iter().for_each(|predicate| collect(predicate, facts)),
        Predicate::Not(inner) => collect(inner, facts),
        Predicate::Fact(fact, _) if !facts.contains(fact) => facts.push(fact.clone()),
        Predicate::Fact(..) => {}
    }
}

/// What a fact says, with its defaults by version where it is a setting.
fn about(fact: &FactRef, tables: &Tables) -> String {
    match fact {
        FactRef::Computed(index) => FACTS[*index].about.to_owned(),
        FactRef::Cluster(name) => about_cluster(name),
        FactRef::Gate { gate, .. } => {
            let stages = tables.gates.get(gate).map(|stages| {
                stages
                    .iter()
                    .map(|(version, stage)| format!("{} from {version} ({})", stage.default, stage.stage))
                    .collect::<Vec<_>>()
            });
            format!("feature gate, default {}", stages.unwrap_or_default().join(", "))
        }
        FactRef::Setting { component, name } => {
            let table = tables.of(*component);
            let series = |series: &crate::evidence::components::Series| {
                let mut shown: Vec<String> = Vec::new();
                let mut last = None;
                for version in Version::known() {
                    let value = series.at(version);
                    if value != last {
                        shown.push(format!("{} from {version}", value.map_or("none".to_owned(), ToString::to_string)));
                        last = value;
                    }
                }
                shown.join(", ")
            };
            let field = table.fields.get(name).map(|field| series(&field.default));
            let flag = table.flags.iter().find(|(flag, spec)| spec.field.as_deref() == Some(name) || *flag == name);
            match (field, flag) {
                (Some(field), Some((flag, spec))) => {
                    format!("--{flag}, default {}; in the configuration file, default {field}", series(&spec.default))
                }
                (Some(field), None) => format!("configuration field, default {field}"),
                (None, Some((flag, spec))) => format!("--{flag}, default {}", series(&spec.default)),
                (None, None) => "setting".to_owned(),
            }
        }
    }
}

pub(crate) fn lint(args: &LintArgs) -> Result<u8, Failure> {
    let tables = benchmark::tables()?;
    let mut library = benchmark::library(&tables)?;
    let (mut files, mut checks, mut errors) = (0usize, 0usize, Vec::new());
    for path in &args.paths {
        for file in yaml_files(path)? {
            let text = read_text(&file)?;
            let (count, wrong) = benchmark::lint(&mut library, &file.display().to_string(), &text, &tables);
            checks += count;
            errors.extend(wrong);
            files += 1;
        }
    }
    if errors.is_empty() {
        writeln!(io::stdout(), "{} in {}: no errors", counted(checks, "check"), counted(files, "file"))?;
        return Ok(FINISHED);
    }
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let (errors, files) = (counted(errors.len(), "error"), counted(files, "file"));
    Err(Failure::usage(format!("{errors} in {files}\n{}", lines.join("\n"))))
}

fn counted(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

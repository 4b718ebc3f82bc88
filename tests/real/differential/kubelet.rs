//! Our effective configuration of the kubelet against the one that the real kubelet works out and logs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use kube_assay::benchmark;
use kube_assay::collect::yaml;
use kube_assay::evidence::flags::{self, WITHHELD};
use kube_assay::evidence::{Component, ComponentTable, Observed, Tables, Value, Version, golang};
use serde_json::Value as Json;

use crate::binary::{Binary, in_parallel};
use crate::host;
use crate::kubelet_cases::{Piece, is_there, pieces, written};
use crate::random::Random;
use crate::shrink::shrink;
use crate::suite::{Difference, Options, Tally};

/// Fields that are not compared: the kubelet puts its self-signed pair into the first two, the next two are set by words that
/// every case has, and the default of the last follows another field.
const NOT_COMPARED: [&str; 5] =
    ["tlsCertFile", "tlsPrivateKeyFile", "logging.verbosity", "failCgroupV1", "nodeStatusReportFrequency"];

/// What the real kubelet said.
enum Said {
    /// Its configuration, by path of the configuration file.
    Works(BTreeMap<String, Json>),
    /// It cannot read what it was given.
    Refuses(String),
    /// It could read it, and found it unfit to work with.
    Invalid,
}

pub fn run(options: &Options) -> bool {
    let tables = benchmark::tables().expect("the shipped tables");
    let table = tables.of(Component::Kubelet);
    let binary = Binary::of(&options.binaries, "kubelet");
    let scratch = tempfile::tempdir().unwrap();
    let (release, version) = binary.version(scratch.path());
    let names = internal_names();
    let mut tally = Tally::new(options, &release);
    let (mut refused, mut invalid, mut values) = (0u64, 0u64, 0u64);
    let made = |case: u64| pieces(&mut Random::of_case("kubelet", options.seed, case), table, version);
    let ask = |case: u64, directory: &Path| {
        let pieces = made(case);
        let words = written(&pieces, directory);
        let said = theirs(&binary, directory, &words, &names, table, version);
        (ours(&tables, directory, &words, version), said)
    };
    in_parallel(&options.cases(), ask, |case, (ours_found, said)| {
        match &said {
            Said::Refuses(_) => refused += 1,
            Said::Works(fields) => values += fields.len() as u64,
            Said::Invalid => {
                invalid += 1;
                return;
            }
        }
        tally.compared();
        if options.case.is_some() {
            show(&made(case), scratch.path());
        }
        if difference(table, &said, &ours_found).is_some() {
            tally.differs(|| {
                let again = |pieces: &[Piece]| {
                    let words = written(pieces, scratch.path());
                    let said = theirs(&binary, scratch.path(), &words, &names, table, version);
                    difference(table, &said, &ours(&tables, scratch.path(), &words, version))
                };
                let small = shrink(&made(case), 60, |pieces| again(pieces).is_some());
                let (theirs, ours) = again(&small).unwrap_or_default();
                Difference { case, input: shown(&small, scratch.path()), theirs, ours }
            });
        }
    });
    tally.note(format!(
        "{refused} refused by both, {values} values equal or told apart, {invalid} more invalid for the kubelet"
    ));
    tally.end()
}

/// The words that make the kubelet say its configuration and end.
fn theirs(
    binary: &Binary,
    root: &Path,
    words: &[String],
    names: &BTreeMap<String, String>,
    table: &ComponentTable,
    version: Version,
) -> Said {
    let mut all: Vec<String> =
        ["--cert-dir=made", "--root-dir=made", "--exit-on-lock-contention", "-v=5", "--fail-cgroupv1=false"]
            .iter()
            .map(|word| (*word).to_owned())
            .collect();
    all.extend(words.iter().map(|word| word.replace("@ROOT", &root.to_string_lossy())));
    let printed = binary.run(root, &all);
    assert!(!printed.cut_off, "the kubelet did not end by itself, given {words:?}: {}", printed.text);
    let text = printed.text.replace(&*root.to_string_lossy(), "");
    let last = text.lines().last().unwrap_or_default().to_owned();
    let logged = ["\"KubeletConfiguration\" configuration=<\n", "\"Effective KubeletConfiguration\" config=<\n"];
    let Some((_, rest)) = logged.iter().find_map(|start| text.split_once(start)) else {
        return if last.contains("failed to validate")
            || last.contains("initialize logging")
            || last.contains("feature gate")
            || last.contains("failed to construct")
        {
            Said::Invalid
        } else {
            Said::Refuses(last)
        };
    };
    let block: String = rest
        .lines()
        .take_while(|line| *line != " >")
        .map(|line| format!("{}\n", line.strip_prefix('\t').unwrap_or(line)))
        .collect();
    let versioned = text.contains("\"Effective KubeletConfiguration\"");
    let whole: Json = if versioned {
        serde_json::to_value(yaml::read(block.as_bytes()).expect("the kubelet's own YAML")).unwrap()
    } else {
        serde_json::from_str(&block).unwrap_or_else(|error| panic!("{error}: {block}"))
    };
    let mut found = BTreeMap::new();
    for (path, spec) in &table.fields {
        if !is_there(spec.since, spec.until, version) {
            continue;
        }
        let inner = if versioned {
            Some(path.as_str())
        } else {
            names.iter().find(|(_, field)| *field == path).map(|(inner, _)| inner.as_str())
        };
        let Some(inner) = inner else { continue };
        let value = inner.split('.').try_fold(&whole, |value, key| value.get(key)).cloned().unwrap_or(Json::Null);
        found.insert(path.clone(), value);
    }
    Said::Works(found)
}

/// Our settings, or why we say that the kubelet does not work with what it was given.
type Ours = Result<BTreeMap<String, Observed<Value>>, String>;

fn ours(tables: &Tables, root: &Path, words: &[String], version: Version) -> Ours {
    let words: Vec<String> = words.iter().map(|word| word.replace("@ROOT", "")).collect();
    host::runs(root, Component::Kubelet, &words, &[]);
    let line = flags::parse(tables.of(Component::Kubelet), &words);
    if let Some(refusal) = line.refused {
        return Err(refusal.to_string());
    }
    let instance = host::instance(root, tables, Component::Kubelet);
    if let Some(gap) = instance.documents.iter().find_map(|document| document.content.gap()) {
        return Err(gap.to_string());
    }
    Ok(kube_assay::evidence::effective::effective(tables, &instance, version).settings)
}

/// The first thing that differs, as theirs and ours.
fn difference(table: &ComponentTable, said: &Said, ours: &Ours) -> Option<(String, String)> {
    let theirs = match (said, ours) {
        (Said::Invalid, _) | (Said::Refuses(_), Err(_)) => return None,
        (Said::Refuses(why), Ok(_)) => return Some((format!("refused: {why}"), "accepted".to_owned())),
        (Said::Works(_), Err(why)) => return Some(("accepted".to_owned(), format!("refused: {why}"))),
        (Said::Works(theirs), Ok(_)) => theirs,
    };
    let settings = ours.as_ref().ok()?;
    for (path, theirs) in theirs {
        let spec = &table.fields[path];
        if NOT_COMPARED.contains(&path.as_str()) || matches!(spec.kind.as_str(), "object-list" | "any" | "map") {
            continue;
        }
        let found = settings.get(path);
        // beside the field a flag of its own turns it on, and the kubelet's log shows the field alone
        if path == "seccompDefault" && *theirs == Json::Bool(false) {
            continue;
        }
        let equal = match (theirs, found.and_then(Observed::value)) {
            // nanoseconds, where the file says nanoseconds
            (Json::Number(span), Some(Value::Text(ours))) if spec.kind == "durationOrNanoseconds" => {
                span.as_i64().map(golang::format_duration).as_ref() == Some(ours)
            }
            (_, Some(value)) => same(theirs, value),
            (_, None) => false,
        };
        if !equal {
            let found = match found {
                Some(Observed::Seen { value, origin, .. }) => {
                    format!("{} ({origin})", serde_json::to_string(value).unwrap())
                }
                Some(other) => format!("{other:?}"),
                None => "no such setting".to_owned(),
            };
            return Some((format!("{path}: {theirs}"), format!("{path}: {found}")));
        }
    }
    None
}

/// Equal, where the kubelet's own log does not tell unset from zero.
fn same(theirs: &Json, ours: &Value) -> bool {
    if *ours == Value::from(WITHHELD) || (is_zero(theirs) && is_zero(&serde_json::to_value(ours).unwrap())) {
        return true;
    }
    match (theirs, ours) {
        // a map that was removed and one that is empty
        (Json::Object(theirs), Value::Map(ours)) => {
            theirs.len() == ours.len()
                && theirs.iter().all(|(key, theirs)| ours.get(key).is_some_and(|ours| same(theirs, ours)))
        }
        _ => crate::yaml::same(theirs, ours),
    }
}

fn is_zero(value: &Json) -> bool {
    match value {
        Json::Null | Json::Bool(false) => true,
        Json::Number(number) => number.as_f64() == Some(0.0),
        Json::String(text) => text.is_empty() || text == "0s",
        Json::Array(items) => items.is_empty(),
        Json::Object(entries) => entries.is_empty(),
        Json::Bool(true) => false,
    }
}

/// Path in the kubelet's internal type -> path in its configuration file.
fn internal_names() -> BTreeMap<String, String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/kubelet-internal-names.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn show(pieces: &[Piece], root: &Path) {
    println!("{}", shown(pieces, root));
}

/// The words and every file of a case.
fn shown(pieces: &[Piece], root: &Path) -> String {
    let words = written(pieces, root);
    let mut text = format!("kubelet {words:?}");
    let mut directories = vec![root.join("etc")];
    while let Some(directory) = directories.pop() {
        let mut entries: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let facts = fs::symlink_metadata(&path).unwrap();
            if facts.is_symlink() {
                text.push_str(&format!("\n/{name} -> {}", fs::read_link(&path).unwrap().display()));
            } else if facts.is_dir() {
                directories.push(path);
            } else {
                text.push_str(&format!(
                    "\n/{name}:\n  {}",
                    fs::read_to_string(&path).unwrap().trim_end().replace('\n', "\n  ")
                ));
            }
        }
    }
    text
}

//! Our effective configuration of etcd against what its own parser makes of command line, environment and file.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use kube_assay::benchmark;
use kube_assay::evidence::effective::effective;
use kube_assay::evidence::flags::{self, WITHHELD};
use kube_assay::evidence::{Component, ComponentTable, Observed, Origin, Tables, Value, Version};
use serde_json::{Value as Json, json};

use crate::etcd_cases::{Given, Piece, given, pieces};
use crate::host;
use crate::oracle::Oracle;
use crate::random::Random;
use crate::shrink::shrink;
use crate::suite::{Difference, Options, Tally};

const FILE: &str = "/etc/etcd.conf.yaml";

/// Values that etcd works out from others after it has read them all.
const DERIVED: [&str; 3] = ["v2-deprecation", "warning-unary-request-duration", "self-signed-cert-validity"];

/// What etcd said.
enum Said {
    /// The values in force by the name of their flag.
    Works(BTreeMap<String, Json>),
    /// It cannot read what it was given.
    Refuses(String),
    /// It could read it, and found it unfit to work with.
    Invalid,
}

pub fn run(options: &Options) -> bool {
    let tables = benchmark::tables().expect("the shipped tables");
    let table = tables.of(Component::Etcd);
    let name = options.oracle.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let release = name.strip_prefix("etcd-").and_then(|rest| rest.split('-').next()).unwrap_or("?").to_owned();
    let version: Version =
        release.parse().unwrap_or_else(|_| panic!("--oracle is to be what tests/real/oracles/build etcd prints"));
    let mut oracle = Oracle::start(&options.oracle);
    let root = tempfile::tempdir().unwrap();
    let mut tally = Tally::new(options, &release);
    let (mut refused, mut invalid) = (0u64, 0u64);
    for case in options.cases() {
        let pieces = pieces(&mut Random::of_case("etcd", options.seed, case), table, version);
        let said = ask(&mut oracle, &given(&pieces));
        match said {
            Said::Invalid => {
                invalid += 1;
                continue;
            }
            Said::Refuses(_) => refused += 1,
            Said::Works(_) => {}
        }
        tally.compared();
        if options.case.is_some() {
            println!("{}", shown(&pieces));
        }
        if difference(table, &said, &ours(&tables, root.path(), &given(&pieces), version)).is_some() {
            tally.differs(|| {
                let mut again = |pieces: &[Piece]| {
                    let given = given(pieces);
                    difference(table, &ask(&mut oracle, &given), &ours(&tables, root.path(), &given, version))
                };
                let small = shrink(&pieces, 60, |pieces| again(pieces).is_some());
                let (theirs, ours) = again(&small).unwrap_or_default();
                Difference { case, input: shown(&small), theirs, ours }
            });
        }
    }
    tally.note(format!("{refused} refused by both, {invalid} more invalid for etcd"));
    tally.end()
}

fn shown(pieces: &[Piece]) -> String {
    let given = given(pieces);
    format!("etcd {:?} {:?}\n@FILE:\n  {}", given.words, given.environment, given.file.trim_end().replace('\n', "\n  "))
}

/// Our settings, or why we say that etcd does not work with what it was given.
type Ours = Result<BTreeMap<String, Observed<Value>>, String>;

fn ours(tables: &Tables, root: &Path, given: &Given, version: Version) -> Ours {
    let named = |text: &String| text.replace("@FILE", FILE);
    let words: Vec<String> = given.words.iter().map(named).collect();
    let environment: Vec<(String, String)> =
        given.environment.iter().map(|(name, value)| (name.clone(), named(value))).collect();
    fs::create_dir_all(root.join("etc")).unwrap();
    fs::write(root.join(FILE.trim_start_matches('/')), &given.file).unwrap();
    host::runs(root, Component::Etcd, &words, &environment);
    if let Some(refusal) = flags::parse(tables.of(Component::Etcd), &words).refused {
        return Err(refusal.to_string());
    }
    let instance = host::instance(root, tables, Component::Etcd);
    let settings = effective(tables, &instance, version).settings;
    match settings.values().find_map(Observed::gap) {
        Some(gap) => Err(gap.to_string()),
        None => Ok(settings),
    }
}

/// The first thing that differs, as theirs and ours.
fn difference(table: &ComponentTable, said: &Said, ours: &Ours) -> Option<(String, String)> {
    let (theirs, ours) = match (said, ours) {
        (Said::Invalid, _) | (Said::Refuses(_), Err(_)) => return None,
        (Said::Refuses(why), Ok(_)) => return Some((format!("refused: {why}"), "accepted".to_owned())),
        (Said::Works(_), Err(why)) => return Some(("accepted".to_owned(), format!("refused: {why}"))),
        (Said::Works(theirs), Ok(ours)) => (theirs, ours),
    };
    for (name, theirs) in theirs {
        let Some(spec) = table.flags.get(name) else { continue };
        let found = ours.get(name);
        // what starting etcd makes of a value, after its parser has read it: here the value that was read is compared
        if let Some(Observed::Seen { origin: Origin::Derived { .. }, overridden, .. }) = found {
            let read = overridden.first().map(|old| old.value.clone()).unwrap_or_default();
            if theirs.as_str().map_or_else(|| theirs.to_string(), str::to_owned) == read {
                continue;
            }
        }
        let equal = spec.secret
            || DERIVED.contains(&name.as_str())
            || found.and_then(Observed::value).is_some_and(|value| same(theirs, value));
        if !equal {
            let found = match found {
                Some(Observed::Seen { value, origin, .. }) => {
                    format!("{} ({origin})", serde_json::to_string(value).unwrap())
                }
                other => format!("{other:?}"),
            };
            return Some((format!("{name}: {theirs}"), format!("{name}: {found}")));
        }
    }
    None
}

/// Equal; lists that are written as one text with commas are sets.
fn same(theirs: &Json, ours: &Value) -> bool {
    match (theirs, ours) {
        (_, Value::Text(text)) if text == WITHHELD => true,
        (Json::Array(items), _) => {
            let mut theirs: Vec<String> =
                items.iter().filter_map(Json::as_str).filter(|item| !item.is_empty()).map(str::to_owned).collect();
            let mut ours: Vec<String> = match ours {
                Value::Text(text) => {
                    text.split(',').filter(|part| !part.is_empty()).map(|part| part.trim().to_owned()).collect()
                }
                Value::List(items) => items.iter().filter_map(Value::as_text).map(str::to_owned).collect(),
                _ => return false,
            };
            for list in [&mut theirs, &mut ours] {
                list.sort();
                list.dedup();
            }
            theirs == ours
        }
        _ => crate::yaml::same(theirs, ours),
    }
}

/// What etcd's own parser says.
fn ask(oracle: &mut Oracle, given: &Given) -> Said {
    let environment: BTreeMap<&String, &String> = given.environment.iter().map(|(name, value)| (name, value)).collect();
    let answer = oracle.ask_one(&json!({"args": given.words, "env": environment, "file": given.file}).to_string());
    match answer["values"].as_object() {
        Some(values) => Said::Works(values.clone().into_iter().collect()),
        None => {
            let why = answer["error"].as_str().unwrap_or_default().to_owned();
            let unread = ["exit status 2", "for ETCD_", "JSON", "yaml:", "is not a valid flag", "Version: ", "Usage:"];
            if unread.iter().any(|part| why.contains(part)) && !why.contains("panic:") {
                Said::Refuses(why)
            } else {
                Said::Invalid
            }
        }
    }
}

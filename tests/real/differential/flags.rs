//! Our reading of command lines against what the real components print of theirs.

use std::collections::BTreeMap;
use std::path::Path;

use kube_assay::benchmark;
use kube_assay::evidence::components::ComponentTable;
use kube_assay::evidence::flags::{self, Refusal};
use kube_assay::evidence::{Component, Observed, Tables, Version};

use crate::binary::{Binary, in_parallel};
use crate::flag_lines::{first_words, words};
use crate::go_text::{printed, unquoted};
use crate::host;
use crate::random::Random;
use crate::shrink::shrink;
use crate::suite::{Difference, Options, Tally};

const COMPONENTS: [Component; 5] = [
    Component::KubeApiserver,
    Component::KubeControllerManager,
    Component::KubeScheduler,
    Component::Kubelet,
    Component::KubeProxy,
];

/// Flags whose value kube-proxy fills in for its platform before it prints them.
const FILLED_IN: [&str; 3] = ["proxy-mode", "detect-local-mode", "nodeport-addresses"];

/// Flags that kube-proxy prints after it completed them by others, so that they are compared with our effective value.
const COMPLETED: [(&str, &str); 2] =
    [("metrics-bind-address", "metricsBindAddress"), ("healthz-bind-address", "healthzBindAddress")];

/// Every flag as printed; `None` where the command line is refused.
type Parsed = Option<BTreeMap<String, String>>;

pub fn run(options: &Options) -> bool {
    let tables = benchmark::tables().expect("the shipped tables");
    let scratch = tempfile::tempdir().unwrap();
    let ours_at = tempfile::tempdir().unwrap();
    let components: Vec<(Binary, &ComponentTable)> = COMPONENTS
        .iter()
        .map(|component| (Binary::of(&options.binaries, component.name()), tables.of(*component)))
        .collect();
    let (release, version) = components[0].0.version(scratch.path());
    let mut tally = Tally::new(options, &release);
    let cases = options.cases();
    let mut refused = 0;
    let made = |case: u64| {
        let (binary, table) = &components[case as usize % components.len()];
        let words = words(&mut Random::of_case("flags", options.seed, case), &tables, table, version);
        (binary, *table, words)
    };
    let ask = |case: u64, directory: &Path| {
        let (binary, table, words) = made(case);
        (theirs(binary, directory, table.component, &words), words)
    };
    in_parallel(&cases, ask, |case, (theirs_parsed, words)| {
        let (binary, table, _) = made(case);
        tally.compared();
        refused += u64::from(theirs_parsed.is_none());
        if options.case.is_some() {
            println!("{} {words:?}", table.component);
        }
        if difference(&theirs_parsed, &ours(&tables, ours_at.path(), table, version, &words)).is_some() {
            tally.differs(|| {
                let differs = |words: &[String]| {
                    let theirs = theirs(binary, scratch.path(), table.component, words);
                    difference(&theirs, &ours(&tables, ours_at.path(), table, version, words)).is_some()
                };
                let small = shrink(&words, 60, differs);
                let theirs = theirs(binary, scratch.path(), table.component, &small);
                let (theirs, ours) =
                    difference(&theirs, &ours(&tables, ours_at.path(), table, version, &small)).unwrap_or_default();
                Difference { case, input: format!("{} {small:?}", table.component), theirs, ours }
            });
        }
    });
    tally.note(format!("{refused} refused by both"));
    tally.end()
}

fn theirs(binary: &Binary, directory: &Path, component: Component, words: &[String]) -> Parsed {
    let all: Vec<String> = first_words(component).iter().chain(words).cloned().collect();
    let printed = binary.run(directory, &all);
    assert!(!printed.cut_off, "{component} did not end by itself, given {words:?}: {}", printed.text);
    let mut parsed = BTreeMap::new();
    for line in printed.text.lines() {
        let Some((name, quoted)) = line.split_once("FLAG: --").and_then(|(_, flag)| flag.split_once('=')) else {
            continue;
        };
        let value = unquoted(quoted).unwrap_or_else(|| panic!("cannot read {line}"));
        parsed.insert(name.to_owned(), value);
    }
    (!parsed.is_empty()).then_some(parsed)
}

/// As the component would print it: what was given, and the defaults of its version.
fn ours(
    tables: &Tables,
    directory: &Path,
    table: &ComponentTable,
    version: Version,
    words: &[String],
) -> Result<BTreeMap<String, String>, Refusal> {
    let all: Vec<String> = first_words(table.component).iter().chain(words).cloned().collect();
    let line = flags::parse(table, &all);
    if let Some(refusal) = line.refused {
        return Err(refusal);
    }
    let mut parsed = BTreeMap::new();
    for (name, spec) in &table.flags {
        let at = spec.since.is_none_or(|since| since <= version) && spec.until.is_none_or(|until| version <= until);
        let value = line.values.get(name).or_else(|| spec.default.at(version).filter(|_| at));
        if let Some(value) = value {
            // what is withheld is withheld however it is put together
            let value = if spec.secret { flags::WITHHELD.to_owned() } else { printed(&spec.kind, value) };
            parsed.insert(name.clone(), value);
        }
    }
    if table.component == Component::KubeProxy {
        host::runs(directory, table.component, &all, &[]);
        let in_force = host::in_force(directory, tables, table.component, version);
        for (flag, setting) in COMPLETED {
            let value = in_force.settings.get(setting).and_then(Observed::value);
            parsed.insert(
                flag.to_owned(),
                value.map_or_else(|| "not known".to_owned(), |value| printed("string", value)),
            );
        }
    }
    Ok(parsed)
}

/// The first thing that differs, as theirs and ours.
fn difference(theirs: &Parsed, ours: &Result<BTreeMap<String, String>, Refusal>) -> Option<(String, String)> {
    match (theirs, ours) {
        (None, Err(_)) => None,
        (None, Ok(_)) => Some(("refused".to_owned(), "accepted".to_owned())),
        (Some(_), Err(refusal)) => Some(("accepted".to_owned(), format!("refused: {refusal}"))),
        (Some(theirs), Ok(ours)) => {
            let names = theirs.keys().chain(ours.keys());
            names
                .filter(|name| !same(name, theirs.get(*name), ours.get(*name)))
                .map(|name| {
                    let show = |value: Option<&String>| {
                        value.map_or_else(|| format!("no --{name}"), |value| format!("--{name}={value:?}"))
                    };
                    (show(theirs.get(name)), show(ours.get(name)))
                })
                .next()
        }
    }
}

fn same(name: &str, theirs: Option<&String>, ours: Option<&String>) -> bool {
    match (theirs, ours) {
        (Some(theirs), Some(ours)) => {
            theirs == ours
                // kept back on purpose
                || ours == flags::WITHHELD
                || (FILLED_IN.contains(&name) && (ours.is_empty() || ours == "[]"))
                // pflag prints this map in any order
                || (name == "allow-metric-labels" && letters(theirs) == letters(ours))
        }
        _ => false,
    }
}

fn letters(text: &str) -> Vec<char> {
    let mut letters: Vec<char> = text.chars().collect();
    letters.sort_unstable();
    letters
}

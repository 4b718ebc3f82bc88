//! Command lines for the flags suite: every value type, every way to write a flag, and about every third one with something that the
//! component refuses.
//!
//! Not made: what makes a component refuse a command line that it has parsed (a log format that it does not have, an unknown feature gate),
//! and what makes it do anything but print and end.

use kube_assay::evidence::components::{FlagSpec, at_version};
use kube_assay::evidence::{Component, ComponentTable, Tables, Version};

use crate::flag_texts::{bad, good};
use crate::random::Random;

/// Flags that the cases leave alone: what makes the component work or end in another way than the suite relies on, or is looked into
/// before the flags are printed.
const LEFT_ALONE: [&str; 25] = [
    "image-gc-high-threshold",
    "config-sync-period",
    "config",
    "config-dir",
    "write-config-to",
    "cleanup",
    "init-only",
    "kubeconfig",
    "master",
    "cert-dir",
    "etcd-servers",
    "v",
    "version",
    "help",
    "logging-format",
    "log-json-info-buffer-size",
    "log-json-split-stream",
    "log-text-info-buffer-size",
    "log-text-split-stream",
    "log-flush-frequency",
    "emulated-version",
    "min-compatibility-version",
    "emulation-forward-compatible",
    // two names of one flag: both print what either was given
    "audit-webhook-initial-backoff",
    "audit-webhook-batch-initial-backoff",
];

/// The words that make a component print its flags and end, which stand before all others.
pub fn first_words(component: Component) -> Vec<String> {
    let words: &[&str] = match component {
        Component::KubeApiserver => &["-v=2", "--cert-dir=made"],
        Component::Kubelet => &["-v=2", "--image-gc-high-threshold=101"],
        Component::KubeProxy => &["-v=2", "--config-sync-period=0s"],
        _ => &["-v=2"],
    };
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// The words of one case, without the first ones.
pub fn words(random: &mut Random, tables: &Tables, table: &ComponentTable, version: Version) -> Vec<String> {
    let gates: Vec<(&str, bool)> = tables
        .gates
        .iter()
        .filter(|(_, stages)| stages.keys().next().is_some_and(|first| *first <= version))
        .filter_map(|(gate, stages)| Some((gate.as_str(), at_version(stages, version)?)))
        .filter(|(_, stage)| stage.stage == "beta" && !stage.locked)
        .map(|(gate, stage)| (gate, stage.default))
        .collect();
    let good = |random: &mut Random, name: &str, kind: &str| {
        if name == "feature-gates" { some_gates(random, &gates) } else { good(random, name, kind) }
    };
    let flags: Vec<(&String, &FlagSpec)> = table
        .flags
        .iter()
        .filter(|(name, spec)| {
            !LEFT_ALONE.contains(&name.as_str())
                && spec.since.is_none_or(|since| since <= version)
                && spec.until.is_none_or(|until| version <= until)
        })
        .collect();
    let mut kinds: Vec<&str> = flags.iter().map(|(_, spec)| spec.kind.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let mut words = Vec::new();
    let mut last = None;
    for _ in 0..random.between(1, 7) {
        // by type half of the time: strings would drown the others
        let some: Vec<_> = if random.percent(50) {
            let kind = *random.pick(&kinds);
            flags.iter().filter(|(_, spec)| spec.kind == kind).collect()
        } else {
            flags.iter().collect()
        };
        let (name, spec) = match last {
            Some(flag) if random.percent(20) => flag,
            _ => **random.pick(&some),
        };
        last = Some((name, spec));
        let value = good(random, name, &spec.kind);
        written(random, name, spec, &value, &mut words);
    }
    if random.percent(35) {
        let at = random.below(words.len() + 1);
        let (name, spec) = **random.pick(&flags.iter().collect::<Vec<_>>());
        let value = good(random, name, &spec.kind);
        let wrong = wrong(random, name, spec, &value);
        words.splice(at..at, wrong);
    }
    if random.percent(15) {
        let odd = odd(random);
        let at = if odd.iter().any(|word| word == "--") { words.len() } else { random.below(words.len() + 1) };
        words.splice(at..at, odd);
    }
    words
}

/// One flag in one of the ways to write it.
fn written(random: &mut Random, name: &str, spec: &FlagSpec, value: &str, words: &mut Vec<String>) {
    let name = if random.percent(12) { name.replacen('-', "_", random.between(1, 3)) } else { name.to_owned() };
    if spec.bare().is_some() {
        match random.below(10) {
            0..5 => words.push(format!("--{name}={value}")),
            _ => words.push(format!("--{name}")),
        }
    } else if random.percent(45) {
        words.extend([format!("--{name}"), value.to_owned()]);
    } else {
        words.push(format!("--{name}={value}"));
    }
}

/// Words that most components refuse.
fn wrong(random: &mut Random, name: &str, spec: &FlagSpec, value: &str) -> Vec<String> {
    match random.below(12) {
        0..6 => vec![format!("--{name}={}", bad(random, &spec.kind))],
        6 => vec![
            random
                .word(&[
                    "--no-such-flag",
                    "--no-such-flag=1",
                    "--Profiling",
                    "--profiling2",
                    "-x",
                    "-vx",
                    "-v",
                    "--event--qps=1",
                ])
                .to_owned(),
        ],
        7 => vec![format!("-{name}={value}")],
        8 => vec![random.word(&["---x", "--=x", "---", "--=", "-=", "-=5", "--_=1"]).to_owned()],
        9 => vec![random.word(&["word", "false", "true", "-", "=", "a=b"]).to_owned()],
        10 => vec![format!("--{name}")],
        _ => vec!["--".to_owned(), random.word(&["word", "--profiling", "-v=3", "-"]).to_owned()],
    }
}

/// Words that mean something besides flags and values.
fn odd(random: &mut Random) -> Vec<String> {
    let from: &[&[&str]] = &[
        &["-v5"],
        &["-v=4"],
        &["-v", "3"],
        &["--v", "6"],
        &["--v=1"],
        &["-v", "+7"],
        &["-v=08"],
        &["-v=0x5"],
        &["-v=9999999999"],
        &["-v=-"],
        &["-v="],
        &["-v5", "-v=6"],
        &[""],
        &["", ""],
        &["--"],
        &["--", ""],
        &["--help"],
        &["-h"],
        &["--help=false"],
        &["--help=maybe"],
        &["--version"],
        &["--version=true"],
        &["--version=raw"],
        &["--version=false"],
        &["--version=maybe"],
        &["-hv5"],
        &["-v5h"],
        &["-hx"],
    ];
    random.pick(from).iter().map(|word| (*word).to_owned()).collect()
}

/// Gates set to their default: some cannot be on, or off, without others.
fn some_gates(random: &mut Random, gates: &[(&str, bool)]) -> String {
    let pair = |random: &mut Random| {
        let (gate, on) = *random.pick(gates);
        let gate = if random.percent(20) { "AllAlpha" } else { gate };
        let value = match (gate, on) {
            ("AllAlpha", _) | (_, false) => random.word(&["false", "F", "0", " false"]),
            _ => random.word(&["true", "1", "T", "TRUE "]),
        };
        format!("{gate}{}{value}", random.word(&["=", "=", " ="]))
    };
    let mut pairs: Vec<String> = (0..random.between(1, 3)).map(|_| pair(random)).collect();
    if random.percent(15) {
        pairs.push(String::new());
    }
    pairs.join(",")
}

//! What the real etcd says of its listeners when it starts, against our effective configuration: certificates, the authority whose
//! clients it takes, and whether it asks for a certificate at all, which depends on more than what was written.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use kube_assay::benchmark;
use kube_assay::evidence::{Component, Observed, Tables, Value, Version};
use serde_json::Value as Json;

use crate::binary::{Binary, in_parallel};
use crate::host;
use crate::random::Random;
use crate::suite::{Difference, Options, Tally};

const FILE: &str = "etc/etcd.yaml";

/// Listeners on loopback at ports that the kernel chooses, and a member that waits for nobody.
const LISTENERS: [(&str, &str); 7] = [
    ("listen-peer-urls", "https://127.0.0.1:0"),
    ("initial-advertise-peer-urls", "https://127.0.0.1:0"),
    ("initial-cluster", "default=https://127.0.0.1:0"),
    ("listen-client-urls", "https://127.0.0.1:0"),
    ("advertise-client-urls", "https://127.0.0.1:0"),
    ("heartbeat-interval", "5"),
    ("election-timeout", "50"),
];

pub fn run(options: &Options) -> bool {
    let tables = benchmark::tables().expect("the shipped tables");
    let etcd = Binary::of(&options.binaries, "etcd");
    let scratch = tempfile::tempdir().unwrap();
    let (release, version) = etcd.version(scratch.path());
    // the API server makes itself a pair before it says what it lacks; any will do
    let pair = scratch.path().join("pair");
    let words = [format!("--cert-dir={}", pair.display())];
    Binary::of(&options.binaries, "kube-apiserver").run(scratch.path(), &words);
    assert!(pair.join("apiserver.key").is_file(), "no pair was made");
    let mut tally = Tally::new(options, &release);
    let made = |case: u64| settings(&mut Random::of_case("etcd-tls", options.seed, case), &pair);
    let mut silent = 0u64;
    let ask = |case: u64, directory: &Path| {
        let (way, settings) = made(case);
        let given = given(way, &settings, directory);
        let said = listeners(&etcd, directory, &given);
        let ours = ours(&tables, directory, &given, version);
        (said, ours, given)
    };
    in_parallel(&options.cases(), ask, |case, (said, ours, given)| {
        if said.is_empty() {
            silent += 1;
            return;
        }
        tally.compared();
        let differs = said.iter().find(|(name, theirs)| ours.get(*name) != Some(*theirs));
        if let Some((name, theirs)) = differs {
            tally.differs(|| Difference {
                case,
                input: format!("etcd {:?} {:?}\n{}", given.words, given.environment, given.file),
                theirs: format!("{name}: {theirs}"),
                ours: format!("{name}: {}", ours.get(name).cloned().unwrap_or_default()),
            });
        }
    });
    tally.note(format!("{silent} more ended before they listened"));
    tally.end()
}

/// How the settings are given.
#[derive(Clone, Copy)]
enum Way {
    Words,
    Environment,
    File,
}

struct Given {
    words: Vec<String>,
    environment: Vec<(String, String)>,
    file: String,
}

/// Some of the settings of both kinds of listener.
fn settings(random: &mut Random, pair: &Path) -> (Way, BTreeMap<String, String>) {
    let (certificate, key) = (pair.join("apiserver.crt"), pair.join("apiserver.key"));
    let mut settings = BTreeMap::new();
    for prefix in ["", "peer-"] {
        let mut set = |name: &str, value: &str| drop(settings.insert(format!("{prefix}{name}"), value.to_owned()));
        let own = random.percent(50);
        if own {
            set("cert-file", &certificate.to_string_lossy());
            set("key-file", &key.to_string_lossy());
        }
        if !own || random.percent(30) {
            set("auto-tls", "true");
        }
        if random.percent(60) {
            set("client-cert-auth", random.word(&["true", "true", "false"]));
        }
        if random.percent(40) {
            set("trusted-ca-file", &certificate.to_string_lossy());
        }
    }
    (*random.pick(&[Way::Words, Way::Environment, Way::File]), settings)
}

fn given(way: Way, settings: &BTreeMap<String, String>, directory: &Path) -> Given {
    let mut given = Given { words: Vec::new(), environment: Vec::new(), file: String::new() };
    let data = directory.join("data").to_string_lossy().into_owned();
    let all = LISTENERS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let all: BTreeMap<String, String> = all.chain([("data-dir".to_owned(), data)]).chain(settings.clone()).collect();
    match way {
        Way::Words => given.words = all.iter().map(|(name, value)| format!("--{name}={value}")).collect(),
        Way::Environment => {
            let variable = |name: &str| format!("ETCD_{}", name.to_ascii_uppercase().replace('-', "_"));
            given.environment = all.iter().map(|(name, value)| (variable(name), value.clone())).collect();
        }
        Way::File => {
            let mut sections: BTreeMap<&str, String> = BTreeMap::new();
            for (name, value) in &all {
                let inner = name.strip_prefix("peer-").unwrap_or(name);
                let section = match inner {
                    "cert-file" | "key-file" | "auto-tls" | "client-cert-auth" | "trusted-ca-file" if inner == name => {
                        "client-transport-security"
                    }
                    "cert-file" | "key-file" | "auto-tls" | "client-cert-auth" | "trusted-ca-file" => {
                        "peer-transport-security"
                    }
                    _ => "",
                };
                let line =
                    if section.is_empty() { format!("{name}: {value}\n") } else { format!("  {inner}: {value}\n") };
                sections.entry(section).or_default().push_str(&line);
            }
            for (section, lines) in sections {
                if !section.is_empty() {
                    given.file.push_str(&format!("{section}:\n"));
                }
                given.file.push_str(&lines);
            }
            given.words = vec![format!("--config-file=/{FILE}")];
        }
    }
    given
}

/// What etcd logs of its two listeners: by flag, empty when it ended before.
fn listeners(etcd: &Binary, directory: &Path, given: &Given) -> BTreeMap<String, String> {
    let _ = fs::remove_dir_all(directory.join("data"));
    fs::create_dir_all(directory.join("etc")).unwrap();
    fs::write(directory.join(FILE), &given.file).unwrap();
    let at_home = |word: &String| word.replace(&format!("=/{FILE}"), &format!("={}", directory.join(FILE).display()));
    let mut child = Command::new(&etcd.path)
        .args(given.words.iter().map(at_home))
        .env_clear()
        .envs(given.environment.iter().cloned())
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (line_read, lines) = mpsc::channel();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    std::thread::spawn(move || {
        let mut line = String::new();
        while log.read_line(&mut line).is_ok_and(|length| length > 0)
            && line_read.send(std::mem::take(&mut line)).is_ok()
        {}
    });
    let mut found = BTreeMap::new();
    // both listeners are named before the first of them serves
    while let Ok(line) = lines.recv_timeout(Duration::from_secs(20)) {
        let Ok(entry) = serde_json::from_str::<Json>(&line) else { continue };
        let message = entry["msg"].as_str().unwrap_or_default();
        let prefix = match message {
            "starting with client TLS" => "",
            "starting with peer TLS" => "peer-",
            "now serving peer/client/metrics" => break,
            _ => continue,
        };
        let info = entry["tls-info"].as_str().unwrap_or_default();
        for (name, label) in [
            ("cert-file", "cert = "),
            ("key-file", "key = "),
            ("trusted-ca-file", "trusted-ca = "),
            ("client-cert-auth", "client-cert-auth = "),
        ] {
            let value = info.split(", ").find_map(|part| part.strip_prefix(label)).unwrap_or_default();
            // a pair of its own making is not one that was configured
            let value = if value.contains("/fixtures/") { "" } else { value };
            found.insert(format!("{prefix}{name}"), value.to_owned());
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    if found.len() == 8 { found } else { BTreeMap::new() }
}

fn ours(tables: &Tables, directory: &Path, given: &Given, version: Version) -> BTreeMap<String, String> {
    host::runs(directory, Component::Etcd, &given.words, &given.environment);
    let in_force = host::in_force(directory, tables, Component::Etcd, version);
    let shown = |value: &Value| match value {
        Value::Text(text) => text.clone(),
        other => other.to_string(),
    };
    let found = in_force.settings.iter().map(|(name, value)| match value {
        Observed::Seen { value, .. } => (name.clone(), shown(value)),
        other => (name.clone(), format!("{other:?}")),
    });
    found.collect()
}

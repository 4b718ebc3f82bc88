//! Secrets never leave the host: one is planted in every source, and no output may hold any of them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its world ends, with the place"
)]

mod support;

use std::fs;
use std::path::Path;

use serde::Deserialize;
use support::binary::{Ran, command};
use support::case::{File, Host, Process};
use support::{host, say};

/// What every planted secret begins with.
const WORD: &str = "CANARY";

/// The word in base64, at each of the three offsets that it can have in a longer text.
const ENCODED: [&str; 3] = ["Q0FOQVJZ", "DQU5BUl", "BTkFSW"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Planted {
    processes: Vec<Process>,
    files: Vec<File>,
    mistyped: Vec<File>,
}

fn planted() -> Planted {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/canaries.yaml");
    serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The places in `text` that hold a secret.
fn hits(text: &str) -> Vec<String> {
    let words = std::iter::once(WORD).chain(ENCODED);
    let starts = words.flat_map(|word| text.match_indices(word).map(|(at, _)| at).collect::<Vec<_>>());
    starts
        .map(|at| {
            let from = text[..at].char_indices().rev().nth(60).map_or(0, |(from, _)| from);
            text[from..].chars().take(120).collect::<String>().replace('\n', " ")
        })
        .collect()
}

/// Runs every command that shows something of a host; returns what each said.
fn outputs(root: &Path, scratch: &Path) -> Vec<(String, String)> {
    let evidence = scratch.join("evidence");
    let out = scratch.join("out");
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let (root, evidence, out) = (path(root), path(&evidence), path(&out));
    let runs: [&[&str]; 12] = [
        &["collect", "--host-root", &root, "--output", &evidence],
        &["audit", "--host-root", &root, "--format", "json"],
        &["audit", "--host-root", &root, "--format", "json", "--benchmark", "cis-2.1"],
        &["audit", "--host-root", &root, "--format", "json", "--benchmark", "cis-1.11"],
        &["audit", "--host-root", &root, "--verbose"],
        &["audit", "--host-root", &root, "--format", "text,json,html", "--output", &out],
        &["evaluate", &evidence, "--format", "json"],
        &["effective", "--host-root", &root],
        &["effective", "--host-root", &root, "--verbose"],
        &["effective", "--host-root", &root, "--verbose", "--format", "json"],
        &["effective", "--evidence", &evidence, "--verbose", "--format", "json"],
        &["effective", "--evidence", &evidence, "--verbose", "--kubernetes-version", "1.29"],
    ];
    let mut found = Vec::new();
    for arguments in runs {
        let ran = Ran::of(command().args(arguments).env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full"));
        assert!(matches!(ran.code, Some(0 | 1 | 3)), "{arguments:?}: {:?} {}", ran.code, ran.err);
        let name = arguments.iter().filter(|word| !word.starts_with('/')).copied().collect::<Vec<_>>().join(" ");
        found.push((format!("{name}, standard error"), ran.err));
        found.push((name, ran.out));
    }
    let compressed = fs::read(&evidence).unwrap();
    let lines = String::from_utf8(zstd::decode_all(compressed.as_slice()).unwrap()).unwrap();
    found.push(("evidence file".to_owned(), lines));
    for entry in fs::read_dir(&out).unwrap() {
        let path = entry.unwrap().path();
        found.push((path.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(path).unwrap()));
    }
    found
}

#[track_caller]
fn nothing_leaks(what: &str, processes: Vec<Process>, files: Vec<File>) {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("node");
    host::write(&root, &Host { processes, files, ..Host::default() });
    let outputs = outputs(&root, scratch.path());
    let leaks: Vec<String> = outputs
        .iter()
        .flat_map(|(name, text)| hits(text).into_iter().map(move |hit| format!("{name}: ...{hit}...")))
        .collect();
    say(format!("{what}: {} outputs searched, {} hits", outputs.len(), leaks.len()));
    assert!(leaks.is_empty(), "\n{}", leaks.join("\n"));
}

#[test]
fn the_search_finds_what_is_there() {
    let planted = planted();
    let text = format!("{:?}{:?}", planted.processes, planted.files);
    assert!(hits(&text).len() > 80, "{}", hits(&text).len());
    assert_eq!(hits("a Q0FOQVJZ b").len(), 1);
    // every offset of base64 is known
    for (before, encoded) in [("", "Q0FOQVJZLXg="), ("a", "YUNBTkFSWS14"), ("ab", "YWJDQU5BUlkteA==")] {
        assert_eq!(hits(encoded).len(), 1, "{before}");
    }
    assert!(hits("nothing").is_empty());
}

#[test]
fn well_formed_documents_keep_their_secrets() {
    let planted = planted();
    nothing_leaks("well-formed", planted.processes, planted.files);
}

#[test]
fn mistyped_documents_keep_their_secrets() {
    let mut planted = planted();
    for file in planted.mistyped {
        let place = planted.files.iter_mut().find(|known| known.path == file.path).unwrap();
        *place = file;
    }
    nothing_leaks("mistyped", planted.processes, planted.files);
}

#[test]
fn truncated_documents_keep_their_secrets() {
    // cut behind each secret in turn would be many hosts: behind the first, behind the last, and in the middle of a word
    for cut in ["first", "last", "inside"] {
        let mut planted = planted();
        for file in &mut planted.files {
            let Some(text) = &mut file.text else { continue };
            let found: Vec<usize> = text.match_indices(WORD).map(|(at, _)| at).collect();
            let (Some(first), Some(last)) = (found.first(), found.last()) else { continue };
            let end = match cut {
                "first" => first + WORD.len() + 3,
                "last" => last + WORD.len() + 3,
                _ => last + WORD.len(),
            };
            text.truncate(end);
        }
        nothing_leaks(&format!("truncated ({cut})"), planted.processes, planted.files);
    }
}

#[test]
fn undecodable_documents_keep_their_secrets() {
    let mut planted = planted();
    for file in planted.files.iter_mut().filter(|file| file.text.is_some()) {
        let text = file.text.take().unwrap();
        file.text = Some(format!("{text}\n\t: [}}\u{0}{WORD}\n"));
    }
    nothing_leaks("undecodable", planted.processes, planted.files);
}

#[test]
fn objects_keep_their_secrets() {
    let good =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/canaries-objects.yaml")).unwrap();
    let cut = |text: &str, word: &str| text[..text.rfind(word).unwrap() + word.len() + 3].to_owned();
    let variants = [
        ("well-formed objects", good.clone()),
        ("objects cut in a secret", cut(&good, WORD)),
        (
            "mistyped objects",
            good.replace("data: {", "data: [CANARY-list]\nextra: {").replace("args: [", "args: CANARY-text\n    x: ["),
        ),
        ("undecodable objects", format!("{good}---\n\t: [}}CANARY\n")),
    ];
    let mut leaks = Vec::new();
    for (what, text) in variants {
        let scratch = tempfile::tempdir().unwrap();
        let place = scratch.path().join("objects.yaml");
        fs::write(&place, text).unwrap();
        let (place, evidence) = (place.to_str().unwrap(), scratch.path().join("e"));
        let evidence = evidence.to_str().unwrap();
        let mut searched = 0;
        for arguments in [
            vec!["collect", "--manifests", place, "--complete", "--output", evidence],
            vec!["effective", "--manifests", place, "--verbose"],
            vec!["audit", "--manifests", place, "--complete", "--format", "json"],
            vec!["audit", "--manifests", place, "--verbose"],
            vec!["audit", "--manifests", place, "--complete", "--format", "html"],
        ] {
            let ran = Ran::of(command().args(&arguments).env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full"));
            for text in [ran.out, ran.err] {
                searched += 1;
                leaks.extend(hits(&text).into_iter().map(|hit| format!("{what}, {}: ...{hit}...", arguments[0])));
            }
        }
        if let Ok(bytes) = fs::read(evidence) {
            let lines = String::from_utf8(zstd::decode_all(bytes.as_slice()).unwrap()).unwrap();
            searched += 1;
            leaks.extend(hits(&lines).into_iter().map(|hit| format!("{what}, evidence file: ...{hit}...")));
        }
        say(format!("{what}: {searched} outputs searched"));
    }
    assert!(leaks.is_empty(), "\n{}", leaks.join("\n"));
}

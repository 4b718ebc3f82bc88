//! One case of the kubelet suite: a configuration file, a directory of drop-ins and flags, in pieces that can be left out one by one.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use kube_assay::evidence::Version;
use kube_assay::evidence::components::{ComponentTable, FieldSpec, FlagSpec};

use crate::kubelet_values::{GATES, fitting, is_set, misfit, restyled, zero, zero_is_refused};
use crate::layout::Tree;
use crate::random::Random;

/// Where everything lies below the case's root.
pub const FILE: &str = "/etc/kubelet/config.yaml";
const DROP_INS: &str = "/etc/kubelet/conf.d";

/// A piece of a case. Documents are numbered: 0 is the file, the others are drop-ins.
#[derive(Debug, Clone)]
pub enum Piece {
    /// The configuration file is there and named.
    File,
    /// The drop-in directory is there and named.
    Directory,
    /// A drop-in under this path below the directory.
    DropIn { document: usize, path: String },
    /// A drop-in directory, or a drop-in, is a link to what lies elsewhere.
    Linked { path: String },
    /// The first lines of a document are these and not the usual ones.
    Head { document: usize, lines: String },
    /// A field of a document; `text` is YAML that fits on its line.
    Set { document: usize, path: String, text: String },
    /// The document is written as JSON.
    AsJson { document: usize },
    /// Words of the command line.
    Words(Vec<String>),
}

/// The pieces of one case.
pub fn pieces(random: &mut Random, table: &ComponentTable, version: Version) -> Vec<Piece> {
    let fields: Vec<(&str, &FieldSpec)> = table
        .fields
        .iter()
        .filter(|(_, spec)| is_there(spec.since, spec.until, version))
        .filter(|(path, spec)| is_set(path, spec, version.minor))
        .map(|(path, spec)| (path.as_str(), spec))
        .collect();
    // a few fields only, so that file, drop-ins and flags meet in them
    let some: Vec<(&str, &FieldSpec)> = (0..random.between(2, 9)).map(|_| *random.pick(&fields)).collect();
    let mut pieces = Vec::new();
    let mut documents = Vec::new();
    if random.percent(80) {
        pieces.push(Piece::File);
        documents.push(0);
    }
    if random.percent(60) {
        pieces.push(Piece::Directory);
        for document in 1..=random.below(4) {
            pieces.push(Piece::DropIn { document, path: drop_in(random, document) });
            documents.push(document);
        }
        if random.percent(4) {
            pieces.push(Piece::Linked { path: random.word(&["", "/5-link.conf", "/sub", "/7-link"]).to_owned() });
        }
    }
    // what a drop-in may not hold is found when all of them are merged: a later one can put it right, which we do not follow
    let drop_ins = documents.iter().filter(|document| **document > 0).count();
    let odd_too = |document| document == 0 || drop_ins == 1;
    for document in documents {
        if random.percent(3) {
            let lines = random.word(&HEADS).to_owned();
            pieces.push(Piece::Head { document, lines });
        }
        if random.percent(12) {
            pieces.push(Piece::AsJson { document });
        }
        let mut seen: Vec<&str> = Vec::new();
        for _ in 0..random.below(7) {
            let (path, spec) = *random.pick(&some);
            // a key twice is one thing to try; more often each stands once
            if seen.contains(&path) && random.percent(90) {
                continue;
            }
            seen.push(path);
            pieces.push(set(random, document, odd_too(document), path, spec, version.minor));
        }
    }
    for _ in 0..if random.percent(60) { random.below(4) } else { 0 } {
        let (path, spec) = *random.pick(&some);
        pieces.extend(words(random, table, version, path, spec).map(Piece::Words));
    }
    if random.percent(15) {
        pieces.push(Piece::Words(gate_words(random)));
    }
    if random.percent(3) {
        let odd: &[&[&str]] = &[
            &["--no-such-flag"],
            &["--max-pods=x"],
            &["word"],
            &["--seccomp-default"],
            &["--seccomp-default=false"],
            &["--event_qps", "0x10"],
        ];
        pieces.push(Piece::Words(random.pick(odd).iter().map(|word| (*word).to_owned()).collect()));
    }
    pieces
}

const HEADS: [&str; 9] = [
    "",
    "kind: KubeletConfiguration\n",
    "apiVersion: kubelet.config.k8s.io/v1beta1\n",
    "apiVersion: kubelet.config.k8s.io/v1\nkind: KubeletConfiguration\n",
    "apiVersion: v1\nkind: ConfigMap\n",
    "apiVersion: kubelet.config.k8s.io/v1alpha1\nkind: KubeletConfiguration\n",
    "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: SerializedNodeConfigSource\n",
    "kind: KubeletConfiguration\napiVersion: kubelet.config.k8s.io/v1beta1\nunknownField: 1\nother: {a: [1]}\n",
    "# a comment\n---\napiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n",
];

fn drop_in(random: &mut Random, document: usize) -> String {
    let number = random.between(1, 30);
    match random.below(12) {
        0 => format!("{number}-{document}.yaml"),
        1 => format!("{number}-{document}.conf.bak"),
        2 => format!("sub/{number}-{document}.conf"),
        3 => format!("{number}/a-{document}.conf"),
        4 => format!("{number}.conf/b-{document}.conf"),
        5 => format!(".{number}-{document}.conf"),
        _ => format!("{number}-{document}.conf"),
    }
}

fn set(random: &mut Random, document: usize, odd_too: bool, path: &str, spec: &FieldSpec, minor: u16) -> Piece {
    let strict = minor < 37;
    let (mut path, kind) = (path.to_owned(), spec.kind.as_str());
    let text = match random.below(100) {
        // an empty list of the file does not outlast the merging of drop-ins: its default comes back, which we do not follow
        _ if document == 0 && path == "enforceNodeAllocatable" => "[\"pods\"]".to_owned(),
        0..66 => fitting(random, &path, kind),
        66..78 if !(strict && spec.pointer && zero_is_refused(&path)) => zero(kind).to_owned(),
        78..88 => "null".to_owned(),
        88..95 if odd_too => misfit(random, kind),
        95 if odd_too && path.contains('.') => {
            // the object around the field
            path.truncate(path.rfind('.').unwrap_or_default());
            random.word(&["null", "{}", "[]", "\"x\"", "1"]).to_owned()
        }
        // a drop-in is decoded without regard to case, and which of two spellings counts is not followed
        96 if document == 0 => {
            path = match random.below(3) {
                0 => path.to_ascii_uppercase(),
                1 => path[..1].to_ascii_uppercase() + &path[1..],
                _ => format!("{path}x"),
            };
            fitting(random, &path, kind)
        }
        _ => fitting(random, &path, kind),
    };
    Piece::Set { document, path, text: restyled(random, &text) }
}

/// True when the version has it.
pub fn is_there(since: Option<Version>, until: Option<Version>, version: Version) -> bool {
    since.is_none_or(|since| since <= version) && until.is_none_or(|until| version <= until)
}

/// A flag that backs the field, with a value for it.
fn words(
    random: &mut Random,
    table: &ComponentTable,
    version: Version,
    path: &str,
    spec: &FieldSpec,
) -> Option<Vec<String>> {
    let fits = |flag: &FlagSpec| {
        flag.field.as_deref() == Some(path) && !flag.secret && is_there(flag.since, flag.until, version)
    };
    let (flag, _) = table.flags.iter().find(|(_, flag)| fits(flag))?;
    if flag == "v" || flag == "log-flush-frequency" {
        return None;
    }
    let json = match random.below(10) {
        0 if !zero_is_refused(path) => zero(&spec.kind).to_owned(),
        _ => fitting(random, path, &spec.kind),
    };
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let text = match &value {
        serde_json::Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        serde_json::Value::Object(entries) => {
            let sign = if matches!(flag.as_str(), "eviction-hard" | "eviction-soft") { '<' } else { '=' };
            entries.iter().map(|(key, value)| format!("{key}{sign}{}", text(value))).collect::<Vec<_>>().join(",")
        }
        other => text(other),
    };
    // an empty word leaves an address as it was and takes no number
    if text.is_empty() && matches!(path, "address" | "healthzBindAddress") {
        return None;
    }
    Some(vec![format!("--{flag}={text}")])
}

/// A gate on the command line, beside what the pieces of fields bring.
fn gate_words(random: &mut Random) -> Vec<String> {
    vec![format!("--feature-gates={}={}", random.word(&GATES), random.word(&["true", "false"]))]
}

/// Writes the files below `root`; gives the words, in which `@ROOT` stands for that root.
pub fn written(pieces: &[Piece], root: &Path) -> Vec<String> {
    let _ = fs::remove_dir_all(root.join("etc"));
    fs::create_dir_all(root.join("etc/kubelet")).unwrap();
    let mut words = Vec::new();
    let at = |path: &str| root.join(path.trim_start_matches('/'));
    for piece in pieces {
        match piece {
            Piece::File => {
                fs::write(at(FILE), document(pieces, 0)).unwrap();
                words.push(format!("--config=@ROOT{FILE}"));
            }
            Piece::Directory => {
                fs::create_dir_all(at(DROP_INS)).unwrap();
                words.push(format!("--config-dir=@ROOT{DROP_INS}"));
            }
            Piece::Words(more) => words.extend(more.iter().cloned()),
            _ => {}
        }
    }
    if at(DROP_INS).is_dir() {
        for piece in pieces {
            if let Piece::DropIn { document: number, path } = piece {
                let place = at(DROP_INS).join(path);
                fs::create_dir_all(place.parent().unwrap()).unwrap();
                fs::write(place, document(pieces, *number)).unwrap();
            }
        }
        for piece in pieces {
            let Piece::Linked { path } = piece else { continue };
            let place = at(&format!("{DROP_INS}{path}"));
            let elsewhere = at("/etc/kubelet/elsewhere");
            if place.exists() {
                fs::rename(&place, &elsewhere).unwrap();
            } else {
                fs::create_dir_all(&elsewhere).unwrap();
            }
            symlink(if path.is_empty() { "elsewhere" } else { "../elsewhere" }, place).unwrap();
        }
    }
    words
}

/// The text of a document.
fn document(pieces: &[Piece], number: usize) -> String {
    let mut head = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n".to_owned();
    let mut tree = Tree::default();
    let mut as_json = false;
    for piece in pieces {
        match piece {
            Piece::Head { document, lines } if *document == number => head.clone_from(lines),
            Piece::AsJson { document } if *document == number => as_json = true,
            Piece::Set { document, path, text } if *document == number => {
                tree.set(path, text);
            }
            _ => {}
        }
    }
    let mut body = String::new();
    if as_json && !head.contains("---") && !head.is_empty() {
        let mut entries: Vec<String> = Vec::new();
        for line in head.lines() {
            let (key, value) = line.split_once(": ").unwrap_or((line, "1"));
            let value = if value.starts_with(['{', '1']) { "1".to_owned() } else { format!("\"{value}\"") };
            entries.push(format!("\"{key}\": {value}"));
        }
        entries.extend(tree.json_entries());
        let _ = writeln!(body, "{{{}}}", entries.join(", "));
        return body;
    }
    head + &tree.yaml()
}

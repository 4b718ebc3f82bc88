//! One case of the etcd suite: words, variables and a configuration file, in pieces that can be left out one by one.

use kube_assay::evidence::Version;
use kube_assay::evidence::components::{ComponentTable, FlagSpec};

use crate::kubelet_cases::is_there;
use crate::layout::Tree;
use crate::random::Random;

/// Flags whose values depend on others, that other flags are worked out from, or that take a few words only, which differ by version.
const LEFT_ALONE: [&str; 12] = [
    "config-file",
    "version",
    "help",
    "initial-cluster-state",
    "v2-deprecation",
    "proxy",
    "discovery",
    "discovery-fallback",
    "discovery-srv",
    "discovery-srv-name",
    "log-rotation-config-json",
    "enable-log-rotation",
];

/// A piece of a case.
#[derive(Debug, Clone)]
pub enum Piece {
    /// Words of the command line.
    Words(Vec<String>),
    /// A variable of the environment.
    Variable(String, String),
    /// A field of the configuration file; `text` is YAML that fits on its line.
    Set { path: String, text: String },
    /// The file is one line of JSON, or nearly so.
    AsJson,
}

/// What etcd is given.
pub struct Given {
    /// The words, in which `@FILE` stands for the configuration file.
    pub words: Vec<String>,
    /// The environment, likewise.
    pub environment: Vec<(String, String)>,
    /// The text of the configuration file.
    pub file: String,
}

/// The pieces put together.
pub fn given(pieces: &[Piece]) -> Given {
    let mut given = Given { words: Vec::new(), environment: Vec::new(), file: String::new() };
    let mut tree = Tree::default();
    let mut as_json = false;
    for piece in pieces {
        match piece {
            Piece::Words(words) => given.words.extend(words.iter().cloned()),
            Piece::Variable(name, value) => {
                if given.environment.iter().all(|(other, _)| other != name) {
                    given.environment.push((name.clone(), value.clone()));
                }
            }
            Piece::Set { path, text } => tree.set(path, text),
            Piece::AsJson => as_json = true,
        }
    }
    given.file = if as_json { format!("{{{}}}\n", tree.json_entries().join(", ")) } else { tree.yaml() };
    given
}

/// The pieces of one case.
pub fn pieces(random: &mut Random, table: &ComponentTable, version: Version) -> Vec<Piece> {
    let flags: Vec<(&str, &FlagSpec)> = table
        .flags
        .iter()
        .filter(|(name, spec)| !LEFT_ALONE.contains(&name.as_str()) && is_there(spec.since, spec.until, version))
        // from 3.6 on these are old names of other flags, which they set
        .filter(|(name, _)| version.minor < 6 || !name.starts_with("experimental-"))
        .map(|(name, spec)| (name.as_str(), spec))
        .collect();
    let security: Vec<(&str, &FlagSpec)> = flags
        .iter()
        .copied()
        .filter(|(name, _)| {
            name.contains("cert") || name.contains("tls") || name.ends_with("-file") || name.contains("listen")
        })
        .collect();
    let mut pieces = Vec::new();
    let with_file = random.percent(40);
    if with_file {
        pieces.push(match random.below(4) {
            0 => Piece::Variable("ETCD_CONFIG_FILE".to_owned(), "@FILE".to_owned()),
            1 => Piece::Words(vec!["--config-file".to_owned(), "@FILE".to_owned()]),
            _ => Piece::Words(vec!["--config-file=@FILE".to_owned()]),
        });
        if random.percent(10) {
            pieces.push(Piece::AsJson);
        }
    }
    let mut by_flag = Vec::new();
    for _ in 0..random.between(1, 7) {
        let some = if random.percent(50) { &security } else { &flags };
        let (name, spec) = *random.pick(some);
        let field = spec.file.as_deref().filter(|_| with_file && random.percent(75));
        match field {
            Some(path) => pieces.push(set(random, path, name, &spec.kind)),
            None if random.percent(50) && !by_flag.contains(&name) => {
                let variable = format!("ETCD_{}", name.to_ascii_uppercase().replace('-', "_"));
                let value = value(random, name, &spec.kind);
                pieces.push(Piece::Variable(variable, value));
            }
            None => {
                by_flag.push(name);
                let value = value(random, name, &spec.kind);
                pieces.push(Piece::Words(written(random, name, spec, &value)));
            }
        }
    }
    if random.percent(6) {
        let odd: &[&[&str]] = &[
            &["--no-such-flag"],
            &["word"],
            &["--client_cert_auth"],
            &["---name=x"],
            &["--", "word"],
            &["-"],
            &["--"],
            &["--name"],
            &["-client-cert-auth", "false"],
            &["--help"],
            &["-version"],
        ];
        pieces.push(Piece::Words(random.pick(odd).iter().map(|word| (*word).to_owned()).collect()));
    }
    if random.percent(4) {
        pieces.push(Piece::Variable("ETCD_NO_SUCH".to_owned(), "x".to_owned()));
    }
    pieces
}

fn written(random: &mut Random, name: &str, spec: &FlagSpec, value: &str) -> Vec<String> {
    let dashes = random.word(&["-", "--"]);
    match (spec.kind.as_str(), random.below(2)) {
        ("bool", 0) => vec![format!("{dashes}{name}")],
        ("bool", _) => vec![format!("{dashes}{name}={value}")],
        (_, 0) => vec![format!("{dashes}{name}"), value.to_owned()],
        _ => vec![format!("{dashes}{name}={value}")],
    }
}

/// A text for a flag or a variable.
#[rustfmt::skip]
fn value(random: &mut Random, name: &str, kind: &str) -> String {
    if random.percent(4) {
        return random.word(&["", "x", "maybe", "1.5", "-1", "99999999999999999999", "1_0", " 1"]).to_owned();
    }
    let from: &[&str] = match (name, kind) {
        ("cors", _) => &["*", "https://a.example:443", "https://b.example:1,https://a.example:2"],
        ("listen-metrics-urls" | "listen-client-http-urls", _) => &["", "http://127.0.0.1:2381"],
        (_, "uniqueURLs") => &["http://127.0.0.1:2379", "https://10.0.0.1:2379,http://127.0.0.1:2379", "https://0.0.0.0:2379", "http://[::1]:2379", "unix://x:1"],
        (_, "bool") => &["true", "false", "1", "0", "t", "F"],
        ("heartbeat-interval", _) => &["100", "50", "0x32"],
        ("election-timeout", _) => &["1000", "5000", "0x1000"],
        ("tls-min-version", _) => &["TLS1.2", "TLS1.3", ""],
        ("tls-max-version", _) => &["TLS1.3", ""],
        ("cipher-suites", _) => &["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", ""],
        ("auto-compaction-mode", _) => &["periodic", "revision"],
        ("auto-compaction-retention", _) => &["0", "1", "8"],
        ("log-level", _) => &["info", "debug", "error"],
        ("logger", _) => &["zap"],
        ("log-format", _) => &["json", "console"],
        ("log-outputs", _) => &["default", "stderr", "stdout,stderr"],
        ("metrics", _) => &["basic", "extensive"],
        ("v2-deprecation", _) => &["not-yet", "write-only"],
        ("discovery-fallback", _) => &["exit"],
        ("proxy", _) => &["off"],
        ("feature-gates", _) => &["", "StopGRPCServiceOnDefrag=true", "InitialCorruptCheck=true,StopGRPCServiceOnDefrag=false"],
        ("initial-cluster", _) => &["default=http://localhost:2380", "a=https://10.0.0.1:2380,b=https://10.0.0.2:2380"],
        ("host-whitelist", _) => &["*", "a.example", "b.example,a.example", ""],
        (_, "duration") => &["5s", "1m", "2h0m0s", "100ms", "0", "0s"],
        (_, "int" | "int64" | "uint" | "uint32" | "uint64") => &["1", "5", "10", "0x10", "100", "0b11"],
        (_, "uniqueStrings" | "strings" | "selectiveStrings") => &["a", "b,a", "a,a", ""],
        ("backend-bbolt-freelist-type", _) => &["array", "map"],
        _ => &["a", "/etc/etcd/x.pem", "a b", "é", "x=y", "default", "/a,b"],
    };
    random.word(from).to_owned()
}

/// A field of the configuration file.
#[rustfmt::skip]
fn set(random: &mut Random, path: &str, name: &str, kind: &str) -> Piece {
    let mut path = path.to_owned();
    // `CORS` is the name of another field in etcd's own type
    if random.percent(3) && path != "cors" {
        path = match random.below(3) {
            0 => path.to_ascii_uppercase(),
            1 => path[..1].to_ascii_uppercase() + &path[1..],
            _ => format!("{path}-x"),
        };
    }
    let text = match random.below(20) {
        0 => "null".to_owned(),
        1 => random.word(&["1", "true", "\"true\"", "[]", "{}", "x", "1.5", "-1", "\"\"", "yes", "[a, b]", "5s", "0x10", "1.0"]).to_owned(),
        _ => match kind {
            "duration" => random.word(&["1000000000", "0", "5000000000"]).to_owned(),
            "bool" => random.word(&["true", "false", "yes", "off", "True"]).to_owned(),
            "strings" | "selectiveStrings" if !name.contains("uites") => random.word(&["[a]", "[]", "[a, b]"]).to_owned(),
            "strings" => random.word(&["[TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]", "[]"]).to_owned(),
            _ if name == "log-outputs" => random.word(&["[default]", "[stderr, stdout]"]).to_owned(),
            _ => {
                let value = value(random, name, kind);
                let plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'/' || byte == b'.') && !value.is_empty();
                if plain { value } else { format!("\"{value}\"") }
            }
        },
    };
    Piece::Set { path, text }
}

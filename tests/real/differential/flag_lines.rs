//! Command lines for the flags suite: every value type, every way to write a flag, and about every third one with something that the
//! component refuses.
//!
//! Not made: what makes a component refuse a command line that it has parsed (a log format that it does not have, an unknown feature gate),
//! and what makes it do anything but print and end.

use kube_assay::evidence::components::{FlagSpec, at_version};
use kube_assay::evidence::{Component, ComponentTable, Tables, Version};

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

/// A value that the type takes.
fn good(random: &mut Random, name: &str, kind: &str) -> String {
    let from: &[&str] = match kind {
        "bool" => &["true", "false", "1", "0", "t", "F", "TRUE", "False", "T", "f"],
        "int" | "int32" | "int64" => &[
            "0",
            "1",
            "-1",
            "42",
            "0x10",
            "0X1f",
            "010",
            "0o17",
            "0b101",
            "1_000",
            "0x_f",
            "+5",
            "-0x8",
            "2147483647",
            "-2147483648",
            "00",
        ],
        "uint" | "uint32" | "uint64" => &["0", "1", "0x10", "017", "4294967295", "0b1", "0_7"],
        "Level" => &["1", "2", "+3", "010", "9"],
        "float32" | "float64" => &[
            "0",
            "1",
            "-1.5",
            "0.001",
            "1e3",
            ".5",
            "5.",
            "+2",
            "0x1p-2",
            "1e-7",
            "123456789.125",
            "1_0.5",
            "0x1_0p0",
            "inf",
            "-Inf",
            "NaN",
            "1e38",
        ],
        "duration" => &[
            "0",
            "1s",
            "1m30s",
            "1.5h",
            "100ms",
            "1us",
            "-5m",
            "+3s",
            "1h1m1s1ms1us1ns",
            ".5s",
            "5.s",
            "2562047h47m16.854775807s",
            "1µs",
            "0.3ns",
        ],
        "ip" => &[
            "1.2.3.4",
            "0.0.0.0",
            "::1",
            "::ffff:1.2.3.4",
            " 10.0.0.1 ",
            "2001:DB8::1",
            "::",
            "",
            "fe80::1:0:0:2",
            "1:2:3:4:5:6:7:8",
        ],
        "stringSlice" => &[
            "a",
            "a,b",
            "",
            "\"a,b\",c",
            "a, b",
            " a",
            "\"\"",
            "\"a\"\"b\"",
            ",",
            "a,,b",
            "a b",
            "é,日本",
            "x\ny",
            "\"x\ny\",z",
            "a=b",
            "a\\b",
            "\\.",
            "\r",
            "a\r\n",
            "\n\na",
            "a,\r\nb",
        ],
        "stringArray" => &["a", "a,b", "", "\"a", " b", "https://kubernetes.default.svc", "a\nb", "\"a,b\",c"],
        "int32Slice" => &["1", "1,2", "23,24,25", "29", "-1,+2", "007"],

        "langleSeparatedMapStringString" => {
            &["memory.available<100Mi", "nodefs.available<10%,memory.available<1Gi", "", " a < b ", "a<b<c", "a=b<c"]
        }
        "mapStringString" => &[
            "a=b",
            "a=b,c=d",
            "",
            ",",
            "a=",
            "=b",
            "a=b=c",
            " a = b , c = d ",
            "a=1,a=2",
            "cpu=100m,memory=1Gi",
            "a\"b=c",
        ],
        "stringToString" => &["a=b", "a=b,c=d", "a=b,\"c=d,e\"", "a=b,c", "\"a=b\"", "a=", "m,l='x,y'", "a=b=c"],
        "colonSeparatedMultimapStringStringKeyed" => &["a:b", "a:b,a:c,d:e", "", ",", " a : b ", "a:b:c", "A:,B:x"],
        "quantity" => &["0", "1", "1Ki", "1024", "1k", "0.5", "1e3", "100m", "1.5Gi", "+1"],
        "portRange" | "port-range" => &["30000-32767", "1-2", "80", "80+10", "", "0-0", " 8080 - 8090 "],
        "namedCertKey" => &["a,b", "a,b:x", "a,b:x,*.y", "a,b: x , y"],
        "ipport" => &["0.0.0.0:10256", "1.2.3.4", "[::1]:80", "::1", "127.0.0.1:0"],
        "LocalMode" => &["ClusterCIDR", "NodeCIDR", "BridgeInterface", "InterfaceNamePrefix"],
        "ProxyMode" => &["iptables", "ipvs", "nftables", ""],
        "cidrs" => &["10.0.0.0/8", "10.0.0.0/8,192.168.0.0/16", "10.1.2.3/8"],
        "pattern=N,..." => &["", "a=1", "a=1,b*=2", ",", "a=1,,b=2", "a=0", "gopher*=3"],
        "[]v1.Taint" => &["a=b:NoSchedule", "a:NoExecute", "a=b:NoSchedule,c=d:PreferNoSchedule", "a=:NoSchedule"],
        "reserved-memory" => &["0:memory=1Gi", "0:memory=1Gi,hugepages-2Mi=2Mi", "0:memory=1Gi;1:memory=2Gi"],
        "string" if name == "show-hidden-metrics-for-version" => &[""],
        "string" if name == "hostname-override" => &["node", "a.b"],
        _ => &[
            "a",
            "",
            "a b",
            "/etc/kubernetes/x.yaml",
            "a,b",
            "\"q\"",
            "--profiling",
            "-v=9",
            "=",
            "a=b",
            "é",
            "127.0.0.1",
            "tab\there",
            "line\nbreak",
            "\\",
            "''",
            "10.0.0.0/8",
            "-",
            "%d",
            "\u{7f}\u{a0}\u{2028}",
        ],
    };
    random.word(from).to_owned()
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

/// A text that the type refuses, where it refuses any.
fn bad(random: &mut Random, kind: &str) -> String {
    let from: &[&str] = match kind {
        "bool" => &["yes", "no", "", "tRUE", "2", " true", "on", "-1"],
        "int" | "int32" | "int64" | "uint" | "uint32" | "uint64" => &[
            "",
            "a",
            "1.5",
            "08",
            "1__0",
            "_1",
            "1_",
            "0x",
            "99999999999999999999",
            "2147483648",
            "-2147483649",
            "1e3",
            " 1",
            "--1",
            "4294967296",
            "0b2",
            "-1",
            "0x-1",
            "+-1",
        ],
        "Level" => &["", "a", "1.5", "0x2", "1_0", "9999999999"],
        "float32" | "float64" => {
            &["", "a", "1e400", "1,5", "0x", "1__0", " 1", "0x1", "1e", "1e39", "infinit", "nano", "_1", "+-1"]
        }
        "duration" => &[
            "",
            "5",
            "1",
            "1d",
            "s",
            "1 s",
            "1h-2m",
            "99999999h",
            "1.s.",
            "..s",
            "2562047h47m16.854775808s",
            "1S",
            "-",
        ],
        "ipText" => &["1.2.3", "a", " 1.2.3.4", "1.2.3.4/8", "1.2.3.256", "[::1]", "1.2.3.4:80"],
        "ip" => &["1.2.3", "a", "1.2.3.04", "1.2.3.4/8", ":::1", "fe80::1%eth0", "1.2.3.256", "[::1]", "1.2.3.4:80"],
        "stringSlice" => &["\"a", "a\"b", "\"a\"b", "\n", "\r\n"],
        "int32Slice" => &["", "a", "1,", "99999999999", "1, 2", "0x1"],
        "mapStringBool" => &["a", "a=b", "a=", "AllAlpha", "AllAlpha=x", "=,x"],
        "mapStringString" => &["a", "a,b=c", "a:b"],
        "mapStringStringNoSplit" => &["a", "", "a,b"],
        "langleSeparatedMapStringString" => &["a", "a<b,c", "a=b"],
        "colonSeparatedMultimapStringStringKeyed" => &["a", "a:b,c"],
        "stringToString" => &["", "a", "a=b,c=d,e", "\"a=b,c=d", "a=b,c=d\"e"],
        "colonSeparatedMultimapStringString" => {
            &["a", "AllAlpha", "a:b", "kube:AllAlpha", "AllAlpha=x", "nosuch:AllAlpha=true"]
        }
        "quantity" => &["", "a", "1x", "--1", "1 Ki", "1ki", "1KiB"],
        "portRange" | "port-range" => &["a", "1-", "-1", "70000", "2-1", "1-70000", "1+", "1-2-3", "0x10", "65535+1"],
        "namedCertKey" => &["", "a", "a,b,c", "a,b:x:y", ",", "a,", ":x", "a,b:,"],
        "ipport" => &["a", "1.2.3.4:a", "1.2.3.4:70000", ":80", "1.2.3", "[::1]", "localhost:80"],
        "cidrs" => &["a", "1.2.3.4", "1.2.3.4/33"],
        "LocalMode" => &["NoSuchMode", "clustercidr", ""],
        "ProxyMode" => &["userspace", "IPVS"],
        "pattern=N,..." => &["a", "a=b", "a=-1", "=1", "a=1=2"],
        "[]v1.Taint" => &["a", "a=b", "a=b:No", "=b:NoSchedule", "a=b:NoSchedule,", "a=b:NoSchedule:x"],
        "reserved-memory" => &["a", "0:memory", "a:memory=1Gi", "0:memory=1Gi;0:memory=1Gi", "0:cpu=1", ""],
        _ => &[""],
    };
    random.word(from).to_owned()
}

//! What holds for any text: Go's parsers, command lines and their redacted form, the YAML reader, escapes, evidence files.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its world ends, with the place"
)]

use std::sync::LazyLock;

use kube_assay::benchmark;
use kube_assay::collect::yaml;
use kube_assay::evidence::components::{ComponentTable, FlagSpec};
use kube_assay::evidence::flags::{self, WITHHELD, parse, without_userinfo};
use kube_assay::evidence::{Component, Evidence, Tables, Value, Version, file, golang};
use kube_assay::render::escape::{deceives, visible};
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Failing inputs are printed; what is worth keeping becomes a test of its own.
fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| benchmark::tables().unwrap());

// ---------------------------------------------------------------- Go's parsers

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whole_numbers_of_every_base_are_read(number in any::<i64>(), bits in select(vec![8u32, 16, 32, 64])) {
        let fits = i128::from(number) >= -(1i128 << (bits - 1)) && i128::from(number) < 1i128 << (bits - 1);
        let expected = fits.then_some(number);
        let (sign, magnitude) = if number < 0 { ("-", number.unsigned_abs()) } else { ("", number.unsigned_abs()) };
        let texts = [
            format!("{number}"),
            format!("{sign}0x{magnitude:x}"),
            format!("{sign}0X{magnitude:X}"),
            format!("{sign}0o{magnitude:o}"),
            format!("{sign}0{magnitude:o}"),
            format!("{sign}0b{magnitude:b}"),
        ];
        for text in texts {
            prop_assert_eq!(golang::parse_int(&text, bits), expected, "{}", text);
        }
    }

    #[test]
    fn durations_are_read_as_they_are_printed(span in any::<i64>()) {
        let printed = golang::format_duration(span);
        prop_assert_eq!(golang::parse_duration(&printed), Some(span), "{}", printed);
    }

    #[test]
    fn lists_are_read_as_they_are_quoted(items in prop::collection::vec("[^\r]{0,12}", 1..6)) {
        let quoted: Vec<String> = items.iter().map(|item| format!("\"{}\"", item.replace('"', "\"\""))).collect();
        prop_assert_eq!(golang::parse_csv_record(&quoted.join(",")), Some(items));
    }

    #[test]
    fn plain_lists_are_split_at_commas(items in prop::collection::vec("[^,\"\r\n]{0,12}", 1..6)) {
        let text = items.join(",");
        // nothing at all is no list, and an empty text of one item is nothing
        let expected = if text.is_empty() { Vec::new() } else { items };
        prop_assert_eq!(golang::parse_csv_record(&text), Some(expected));
    }

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>(), odd in "[-+0-9a-fxobmsnhµ_.,\" \n]{0,24}") {
        for text in [text, odd] {
            let _ = (golang::parse_bool(&text), golang::parse_csv_record(&text));
            let _ = text.parse::<Version>();
            if let Some(span) = golang::parse_duration(&text) {
                prop_assert_eq!(golang::parse_duration(&golang::format_duration(span)), Some(span));
            }
            for bits in [8, 32, 64] {
                let _ = (golang::parse_int(&text, bits), golang::parse_uint(&text, bits));
            }
        }
    }
}

// ---------------------------------------------------------------- command lines

/// A value that the flag's type may take, or not.
fn value(spec: &FlagSpec, seed: &str, number: i64) -> String {
    match (spec.kind.as_str(), number.rem_euclid(5)) {
        (_, 0) => seed.to_owned(),
        ("bool" | "tristate", _) => if number % 2 == 0 { "true" } else { "F" }.to_owned(),
        ("duration", _) => format!("{}s", number % 1000),
        (kind, _) if kind.contains("int") => (number % 100).to_string(),
        (kind, _) if kind.ends_with("Slice") => format!("{seed},\"b,c\""),
        (kind, _) if kind.contains("Map") || kind == "stringToString" => format!("{seed}=true"),
        _ => seed.to_owned(),
    }
}

/// One or two words of a command line.
#[derive(Debug, Clone)]
enum Piece {
    Known { flag: Index, joined: bool, underscores: bool, seed: String, number: i64 },
    Unknown { name: String, joined: bool, seed: String },
    Word(String),
    Dashes,
}

fn piece() -> impl Strategy<Value = Piece> {
    let seed = "[ -~]{0,10}";
    prop_oneof![
        8 => (any::<Index>(), any::<bool>(), any::<bool>(), seed, any::<i64>()).prop_map(
            |(flag, joined, underscores, seed, number)| Piece::Known { flag, joined, underscores, seed, number }
        ),
        1 => ("[a-z]{1,8}-nobody", any::<bool>(), seed).prop_map(|(name, joined, seed)| Piece::Unknown { name, joined, seed }),
        1 => "[ -~]{0,8}".prop_map(Piece::Word),
        1 => Just(Piece::Dashes),
    ]
}

fn words(table: &ComponentTable, pieces: &[Piece]) -> Vec<String> {
    let flags: Vec<(&String, &FlagSpec)> = table.flags.iter().collect();
    let mut words = Vec::new();
    let mut add = |name: &str, value: String, joined: bool| {
        if joined {
            words.push(format!("--{name}={value}"));
        } else {
            words.extend([format!("--{name}"), value]);
        }
    };
    for piece in pieces {
        match piece {
            Piece::Known { flag, joined, underscores, seed, number } => {
                let (name, spec) = flag.get(&flags);
                let name = if *underscores { name.replace('-', "_") } else { (*name).clone() };
                add(&name, value(spec, seed, *number), *joined);
            }
            Piece::Unknown { name, joined, seed } => add(name, seed.clone(), *joined),
            Piece::Word(word) => add("v", word.clone(), false),
            Piece::Dashes => add("v", "2".to_owned(), true),
        }
    }
    for piece in pieces {
        match piece {
            Piece::Word(word) if pieces.len().is_multiple_of(2) => words.push(word.clone()),
            Piece::Dashes if pieces.len().is_multiple_of(3) => words.push("--".to_owned()),
            _ => {}
        }
    }
    words
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn redacted_command_lines_mean_the_same(component in select(Component::ALL.to_vec()), pieces in prop::collection::vec(piece(), 0..8)) {
        let table = TABLES.of(component);
        let words = words(table, &pieces);
        let line = parse(table, &words);
        let again = parse(table, &line.redacted);
        prop_assert_eq!(&again.values, &line.values, "{:?} became {:?}", words, line.redacted);
        prop_assert_eq!(&again.bad, &line.bad, "{:?} became {:?}", words, line.redacted);
        prop_assert_eq!(&again.unknown, &line.unknown, "{:?} became {:?}", words, line.redacted);
        prop_assert_eq!(&again.doubtful, &line.doubtful, "{:?} became {:?}", words, line.redacted);
        prop_assert_eq!(again.refused.is_some(), line.refused.is_some(), "{:?} became {:?}", words, line.redacted);
        prop_assert_eq!(&again.redacted, &line.redacted, "{:?} became {:?}", words, line.redacted);
    }

    #[test]
    fn secrets_of_a_command_line_are_withheld(component in select(Component::ALL.to_vec()), pieces in prop::collection::vec(piece(), 0..6), flag in any::<Index>(), joined in any::<bool>(), secret in "SECRET[a-z]{4}") {
        let table = TABLES.of(component);
        let mut words = words(table, &pieces);
        words.retain(|word| word != "--" && word.starts_with("--") && word.contains('='));
        let secrets: Vec<&String> = table.flags.iter().filter(|(_, spec)| spec.secret).map(|(name, _)| name).collect();
        let name = if secrets.is_empty() { "nobody-knows".to_owned() } else { (*flag.get(&secrets)).clone() };
        if joined {
            words.push(format!("--{name}={secret}"));
        } else {
            words.extend([format!("--{name}"), secret.clone()]);
        }
        words.push(secret.clone());
        let line = parse(table, &words);
        let shown = format!("{:?}{:?}{:?}", line.redacted, line.values, line.positional);
        prop_assert!(!shown.contains(&secret), "{:?} became {}", words, shown);
    }

    #[test]
    fn any_words_are_read(component in select(Component::ALL.to_vec()), words in prop::collection::vec(any::<String>(), 0..8), dashed in prop::collection::vec("-{0,3}[a-z_=-]{0,12}", 0..8)) {
        let table = TABLES.of(component);
        for words in [words, dashed] {
            let line = parse(table, &words);
            prop_assert_eq!(&parse(table, &line.redacted).values, &line.values, "{:?}", words);
        }
    }

    #[test]
    fn user_information_of_urls_is_withheld(user in "[a-z:]{1,8}", host in "[a-z.]{1,8}", path in "[a-z/]{0,8}", more in "[ -~]{0,12}") {
        let text = format!("https://{user}SECRET@{host}/{path},{more}");
        let shown = without_userinfo(&text);
        prop_assert!(!shown.contains("SECRET"), "{shown}");
        let kept = format!("{WITHHELD}@{host}/{path}");
        prop_assert!(shown.contains(&kept), "{}", shown);
        prop_assert_eq!(without_userinfo(&shown), shown);
    }

    #[test]
    fn any_value_of_any_type_is_read_or_refused(kind in select(kinds()), text in any::<String>(), odd in "[-0-9a-z=:,<\" .]{0,16}") {
        for text in [text, odd] {
            let first = flags::parse_value(&kind, &text, None);
            let _ = flags::parse_value(&kind, &text, first.as_ref());
        }
    }
}

/// Every type of a flag that the tables name.
fn kinds() -> Vec<String> {
    let mut kinds: Vec<String> =
        TABLES.components.values().flat_map(|table| table.flags.values().map(|spec| spec.kind.clone())).collect();
    kinds.sort();
    kinds.dedup();
    kinds
}

// ---------------------------------------------------------------- documents

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<String>().prop_map(Value::Text),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
            prop::collection::btree_map(any::<String>(), inner, 0..6).prop_map(Value::Map),
        ]
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn json_is_yaml(value in json()) {
        let value = Value::Map([("a".to_owned(), value)].into());
        let text = serde_json::to_string(&value).unwrap();
        prop_assert_eq!(yaml::read(text.as_bytes()).unwrap(), value.clone());
        let text = serde_json::to_string_pretty(&value).unwrap();
        prop_assert_eq!(yaml::read(text.as_bytes()).unwrap(), value);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = yaml::read(&bytes);
    }

    #[test]
    fn any_yaml_like_text_is_read_or_refused(text in "([-?:,\\[\\]{}&*!|>'\"%@`# \n\t]|[a-c]: |- |<<: \\*a|&a |\\*a|!!(int|str|bool|null|float|binary|timestamp) |0o?7|1e3|\\.inf|~|yes|---\n|\\.\\.\\.\n|\\||>){0,60}") {
        let _ = yaml::read(text.as_bytes());
    }

    #[test]
    fn errors_hold_no_piece_of_the_document(text in "[a-z]{0,4}[:\\[{\"'&*!-]{1,4}SECRET[]:}\"'\n -]{0,6}") {
        if let Err(error) = yaml::read(text.as_bytes()) {
            prop_assert!(!error.to_string().contains("SECRET"), "{}", error);
        }
    }

    #[test]
    fn any_bytes_are_evidence_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), lines in "[ -~\n]{0,200}") {
        prop_assert!(file::read(bytes.as_slice(), &mut Evidence::default()).is_err());
        let packed = zstd::encode_all(lines.as_bytes(), 1).unwrap();
        prop_assert!(file::read(packed.as_slice(), &mut Evidence::default()).is_err());
    }

    #[test]
    fn what_deceives_a_terminal_is_shown(text in any::<String>(), controls in "[\u{0}-\u{1f}\u{7f}-\u{9f}\u{200b}-\u{200f}\u{202a}-\u{202e}a-c]{0,20}") {
        for text in [text, controls] {
            let shown = visible(&text);
            prop_assert!(!shown.chars().any(deceives), "{:?}", shown);
            prop_assert!(!shown.chars().any(char::is_control));
        }
    }
}

// ---------------------------------------------------------------- objects

/// One object of each kind that is decoded, with every field that is read.
const OBJECTS: &str = r#"[
{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"a": "b"}}},
{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "labels": {"a": "b"}}, "status": {"nodeInfo":
  {"machineID": "m", "kubeletVersion": "v1.36.3", "kubeProxyVersion": "v1", "operatingSystem": "linux", "osImage": "o", "kernelVersion": "k"}}},
{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web", "namespace": "shop", "uid": "u"}, "automountServiceAccountToken": false},
{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-1", "namespace": "shop", "labels": {"app": "web"},
  "annotations": {"kubernetes.io/config.mirror": "m", "other": "x"}, "ownerReferences": [{"kind": "ReplicaSet", "name": "web", "controller": true}]},
  "spec": {"containers": [{"name": "app", "image": "i:1", "command": ["c"], "args": ["a"], "ports": [{"containerPort": 80, "hostPort": 80}],
      "env": [{"name": "P", "value": "v"}, {"name": "Q", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
      "envFrom": [{"secretRef": {"name": "s"}}, {"configMapRef": {"name": "c"}}],
      "livenessProbe": {"httpGet": {"host": "h"}}, "readinessProbe": {"tcpSocket": {"host": "h"}}, "startupProbe": {"exec": {}},
      "lifecycle": {"postStart": {"httpGet": {"host": "h"}}, "preStop": {"tcpSocket": {"host": "h"}}},
      "securityContext": {"privileged": false, "allowPrivilegeEscalation": false, "runAsNonRoot": true, "runAsUser": 1,
        "readOnlyRootFilesystem": true, "capabilities": {"add": ["CHOWN"], "drop": ["ALL"]}, "procMount": "Default",
        "seccompProfile": {"type": "RuntimeDefault"}, "seLinuxOptions": {"type": "t", "user": "u", "role": "r"},
        "appArmorProfile": {"type": "RuntimeDefault"}, "windowsOptions": {"hostProcess": false}}}],
    "initContainers": [{"name": "init", "image": "i"}], "ephemeralContainers": [{"name": "debug", "image": "i"}],
    "volumes": [{"name": "h", "hostPath": {"path": "/"}}, {"name": "s", "secret": {"secretName": "s"}}, {"name": "e", "emptyDir": {}},
      {"name": "p", "projected": {"sources": [{"secret": {"name": "s"}}, {"serviceAccountToken": {"path": "t"}}]}}],
    "serviceAccountName": "web", "automountServiceAccountToken": true, "nodeName": "n1", "hostNetwork": false, "hostPID": false,
    "hostIPC": false, "hostUsers": true, "os": {"name": "linux"}, "runtimeClassName": "r",
    "securityContext": {"runAsNonRoot": true, "runAsUser": 1, "seccompProfile": {"type": "RuntimeDefault"},
      "seLinuxOptions": {"type": "t"}, "appArmorProfile": {"type": "t"}, "sysctls": [{"name": "s", "value": "1"}],
      "windowsOptions": {"hostProcess": false}}},
  "status": {"phase": "Running"}},
{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}, "spec": {"template":
  {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "app"}]}}}},
{"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly", "namespace": "shop"}, "spec": {"jobTemplate": {"spec": {"template":
  {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "app"}]}}}}}},
{"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "t", "namespace": "shop"}, "template": {"spec": {"containers": [{"name": "app"}]}}},
{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "r"}, "rules": [{"verbs": ["get"], "apiGroups": [""],
  "resources": ["pods"], "resourceNames": ["a"], "nonResourceURLs": ["/x"]}], "aggregationRule": {"clusterRoleSelectors":
  [{"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "k", "operator": "In", "values": ["v"]}]}]}},
{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "b", "namespace": "shop"}, "roleRef":
  {"kind": "ClusterRole", "name": "r"}, "subjects": [{"kind": "User", "name": "jane", "namespace": ""}]},
{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "p", "namespace": "shop"}, "spec": {"podSelector":
  {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"], "ingress": [{}], "egress": [{}]}}]"#;

/// Everywhere in a value, as JSON pointers.
fn places(value: &serde_json::Value, at: &str, found: &mut Vec<String>) {
    let mut add = |key: String, inner: &serde_json::Value| {
        let place = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        found.push(place.clone());
        places(inner, &place, found);
    };
    match value {
        serde_json::Value::Object(fields) => fields.iter().for_each(|(key, inner)| add(key.clone(), inner)),
        serde_json::Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, inner)| add(index.to_string(), inner))
        }
        _ => {}
    }
}

/// How many objects were kept, and the kinds that say that some were not.
fn kept(objects: &[serde_json::Value]) -> (usize, Vec<&'static str>) {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("objects.json");
    std::fs::write(&file, serde_json::json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string())
        .unwrap();
    let found =
        kube_assay::collect::collect_manifests(&file, true, &benchmark::tables().unwrap(), "2026-01-02T03:04:05Z")
            .unwrap();
    let lists = [
        // a name that is lost makes the others contradict the list, which loses no object
        (
            "namespaces",
            found.namespaces.items.len(),
            found.namespaces.gap.is_some_and(|gap| !gap.detail.contains("which is not among those that were given")),
        ),
        ("nodes", found.nodes.items.len(), found.nodes.gap.is_some()),
        ("pods", found.pods.items.len(), found.pods.gap.is_some()),
        ("workloads", found.workloads.items.len(), found.workloads.gap.is_some()),
        ("service accounts", found.service_accounts.items.len(), found.service_accounts.gap.is_some()),
        ("roles", found.roles.items.len(), found.roles.gap.is_some()),
        ("bindings", found.bindings.items.len(), found.bindings.gap.is_some()),
        ("network policies", found.network_policies.items.len(), found.network_policies.gap.is_some()),
    ];
    (
        lists.iter().map(|(_, count, _)| count).sum(),
        lists.iter().filter(|(.., gap)| *gap).map(|(name, ..)| *name).collect(),
    )
}

static WHOLE: LazyLock<Vec<serde_json::Value>> = LazyLock::new(|| serde_json::from_str(OBJECTS).unwrap());

/// A null anywhere is a field left out, as Go reads it: nothing is lost by it.
#[test]
fn a_null_costs_nothing() {
    for (index, object) in WHOLE.iter().enumerate() {
        let mut all = Vec::new();
        places(object, "", &mut all);
        for place in all.iter().filter(|place| !["/apiVersion", "/kind"].contains(&place.as_str())) {
            let mut objects = WHOLE.clone();
            *objects[index].pointer_mut(place).unwrap() = serde_json::Value::Null;
            assert_eq!(kept(&objects), (WHOLE.len(), Vec::new()), "{} {place}", object["kind"]);
        }
    }
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        ".{0,6}".prop_map(Into::into),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Into::into),
            prop::collection::btree_map("[a-zA-Z]{0,8}", inner, 0..3).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_field_of_any_shape_costs_its_object_at_most(at in any::<Index>(), which in any::<Index>(), value in any_json()) {
        let index = which.index(WHOLE.len());
        let mut all = Vec::new();
        places(&WHOLE[index], "", &mut all);
        all.retain(|place| !["/apiVersion", "/kind"].contains(&place.as_str()));
        let place = &all[at.index(all.len())];
        let mut objects = WHOLE.clone();
        *objects[index].pointer_mut(place).unwrap() = value;
        let (count, gaps) = kept(&objects);
        // what is not kept is said, for that kind alone
        prop_assert_eq!(WHOLE.len() - count, gaps.len(), "{} {} {:?}", WHOLE[index]["kind"], place, gaps);
        prop_assert!(gaps.len() <= 1);
    }
}

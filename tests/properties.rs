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

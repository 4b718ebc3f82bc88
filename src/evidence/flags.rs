//! Command lines read as the component itself reads them.
//!
//! Sources: github.com/spf13/pflag 1.0.9 (`FlagSet.parseArgs` and the `Set` methods of its value types),
//! k8s.io/component-base 0.36 `cli/flag`, Go's `flag.FlagSet.parseOne`.

use std::collections::BTreeMap;

use super::components::{ComponentTable, FlagSpec, FlagSyntax};
use super::{Value, golang};

/// A command line as parsed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CommandLine {
    /// Flags that were given, by name, with their final value.
    pub values: BTreeMap<String, Value>,
    /// Values that a later occurrence replaced, by name, oldest first.
    pub replaced: BTreeMap<String, Vec<Value>>,
    /// Flags that the table does not know, in order.
    pub unknown: Vec<String>,
    /// Words that are neither flags nor values.
    pub positional: Vec<String>,
    /// Flags whose value their type does not take, or that lack one.
    pub bad: Vec<String>,
    /// Flags that an unknown flag before them may have taken as its value.
    pub doubtful: Vec<String>,
    /// The same command line, fit to be kept: values of known flags only, credentials and unknown words withheld.
    pub redacted: Vec<String>,
    /// Why the component would refuse this command line; what came before is still in `values`.
    pub refused: Option<Refusal>,
}

/// Why a component refuses its command line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A flag without the value that it needs.
    #[error("flag --{0} needs a value")]
    NeedsValue(String),
    /// A value that the flag's type does not take.
    #[error("flag --{0} does not take this value")]
    BadValue(String),
    /// A word like `---x` or `--=x`.
    #[error("bad flag syntax")]
    BadSyntax,
    /// The component has no such flag.
    #[error("unknown flag {0}")]
    UnknownFlag(String),
    /// The component takes no arguments besides flags.
    #[error("unexpected argument")]
    Positional,
    /// `--help` or `--version`: the component prints and ends.
    #[error("asks for help or the version only")]
    Help,
}

/// Reads the words after argv\[0\].
///
/// A flag that the table does not know ends a strict reading (`refused`); reading goes on for what follows, and since
/// its type is not known, a following word that is no flag is taken for its value.
pub fn parse(table: &ComponentTable, words: &[String]) -> CommandLine {
    let mut line = CommandLine::default();
    match table.syntax {
        FlagSyntax::Pflag => parse_pflag(table, words, &mut line),
        FlagSyntax::GoFlag => parse_go(table, words, &mut line),
    }
    if line.refused.is_none()
        && line.positional.iter().any(|word| !word.is_empty() || table.component == super::Component::Kubelet)
    {
        line.refused = Some(Refusal::Positional);
    }
    line
}

fn parse_pflag(table: &ComponentTable, words: &[String], line: &mut CommandLine) {
    let mut rest = words;
    while let Some((word, after)) = rest.split_first() {
        rest = after;
        if !word.starts_with('-') || word.len() == 1 {
            line.positional_words(std::slice::from_ref(word));
        } else if word == "--" {
            line.redacted.push("--".to_owned());
            line.positional_words(rest);
            return;
        } else if let Some(body) = word.strip_prefix("--") {
            if body.starts_with(['-', '=']) {
                line.bad_syntax();
                continue;
            }
            let (name, given) = split_value(body);
            let Some((name, spec)) = table.flag(name) else {
                if name == "help" {
                    line.help();
                } else {
                    line.unknown_flag(format!("--{name}"), given.is_some(), &mut rest);
                }
                continue;
            };
            let value = match (given, spec.bare()) {
                (Some(value), _) => value,
                (None, Some(bare)) => bare,
                (None, None) => match rest.split_first() {
                    Some((value, after)) => {
                        rest = after;
                        value
                    }
                    None => {
                        line.bad_value(name, Refusal::NeedsValue(name.to_owned()));
                        continue;
                    }
                },
            };
            line.set(name, spec, value);
        } else {
            parse_shorthands(table, &word[1..], &mut rest, line);
        }
    }
}

fn parse_shorthands(table: &ComponentTable, cluster: &str, rest: &mut &[String], line: &mut CommandLine) {
    let mut letters = cluster;
    while let Some(letter) = letters.chars().next() {
        let after = &letters[letter.len_utf8()..];
        let Some((name, spec)) = table.flags.iter().find(|(_, spec)| spec.shorthand == Some(letter)) else {
            if letter == 'h' {
                line.help();
            } else {
                line.unknown_flag(format!("-{letter}"), !after.is_empty(), rest);
            }
            return;
        };
        if let Some(value) = after.strip_prefix('=').filter(|value| !value.is_empty()) {
            line.set(name, spec, value);
            return;
        }
        if let Some(bare) = spec.bare() {
            let bare = bare.to_owned();
            line.set(name, spec, &bare);
            letters = after;
            continue;
        }
        if !after.is_empty() {
            line.set(name, spec, after);
        } else if let Some((value, remaining)) = rest.split_first() {
            *rest = remaining;
            line.set(name, spec, value);
        } else {
            line.bad_value(name, Refusal::NeedsValue(name.clone()));
        }
        return;
    }
}

fn parse_go(table: &ComponentTable, words: &[String], line: &mut CommandLine) {
    let mut rest = words;
    while let Some((word, after)) = rest.split_first() {
        if !word.starts_with('-') || word.len() == 1 {
            // the first word that is no flag ends the flags
            line.positional_words(rest);
            return;
        }
        rest = after;
        if word == "--" {
            line.redacted.push("--".to_owned());
            line.positional_words(rest);
            return;
        }
        let body = word.strip_prefix("--").unwrap_or_else(|| &word[1..]);
        if body.is_empty() || body.starts_with(['-', '=']) {
            line.bad_syntax();
            continue;
        }
        let (name, given) = split_value(body);
        let Some((name, spec)) = table.flag(name) else {
            if matches!(name, "help" | "h") {
                line.help();
            } else {
                line.unknown_flag(format!("--{name}"), given.is_some(), &mut rest);
            }
            continue;
        };
        let value = match (given, spec.bare()) {
            (Some(value), _) => value,
            (None, Some(bare)) => bare,
            (None, None) => match rest.split_first() {
                Some((value, after)) => {
                    rest = after;
                    value
                }
                None => {
                    line.bad_value(name, Refusal::NeedsValue(name.to_owned()));
                    continue;
                }
            },
        };
        line.set(name, spec, value);
    }
}

fn split_value(body: &str) -> (&str, Option<&str>) {
    body.split_once('=').map_or((body, None), |(name, value)| (name, Some(value)))
}

impl CommandLine {
    fn refuse(&mut self, refusal: Refusal) {
        self.refused.get_or_insert(refusal);
    }

    fn bad_value(&mut self, name: &str, refusal: Refusal) {
        if matches!(refusal, Refusal::NeedsValue(_)) {
            self.redacted.push(format!("--{name}"));
        }
        self.bad.push(name.to_owned());
        self.refuse(refusal);
    }

    fn bad_syntax(&mut self) {
        self.redacted.push("---".to_owned());
        self.refuse(Refusal::BadSyntax);
    }

    fn help(&mut self) {
        self.redacted.push("--help".to_owned());
        self.refuse(Refusal::Help);
    }

    fn positional_words(&mut self, words: &[String]) {
        for word in words {
            let kept = if word.is_empty() { "" } else { WITHHELD };
            self.redacted.push(kept.to_owned());
            self.positional.push(kept.to_owned());
        }
    }

    fn unknown_flag(&mut self, name: String, has_value: bool, rest: &mut &[String]) {
        self.refuse(Refusal::UnknownFlag(name.clone()));
        let takes_next = !has_value && rest.first().is_some_and(|word| !word.starts_with('-'));
        self.redacted.push(if has_value || takes_next { format!("{name}={WITHHELD}") } else { name.clone() });
        self.unknown.push(name);
        if has_value {
            return;
        }
        match rest.first() {
            Some(word) if word.starts_with('-') => {
                let body = word.trim_start_matches('-');
                self.doubtful.push(split_value(body).0.replace('_', "-"));
            }
            Some(_) => *rest = &rest[1..],
            None => {}
        }
    }

    fn set(&mut self, name: &str, spec: &FlagSpec, text: &str) {
        let text = &if spec.secret && !text.is_empty() { WITHHELD.to_owned() } else { without_userinfo(text) };
        self.redacted.push(format!("--{name}={text}"));
        let earlier = self.values.get(name);
        match parse_value(&spec.kind, text, earlier) {
            Some(value) => {
                if let Some(old) = self.values.insert(name.to_owned(), value) {
                    self.replaced.entry(name.to_owned()).or_default().push(old);
                }
            }
            None => self.bad_value(name, Refusal::BadValue(name.to_owned())),
        }
    }
}

/// What stands in place of something that is not kept.
pub const WITHHELD: &str = "withheld";

/// A text with the user information of its URLs withheld: `https://user:secret@host` keeps the host only.
pub fn without_userinfo(text: &str) -> String {
    let Some(start) = text.find("://") else { return text.to_owned() };
    let (before, after) = text.split_at(start + 3);
    let end = after.find(['/', ',', '?', '#', ' ']).unwrap_or(after.len());
    match after[..end].rfind('@') {
        Some(at) => format!("{before}{WITHHELD}{}", &after[at..at + 1]) + &without_userinfo(&after[at + 1..]),
        None => format!("{before}{}", &after[..end]) + &without_userinfo(&after[end..]),
    }
}

/// One value by the rules of its flag type. `earlier` is what an earlier occurrence on the same command line gave:
/// lists grow and maps merge. `None` means that the component refuses the text.
pub fn parse_value(kind: &str, text: &str, earlier: Option<&Value>) -> Option<Value> {
    let integer = |bits| golang::parse_int(text, bits).map(Value::Int);
    let unsigned = |bits| {
        golang::parse_uint(text, bits)
            .map(|number| i64::try_from(number).map_or_else(|_| Value::Text(number.to_string()), Value::Int))
    };
    Some(match kind {
        "bool" | "tristate" => Value::Bool(golang::parse_bool(text)?),
        "int8" => integer(8)?,
        "int16" => integer(16)?,
        "int32" => integer(32)?,
        "int" | "int64" | "count" => integer(64)?,
        "uint8" => unsigned(8)?,
        "uint16" => unsigned(16)?,
        "uint32" => unsigned(32)?,
        "uint" | "uint64" => unsigned(64)?,
        "float32" | "float64" => parse_float(text)?,
        // klog's verbosity: strconv.ParseInt(value, 10, 32)
        "Level" => Value::Int(decimal(text)?),
        "duration" => Value::Text(golang::format_duration(golang::parse_duration(text)?)),
        "stringSlice" => grow(earlier, golang::parse_csv_record(text)?),
        "stringArray" => grow(earlier, vec![text.to_owned()]),
        "intSlice" | "int32Slice" | "int64Slice" => grow_numbers(earlier, text)?,
        "mapStringBool" => merge_pairs(earlier, text, '=', |value| golang::parse_bool(value).map(Value::Bool))?,
        "mapStringString" => merge_pairs(earlier, text, '=', |value| Some(Value::from(value)))?,
        "langleSeparatedMapStringString" => merge_pairs(earlier, text, '<', |value| Some(Value::from(value)))?,
        "colonSeparatedMultimapStringString" => multimap(earlier, text)?,
        "ip" => Value::Text(parse_ip(text.trim())?),
        "stringToString" => string_to_string(earlier, text)?,
        _ => Value::Text(text.to_owned()),
    })
}

/// Go prints an IPv4-mapped IPv6 address as IPv4; an empty text is no address.
fn parse_ip(text: &str) -> Option<String> {
    if text.is_empty() {
        Some(String::new())
    } else {
        text.parse::<std::net::IpAddr>().ok().map(|address| address.to_canonical().to_string())
    }
}

fn decimal(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse::<i32>().ok().map(i64::from)).flatten()
}

fn parse_float(text: &str) -> Option<Value> {
    let lower = text.to_ascii_lowercase();
    let bare = lower.strip_prefix(['+', '-']).unwrap_or(&lower);
    if bare.starts_with("0x") || bare.contains('_') {
        return None;
    }
    text.parse::<f64>()
        .ok()
        .filter(|number| number.is_finite() || bare.starts_with("inf") || bare == "nan")
        .map(Value::Float)
}

fn grow(earlier: Option<&Value>, items: Vec<String>) -> Value {
    let mut list = earlier.and_then(Value::as_list).unwrap_or_default().to_vec();
    list.extend(items.into_iter().map(Value::Text));
    Value::List(list)
}

fn grow_numbers(earlier: Option<&Value>, text: &str) -> Option<Value> {
    let mut list = earlier.and_then(Value::as_list).unwrap_or_default().to_vec();
    for part in text.split(',') {
        list.push(Value::Int(part.parse().ok()?));
    }
    Some(Value::List(list))
}

fn merge_pairs(
    earlier: Option<&Value>,
    text: &str,
    separator: char,
    read: impl Fn(&str) -> Option<Value>,
) -> Option<Value> {
    let mut map = earlier.and_then(Value::as_map).cloned().unwrap_or_default();
    for pair in text.split(',').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once(separator)?;
        map.insert(key.trim().to_owned(), read(value.trim())?);
    }
    Some(Value::Map(map))
}

/// pflag's stringToString: one pair alone may hold commas, several are a CSV record.
fn string_to_string(earlier: Option<&Value>, text: &str) -> Option<Value> {
    let mut map = earlier.and_then(Value::as_map).cloned().unwrap_or_default();
    let pairs = match text.matches('=').count() {
        0 => return None,
        1 => vec![text.trim_matches('"').to_owned()],
        _ => golang::parse_csv_record(text)?,
    };
    for pair in pairs {
        let (key, value) = pair.split_once('=')?;
        map.insert(key.to_owned(), Value::from(value));
    }
    Some(Value::Map(map))
}

/// `component:key=value` pairs; a pair without a component belongs to the empty key. Kept per key in the order given.
fn multimap(earlier: Option<&Value>, text: &str) -> Option<Value> {
    let mut map = earlier.and_then(Value::as_map).cloned().unwrap_or_default();
    for pair in text.split(',').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once(':').unwrap_or(("", pair));
        let entry = map.entry(key.trim().to_owned()).or_insert_with(|| Value::List(Vec::new()));
        if let Value::List(items) = entry {
            items.push(Value::from(value.trim()));
        }
    }
    Some(Value::Map(map))
}

//! Command lines read as the component itself reads them.
//!
//! Sources: github.com/spf13/pflag 1.0.9 (`FlagSet.parseArgs`), Go's `flag.FlagSet.parseOne`.

use std::collections::BTreeMap;

use super::Value;
use super::components::{ComponentTable, FlagSpec, FlagSyntax};
use super::flag_values::changes_nothing;

pub use super::flag_values::parse_value;

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
    /// The next word may be the value of an unknown flag.
    in_doubt: bool,
    /// One dash stands before single letters.
    shorthands: bool,
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
    let shorthands = matches!(table.syntax, FlagSyntax::Pflag);
    let mut line = CommandLine { shorthands, ..CommandLine::default() };
    match table.syntax {
        FlagSyntax::Pflag => parse_pflag(table, words, &mut line),
        FlagSyntax::GoFlag => parse_go(table, words, &mut line),
    }
    // the last occurrence decides: `--help=false` takes back a `--help`
    let asks = |flag: &str, answers: [&str; 2]| {
        line.values.get(flag).is_some_and(|value| answers.contains(&value.to_string().as_str()))
    };
    if line.refused.is_none() && (asks("help", ["true", "true"]) || asks("version", ["true", "raw"])) {
        line.refused = Some(Refusal::Help);
    }
    // the API server, the scheduler and the controller manager let an empty word pass
    let empty_too = matches!(table.component, super::Component::Kubelet | super::Component::Etcd);
    if line.refused.is_none() && line.positional.iter().any(|word| empty_too || !word.is_empty()) {
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
        let may_be_flag = |word: &String| word.starts_with('-') && word.len() > 1;
        let takes_next = !has_value && rest.first().is_some_and(|word| !may_be_flag(word));
        self.redacted.push(if has_value || takes_next { format!("{name}={WITHHELD}") } else { name.clone() });
        self.unknown.push(name);
        if has_value {
            return;
        }
        match rest.first() {
            Some(word) if may_be_flag(word) => {
                self.in_doubt = true;
                let body = word.trim_start_matches('-');
                // of a cluster of shorthands the first one is in doubt, and the rest may be its value
                let letter = body.chars().next().filter(|_| self.shorthands && !word.starts_with("--"));
                let name = letter.map_or_else(|| split_value(body).0.replace('_', "-"), String::from);
                self.doubtful.push(name);
            }
            Some(_) => *rest = &rest[1..],
            None => {}
        }
    }

    fn set(&mut self, name: &str, spec: &FlagSpec, text: &str) {
        let earlier = self.values.get(name);
        // in a line that was redacted before, a word stands for what was taken, and another for what was refused
        let taken =
            text != REFUSED && ((spec.secret && text == WITHHELD) || parse_value(&spec.kind, text, earlier).is_some());
        let ignored = changes_nothing(&spec.kind, text);
        // a value that is refused may be anything, a swallowed credential too
        let kept = match taken || ignored {
            false => REFUSED.to_owned(),
            true if spec.secret && !text.is_empty() => WITHHELD.to_owned(),
            true => without_userinfo(text),
        };
        self.redacted.push(format!("--{name}={kept}"));
        if ignored {
            return;
        }
        // the last occurrence of a single value decides, whatever an unknown flag swallowed before
        if !std::mem::take(&mut self.in_doubt) && is_single(&spec.kind) {
            self.doubtful.retain(|doubtful| doubtful != name);
        }
        let value = if spec.secret { Some(Value::Text(kept)) } else { parse_value(&spec.kind, &kept, earlier) };
        match value.filter(|_| taken) {
            Some(value) => {
                if let Some(old) = self.values.insert(name.to_owned(), value) {
                    self.replaced.entry(name.to_owned()).or_default().push(old);
                }
            }
            None => self.bad_value(name, Refusal::BadValue(name.to_owned())),
        }
    }
}

/// True for a type of which every occurrence replaces the one before.
fn is_single(kind: &str) -> bool {
    matches!(
        kind,
        "bool"
            | "string"
            | "int"
            | "int32"
            | "int64"
            | "uint"
            | "uint32"
            | "uint64"
            | "float32"
            | "float64"
            | "duration"
    )
}

/// What stands in place of something that is not kept.
pub const WITHHELD: &str = "withheld";

/// What stands in place of a value that its flag's type refuses.
pub const REFUSED: &str = "withheld: not a value of its type";

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

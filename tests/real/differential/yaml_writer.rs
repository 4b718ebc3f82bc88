//! Well-formed documents in every style of YAML.

use crate::random::Random;
use crate::yaml_documents::{TAGS, WORDS, edge};

#[rustfmt::skip]
const TEXT_KEYS: [&str; 14] = [
    "kind", "apiVersion", "authentication", "a", "b", "c d", "x-y", "featureGates", "name", "é", "port", "'q r'",
    "\"t\\tu\"", "k.l",
];
#[rustfmt::skip]
const OTHER_KEYS: [&str; 16] = [
    "7", "0x1F", "1_2", "-3", "yes", "off", "TRUE", "2.5", "-0.125", "1.5e3", "017", "0b11", "2001-01-01", "4e-7",
    "n", ".5",
];

/// Writes a well-formed document, save for what it does wrong on purpose now and then.
pub struct Writer<'a> {
    random: &'a mut Random,
    out: String,
    anchors: Vec<String>,
    maps: Vec<String>,
}

impl<'a> Writer<'a> {
    /// A whole document.
    pub fn document(random: &'a mut Random) -> String {
        let mut writer = Self { random, out: String::new(), anchors: Vec::new(), maps: Vec::new() };
        if writer.random.percent(8) {
            let directive = writer.random.word(&[
                "%YAML 1.1",
                "%YAML 1.2",
                "%TAG !e! tag:e.org,2000:",
                "%FOO bar",
                "%YAML 2.0",
                "%YAML 1",
            ]);
            writer.line(directive);
        }
        if writer.random.percent(25) || writer.out.starts_with('%') {
            writer.out.push_str("---");
            if writer.random.percent(10) {
                writer.out.push_str(" # c");
            }
            writer.out.push('\n');
        }
        match writer.random.below(10) {
            0 => {
                let flow = writer.flow(0);
                writer.line(&flow);
            }
            1 => writer.list(0, 0),
            _ => writer.map(0, 0),
        }
        if writer.random.percent(12) {
            let end = writer.random.word(&["...", "---", "---\n---", "--- x", "...\n%YAML 1.1", "---\na: ["]);
            writer.line(end);
            if writer.random.percent(50) {
                writer.map(0, 2);
            }
        }
        writer.out
    }

    fn line(&mut self, text: &str) {
        self.out.push_str(text);
        self.end_line();
    }

    fn end_line(&mut self) {
        match self.random.below(30) {
            0 => self.out.push_str(" # a comment: with {things}\n"),
            1 => self.out.push_str("  \n"),
            2 => self.out.push_str("\n\n"),
            3 => self.out.push_str("\n# c\n"),
            4 if self.random.percent(20) => self.out.push_str("\t\n"),
            _ => self.out.push('\n'),
        }
    }

    fn indent(&mut self, by: usize) {
        let by = if self.random.percent(1) { by + 1 } else { by };
        self.out.push_str(&" ".repeat(by));
    }

    fn key(&mut self) -> String {
        match self.random.below(100) {
            0..90 => self.random.word(&TEXT_KEYS).to_owned(),
            90..97 => self.random.word(&OTHER_KEYS).to_owned(),
            97 => (self.random.word(&["~", "null", "[a]", "{a: b}", ".inf", "-.inf", ".nan", ""])).to_owned(),
            98 => format!("!!str {}", self.random.word(&TEXT_KEYS)),
            99 if self.random.percent(50) => format!("&k{} {}", self.random.below(3), self.random.word(&TEXT_KEYS)),
            _ => "? k".to_owned(),
        }
    }

    fn map(&mut self, indent: usize, depth: usize) {
        let first = self.random.percent(70) || self.out.ends_with('\n');
        for index in 0..self.random.between(1, 4) {
            if index > 0 || first {
                self.indent(indent);
            }
            if self.random.percent(5) {
                self.merge();
                continue;
            }
            let key = self.key();
            self.out.push_str(&key);
            if key.starts_with("? ") {
                self.out.push('\n');
                self.indent(indent);
            }
            self.out.push(':');
            self.value(indent, depth, true);
        }
    }

    fn merge(&mut self) {
        let known = if self.maps.is_empty() { "a".to_owned() } else { self.random.pick(&self.maps).clone() };
        let merged = match self.random.below(6) {
            0..3 if !self.maps.is_empty() => format!("<<: *{known}"),
            3 if !self.maps.is_empty() => format!("<<: [*{known}, {{a: 5, merged: 1}}]"),
            0..5 => "<<: {a: 1, z: 2}".to_owned(),
            _ => format!("<<: {}", self.random.word(&["x", "[1]", "~", "[]", "{}", "*a", "\"*a\""])),
        };
        let merged =
            if self.random.percent(8) { merged.replacen("<<", random_merge_key(self.random), 1) } else { merged };
        self.line(&merged);
    }

    fn list(&mut self, indent: usize, depth: usize) {
        for _ in 0..self.random.between(1, 4) {
            self.indent(indent);
            self.out.push('-');
            self.value(indent, depth, false);
        }
    }

    /// What stands after `key:` or `-`, with the end of its line.
    fn value(&mut self, indent: usize, depth: usize, in_map: bool) {
        if self.random.percent(5) {
            let tag = self.random.word(&TAGS);
            self.out.push_str(&format!(" {tag}"));
        }
        let mut named = None;
        if self.random.percent(12) {
            let name = format!("{}{}", self.random.word(&["a", "b", "x-1"]), self.random.below(3));
            self.out.push_str(&format!(" &{name}"));
            named = Some(name);
        }
        match if depth > 4 { 50 } else { self.random.below(100) } {
            0..22 => {
                let step = self.random.between(1, 4);
                self.out.push('\n');
                self.map(indent + step, depth + 1);
                self.maps.extend(named.clone());
            }
            22..34 => {
                self.out.push('\n');
                let step = if in_map { self.random.below(3) } else { self.random.between(1, 3) };
                self.list(indent + step, depth + 1);
            }
            34..38 if !in_map => {
                // a map that begins on the line of its dash
                let spaces = self.random.between(1, 3);
                self.out.push_str(&" ".repeat(spaces));
                let key = self.key();
                self.out.push_str(&format!("{key}: 1\n"));
                if self.random.percent(60) {
                    self.map(indent + 1 + spaces, depth + 1);
                }
            }
            38..44 => self.block_scalar(indent),
            44..48 if !self.anchors.is_empty() => {
                let name = self.random.pick(&self.anchors).clone();
                self.line(&format!(" *{name}"));
            }
            48 => self.line(" *undefined"),
            34..38 | 44..48 | 49..60 => {
                let flow = self.flow(depth + 1);
                let gap = self.random.word(&[" ", "  ", "\n      ", "\t"]);
                self.line(&format!("{gap}{flow}"));
            }
            60..64 => self.end_line(),
            _ => {
                let scalar = self.scalar();
                let scalar = scalar.replace('\n', &format!("\n{}", " ".repeat(indent + 1)));
                self.line(&format!(" {scalar}"));
            }
        }
        self.anchors.extend(named);
    }

    fn block_scalar(&mut self, indent: usize) {
        let style = self
            .random
            .word(&["|", ">", "|-", ">-", "|+", ">+", "|2", ">1", "|-2", "|2-", "|9", "|0", "| # c", "|x", "|--"]);
        self.out.push_str(&format!(" {style}\n"));
        let step = self.random.between(1, 4);
        for _ in 0..self.random.below(5) {
            let deeper = if self.random.percent(20) { 2 } else { 0 };
            let text = self.random.word(&[
                "text",
                "more: text",
                "# no comment",
                "",
                "  ",
                "\ttab",
                "- item",
                "---",
                "é",
                "last",
            ]);
            self.out.push_str(&format!("{}{text}\n", " ".repeat(indent + step + deeper)));
        }
    }

    fn flow(&mut self, depth: usize) -> String {
        let gap = self.random.word(&["", " ", "\n  "]);
        let count = self.random.below(4);
        let mut items = Vec::new();
        for _ in 0..count {
            let inner = if depth < 5 && self.random.percent(25) {
                self.flow(depth + 1)
            } else {
                let scalar = self.scalar();
                if scalar.contains('\n') { "x".to_owned() } else { scalar }
            };
            let anchor = if self.random.percent(5) { format!("&f{} ", self.random.below(2)) } else { String::new() };
            items.push(format!("{anchor}{inner}"));
        }
        if self.random.percent(50) {
            let trailing = self.random.word(&["", "", ","]);
            let pair = if self.random.percent(8) { ", p: 1" } else { "" };
            format!("[{gap}{}{pair}{trailing}{gap}]", items.join(&format!(",{gap}")))
        } else {
            let separator = self.random.word(&[": ", ": ", ":", " : ", ":\t"]);
            let entries: Vec<String> = items.iter().map(|item| format!("{}{separator}{item}", self.key())).collect();
            format!("{{{gap}{}{gap}}}", entries.join(", "))
        }
    }

    fn scalar(&mut self) -> String {
        match self.random.below(100) {
            0..10 => edge(self.random),
            10..50 => (self.random.word(&[
                "RBAC",
                "/etc/kubernetes/pki/ca.crt",
                "10.96.0.10",
                "0s",
                "4h0m0s",
                "a b c",
                "Webhook",
                "x:y",
            ]))
            .to_owned(),
            50..60 => self.random.below(20_000).to_string(),
            60..70 => format!("'{}'", self.random.word(&["", "a", "it''s", "yes", "0x1", "a\n b", "é"])),
            70..80 => format!(
                "\"{}\"",
                self.random.word(&["", "a", "\\n", "yes", "\\x41", "a\\\n  b", "\\u2028", "é", "\\t\\\\", "a\n\n b"])
            ),
            80..85 => "plain over\n lines".to_owned(),
            _ => self.random.word(&WORDS).to_owned(),
        }
    }
}

fn random_merge_key(random: &mut Random) -> &'static str {
    random.word(&["\"<<\"", "'<<'", "!!merge <<", "!!str <<", "!!merge x", "&m <<", "? <<\n"])
}

//! Documents for the YAML suite: well-formed ones in every style, scalars on the edge between types, real configurations with something
//! broken in them, and mere runs of tokens.
//!
//! Not made: what the product bounds on its own account (nesting beyond 200, alias bombs), and keys of one map that differ in type and not as
//! text (`1` beside `"1"`), of which sigs.k8s.io/yaml keeps either, by chance.

use crate::random::Random;
use crate::yaml_writer::Writer;

#[rustfmt::skip]
pub const WORDS: [&str; 58] = [
    "yes", "Yes", "YES", "yEs", "no", "NO", "n", "N", "y", "Y", "on", "On", "oN", "off", "OFF", "true", "True",
    "TRUE", "tRUE", "false", "False", "~", "null", "Null", "NULL", "nUll", "", "<<", "=", "-", "?", ".inf", "-.Inf",
    "+.INF", ".iNf", ".nan", ".NaN", ".NAN", "nan", "inf", "Infinity", "0", "-0", "+0", "00", "08", "09", "0o7",
    "0o8", "1e", "1e3", "0x", "0xG", "0b2", "1_", "_1", "1__0", "190:20:30",
];
#[rustfmt::skip]
const DATES: [&str; 18] = [
    "2001-12-14", "2001-1-2", "2001-13-01", "2001-02-30", "2001-12-14t21:59:43.10-05:00", "2001-12-14 21:59:43.10 -5",
    "2001-12-14 21:59:43", "2001-12-14T21:59:43Z", "2001-12-14T21:59:43", "2001-12-14T1:2:3Z", "2001-12-14T24:00:00Z",
    "0000-01-01", "9999-12-31", "20011-12-14", "2001-12-14 1:2:3.", "2001-12-14-1", "1234-",
    "2004-02-29T00:00:00.000000001+23:59",
];
#[rustfmt::skip]
const NUMBERS: [&str; 22] = [
    "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
    "18446744073709551615", "18446744073709551616", "0xFFFFFFFFFFFFFFFF", "0x10000000000000000",
    "-0x8000000000000000", "01777777777777777777777", "0b1111", "-0b101", "+0b101", "1e308", "1e309", "-1e400",
    "5e-324", "1e-400", "123456789012345678901234567890", "1.7976931348623157e308", "0.1e-6",
    "100000000000000000000.5",
];
#[rustfmt::skip]
const STRANGE: [&str; 30] = [
    "a: b", "a:b", "a #b", "a#b", "#b", "'it''s'", "\"\\x41\\u00e9\\U0001F600\"", "\"\\/\\e\\0\\N\\_\\L\\P\"",
    "\"a\\\n  b\"", "\"a\n\n  b\"", "'a\n\n b'", "\"\\q\"", "\"\\ud83d\"", "'", "\"", "a\tb", "\ta", "a\t", "@a",
    "`a", "%a", "!a", "&a", "*a", "|a", ">a", "{a", "[a", "a]", "a, b",
];
#[rustfmt::skip]
const UNICODE: [&str; 14] = [
    "é", "\u{85}", "\u{a0}", "\u{2028}", "\u{2029}", "\u{feff}", "😀", "\u{fffe}", "\u{7f}", "\u{80}", "\u{1}",
    "\u{0}", "\u{d7ff}", "ab\u{301}",
];
#[rustfmt::skip]
pub const TAGS: [&str; 20] = [
    "!!str", "!!int", "!!float", "!!bool", "!!null", "!!binary", "!!timestamp", "!!map", "!!seq", "!!set", "!!omap",
    "!!merge", "!", "!local", "!<tag:yaml.org,2002:str>", "!<tag:yaml.org,2002:int>", "!e!x", "!!unknown", "!<!foo>",
    "!!value",
];
#[rustfmt::skip]
const TOKENS: [&str; 60] = [
    "a", "b", "1", "yes", "-", "- ", "-\t", ":", ": ", ":\t", "?", "? ", ",", ", ", "[", "]", "{", "}", "|", ">",
    "|-", ">+", "|2", "|0", ">1-", "#", " #c", "&a ", "&b ", "*a", "*b", "!", "!!str ", "!!int ", "'", "''", "\"",
    "\"x\"", "'y'", "\\", "%", "@", "`", "~", "<<", "<<: ", "---", "--- ", "...", "%YAML 1.1", "%YAML 1.2",
    "%TAG !e! tag:e.org,2000:", "\t", " ", "  ", "\u{feff}", "\u{85}", "\r", "k: ", "a: b",
];

/// One document.
pub fn document(random: &mut Random, real: &[String]) -> Vec<u8> {
    let mut text = match random.below(100) {
        0..35 => Writer::document(random),
        35..52 => scalars(random),
        52..76 if !real.is_empty() => broken(random, real),
        76..90 => tokens(random),
        _ => {
            let whole = Writer::document(random);
            break_text(random, &whole)
        }
    };
    if random.percent(4) {
        text = text.replace('\n', if random.percent(80) { "\r\n" } else { "\r" });
    }
    if random.percent(3) {
        text.insert(0, '\u{feff}');
    }
    let mut bytes = text.into_bytes();
    match random.below(100) {
        0 => {
            let at = random.below(bytes.len() + 1);
            bytes.insert(at, *random.pick(&[0x00, 0x07, 0x80, 0xc0, 0xff, 0xed, 0x1b]));
        }
        1 => bytes = wide(&bytes, random.percent(50)),
        _ => {}
    }
    bytes
}

/// UTF-16 with its mark.
fn wide(bytes: &[u8], big: bool) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    units.flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
}

/// A map or a list of plain scalars on the edge between types.
fn scalars(random: &mut Random) -> String {
    let mut text = String::new();
    let as_list = random.percent(30);
    for index in 0..random.between(1, 6) {
        let scalar = edge(random);
        let tag = if random.percent(15) { format!("{} ", random.word(&TAGS)) } else { String::new() };
        if as_list {
            text.push_str(&format!("- {tag}{scalar}\n"));
        } else {
            text.push_str(&format!("k{index}: {tag}{scalar}\n"));
        }
    }
    if random.percent(10) { edge(random) } else { text }
}

/// A scalar on the edge between types.
pub fn edge(random: &mut Random) -> String {
    match random.below(8) {
        0 => random.word(&WORDS).to_owned(),
        1 => random.word(&DATES).to_owned(),
        2 => random.word(&NUMBERS).to_owned(),
        3 => random.word(&STRANGE).to_owned(),
        4 => {
            let unicode = random.word(&UNICODE);
            let word = random.word(&WORDS);
            format!("{word}{unicode}x")
        }
        5 => from_letters(random, "0123456789", 20),
        _ => from_letters(random, "0123456789_.eE+-xob:aF", 9),
    }
}

fn from_letters(random: &mut Random, letters: &str, longest: usize) -> String {
    let letters: Vec<char> = letters.chars().collect();
    (0..random.between(1, longest)).map(|_| *random.pick(&letters)).collect()
}

fn tokens(random: &mut Random) -> String {
    let mut text = String::new();
    for _ in 0..random.between(1, 14) {
        text.push_str(random.word(&TOKENS));
        match random.below(10) {
            0..3 => text.push('\n'),
            3 => text.push_str("\n  "),
            4 => text.push(' '),
            _ => {}
        }
    }
    text
}

/// Part of a real configuration with something broken in it.
fn broken(random: &mut Random, real: &[String]) -> String {
    let text = random.pick(real);
    let lines: Vec<&str> = text.lines().collect();
    let start = if random.percent(60) { 0 } else { random.below(lines.len()) };
    let end = (start + random.between(3, 40)).min(lines.len());
    let part = lines[start..end].join("\n") + "\n";
    break_text(random, &part)
}

fn break_text(random: &mut Random, text: &str) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for _ in 0..random.between(1, 3) {
        if lines.is_empty() {
            break;
        }
        let at = random.below(lines.len());
        match random.below(12) {
            0 => drop(lines.remove(at)),
            1 => lines.insert(at, lines[at].clone()),
            2 => lines[at].insert_str(0, random.word(&[" ", "  ", "\t", "   "])),
            3 => lines[at] = lines[at].trim_start().to_owned(),
            4 => {
                let other = random.below(lines.len());
                lines.swap(at, other);
            }
            5 => lines[at].push_str(random.word(&TOKENS)),
            6 => lines.insert(
                at,
                random.word(&["", "---", "...", "# c", "\t", "- x", "<<: *a", "%YAML 1.1", "a: &a {b: 1}"]).to_string(),
            ),
            7 => {
                let cut = random.below(lines[at].chars().count() + 1);
                lines[at] = lines[at].chars().take(cut).collect();
            }
            8 => {
                let value = edge(random);
                let key = lines[at].split_once(':').map_or("", |(key, _)| key).to_owned();
                lines[at] = format!("{key}: {value}");
            }
            _ => {
                let place = random.below(lines[at].chars().count() + 1);
                let (before, after): (String, String) =
                    (lines[at].chars().take(place).collect(), lines[at].chars().skip(place).collect());
                let after: String = if random.percent(30) { after.chars().skip(1).collect() } else { after };
                lines[at] = format!("{before}{}{after}", random.word(&TOKENS));
            }
        }
    }
    let mut text = lines.join("\n");
    if random.percent(90) {
        text.push('\n');
    }
    text
}

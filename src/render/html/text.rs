//! Text on its way into the page: escaping, cutting, and the few shapes that readers expect.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Write};

use serde::Serialize;

use crate::render::escape::deceives;

/// Longest piece of evidence that the page shows whole, in characters; the JSON form keeps everything.
pub(super) const EVIDENCE: usize = 1_200;
/// Longest title or name.
pub(super) const NAME: usize = 200;
/// Longest sentence.
pub(super) const SENTENCE: usize = 800;
/// Longest explanation or patch.
pub(super) const PROSE: usize = 6_000;

/// Writes a value so that it can only be text: markup is escaped, and characters that are invisible or change the order of
/// others are shown as `\u{202e}`. Line ends and tabs stay.
pub(super) fn escape(value: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut rest = value;
    // What needs no look at its meaning is most of the page.
    let special =
        |byte: u8| !matches!(byte, b' '..=b'~' | b'\n' | b'\t') || matches!(byte, b'&' | b'<' | b'>' | b'"' | b'\'');
    while let Some(at) = rest.bytes().position(special) {
        let (plain, tail) = rest.split_at(at);
        out.write_all(plain.as_bytes())?;
        let mut letters = tail.chars();
        match letters.next() {
            Some('&') => out.write_all(b"&amp;")?,
            Some('<') => out.write_all(b"&lt;")?,
            Some('>') => out.write_all(b"&gt;")?,
            Some('"') => out.write_all(b"&quot;")?,
            Some('\'') => out.write_all(b"&#39;")?,
            Some(letter) if is_unseen(letter) => write!(out, "{}", letter.escape_unicode())?,
            Some(letter) => out.write_all(letter.encode_utf8(&mut [0; 4]).as_bytes())?,
            None => {}
        }
        rest = letters.as_str();
    }
    out.write_all(rest.as_bytes())
}

/// What deceives an eye anywhere, and besides: the Arabic letter mark, soft hyphens, fillers and selectors that draw nothing,
/// and code points that are no characters, which no HTML may hold.
fn is_unseen(character: char) -> bool {
    let code = u32::from(character);
    deceives(character)
        || matches!(code,
            0xad | 0x34f | 0x61c | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f | 0x3164 | 0xfdd0..=0xfdef
            | 0xfe00..=0xfe0f | 0xffa0 | 0xfff0..=0xfff8 | 0xe0080..=0xe0fff)
        || code & 0xfffe == 0xfffe
}

/// The text up to a number of characters, with how many are left out.
pub(super) fn cut(text: &str, most: usize) -> String {
    let text = text.trim_end();
    if text.len() <= most {
        return text.to_owned();
    }
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((at, _)) => {
            format!("{} … ({} more characters in the JSON form)", &text[..at], count(text[at..].chars().count()))
        }
    }
}

/// A name, shortened where it is longer than anybody's.
pub(super) fn short(text: &str, most: usize) -> String {
    let text = text.trim_end();
    text.char_indices().nth(most).map_or_else(|| text.to_owned(), |(at, _)| format!("{}…", &text[..at]))
}

/// The text as the page will show it: what is unseen is spelled out already, so that its length is what a reader sees.
pub(super) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unseen(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// A piece of a sentence: prose, or a word of code.
#[derive(Serialize)]
pub(super) struct Piece {
    code: bool,
    text: String,
}

/// Splits a sentence at its backticks; an odd one is a plain character.
pub(super) fn pieces(text: &str) -> Vec<Piece> {
    let text = cut(text, PROSE);
    let mut found = Vec::new();
    let mut rest = text.as_str();
    while let Some((before, (code, after))) =
        rest.split_once('`').and_then(|(before, tail)| Some((before, tail.split_once('`')?)))
    {
        if !before.is_empty() {
            found.push(Piece { code: false, text: before.to_owned() });
        }
        found.push(Piece { code: true, text: code.to_owned() });
        rest = after;
    }
    if !rest.is_empty() || found.is_empty() {
        found.push(Piece { code: false, text: rest.to_owned() });
    }
    found
}

/// `1 node`, `2 nodes`, `5,000 nodes`.
pub(super) fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A number with separators between thousands.
pub(super) fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `81.3`, and `100` or `0` without a decimal.
pub(super) fn percent(value: f64) -> String {
    if value <= 0.0 || value >= 100.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

/// `23 Nov 2026, 23:00 UTC` for a time in RFC 3339; anything else as it is.
pub(super) fn time(text: &str) -> String {
    chrono::DateTime::parse_from_rfc3339(text)
        .map_or_else(|_| short(text, NAME), |time| time.to_utc().format("%-d %b %Y, %H:%M UTC").to_string())
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// `a`, `a or b`, `a, b or c`.
pub(super) fn either(items: &[String]) -> String {
    match items {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        few => few.concat(),
    }
}

/// The first letter in upper case, the rest untouched.
pub(super) fn sentence(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}

/// Anchors that links can name, one for each id: `c-1-2-16`. An id that is no plain word, or that came before, is named by its place.
pub(super) fn anchors<'a>(prefix: &str, ids: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut taken = BTreeSet::new();
    ids.enumerate()
        .map(|(place, id)| {
            let plain = !id.is_empty()
                && id.len() <= 64
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
            let named = format!("{prefix}-{}", id.replace('.', "-"));
            if plain && taken.insert(named.clone()) { named } else { format!("{prefix}-at_{place}") }
        })
        .collect()
}

/// Base64 with padding.
pub(super) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            if place > chunk.len() {
                text.push('=');
            } else {
                text.push(char::from(ALPHABET[(word >> (18 - 6 * place) & 63) as usize]));
            }
        }
    }
    text
}

/// Lines joined, at most so many, with how many are left out.
pub(super) fn lines(items: impl ExactSizeIterator<Item = String>, most: usize) -> String {
    let total = items.len();
    let mut text = String::new();
    for (at, item) in items.take(most).enumerate() {
        let _ = write!(text, "{}{item}", if at > 0 { "\n" } else { "" });
    }
    if total > most {
        let _ = write!(text, "\n… {} more in the JSON form", count(total - most));
    }
    text
}

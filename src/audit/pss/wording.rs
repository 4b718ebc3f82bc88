//! The plugin's way of putting things, so that a violation reads as the API server would put it.

use std::collections::BTreeSet;

/// Each in quotes, with commas (`joinQuote` of policy/helpers.go).
pub(super) fn quoted<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| format!("\"{item}\"")).collect();
    items.join(", ")
}

/// The word for one or for several (`pluralize` of policy/helpers.go).
pub(super) fn plural<'a>(one: &'a str, several: &'a str, count: usize) -> &'a str {
    if count == 1 { one } else { several }
}

/// `container "a"` or `containers "a", "b"`.
pub(super) fn containers(names: &[&str]) -> String {
    format!("{} {}", plural("container", "containers", names.len()), quoted(names.iter().copied()))
}

/// A set of texts in order, with commas.
pub(super) fn listed<S: AsRef<str>>(items: &BTreeSet<S>) -> String {
    items.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
}

/// `key="value"` as Go's `%s=%q` prints it (`strconv.Quote`).
pub(super) fn annotation(key: &str, value: &str) -> String {
    let mut text = format!("{key}=\"");
    for letter in value.chars() {
        match letter {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\u{7}' => text.push_str("\\a"),
            '\u{8}' => text.push_str("\\b"),
            '\u{b}' => text.push_str("\\v"),
            '\u{c}' => text.push_str("\\f"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            letter if is_printable(letter) => text.push(letter),
            letter if letter < '\u{80}' => text.push_str(&format!("\\x{:02x}", u32::from(letter))),
            letter if letter <= '\u{ffff}' => text.push_str(&format!("\\u{:04x}", u32::from(letter))),
            letter => text.push_str(&format!("\\U{:08x}", u32::from(letter))),
        }
    }
    text.push('"');
    text
}

/// Go's `strconv.IsPrint`: the same categories as those that Rust's `escape_debug` leaves alone after a first letter.
fn is_printable(letter: char) -> bool {
    let mut pair = String::from("'");
    pair.push(letter);
    let escaped = pair.escape_debug().count();
    escaped == 3 || letter == '\''
}

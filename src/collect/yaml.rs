//! YAML as Kubernetes' components read it: the first document, YAML 1.1 scalars, merge keys, the last of equal keys.
//!
//! Sources: sigs.k8s.io/yaml 1.6 (`YAMLToJSON`) over go.yaml.in/yaml/v2 2.4 (`resolve`, `decoder`). Both that scanner and the
//! one used here descend from libyaml, so syntax errors agree; the rules for scalars and keys are restated below.
//! A document that starts like JSON is read as JSON first, as the components' codecs do it.

use std::collections::BTreeMap;
use std::io::Cursor;

use libyaml_safer::{EventData, Parser};

use crate::evidence::{Value, golang};

/// Nesting deeper than this is refused. Go accepts 10,000 levels; no configuration has ten.
const MAX_DEPTH: usize = 200;
/// Nodes of a document, before aliases are followed.
const MAX_NODES: usize = 400_000;
/// Nodes after aliases were followed: an anchor bomb ends here.
const MAX_DECODED: usize = 1_000_000;

/// Why a document cannot be read. Never holds a piece of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum YamlError {
    /// Not YAML.
    #[error("not YAML (line {line}, column {column})")]
    Syntax {
        /// Line, 1-based; 0 when the scanner does not say.
        line: u64,
        /// Column, 1-based.
        column: u64,
    },
    /// It starts like JSON and is none.
    #[error("not JSON (line {line}, column {column})")]
    Json {
        /// Line, 1-based.
        line: usize,
        /// Column, 1-based.
        column: usize,
    },
    /// A key that stands twice in one map, for a reader that refuses it.
    #[error("a key that stands twice in one map")]
    Twice,
    /// An alias without its anchor, or one that contains itself.
    #[error("an alias without its anchor, or inside itself")]
    Alias,
    /// A tag that does not fit its value.
    #[error("a tag that does not fit its value")]
    Tag,
    /// A map key that JSON cannot have.
    #[error("a map key that is no text")]
    Key,
    /// `<<` with something that is no map.
    #[error("a merge of something that is no map")]
    Merge,
    /// A number that JSON cannot have.
    #[error("a number that is not finite")]
    NotFinite,
    /// More nodes or levels than any configuration has.
    #[error("too many nodes or levels")]
    TooMuch,
}

/// Reads `bytes` as the components' codecs do: JSON where the first letter says so, otherwise the first YAML document.
///
/// Source: k8s.io/apimachinery pkg/runtime/serializer/json (RecognizesData), pkg/util/yaml (IsJSONBuffer).
///
/// # Errors
/// What makes the component refuse the document, and bounds of our own.
pub fn read(bytes: &[u8]) -> Result<Value, YamlError> {
    decode(bytes, false)
}

/// The same, and a key that stands twice in one map is an error: what the kubelet does with drop-ins.
///
/// # Errors
/// As [`read`], and [`YamlError::Twice`].
pub fn read_strictly(bytes: &[u8]) -> Result<Value, YamlError> {
    decode(bytes, true)
}

/// Reads the first YAML document of `bytes`, whatever it starts with: sigs.k8s.io/yaml's `YAMLToJSON`, as etcd calls it.
///
/// # Errors
/// What makes that reader refuse the document, and bounds of our own.
pub fn read_yaml(bytes: &[u8]) -> Result<Value, YamlError> {
    first_document(bytes, false)
}

fn decode(bytes: &[u8], strict: bool) -> Result<Value, YamlError> {
    let text = String::from_utf8_lossy(bytes);
    if text.trim_start().starts_with('{') {
        let value = serde_json::from_str::<Value>(&text)
            .map_err(|error| YamlError::Json { line: error.line(), column: error.column() })?;
        // serde_json keeps the last of equal keys; go-yaml reads the same text and knows
        return if strict { first_document(bytes, true).map(|_| value) } else { Ok(value) };
    }
    first_document(bytes, strict)
}

fn first_document(bytes: &[u8], strict: bool) -> Result<Value, YamlError> {
    let mut document = Document::default();
    let Some(root) = document.parse(bytes)? else { return Ok(Value::Null) };
    Decoder { document: &document, decoded: 0, open: Vec::new(), strict }.value(root, 0)
}

#[derive(Debug)]
enum Node {
    Scalar { value: String, tag: Option<String>, plain: bool },
    Alias(Option<usize>),
    List(Vec<usize>),
    Map(Vec<(usize, usize)>),
}

#[derive(Default)]
struct Document {
    nodes: Vec<Node>,
}

impl Document {
    /// The root node of the first document; `None` when there is none.
    fn parse(&mut self, bytes: &[u8]) -> Result<Option<usize>, YamlError> {
        let mut parser: Parser<Cursor<&[u8]>> = Parser::new();
        parser.set_input(Cursor::new(bytes));
        let mut anchors: BTreeMap<String, usize> = BTreeMap::new();
        let mut open: Vec<(usize, Option<usize>)> = Vec::new();
        let mut root = None;
        loop {
            let event = parser.parse().map_err(|error| {
                let mark = error.problem_mark();
                YamlError::Syntax { line: mark.map_or(0, |mark| mark.line), column: mark.map_or(0, |mark| mark.column) }
            })?;
            if self.nodes.len() > MAX_NODES || open.len() > MAX_DEPTH {
                return Err(YamlError::TooMuch);
            }
            let (node, anchor) = match event.data {
                EventData::StreamStart { .. } | EventData::DocumentStart { .. } => continue,
                EventData::StreamEnd | EventData::DocumentEnd { .. } => return Ok(root),
                EventData::SequenceEnd | EventData::MappingEnd => {
                    open.pop();
                    continue;
                }
                EventData::Alias { anchor } => {
                    let target = anchors.get(&anchor).copied().ok_or(YamlError::Alias)?;
                    (Node::Alias(Some(target)), None)
                }
                EventData::Scalar { anchor, tag, value, plain_implicit, .. } => {
                    (Node::Scalar { value, tag, plain: plain_implicit }, anchor)
                }
                EventData::SequenceStart { anchor, .. } => (Node::List(Vec::new()), anchor),
                EventData::MappingStart { anchor, .. } => (Node::Map(Vec::new()), anchor),
            };
            let id = self.nodes.len();
            let container = matches!(node, Node::List(_) | Node::Map(_));
            self.nodes.push(node);
            if let Some(anchor) = anchor {
                anchors.insert(anchor, id);
            }
            match open.last_mut() {
                None => root = Some(id),
                Some((parent, key)) => match &mut self.nodes[*parent] {
                    Node::List(items) => items.push(id),
                    Node::Map(entries) => match key.take() {
                        None => *key = Some(id),
                        Some(key) => entries.push((key, id)),
                    },
                    _ => return Err(YamlError::TooMuch),
                },
            }
            if container {
                open.push((id, None));
            }
        }
    }
}

struct Decoder<'a> {
    document: &'a Document,
    decoded: usize,
    open: Vec<usize>,
    strict: bool,
}

impl Decoder<'_> {
    fn value(&mut self, id: usize, depth: usize) -> Result<Value, YamlError> {
        self.decoded += 1;
        if self.decoded > MAX_DECODED || depth > MAX_DEPTH {
            return Err(YamlError::TooMuch);
        }
        match &self.document.nodes[id] {
            Node::Scalar { value, tag, plain } => Ok(scalar(value, tag.as_deref(), *plain)?.into_value()),
            Node::Alias(target) => {
                let target = target.ok_or(YamlError::Alias)?;
                if self.open.contains(&target) {
                    return Err(YamlError::Alias);
                }
                self.open.push(target);
                let value = self.value(target, depth + 1);
                self.open.pop();
                value
            }
            Node::List(items) => {
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    list.push(self.value(*item, depth + 1)?);
                }
                Ok(Value::List(list))
            }
            Node::Map(_) => {
                let mut map = BTreeMap::new();
                self.entries(id, depth, &mut map)?;
                Ok(Value::Map(map))
            }
        }
    }

    fn entries(&mut self, id: usize, depth: usize, map: &mut BTreeMap<String, Value>) -> Result<(), YamlError> {
        let Node::Map(entries) = &self.document.nodes[id] else { return Err(YamlError::Merge) };
        self.open.push(id);
        for (key, value) in entries {
            if self.is_merge(*key) {
                self.merge(*value, depth + 1, map)?;
                continue;
            }
            let key = self.key(*key)?;
            let value = self.value(*value, depth + 1)?;
            if map.insert(key, value).is_some() && self.strict {
                return Err(YamlError::Twice);
            }
        }
        self.open.pop();
        Ok(())
    }

    fn is_merge(&self, id: usize) -> bool {
        matches!(&self.document.nodes[id], Node::Scalar { value, tag, plain }
            if value == "<<" && (*plain || tag.as_deref() == Some("tag:yaml.org,2002:merge")))
    }

    fn merge(&mut self, id: usize, depth: usize, map: &mut BTreeMap<String, Value>) -> Result<(), YamlError> {
        self.decoded += 1;
        if self.decoded > MAX_DECODED || depth > MAX_DEPTH {
            return Err(YamlError::TooMuch);
        }
        match &self.document.nodes[id] {
            Node::Map(_) => self.entries(id, depth, map),
            Node::Alias(Some(target)) => {
                let target = *target;
                if self.open.contains(&target) {
                    return Err(YamlError::Alias);
                }
                self.entries(target, depth, map)
            }
            Node::List(items) => {
                // from the last to the first: earlier ones take precedence
                for item in items.iter().rev() {
                    match &self.document.nodes[*item] {
                        Node::Map(_) | Node::Alias(_) => self.merge(*item, depth + 1, map)?,
                        _ => return Err(YamlError::Merge),
                    }
                }
                Ok(())
            }
            _ => Err(YamlError::Merge),
        }
    }

    fn key(&self, id: usize) -> Result<String, YamlError> {
        let mut id = id;
        loop {
            match &self.document.nodes[id] {
                Node::Alias(Some(target)) => id = *target,
                Node::Scalar { value, tag, plain } => {
                    return match scalar(value, tag.as_deref(), *plain)? {
                        Scalar::Text(text) => Ok(text),
                        Scalar::Bool(truth) => Ok(truth.to_string()),
                        Scalar::Int(number) => Ok(number.to_string()),
                        Scalar::Float(number) => Ok(float_key(number)),
                        Scalar::Null | Scalar::Unsigned(_) => Err(YamlError::Key),
                    };
                }
                _ => return Err(YamlError::Key),
            }
        }
    }
}

/// Go's `strconv.FormatFloat(number, 'g', -1, 32)`.
fn float_key(number: f64) -> String {
    if number.is_nan() {
        return ".nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    #[expect(clippy::cast_possible_truncation, reason = "Go formats keys in 32 bits too")]
    let single = number as f32;
    let scientific = format!("{single:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{mantissa}e{sign}{:02}", exponent.abs())
    } else {
        format!("{single}")
    }
}

enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    Unsigned(u64),
    Float(f64),
    Text(String),
}

impl Scalar {
    fn into_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(truth) => Value::Bool(truth),
            Self::Int(number) => Value::Int(number),
            #[expect(clippy::cast_precision_loss, reason = "no known field holds numbers of this size")]
            Self::Unsigned(number) => Value::Float(number as f64),
            // JSON has one kind of number: 1.0 is written as 1, by its shortest digits
            Self::Float(number) if number.is_finite() && number.fract() == 0.0 && number.abs() < 9.2e18 => {
                format!("{number}").parse().map_or(Value::Float(number), Value::Int)
            }
            Self::Float(number) => Value::Float(number),
            Self::Text(text) => Value::Text(text),
        }
    }
}

const TAGS: &str = "tag:yaml.org,2002:";

fn scalar(text: &str, tag: Option<&str>, plain: bool) -> Result<Scalar, YamlError> {
    let Some(tag) = tag else {
        return Ok(if plain { resolve(text) } else { Scalar::Text(text.to_owned()) });
    };
    let fits = match (tag.strip_prefix(TAGS), resolve(text)) {
        (Some("str"), _) => Scalar::Text(text.to_owned()),
        (Some("binary"), _) => Scalar::Text(String::from_utf8_lossy(&base64(text).ok_or(YamlError::Tag)?).into_owned()),
        (Some("bool"), found @ Scalar::Bool(_)) | (Some("null"), found @ Scalar::Null) => found,
        (Some("int"), found @ (Scalar::Int(_) | Scalar::Unsigned(_))) => found,
        (Some("float"), found @ Scalar::Float(_)) => found,
        #[expect(clippy::cast_precision_loss, reason = "as Go does it")]
        (Some("float"), Scalar::Int(number)) => Scalar::Float(number as f64),
        (Some("timestamp"), Scalar::Text(_)) if is_timestamp(text) => Scalar::Text(text.to_owned()),
        (Some("bool" | "null" | "int" | "float" | "timestamp"), _) => return Err(YamlError::Tag),
        // any other tag is ignored and the text kept as it is
        _ => Scalar::Text(text.to_owned()),
    };
    Ok(fits)
}

/// What a plain scalar means (YAML 1.1 as go-yaml knows it: no base 60).
fn resolve(text: &str) -> Scalar {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Scalar::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Scalar::Bool(false);
        }
        ".nan" | ".NaN" | ".NAN" => return Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Scalar::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let number = match text.as_bytes()[0] {
        b'.' => float(text).map(Scalar::Float),
        b'0'..=b'9' | b'+' | b'-' if !is_timestamp(text) => number(&text.replace('_', "")),
        _ => None,
    };
    number.unwrap_or_else(|| Scalar::Text(text.to_owned()))
}

fn number(plain: &str) -> Option<Scalar> {
    golang::parse_int(plain, 64)
        .map(Scalar::Int)
        .or_else(|| golang::parse_uint(plain, 64).map(Scalar::Unsigned))
        .or_else(|| float(plain).map(Scalar::Float))
}

/// `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`, within the range of 64 bits.
fn float(text: &str) -> Option<f64> {
    let bare = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) =
        bare.split_once(['e', 'E']).map_or((bare, None), |(mantissa, exponent)| (mantissa, Some(exponent)));
    let (whole, fraction) =
        mantissa.split_once('.').map_or((mantissa, None), |(whole, fraction)| (whole, Some(fraction)));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let fits = digits(whole)
        && fraction.is_none_or(digits)
        && (!whole.is_empty() || fraction.is_some_and(|part| !part.is_empty()));
    let exponent_fits = exponent.is_none_or(|part| {
        let part = part.strip_prefix(['+', '-']).unwrap_or(part);
        !part.is_empty() && digits(part)
    });
    if !(fits && exponent_fits) {
        return None;
    }
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// Four digits and a dash: go-yaml tries dates and keeps them as texts; a text that is none stays a text as well.
fn is_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    if !(bytes.len() > 5 && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[4] == b'-') {
        return false;
    }
    let date_end = text.find(['T', 't', ' ']).unwrap_or(text.len());
    let mut parts = text[..date_end].split('-').map(|part| (part.len(), part.parse::<u32>().ok()));
    let (Some(_), Some((1..=2, Some(month))), Some((1..=2, Some(day))), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let real = i32::try_from(text[..4].parse::<u32>().unwrap_or_default())
        .ok()
        .and_then(|year| chrono::NaiveDate::from_ymd_opt(year, month, day))
        .is_some();
    real && (date_end == text.len() || clock(&text[date_end..]))
}

fn clock(text: &str) -> bool {
    let zoned = !text.starts_with(' ');
    let rest = &text[1..];
    let (time, zone) = match rest.find(['Z', '+', '-']) {
        Some(at) => (&rest[..at], &rest[at..]),
        None => (rest, ""),
    };
    let zone_fits = match zone.as_bytes() {
        [] => !zoned,
        [b'Z'] => zoned,
        [_, a, b, b':', c, d] => zoned && [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()),
        _ => false,
    };
    let (clock, fraction) = time.split_once('.').map_or((time, None), |(clock, fraction)| (clock, Some(fraction)));
    let limits = [24, 60, 60];
    let parts: Vec<&str> = clock.split(':').collect();
    zone_fits
        && parts.len() == 3
        && parts
            .iter()
            .zip(limits)
            .all(|(part, limit)| matches!(part.len(), 1..=2) && part.parse::<u32>().is_ok_and(|number| number < limit))
        && fraction.is_none_or(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Standard base64 with padding; line breaks are skipped.
fn base64(text: &str) -> Option<Vec<u8>> {
    let symbols: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    let padding = symbols.iter().rev().take_while(|byte| **byte == b'=').count();
    if !symbols.len().is_multiple_of(4) || padding > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(symbols.len() / 4 * 3);
    for group in symbols.chunks(4) {
        let mut bits: u32 = 0;
        for symbol in group {
            let six = match symbol {
                b'A'..=b'Z' => symbol - b'A',
                b'a'..=b'z' => symbol - b'a' + 26,
                b'0'..=b'9' => symbol - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                b'=' => 0,
                _ => return None,
            };
            bits = bits << 6 | u32::from(six);
        }
        bytes.extend_from_slice(&bits.to_be_bytes()[1..]);
    }
    if symbols[..symbols.len() - padding].contains(&b'=') {
        return None;
    }
    bytes.truncate(bytes.len() - padding);
    Some(bytes)
}

#[cfg(test)]
mod tests;

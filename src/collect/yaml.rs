//! YAML as Kubernetes' components read it: the first document, YAML 1.1 scalars, merge keys, the last of equal keys.
//!
//! Sources: sigs.k8s.io/yaml 1.6 (`YAMLToJSON`) over go.yaml.in/yaml/v2 2.4. No library reads as that one does: newer ones take what it
//! refuses and refuse what it takes, and the one that descends from the same source as it ends the program on a file
//! without a last line break. So its rules are written down here, in the order in which a document goes through them: `source`
//! (characters), `scanner` and `scalars` (tokens), `composer` (nodes), and what the nodes mean: here and in `resolve`.
//! tests/real/differential holds them against the original.

mod composer;
mod resolve;
mod scalars;
mod scanner;
mod source;

use std::collections::BTreeMap;

use composer::{Document, Node, compose};
use resolve::{Scalar, float_key, scalar};

use crate::evidence::Value;

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
    let document = compose(bytes)?;
    let Some(root) = document.root else { return Ok(Value::Null) };
    let value = Decoder { document: &document, decoded: 0, open: Vec::new(), strict }.value(root, 0)?;
    fits_json(&value).map(|()| value)
}

/// Stands for a key that JSON cannot have. A document that spells it out is refused as well.
const NO_KEY: &str = "\u{fffe}no key\u{fffe}";

/// What JSON cannot have is an error only where it is left in the end: a later key may have replaced it.
fn fits_json(value: &Value) -> Result<(), YamlError> {
    match value {
        Value::Float(number) if !number.is_finite() => Err(YamlError::NotFinite),
        Value::List(items) => items.iter().try_for_each(fits_json),
        Value::Map(entries) if entries.contains_key(NO_KEY) => Err(YamlError::Key),
        Value::Map(entries) => entries.values().try_for_each(fits_json),
        _ => Ok(()),
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
                let target = *target;
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
            Node::Alias(target) => {
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
                Node::Alias(target) => id = *target,
                Node::Scalar { value, tag, plain } => {
                    return match scalar(value, tag.as_deref(), *plain)? {
                        Scalar::Text(text) => Ok(text),
                        Scalar::Bool(truth) => Ok(truth.to_string()),
                        Scalar::Int(number) => Ok(number.to_string()),
                        Scalar::Float(number) => Ok(float_key(number)),
                        Scalar::Null | Scalar::Unsigned(_) => Ok(NO_KEY.to_owned()),
                    };
                }
                _ => return Err(YamlError::Key),
            }
        }
    }
}

#[cfg(test)]
mod tests;

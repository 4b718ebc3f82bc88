//! The part of a configuration document that is kept: known fields, checked for their type as the component's decoder does it.

use std::collections::BTreeMap;

use crate::evidence::components::FieldSpec;
use crate::evidence::{Value, golang};

/// A field holds something that its type does not take: the component refuses the whole document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field {path} is not of type {kind}")]
pub struct Misfit {
    /// Dotted path of the field, as far as the table knows it.
    pub path: String,
    /// The type that it must have.
    pub kind: String,
}

/// How a document is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoding {
    /// A configuration file, into its type. A null leaves a field unset, save a duration that is no pointer: its decoder
    /// (apimachinery's metav1.Duration) takes no null.
    File,
    /// A drop-in, into a patch: a null removes, in a map as well.
    DropIn,
    /// etcd's file: keys match in any case, and two spellings of one fill the same object.
    Etcd,
}

/// Keeps the known fields of a decoded document.
///
/// Objects that are not looked into, and credentials, are kept by name only (`withheld`).
///
/// # Errors
/// The first field whose value the component's decoder refuses.
pub fn project(fields: &BTreeMap<String, FieldSpec>, document: &Value, reader: Decoding) -> Result<Value, Misfit> {
    let Value::Map(entries) = document else {
        return if matches!(document, Value::Null) {
            Ok(Value::Map(BTreeMap::new()))
        } else {
            Err(Misfit { path: String::new(), kind: "object".to_owned() })
        };
    };
    object(fields, "", entries, reader).map(Value::Map)
}

/// A key of a drop-in that is a field's name in another case.
///
/// The kubelet decodes the merged drop-ins without regard to case, and which of two spellings wins depends on the rest
/// (cmd/kubelet/app/server.go, mergeKubeletConfigurations, over encoding/json): such a document is not guessed at.
pub fn other_case(fields: &BTreeMap<String, FieldSpec>, document: &Value) -> Option<String> {
    fn search(fields: &BTreeMap<String, FieldSpec>, prefix: &str, value: &Value) -> Option<String> {
        value.as_map()?.iter().find_map(|(key, value)| {
            let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            match (lookup(fields, &path, false), lookup(fields, &path, true)) {
                (None, Some(_)) => Some(path),
                (Some((path, Known::Object)), _) => search(fields, &path, value),
                _ => None,
            }
        })
    }
    search(fields, "", document)
}

fn object(
    fields: &BTreeMap<String, FieldSpec>,
    prefix: &str,
    entries: &BTreeMap<String, Value>,
    reader: Decoding,
) -> Result<BTreeMap<String, Value>, Misfit> {
    let mut kept = BTreeMap::new();
    for (key, value) in entries {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        let Some((path, known)) = lookup(fields, &path, reader == Decoding::Etcd) else { continue };
        let name = path.rsplit('.').next().unwrap_or(&path).to_owned();
        // fields may hold dots in their last part only through nesting, so the last part is the key
        let value = match (known, value) {
            (Known::Field(spec), Value::Null)
                if reader == Decoding::File && spec.kind == "duration" && !spec.pointer =>
            {
                return Err(Misfit { path, kind: spec.kind.clone() });
            }
            (_, Value::Null) => Value::Null,
            (Known::Field(spec), value) => leaf(&path, spec, value, reader)?,
            (Known::Object, Value::Map(inner)) => Value::Map(object(fields, &path, inner, reader)?),
            (Known::Object, _) => return Err(Misfit { path, kind: "object".to_owned() }),
        };
        match (kept.get_mut(&name), value) {
            (Some(Value::Map(earlier)), Value::Map(more)) => earlier.extend(more),
            (_, value) => drop(kept.insert(name, value)),
        }
    }
    Ok(kept)
}

enum Known<'a> {
    Field(&'a FieldSpec),
    Object,
}

fn lookup<'a>(fields: &'a BTreeMap<String, FieldSpec>, path: &str, relaxed: bool) -> Option<(String, Known<'a>)> {
    if let Some(spec) = fields.get(path) {
        return Some((path.to_owned(), Known::Field(spec)));
    }
    let inner = format!("{path}.");
    if fields.range(inner.clone()..).next().is_some_and(|(name, _)| name.starts_with(&inner)) {
        return Some((path.to_owned(), Known::Object));
    }
    if !relaxed {
        return None;
    }
    let lower = path.to_ascii_lowercase();
    let inner = format!("{lower}.");
    fields.iter().find_map(|(name, spec)| {
        let folded = name.to_ascii_lowercase();
        if folded == lower {
            Some((name.clone(), Known::Field(spec)))
        } else if folded.starts_with(&inner) {
            Some((name[..path.len()].to_owned(), Known::Object))
        } else {
            None
        }
    })
}

fn leaf(path: &str, spec: &FieldSpec, value: &Value, reader: Decoding) -> Result<Value, Misfit> {
    let relaxed = reader == Decoding::Etcd;
    let removes = |value: &Value| reader == Decoding::DropIn && *value == Value::Null;
    let misfit = || Misfit { path: path.to_owned(), kind: spec.kind.clone() };
    if spec.secret {
        // its type is looked at all the same
        let open = FieldSpec { secret: false, ..spec.clone() };
        return leaf(path, &open, value, reader).map(|_| Value::from("withheld"));
    }
    let number = |bits: u32| match value {
        Value::Int(number)
            if i128::from(*number) >= -(1i128 << (bits - 1)) && i128::from(*number) < 1i128 << (bits - 1) =>
        {
            Ok(value.clone())
        }
        _ => Err(misfit()),
    };
    let unsigned = |bits: u32| match value {
        Value::Int(number) if *number >= 0 && i128::from(*number) < 1i128 << bits => Ok(value.clone()),
        _ => Err(misfit()),
    };
    match (spec.kind.as_str(), value) {
        ("bool", Value::Bool(_)) => Ok(value.clone()),
        ("int32", _) => number(32),
        ("int" | "int64", _) => number(64),
        ("uint8", _) => unsigned(8),
        ("uint32", _) => unsigned(32),
        ("uint" | "uint64", _) => unsigned(63),
        ("float" | "float32" | "float64", Value::Int(_) | Value::Float(_)) => Ok(value.clone()),
        ("string", Value::Text(text)) => Ok(Value::Text(text.clone())),
        ("quantity", Value::Text(_) | Value::Int(_) | Value::Float(_)) => Ok(Value::Text(value.to_string())),
        // etcd's durations are Go's own type: nanoseconds, never a text
        ("duration" | "durationOrNanoseconds", Value::Text(text)) if !relaxed => {
            golang::parse_duration(text).map(|span| Value::Text(golang::format_duration(span))).ok_or_else(misfit)
        }
        ("durationOrNanoseconds", Value::Int(span)) => Ok(Value::Text(golang::format_duration(*span))),
        ("duration", Value::Int(span)) if relaxed => Ok(Value::Text(golang::format_duration(*span))),
        ("list", Value::List(items)) => {
            let texts: Option<Vec<Value>> = items
                .iter()
                .map(|item| match item {
                    Value::Text(_) => Some(item.clone()),
                    Value::Null => Some(Value::from("")),
                    _ => None,
                })
                .collect();
            texts.map(Value::List).ok_or_else(misfit)
        }
        ("mapStringBool", Value::Map(entries))
            if entries.values().all(|value| matches!(value, Value::Bool(_) | Value::Null)) =>
        {
            Ok(Value::Map(
                entries
                    .iter()
                    .map(|(key, value)| {
                        (
                            key.clone(),
                            if removes(value) { Value::Null } else { Value::Bool(*value == Value::Bool(true)) },
                        )
                    })
                    .collect(),
            ))
        }
        ("mapStringString", Value::Map(entries))
            if entries.values().all(|value| matches!(value, Value::Text(_) | Value::Null)) =>
        {
            Ok(Value::Map(
                entries
                    .iter()
                    .map(|(key, value)| {
                        (
                            key.clone(),
                            if removes(value) { Value::Null } else { Value::from(value.as_text().unwrap_or_default()) },
                        )
                    })
                    .collect(),
            ))
        }
        ("map", Value::Map(_)) | ("object-list", Value::List(_)) | ("any", _) => Ok(Value::from("withheld")),
        _ => Err(misfit()),
    }
}

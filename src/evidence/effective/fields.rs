//! Configuration files over defaults: what every component with a configuration API does alike.

use super::{Effective, View, is_zero, zero};
use crate::evidence::components::FieldSpec;
use crate::evidence::{Document, DocumentRole, Gap, Observed, Origin, Overridden, Reason, Value};

/// A document's content with where it stands.
pub(super) struct Layer<'a> {
    pub(super) origin: Origin,
    pub(super) content: &'a Value,
}

/// The layers that the component reads, weakest first, or why they cannot be told.
pub(super) fn layers<'a>(view: &'a View<'_>, config: &str) -> Result<Vec<Layer<'a>>, Gap> {
    let mut found = Vec::new();
    if view.given(config).transpose()?.and_then(Value::as_text).is_some_and(|path| !path.is_empty()) {
        let document = view.instance.documents.iter().find(|document| document.role == DocumentRole::Configuration);
        let document =
            document.ok_or_else(|| Gap::new(Reason::NotAsked, "the configuration file was not collected"))?;
        found.push(layer(document)?);
    }
    for document in view.instance.documents.iter().filter(|document| document.role == DocumentRole::DropIn) {
        found.push(layer(document)?);
    }
    Ok(found)
}

pub(super) fn layer(document: &Document) -> Result<Layer<'_>, Gap> {
    let origin = match (&document.content, document.role) {
        (Observed::Seen { origin: origin @ Origin::Api { .. }, .. }, _) => origin.clone(),
        (_, DocumentRole::DropIn) => Origin::DropIn { path: document.path.clone() },
        _ => Origin::File { path: document.path.clone() },
    };
    match &document.content {
        Observed::Seen { value, .. } => Ok(Layer { origin, content: value }),
        Observed::Absent { .. } => Err(Gap::new(Reason::NotFound, document.path.clone())),
        Observed::Unknown(gap) => Err(Gap::new(
            gap.reason,
            if gap.detail.contains(&document.path) {
                gap.detail.clone()
            } else {
                format!("{}: {}", document.path, gap.detail)
            },
        )),
    }
}

/// What a patch says of a field.
enum Says<'a> {
    Nothing,
    Removes,
    Sets(&'a Value),
}

fn says<'a>(content: &'a Value, path: &str) -> Says<'a> {
    let mut value = content;
    for key in path.split('.') {
        match value.as_map().and_then(|entries| entries.get(key)) {
            None => return Says::Nothing,
            Some(Value::Null) => return Says::Removes,
            Some(inner) => value = inner,
        }
    }
    Says::Sets(value)
}

/// One field: the layers over `base` (what the component has before it reads any file), then the API's default for what is unset.
pub(super) fn merge_field(
    view: &View<'_>,
    path: &str,
    spec: &FieldSpec,
    layers: &[Layer<'_>],
    base: Option<&Observed<Value>>,
) -> Observed<Value> {
    let default = spec.default.at(view.version).cloned().unwrap_or_else(|| zero(&spec.kind));
    let default_origin = view.default_origin(if view.table.component == crate::evidence::Component::Kubelet {
        " with a configuration file"
    } else {
        ""
    });
    let mut value: Option<(Value, Origin)> = match base {
        Some(Observed::Seen { value, origin, .. }) => Some((value.clone(), origin.clone())),
        Some(Observed::Unknown(gap))
            if layers.iter().all(|layer| matches!(says(layer.content, path), Says::Nothing)) =>
        {
            return Observed::Unknown(gap.clone());
        }
        _ => None,
    };
    let mut overridden: Vec<Overridden> = Vec::new();
    for layer in layers {
        match says(layer.content, path) {
            Says::Nothing => {}
            Says::Removes => {
                if let Some((old, origin)) = value.take().filter(|_| matches!(layer.origin, Origin::DropIn { .. })) {
                    overridden.insert(0, Overridden { value: old.to_string(), origin });
                }
            }
            Says::Sets(new) => {
                let merged = match (&value, new) {
                    // a merge patch unites maps and replaces everything else
                    (Some((Value::Map(old), _)), Value::Map(new)) if matches!(layer.origin, Origin::DropIn { .. }) => {
                        let mut united = old.clone();
                        united.extend(new.clone());
                        without_nulls(Value::Map(united))
                    }
                    _ => without_nulls(new.clone()),
                };
                if let Some((old, origin)) = value.replace((merged, layer.origin.clone())) {
                    overridden.insert(0, Overridden { value: old.to_string(), origin });
                }
            }
        }
    }
    let kept = value.filter(|(value, _)| !is_zero(value) || spec.pointer || !spec.zero_is_unset || *value == default);
    match kept {
        Some((value, origin)) => {
            if value != default && !origin.is_default() {
                overridden.push(Overridden { value: default.to_string(), origin: default_origin });
            }
            Observed::Seen { value, origin, overridden }
        }
        None => match view.defaults_gap() {
            Some(gap) => Observed::Unknown(gap),
            None => Observed::Seen { value: default, origin: default_origin, overridden },
        },
    }
}

/// A null in a patch removes its key from a map.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Map(entries) => Value::Map(entries.into_iter().filter(|(_, value)| *value != Value::Null).collect()),
        other => other,
    }
}

/// Feature gates of the files, below those of the command line.
pub(super) fn gates_of_files(layers: &[Layer<'_>], merged: &mut Effective) {
    for layer in layers {
        match says(layer.content, "featureGates") {
            Says::Sets(Value::Map(entries)) => {
                for (gate, value) in entries {
                    match value {
                        Value::Bool(on) => drop(merged.gates.insert(gate.clone(), (*on, layer.origin.clone()))),
                        _ => drop(merged.gates.remove(gate)),
                    }
                }
            }
            Says::Removes => merged.gates.clear(),
            _ => {}
        }
    }
}

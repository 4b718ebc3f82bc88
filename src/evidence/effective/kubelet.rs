//! The kubelet's order: flags build an object; a file replaces it; drop-ins patch it; flags are read again on top.
//!
//! Source: cmd/kubelet/app/server.go (NewKubeletCommand, mergeKubeletConfigurations, kubeletConfigFlagPrecedence), 1.36.

use super::fields::{Layer, gates_of_files, layers, merge_field};
use super::{Effective, View, gates_of_flag};
use crate::evidence::components::FieldSpec;
use crate::evidence::{Observed, Origin, Overridden, Value};

pub(super) fn merge(view: &View<'_>) -> Effective {
    let mut merged = Effective::default();
    let names_file = named(view, "config");
    let names_directory = named(view, "config-dir");
    let configured = names_file || names_directory;
    let read = layers(view, "config");

    for (name, spec) in &view.table.flags {
        if !(view.given(name).is_some() || view.has(spec.since, spec.until)) {
            continue;
        }
        let setting = view.table.setting_of(name);
        let alone = view.flag(name, spec);
        let Some(field) = spec.field.as_deref().and_then(|field| view.table.fields.get(field)) else {
            merged.settings.insert(setting.to_owned(), alone);
            continue;
        };
        if !configured {
            merged.settings.insert(setting.to_owned(), without_config(view, name, alone));
            continue;
        }
        let given = view.given(name);
        let below = match &read {
            Err(gap) => Observed::Unknown(gap.clone()),
            Ok(layers) if names_file && setting == EVICTION_HARD => eviction_hard(view, field, layers),
            // without --config the drop-ins patch the object that the flags built, with its own, older defaults
            Ok(layers) => merge_field(view, setting, field, layers, (!names_file).then_some(&alone)),
        };
        let value = match (given, below) {
            (None, below) => below,
            (Some(Err(gap)), _) => Observed::Unknown(gap),
            (Some(Ok(Value::Map(flags))), Observed::Seen { value: Value::Map(file), origin, .. })
                if setting == "featureGates" =>
            {
                let mut united = file.clone();
                united.extend(flags.clone());
                let overridden = vec![Overridden { value: Value::Map(file).to_string(), origin }];
                Observed::Seen { value: Value::Map(united), origin: view.argv(), overridden }
            }
            (Some(Ok(value)), Observed::Seen { value: old, origin, overridden }) => {
                let mut below = vec![Overridden { value: old.to_string(), origin }];
                below.extend(overridden);
                Observed::Seen { value: value.clone(), origin: view.argv(), overridden: below }
            }
            (Some(Ok(_)), Observed::Unknown(gap)) if setting == "featureGates" => Observed::Unknown(gap),
            (Some(Ok(value)), _) => Observed::seen(value.clone(), view.argv()),
        };
        merged.settings.insert(setting.to_owned(), value);
    }

    for (path, field) in &view.table.fields {
        if merged.settings.contains_key(path) || !view.has(field.since, field.until) {
            continue;
        }
        let value = match &read {
            Err(gap) => Observed::Unknown(gap.clone()),
            Ok(layers) => merge_field(view, path, field, layers, None),
        };
        merged.settings.insert(path.clone(), value);
    }

    match &read {
        Ok(layers) => gates_of_files(layers, &mut merged),
        Err(gap) => merged.gates_gap = Some(gap.clone()),
    }
    if merged.gates_gap.is_none() {
        merged.gates_gap = view.defaults_gap();
    }
    gates_of_flag(view, &mut merged);
    seccomp_default(view, &mut merged);
    merged
}

const EVICTION_HARD: &str = "evictionHard";

/// A file that does not set `evictionHard`, or asks for it, gets the kubelet's own thresholds before drop-ins patch it.
///
/// Source: cmd/kubelet/app/server.go (loadConfigFile), pkg/kubelet/eviction/defaults_linux.go, 1.36.
fn eviction_hard(view: &View<'_>, field: &FieldSpec, layers: &[Layer<'_>]) -> Observed<Value> {
    const THRESHOLDS: [(&str, &str); 5] = [
        ("imagefs.available", "15%"),
        ("imagefs.inodesFree", "5%"),
        ("memory.available", "100Mi"),
        ("nodefs.available", "10%"),
        ("nodefs.inodesFree", "5%"),
    ];
    let thresholds = THRESHOLDS.map(|(signal, at)| (signal.to_owned(), Value::from(at)));
    let (file, drop_ins) = match layers.split_first() {
        Some((file, drop_ins)) if matches!(file.origin, Origin::File { .. }) => (file, drop_ins),
        _ => return merge_field(view, EVICTION_HARD, field, layers, None),
    };
    let base = match file.content.at(EVICTION_HARD) {
        Some(Value::Map(own)) if file.content.at("mergeDefaultEvictionSettings") == Some(&Value::Bool(true)) => {
            let mut united = own.clone();
            for (signal, at) in thresholds {
                united.entry(signal).or_insert(at);
            }
            Observed::seen(Value::Map(united), file.origin.clone())
        }
        Some(own @ Value::Map(_)) => Observed::seen(own.clone(), file.origin.clone()),
        _ => Observed::seen(Value::Map(thresholds.into()), view.default_origin(" with a configuration file")),
    };
    merge_field(view, EVICTION_HARD, field, drop_ins, Some(&base))
}

fn named(view: &View<'_>, flag: &str) -> bool {
    match view.given(flag) {
        Some(Ok(value)) => value.as_text().is_some_and(|path| !path.is_empty()),
        Some(Err(_)) => true,
        None => false,
    }
}

/// Without any file the flags' own, older defaults hold.
fn without_config(view: &View<'_>, name: &str, alone: Observed<Value>) -> Observed<Value> {
    match alone {
        Observed::Seen { value, origin, overridden } if origin.is_default() && view.given(name).is_none() => {
            Observed::Seen { value, origin: view.default_origin(" without a configuration file"), overridden }
        }
        other => other,
    }
}

/// `--seccomp-default` backs no field: either of the two turns it on.
fn seccomp_default(view: &View<'_>, merged: &mut Effective) {
    let Some(flag) = merged.settings.remove("seccomp-default") else { return };
    let flag_on = flag.value() == Some(&Value::Bool(true));
    let field = merged.settings.get("seccompDefault");
    let field_on = field.and_then(Observed::value) == Some(&Value::Bool(true));
    let value = match (field, view.given("seccomp-default")) {
        (Some(field), _) if field_on => field.clone(),
        _ if flag_on => flag,
        (Some(field @ Observed::Unknown(_)), _) => field.clone(),
        (Some(Observed::Seen { value, origin, .. }), _) if !origin.is_default() => {
            Observed::seen(value.clone(), origin.clone())
        }
        (_, Some(_)) | (None, None) => flag,
        (Some(field), None) => field.clone(),
    };
    merged.settings.insert("seccompDefault".to_owned(), value);
}

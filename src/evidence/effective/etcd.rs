//! etcd's order: with a configuration file nothing else counts; otherwise flag, then ETCD_ variable, then default.
//!
//! Source: go.etcd.io/etcd/server/v3/etcdmain/config.go (parse) and pkg/flags (SetFlagsFromEnv), 3.6: an empty variable is
//! ignored; a flag together with its own variable keeps etcd from starting, so a flag that runs is in force.

use super::fields::layer;
use super::{Effective, View, zero};
use crate::evidence::{DocumentRole, Gap, Observed, Origin, Overridden, Reason, Value, flags};

pub(super) fn merge(view: &View<'_>) -> Effective {
    let mut merged = Effective::default();
    let named = match view.given("config-file") {
        Some(Ok(value)) => value.as_text().is_some_and(|path| !path.is_empty()),
        Some(Err(_)) => true,
        None => variable(view, "config-file").is_some(),
    };
    if named {
        from_file(view, &mut merged);
    } else {
        from_words(view, &mut merged);
    }
    dropped_by_auto_tls(&mut merged, "");
    dropped_by_auto_tls(&mut merged, "peer-");
    merged
}

/// With certificates of its own making, etcd forgets whose certificates it was to ask for, and that it was to ask.
///
/// Source: server/embed/config.go (ClientSelfCert, PeerSelfCert): the whole TLS information is replaced. Seen on 3.6.8.
fn dropped_by_auto_tls(merged: &mut Effective, listener: &str) {
    let named = |setting: &str| format!("{listener}{setting}");
    let (certificate, key) = (named("cert-file"), named("key-file"));
    let on = merged.settings.get(&named("auto-tls")).and_then(Observed::value) == Some(&Value::Bool(true));
    let own = merged.text(&certificate).is_some() && merged.text(&key).is_some();
    let unknown =
        [certificate, key].iter().any(|name| merged.settings.get(name).is_some_and(|value| value.gap().is_some()));
    if !on || own || unknown {
        return;
    }
    for (setting, dropped) in
        [("client-cert-auth", Value::Bool(false)), ("trusted-ca-file", Value::Text(String::new()))]
    {
        if let Some(Observed::Seen { value, origin, .. }) = merged.settings.get(&named(setting))
            && *value != dropped
        {
            let overridden = vec![Overridden { value: value.to_string(), origin: origin.clone() }];
            let origin = Origin::Derived { rule: format!("{} makes etcd drop it", named("auto-tls")) };
            merged.settings.insert(named(setting), Observed::Seen { value: dropped, origin, overridden });
        }
    }
}

fn variable<'a>(view: &'a View<'_>, flag: &str) -> Option<(String, &'a str)> {
    let name = format!("ETCD_{}", flag.to_ascii_uppercase().replace('-', "_"));
    let value = view.instance.environment.value()?.get(&name).map(String::as_str).filter(|value| !value.is_empty())?;
    Some((name, value))
}

fn from_file(view: &View<'_>, merged: &mut Effective) {
    let document = view.instance.documents.iter().find(|document| document.role == DocumentRole::Configuration);
    let read =
        document.ok_or_else(|| Gap::new(Reason::NotAsked, "the configuration file was not collected")).and_then(layer);
    for (name, spec) in &view.table.flags {
        if view.given(name).is_some() && name != "config-file" {
            merged.notes.push(format!("--{name} is ignored: with a configuration file nothing else counts"));
        }
        // what a file leaves out is not always what a flag is by itself (3.5: tls-min-version, auto-compaction-mode)
        let field = spec.file.as_deref().and_then(|key| view.table.fields.get(key));
        let default = field.and_then(|field| field.default.at(view.version)).or_else(|| spec.default.at(view.version));
        let default = default.cloned().unwrap_or_else(|| zero(&spec.kind));
        let value = match &read {
            _ if name == "config-file" => view.flag(name, spec),
            Err(gap) => Observed::Unknown(gap.clone()),
            Ok(layer) => match spec.file.as_deref().and_then(|key| layer.content.at(key)) {
                Some(Value::Null) | None => Observed::seen(default, view.default_origin("")),
                Some(Value::Text(text)) if text.is_empty() && spec.kind.starts_with("unique") => {
                    Observed::seen(default, view.default_origin(""))
                }
                Some(Value::Text(text))
                    if spec.kind == "uniqueURLs" && flags::parse_value(&spec.kind, text, None).is_none() =>
                {
                    Observed::unknown(Reason::Malformed, format!("{name} of the configuration file holds no URLs"))
                }
                Some(given) => {
                    let value = match given {
                        Value::Text(text) => {
                            flags::parse_value(&spec.kind, text, None).unwrap_or_else(|| given.clone())
                        }
                        other => other.clone(),
                    };
                    let overridden = if value == default {
                        Vec::new()
                    } else {
                        vec![Overridden { value: default.to_string(), origin: view.default_origin("") }]
                    };
                    Observed::Seen { value, origin: layer.origin.clone(), overridden }
                }
            },
        };
        merged.settings.insert(name.clone(), value);
    }
}

fn from_words(view: &View<'_>, merged: &mut Effective) {
    for (name, spec) in &view.table.flags {
        let from_environment = view.given(name).is_none().then(|| variable(view, name)).flatten();
        let value = match from_environment {
            Some((variable, text)) => {
                match flags::parse_value(&spec.kind, text, None).filter(|_| spec.secret || text != flags::WITHHELD) {
                    Some(value) => {
                        let origin = view.variable_origin(variable);
                        let default = spec.default.at(view.version).cloned().unwrap_or_else(|| zero(&spec.kind));
                        let overridden = if value == default {
                            Vec::new()
                        } else {
                            vec![Overridden { value: default.to_string(), origin: view.default_origin("") }]
                        };
                        Observed::Seen { value, origin, overridden }
                    }
                    None if matches!(view.variable_origin(String::new()), Origin::Api { .. }) => Observed::unknown(
                        Reason::Withheld,
                        format!("{variable} is set by the pod, to what its specification does not tell"),
                    ),
                    None => Observed::unknown(
                        Reason::Malformed,
                        format!("{variable} holds a value that --{name} does not take"),
                    ),
                }
            }
            None => view.flag(name, spec),
        };
        merged.settings.insert(name.clone(), value);
    }
}

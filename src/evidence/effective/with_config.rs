//! kube-scheduler and kube-proxy: with `--config` the file decides and the flags that it replaces are ignored.
//!
//! Sources: cmd/kube-scheduler/app/options/options.go (ApplyTo), cmd/kube-proxy/app/options.go (Complete), 1.36.

use super::fields::{gates_of_files, layers, merge_field};
use super::{Effective, View, gates_of_flag};
use crate::evidence::{Component, Observed, Origin, Overridden, Value};

pub(super) fn merge(view: &View<'_>) -> Effective {
    let mut merged = Effective::default();
    let configured = match view.given("config") {
        Some(Ok(value)) => value.as_text().is_some_and(|path| !path.is_empty()),
        Some(Err(_)) => true,
        None => false,
    };
    let read = layers(view, "config");
    for (name, spec) in &view.table.flags {
        if !(view.given(name).is_some() || view.has(spec.since, spec.until)) {
            continue;
        }
        let setting = view.table.setting_of(name);
        let alone = view.flag(name, spec);
        let field = spec.field.as_deref().and_then(|field| view.table.fields.get(field));
        let value = match field {
            Some(field) if configured => {
                let below = match &read {
                    Err(gap) => Observed::Unknown(gap.clone()),
                    Ok(layers) => merge_field(view, setting, field, layers, None),
                };
                match view.given(name) {
                    Some(Ok(value)) if honoured(view, name) => on_top(view, value, below),
                    Some(_) => {
                        merged.notes.push(format!("--{name} is ignored: with --config the file decides"));
                        below
                    }
                    None => below,
                }
            }
            _ => alone,
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
    if !(configured && view.table.component == Component::KubeProxy) {
        gates_of_flag(view, &mut merged);
    }
    if view.table.component == Component::KubeProxy {
        if configured {
            metrics_address(&mut merged);
        } else {
            old_ports(view, &mut merged);
        }
    }
    merged
}

/// Flags that count even beside a file.
fn honoured(view: &View<'_>, flag: &str) -> bool {
    match view.table.component {
        Component::KubeScheduler => flag.starts_with("leader-elect"),
        _ => flag == "hostname-override",
    }
}

fn on_top(view: &View<'_>, value: &Value, below: Observed<Value>) -> Observed<Value> {
    let overridden = match below {
        Observed::Seen { value, origin, .. } => vec![Overridden { value: value.to_string(), origin }],
        _ => Vec::new(),
    };
    Observed::Seen { value: value.clone(), origin: view.argv(), overridden }
}

/// Without a file, kube-proxy completes both addresses by its old flags for ports: one of 0 turns the server off.
///
/// Source: cmd/kube-proxy/app/options.go (Complete, addressFromDeprecatedFlags), 1.36.
fn old_ports(view: &View<'_>, merged: &mut Effective) {
    for (setting, flag) in [("metricsBindAddress", "metrics-port"), ("healthzBindAddress", "healthz-port")] {
        let port = merged.settings.get(flag).and_then(Observed::value).and_then(Value::as_int);
        let (Some(port), Some(Observed::Seen { value: Value::Text(address), origin, overridden })) =
            (port, merged.settings.get(setting).cloned())
        else {
            continue;
        };
        let completed = match address.parse::<std::net::IpAddr>() {
            _ if port == 0 => String::new(),
            Ok(address) if address.is_ipv6() => format!("[{address}]:{port}"),
            Ok(address) => format!("{address}:{port}"),
            Err(_) => continue,
        };
        let origin = if view.given(flag).is_some() { view.argv() } else { origin };
        let value = Observed::Seen { value: Value::Text(completed), origin, overridden };
        merged.settings.insert(setting.to_owned(), value);
    }
}

/// kube-proxy completes an empty or port-less metrics address from its bind address.
///
/// Source: pkg/proxy/apis/config/v1alpha1/defaults.go.
fn metrics_address(merged: &mut Effective) {
    const PORT: &str = "10249";
    let Some(Observed::Seen { value: Value::Text(address), origin, overridden }) =
        merged.settings.get("metricsBindAddress").cloned()
    else {
        return;
    };
    let completed = if address.is_empty() || origin.is_default() {
        let bind = merged.text("bindAddress").unwrap_or("0.0.0.0");
        let six = bind.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_ipv6());
        let host = if six { "[::1]" } else { "127.0.0.1" };
        (format!("{host}:{PORT}"), Origin::Derived { rule: format!("default of kube-proxy bound to {bind}") })
    } else if let Ok(bare) = address.parse::<std::net::IpAddr>() {
        let host = if bare.is_ipv6() { format!("[{bare}]") } else { bare.to_string() };
        (format!("{host}:{PORT}"), origin)
    } else {
        (address, origin)
    };
    merged.settings.insert(
        "metricsBindAddress".to_owned(),
        Observed::Seen { value: Value::Text(completed.0), origin: completed.1, overridden },
    );
}

//! `effective`: the whole effective configuration of the components, with the origin of each value.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use super::audit::read_evidence;
use super::{FINISHED, Failure, subject};
use crate::benchmark;
use crate::cli::EffectiveArgs;
use crate::evidence::effective::effective as merge;
use crate::evidence::{Evidence, Instance, Observed, Ownership, Tables, Value};
use crate::render::escape::visible;

#[derive(Serialize)]
struct OfInstance {
    component: String,
    node: String,
    pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seen_in: Option<String>,
    ownership: Ownership,
    versions: Vec<String>,
    settings: BTreeMap<String, Setting>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

#[derive(Serialize)]
struct Setting {
    value: Value,
    origin: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    overridden: Vec<String>,
    /// Why the value is not known; `value` is null then.
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown: Option<String>,
    #[serde(skip)]
    by_default: bool,
}

pub(crate) fn effective(args: &EffectiveArgs) -> Result<u8, Failure> {
    let tables = benchmark::tables()?;
    let mut evidence = match &args.evidence {
        Some(path) => {
            let mut evidence = Evidence::default();
            read_evidence(path, &mut evidence)?;
            evidence
        }
        None => subject::collect(&args.host, &tables, false)?.evidence,
    };
    evidence.join_views(&tables);
    subject::given_versions(&mut evidence, &args.kubernetes_version);
    let mut found = Vec::new();
    for node in &evidence.nodes {
        let wanted = |instance: &&Instance| {
            instance.ownership != Ownership::Tenant
                && args.component.as_deref().is_none_or(|name| name == instance.component.name())
        };
        found.extend(node.instances.iter().filter(wanted).map(|instance| of_instance(instance, &node.name, &tables)));
    }
    if found.is_empty() {
        let what = args.component.as_deref().unwrap_or("component of Kubernetes");
        return Err(Failure::incomplete(format!("found no {what} here")));
    }
    let text = if args.format == "json" {
        let mut text = serde_json::to_string_pretty(&found).map_err(|error| Failure::internal(error.to_string()))?;
        text.push('\n');
        text
    } else {
        table(&found, args.verbose)
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(FINISHED)
}

fn of_instance(instance: &Instance, node: &str, tables: &Tables) -> OfInstance {
    let mut merged = instance.versions.iter().map(|version| merge(tables, instance, *version)).collect::<Vec<_>>();
    let newest = merged.pop().unwrap_or_default();
    let settings = newest.settings.iter().map(|(name, value)| {
        // a value that depends on which of the possible versions it is cannot be told
        let same =
            merged.iter().all(|other| other.settings.get(name).is_none_or(|other| other.value() == value.value()));
        let setting = match value {
            Observed::Seen { value, origin, overridden } if same => Setting {
                value: value.clone(),
                origin: origin.to_string(),
                overridden: overridden.iter().map(|old| format!("{} ({})", old.value, old.origin)).collect(),
                unknown: None,
                by_default: origin.is_default(),
            },
            Observed::Seen { .. } => not_known("depends on the version"),
            Observed::Absent { looked_at } => not_known(&format!("nothing at {}", looked_at.join(", "))),
            Observed::Unknown(gap) => not_known(&gap.to_string()),
        };
        (name.clone(), setting)
    });
    OfInstance {
        component: instance.component.to_string(),
        node: node.to_owned(),
        pid: instance.pid,
        seen_in: instance.seen_in.clone(),
        ownership: instance.ownership,
        versions: instance.versions.iter().map(ToString::to_string).collect(),
        settings: settings.collect(),
        notes: newest.notes,
    }
}

fn not_known(why: &str) -> Setting {
    Setting {
        value: Value::Null,
        origin: "-".to_owned(),
        overridden: Vec::new(),
        unknown: Some(why.to_owned()),
        by_default: false,
    }
}

fn table(found: &[OfInstance], with_defaults: bool) -> String {
    let width = terminal_size::terminal_size()
        .filter(|_| io::stdout().is_terminal())
        .map_or(160, |(width, _)| usize::from(width.0))
        .max(60);
    let mut out = String::new();
    for instance in found {
        let process = match (instance.pid, &instance.seen_in) {
            (Some(pid), _) => format!("pid {pid}"),
            (None, Some(object)) => visible(object).into_owned(),
            (None, None) => "not running".to_owned(),
        };
        out.push_str(&format!("{}, {process}, on {}\n", instance.component, visible(&instance.node)));
        let shown: Vec<_> =
            instance.settings.iter().filter(|(_, setting)| with_defaults || !setting.by_default).collect();
        let names = shown.iter().map(|(name, _)| name.len()).max().unwrap_or_default().min(48);
        let values = (width.saturating_sub(names + 6) / 2).clamp(16, 60);
        for (name, setting) in &shown {
            let value = setting.unknown.as_ref().map_or_else(|| setting.value.to_string(), |why| format!("? {why}"));
            let value = cut(&visible(&value), values);
            let over = setting.overridden.first().map_or(String::new(), |old| format!(", over {old}"));
            let origin = format!("{}{over}", setting.origin);
            out.push_str(&format!("  {name:<names$}  {value:<values$}  {}\n", visible(&origin)));
        }
        let hidden = instance.settings.len() - shown.len();
        if hidden > 0 {
            out.push_str(&format!("  and {hidden} settings at their default (--verbose shows them)\n"));
        }
        for note in &instance.notes {
            out.push_str(&format!("  note: {}\n", visible(note)));
        }
        out.push('\n');
    }
    out
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        text.to_owned()
    } else {
        text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
    }
}

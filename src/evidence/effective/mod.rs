//! Effective values: what a component works with, after command line, environment, files, drop-ins and defaults were merged
//! in the component's own order. Pure functions; each room below is one component's order.

mod configz;
mod etcd;
mod fields;
mod kubelet;
mod project;
mod with_config;

use std::collections::BTreeMap;

use super::components::{ComponentTable, FlagSpec};
use super::flags::{self, CommandLine};
use super::{Component, DocumentRole, Gap, Instance, Observed, Origin, Overridden, Reason, Tables, Value, Version};

pub use project::{Decoding, Misfit, other_case, project};

/// The effective settings of one instance at one version.
#[derive(Debug, Clone, Default)]
pub struct Effective {
    /// By setting: the flag's name, or the dotted path of the field that it backs.
    pub settings: BTreeMap<String, Observed<Value>>,
    /// Feature gates set by somebody, with their origin.
    pub gates: BTreeMap<String, (bool, Origin)>,
    /// A source of feature gates that could not be read: gates that nothing stronger sets are not known.
    pub gates_gap: Option<Gap>,
    /// Something that differs between what is written and what is in force.
    pub notes: Vec<String>,
}

impl Effective {
    /// The setting of that name; a name that the table does not hold at this version is absent.
    pub fn get(&self, setting: &str) -> Observed<Value> {
        self.settings
            .get(setting)
            .cloned()
            .unwrap_or_else(|| Observed::Absent { looked_at: vec![format!("settings: {setting}")] })
    }

    /// A text setting that was seen and is not empty.
    pub fn text(&self, setting: &str) -> Option<&str> {
        self.settings.get(setting).and_then(Observed::value).and_then(Value::as_text).filter(|text| !text.is_empty())
    }
}

/// Merges everything that was seen of an instance, as a component of `version` does it.
pub fn effective(tables: &Tables, instance: &Instance, version: Version) -> Effective {
    let table = tables.of(instance.component);
    if let Some(told) = instance.documents.iter().find(|document| document.role == DocumentRole::Configz) {
        return configz::settings(table, version, told);
    }
    let words = match &instance.arguments {
        Observed::Seen { value, .. } => value,
        Observed::Absent { looked_at } => {
            return blind(table, &Gap::new(Reason::Raced, format!("no arguments at {}", looked_at.join(", "))));
        }
        Observed::Unknown(gap) => return blind(table, gap),
    };
    let line = flags::parse(table, words);
    let view = View { table, instance, version, line: &line };
    let mut merged = match instance.component {
        Component::Etcd => etcd::merge(&view),
        Component::Kubelet => kubelet::merge(&view),
        Component::KubeScheduler | Component::KubeProxy => with_config::merge(&view),
        Component::KubeApiserver | Component::KubeControllerManager => flags_only(&view),
    };
    // a file can be older than its process and yet have been put there later: what both say differently is not known
    for (setting, said) in &instance.contradicted {
        let found = merged.get(setting);
        let here = found.value().map_or_else(|| "nothing".to_owned(), Value::to_string);
        let gap = format!(
            "{setting} = {here} by its words and files, {said} as it tells itself: restart it, and audit again"
        );
        merged.settings.insert(setting.clone(), Observed::unknown(Reason::Raced, gap));
    }
    merged
}

/// The path that a flag, or etcd's variable in its place, names: what tells where configuration is, before it is read.
pub fn named_path(tables: &Tables, instance: &Instance, flag: &str) -> Option<String> {
    let words = instance.arguments.value()?;
    let line = flags::parse(tables.of(instance.component), words);
    let by_flag = line.values.get(flag).and_then(Value::as_text);
    let variable = format!("ETCD_{}", flag.to_ascii_uppercase().replace('-', "_"));
    let by_variable = || instance.environment.value()?.get(&variable).map(String::as_str);
    let path = by_flag.or_else(|| by_variable().filter(|_| instance.component == Component::Etcd))?;
    (!path.is_empty()).then(|| path.to_owned())
}

/// What the merging rooms look at.
struct View<'a> {
    table: &'a ComponentTable,
    instance: &'a Instance,
    version: Version,
    line: &'a CommandLine,
}

impl View<'_> {
    fn argv(&self) -> Origin {
        if let Observed::Seen { origin: origin @ Origin::Api { .. }, .. } = &self.instance.arguments {
            return origin.clone();
        }
        match (self.instance.pid, &self.instance.manifest) {
            (Some(pid), _) => Origin::Argv { pid },
            (None, Some(path)) => Origin::Manifest { path: path.clone() },
            (None, None) => Origin::Given,
        }
    }

    fn variable_origin(&self, variable: String) -> Origin {
        match &self.instance.environment {
            Observed::Seen { origin: Origin::Api { what }, .. } => {
                Origin::Api { what: format!("{variable} of {what}") }
            }
            _ => Origin::Environment { pid: self.instance.pid.unwrap_or_default(), variable },
        }
    }

    fn default_origin(&self, addition: &str) -> Origin {
        Origin::Default {
            version: format!("{}{addition}", self.version),
            from_source: !self.table.is_measured(self.version),
        }
    }

    fn has(&self, since: Option<Version>, until: Option<Version>) -> bool {
        since.is_none_or(|since| since <= self.version) && until.is_none_or(|until| self.version <= until)
    }

    /// One flag by itself: command line over default.
    fn flag(&self, name: &str, spec: &FlagSpec) -> Observed<Value> {
        if let Some(given) = self.given(name) {
            return given.map_or_else(Observed::Unknown, |value| self.seen_flag(name, spec, value));
        }
        self.flag_default(spec)
    }

    fn flag_default(&self, spec: &FlagSpec) -> Observed<Value> {
        if let Some(gap) = self.defaults_gap() {
            return Observed::Unknown(gap);
        }
        let value = spec.default.at(self.version).cloned().unwrap_or_else(|| zero(&spec.kind));
        Observed::seen(value, self.default_origin(""))
    }

    fn seen_flag(&self, name: &str, spec: &FlagSpec, value: &Value) -> Observed<Value> {
        let mut overridden: Vec<Overridden> = Vec::new();
        if let Some(earlier) = self.line.replaced.get(name).filter(|_| !grows(&spec.kind)) {
            overridden
                .extend(earlier.iter().rev().map(|value| Overridden { value: value.to_string(), origin: self.argv() }));
        }
        if let Some(default) = spec.default.at(self.version).filter(|default| *default != value) {
            overridden.push(Overridden { value: default.to_string(), origin: self.default_origin("") });
        }
        Observed::Seen { value: value.clone(), origin: self.argv(), overridden }
    }

    /// What the command line says of a flag, or why that cannot be told.
    fn given(&self, name: &str) -> Option<Result<&Value, Gap>> {
        if self.line.bad.iter().any(|bad| bad == name) {
            return Some(Err(Gap::new(Reason::Malformed, format!("the value of --{name} is not one that it takes"))));
        }
        if self.line.doubtful.iter().any(|doubtful| doubtful == name) {
            return Some(Err(Gap::new(
                Reason::Malformed,
                format!("--{name} follows an unknown flag that may take it as its value"),
            )));
        }
        self.line.values.get(name).map(Ok)
    }

    /// An unreadable environment leaves the defaults of etcd and the kubelet open.
    fn defaults_gap(&self) -> Option<Gap> {
        if !matches!(self.instance.component, Component::Etcd | Component::Kubelet) {
            return None;
        }
        self.instance.environment.gap().map(|gap| {
            Gap::new(gap.reason, format!("the environment of {} may set it: {}", self.instance.component, gap.detail))
        })
    }
}

/// Lists grow and maps merge: an earlier occurrence is part of the value, not overridden by it.
fn grows(kind: &str) -> bool {
    kind.ends_with("Slice") || kind.ends_with("Array") || kind.to_ascii_lowercase().contains("map")
}

/// The zero value of a type.
fn zero(kind: &str) -> Value {
    match kind {
        "bool" | "tristate" => Value::Bool(false),
        "duration" | "durationOrNanoseconds" => Value::from("0s"),
        "list" | "object-list" => Value::List(Vec::new()),
        kind if kind.contains("int") || kind == "Level" || kind == "count" => Value::Int(0),
        kind if kind.starts_with("float") => Value::Float(0.0),
        kind if kind.to_ascii_lowercase().contains("map") => Value::Map(BTreeMap::new()),
        kind if grows(kind) => Value::List(Vec::new()),
        _ => Value::from(""),
    }
}

/// True for what Go calls the zero value of a field.
pub fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) | Value::Int(0) => true,
        Value::Float(number) => *number == 0.0,
        Value::Text(text) => text.is_empty() || text == "0s",
        Value::List(items) => items.is_empty(),
        Value::Map(entries) => entries.is_empty(),
        _ => false,
    }
}

/// Every setting unknown for one reason.
fn blind(table: &ComponentTable, gap: &Gap) -> Effective {
    let names = table.flags.keys().map(|flag| table.setting_of(flag)).chain(table.fields.keys().map(String::as_str));
    Effective {
        settings: names.map(|name| (name.to_owned(), Observed::Unknown(gap.clone()))).collect(),
        gates: BTreeMap::new(),
        gates_gap: Some(gap.clone()),
        notes: Vec::new(),
    }
}

fn flags_only(view: &View<'_>) -> Effective {
    let mut merged = Effective::default();
    for (name, spec) in &view.table.flags {
        let given = view.given(name).is_some();
        // a flag that runs is there, whatever the table says of versions
        if given || view.has(spec.since, spec.until) {
            merged.settings.insert(name.clone(), view.flag(name, spec));
        }
    }
    gates_of_flag(view, &mut merged);
    merged
}

/// Feature gates of `--feature-gates`: a map, or pairs by component (`kube:Gate=true`; without a component it is `kube`).
fn gates_of_flag(view: &View<'_>, merged: &mut Effective) {
    match view.given("feature-gates") {
        Some(Ok(Value::Map(entries))) => {
            for (key, value) in entries {
                match value {
                    Value::Bool(on) => {
                        merged.gates.insert(key.clone(), (*on, view.argv()));
                    }
                    Value::List(pairs) if key.is_empty() || key == "kube" => {
                        for pair in pairs.iter().filter_map(Value::as_text) {
                            let (gate, text) = pair.split_once('=').unwrap_or((pair, ""));
                            match super::golang::parse_bool(text.trim()) {
                                Some(on) => {
                                    merged.gates.insert(gate.trim().to_owned(), (on, view.argv()));
                                }
                                None => {
                                    merged.gates_gap = Some(Gap::new(
                                        Reason::Malformed,
                                        "--feature-gates holds a pair that is no gate=bool",
                                    ))
                                }
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
        Some(Ok(_)) | None => {}
        Some(Err(gap)) => merged.gates_gap = Some(gap),
    }
}

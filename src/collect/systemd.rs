//! The kubelet's unit, as systemd puts it together: one unit file, and the drop-ins of every directory.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

use super::root::{CONFIG_LIMIT, Root, Trouble};
use crate::evidence::{Component, FileEntry, Gap, Observed, Origin, Trace, Unit};

/// Directories of system units, strongest first (systemd.unit(5)).
const DIRECTORIES: [&str; 13] = [
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/run/systemd/generator.early",
    "/etc/systemd/system",
    "/etc/systemd/system.attached",
    "/run/systemd/system",
    "/run/systemd/system.attached",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    "/run/systemd/generator.late",
];

/// What was found of a unit.
pub struct Found {
    /// The unit file and its drop-ins, in the order in which systemd reads them.
    pub files: Vec<FileEntry>,
    /// Where was looked.
    pub looked_at: Vec<String>,
    /// A part that could not be read.
    pub gap: Option<Gap>,
}

/// The unit file and the drop-ins of `name`.
pub fn find(root: &Root, name: &str) -> Found {
    let mut found = Found { files: Vec::new(), looked_at: Vec::new(), gap: None };
    let mut drop_ins: BTreeMap<String, String> = BTreeMap::new();
    for directory in DIRECTORIES {
        let unit = format!("{directory}/{name}");
        found.looked_at.push(unit.clone());
        if found.files.is_empty() {
            match root.facts(OsStr::new(&unit)) {
                Ok(facts) => found.files.push(FileEntry {
                    path: unit.clone(),
                    named_by: None,
                    facts: Observed::seen(facts, Origin::Host),
                }),
                Err(Trouble::Absent) => {}
                Err(Trouble::Gap(gap)) => {
                    found.files.push(FileEntry { path: unit.clone(), named_by: None, facts: Observed::Unknown(gap) })
                }
            }
        }
    }
    // a drop-in of an earlier directory hides those of the same name in later ones, the unit's own those of every service
    for directory in drop_in_directories(name) {
        match root.list(OsStr::new(&directory)) {
            Ok(entries) => {
                for entry in entries.into_iter().filter(|entry| !entry.directory) {
                    let name = entry.name.to_string_lossy().into_owned();
                    if name.ends_with(".conf") {
                        drop_ins.entry(name.clone()).or_insert_with(|| format!("{directory}/{name}"));
                    }
                }
            }
            Err(Trouble::Absent) => {}
            Err(Trouble::Gap(gap)) => found.gap = Some(gap),
        }
    }
    // a link to /dev/null hides a drop-in, and is none itself
    let masked = |path: &String| root.link(OsStr::new(path)).is_some_and(|target| target == Path::new("/dev/null"));
    for path in drop_ins.into_values().filter(|path| !masked(path)) {
        let facts = match root.facts(OsStr::new(&path)) {
            Ok(facts) => Observed::seen(facts, Origin::Host),
            Err(trouble) => Observed::Unknown(trouble.into_gap(&path)),
        };
        found.files.push(FileEntry { path, named_by: None, facts });
    }
    found
}

/// Where drop-ins of a unit are, most specific first: its own, those of the prefixes of its name, those of every service.
fn drop_in_directories(name: &str) -> Vec<String> {
    let stem = name.strip_suffix(".service").unwrap_or(name);
    let dashes = stem.rmatch_indices('-').filter(|(at, _)| at + 1 < stem.len());
    let prefixes = dashes.map(|(at, _)| format!("{}.service.d", &stem[..=at]));
    let names = [format!("{name}.d")].into_iter().chain(prefixes).chain(["service.d".to_owned()]);
    names.flat_map(|name| DIRECTORIES.map(|directory| format!("{directory}/{name}"))).collect()
}

/// What the unit says; `None` when there is no such unit.
pub fn read(root: &Root, found: &Found) -> Option<Unit> {
    if found.files.is_empty() {
        return None;
    }
    let mut unit = Unit {
        files: found.files.iter().map(|file| file.path.clone()).collect(),
        gap: found.gap.clone(),
        ..Unit::default()
    };
    for path in unit.files.clone() {
        match root.read(OsStr::new(&path), CONFIG_LIMIT) {
            Ok((_, bytes)) => settings(&String::from_utf8_lossy(&bytes), &mut unit),
            Err(trouble) => unit.gap = Some(trouble.into_gap(&path)),
        }
    }
    Some(unit)
}

/// `IPAddressDeny=` of `[Service]`: an empty assignment starts the list anew.
fn settings(text: &str, unit: &mut Unit) {
    let joined = text.replace("\\\n", " ");
    let mut in_service = false;
    for line in joined.lines().map(str::trim) {
        if line.starts_with('[') {
            in_service = line == "[Service]";
        } else if in_service && !line.starts_with(['#', ';']) {
            let Some((key, value)) = line.split_once('=') else { continue };
            if key.trim() == "IPAddressDeny" {
                if value.trim().is_empty() {
                    unit.ip_address_deny.clear();
                }
                unit.ip_address_deny.extend(value.split_whitespace().map(str::to_owned));
            }
        }
    }
}

/// Units of components: a trace of them, whether or not they run.
pub fn traces(root: &Root) -> Vec<Trace> {
    let mut traces = Vec::new();
    for component in Component::ALL {
        let name = format!("{}.service", component.name());
        let unit = DIRECTORIES
            .iter()
            .map(|directory| format!("{directory}/{name}"))
            .find(|path| root.facts(OsStr::new(path)).is_ok());
        traces.extend(unit.map(|path| Trace { component, what: format!("unit {path}") }));
    }
    traces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_start_anew_and_sections_count() {
        let mut unit = Unit::default();
        settings(
            "[Unit]\nIPAddressDeny=any\n[Service]\nIPAddressDeny=10.0.0.0/8 \\\n  any\n# IPAddressDeny=x\n",
            &mut unit,
        );
        assert_eq!(unit.ip_address_deny, ["10.0.0.0/8", "any"]);
        settings("[Service]\nIPAddressDeny=\n", &mut unit);
        assert!(unit.ip_address_deny.is_empty());
    }
}

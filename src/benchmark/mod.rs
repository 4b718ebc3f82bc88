//! Floor 1: data becomes benchmarks, checks and component tables. Strict: every error names file, line and column.

pub mod bootstrap;
mod check;
mod error;
mod index;
mod waivers;

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

pub use bootstrap::StockPolicy;
pub use check::{Check, PLATFORMS, Predicate, Remedy, Scope, Severity, Subject, Test};
pub use error::{At, LoadError, closest};
pub use index::{Index, IndexLine};
pub use waivers::{Waiver, add_waivers};

use crate::evidence::components::{AdmissionPlugins, CipherSuites, ComponentTable, GateStage};
use crate::evidence::{Component, Tables, Version, sha256};

include!(concat!(env!("OUT_DIR"), "/shipped.rs"));

/// A data file that ships inside the binary: its content, and the SHA-256 of the YAML that it was made from.
fn shipped<T: DeserializeOwned>(path: &str) -> Result<(T, &'static str), LoadError> {
    let wrong = |message: String| LoadError::at(path, At::default(), message);
    let (_, json, digest) = SHIPPED
        .iter()
        .find(|(name, ..)| *name == path)
        .ok_or_else(|| wrong("is not part of this binary".to_owned()))?;
    serde_json::from_str(json).map(|value| (value, *digest)).map_err(|error| wrong(error.to_string()))
}

/// Reads the component tables that ship with the binary.
///
/// # Errors
/// The first thing that is wrong with one of them.
pub fn tables() -> Result<Tables, LoadError> {
    let mut components = BTreeMap::new();
    for component in Component::ALL {
        let path = format!("components/{component}.yaml");
        let (table, _): (ComponentTable, _) = shipped(&path)?;
        if table.component != component {
            return Err(LoadError::at(&path, At::default(), format!("is the table of {}", table.component)));
        }
        components.insert(component, table);
    }
    let (admission, _): (AdmissionPlugins, _) = shipped("components/admission-plugins.yaml")?;
    let (gates, _): (BTreeMap<String, BTreeMap<Version, GateStage>>, _) = shipped("components/feature-gates.yaml")?;
    let (ciphers, _): (CipherSuites, _) = shipped("components/tls-ciphers.yaml")?;
    Ok(Tables { components, admission, gates, ciphers })
}

/// Every check by id, and the digest of the files that they came from.
#[derive(Debug, Clone, Default)]
pub struct Library {
    /// The checks.
    pub checks: BTreeMap<String, Check>,
    /// Ids of the user's own checks, in the order in which they were read.
    pub own: Vec<String>,
    /// SHA-256 over the digests of the shipped files, hexadecimal.
    pub sha256: String,
}

/// Reads the library that ships with the binary.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn library(tables: &Tables) -> Result<Library, LoadError> {
    let mut library = Library::default();
    let mut digests: Vec<&[u8]> = Vec::new();
    for (path, ..) in SHIPPED.iter().filter(|(path, ..)| path.starts_with("checks/")) {
        let (raw, digest) = shipped(path)?;
        for (check, at) in check::typed(path, raw, tables)? {
            if check.id.contains('/') {
                let message = format!("`{}` has a prefix: these are for users' own checks", check.id);
                return Err(LoadError::at(path, at, message));
            }
            add(&mut library, path, check, at)?;
        }
        digests.push(digest.as_bytes());
    }
    library.sha256 = sha256(&digests.concat());
    Ok(library)
}

fn add(library: &mut Library, path: &str, check: Check, at: At) -> Result<(), LoadError> {
    if library.checks.contains_key(&check.id) {
        return Err(LoadError::at(path, at, format!("check `{}` stands twice", check.id)));
    }
    library.checks.insert(check.id.clone(), check);
    Ok(())
}

/// Adds a file of a user's own checks.
///
/// # Errors
/// The first thing that is wrong: every id needs a prefix of the user's own (`acme/...`), so that it never shadows a
/// shipped one.
pub fn add_own(library: &mut Library, path: &str, text: &str, tables: &Tables) -> Result<usize, LoadError> {
    let checks = check::read(path, text, tables)?;
    let count = checks.len();
    for (check, at) in checks {
        add_one(library, path, check, at)?;
    }
    Ok(count)
}

fn add_one(library: &mut Library, path: &str, check: Check, at: At) -> Result<(), LoadError> {
    if !check.id.contains('/') {
        return Err(LoadError::at(path, at, format!("`{0}` has no prefix: name it `yours/{0}`", check.id)));
    }
    let id = check.id.clone();
    add(library, path, check, at)?;
    library.own.push(id);
    Ok(())
}

/// Ids of the shipped benchmarks, oldest first.
pub fn benchmarks() -> Vec<String> {
    let top = SHIPPED.iter().map(|(path, ..)| *path).filter(|path| !path.contains('/'));
    let mut ids: Vec<String> = top.filter_map(|path| path.strip_suffix(".yaml")).map(str::to_owned).collect();
    ids.sort_by_key(|id| id.rsplit('-').next().and_then(|version| version.parse::<Version>().ok()));
    ids
}

/// Reads a shipped benchmark and makes sure that the library answers each of its controls.
///
/// # Errors
/// An unknown id, with the closest known one; or the first thing that is wrong with the index.
pub fn benchmark(id: &str, library: &Library) -> Result<Index, LoadError> {
    let known = benchmarks();
    if !known.iter().any(|name| name == id) {
        let mut error = LoadError::at(id, At::default(), format!("is no benchmark; known are {}", known.join(", ")))
            .did_you_mean(id, known.iter().map(String::as_str));
        error.hint = error.hint.take();
        return Err(error);
    }
    let path = format!("{id}.yaml");
    let (raw, digest) = shipped(&path)?;
    let index = index::typed(&path, raw, digest.to_owned())?;
    if index.id != id {
        return Err(LoadError::at(&path, At::default(), format!("is the index of {}", index.id)));
    }
    covers(&path, &index, library)?;
    Ok(index)
}

fn covers(path: &str, index: &Index, library: &Library) -> Result<(), LoadError> {
    for line in &index.controls {
        if !library.checks.contains_key(&line.check) {
            let message = format!("control {} names check `{}`, which does not exist", line.id, line.check);
            return Err(LoadError::at(path, line.at, message)
                .did_you_mean(&line.check, library.checks.keys().map(String::as_str)));
        }
    }
    Ok(())
}

/// Everything that is wrong with a file of checks or an index, and how many checks or controls it holds. Good checks are
/// added to the library, so that later files can be held against them.
pub fn lint(library: &mut Library, path: &str, text: &str, tables: &Tables) -> (usize, Vec<LoadError>) {
    if text.lines().any(|line| line.starts_with("benchmark:")) {
        let read = index::read(path, text).and_then(|index| covers(path, &index, library).map(|()| index));
        return read.map_or_else(|error| (0, vec![error]), |index| (index.controls.len(), Vec::new()));
    }
    let raw = match error::parse(path, text) {
        Ok(raw) => raw,
        Err(error) => return (0, vec![error]),
    };
    let (mut count, mut errors) = (0, Vec::new());
    for typed in check::typed_each(path, raw, tables) {
        match typed.and_then(|(check, at)| add_one(library, path, check, at)) {
            Ok(()) => count += 1,
            Err(error) => errors.push(error),
        }
    }
    (count, errors)
}

/// The benchmark that fits a Kubernetes version: the newest one that names it; the newest of all for a newer version.
pub fn choose(version: Version, library: &Library) -> Result<Index, LoadError> {
    let mut newer = None;
    let mut oldest = None;
    // newest first: an index takes time and memory
    for id in benchmarks().into_iter().rev() {
        let index = benchmark(&id, library)?;
        if index.kubernetes.contains(&version) {
            return Ok(index);
        }
        if newer.is_none() && index.kubernetes.iter().max() < Some(&version) {
            newer = Some(index);
        } else {
            oldest = Some(index);
        }
    }
    newer.or(oldest).ok_or_else(|| LoadError::at("benchmarks", At::default(), "there are none"))
}

/// The newest benchmark that is not provisional.
///
/// # Errors
/// The first thing that is wrong with an index.
pub fn newest(library: &Library) -> Result<Index, LoadError> {
    for id in benchmarks().into_iter().rev() {
        let index = benchmark(&id, library)?;
        if index.provisional.is_none() {
            return Ok(index);
        }
    }
    Err(LoadError::at("benchmarks", At::default(), "all of them are provisional"))
}

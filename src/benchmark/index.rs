//! An index: one version of a benchmark, its section tree, and the check that answers each control.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::error::{At, LoadError};
use crate::evidence::Version;

/// One version of a benchmark.
#[derive(Debug, Clone)]
pub struct Index {
    /// Such as `cis-1.12`.
    pub id: String,
    /// Such as `CIS Kubernetes Benchmark`.
    pub title: String,
    /// Such as `1.12`.
    pub version: String,
    /// Kubernetes versions for which it is chosen.
    pub kubernetes: Vec<Version>,
    /// Why it is provisional, if it is.
    pub provisional: Option<String>,
    /// Sections in order, subsections after their section: id, title.
    pub sections: Vec<(String, String)>,
    /// Controls in order.
    pub controls: Vec<IndexLine>,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
}

/// One control of an index.
#[derive(Debug, Clone)]
pub struct IndexLine {
    /// Its id in this version.
    pub id: String,
    /// The check that answers it.
    pub check: String,
    /// Profile level, 1 or 2.
    pub level: u8,
    /// The benchmark says that it can be automated.
    pub automated: bool,
    /// Its section.
    pub section: String,
    /// Where the line stands.
    pub at: At,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawIndex {
    benchmark: String,
    title: String,
    version: String,
    kubernetes: Vec<Version>,
    #[serde(default)]
    provisional: Option<String>,
    sections: Vec<RawSection>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSection {
    id: Spanned<String>,
    title: String,
    #[serde(default)]
    sections: Vec<RawSection>,
    #[serde(default)]
    controls: BTreeMap<String, RawControl>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawControl {
    check: Spanned<String>,
    level: Spanned<u8>,
    status: Status,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Status {
    Automated,
    Manual,
}

/// Reads an index.
///
/// # Errors
/// The first thing that is wrong, with its place. Whether its checks exist is for the library to say.
pub fn read(file: &str, text: &str) -> Result<Index, LoadError> {
    typed(file, super::error::parse(file, text)?, crate::evidence::sha256(text.as_bytes()))
}

/// Types an index that was decoded already.
pub(super) fn typed(file: &str, raw: RawIndex, sha256: String) -> Result<Index, LoadError> {
    let mut index = Index {
        id: raw.benchmark,
        title: raw.title,
        version: raw.version,
        kubernetes: raw.kubernetes,
        provisional: raw.provisional.map(|text| text.trim().to_owned()),
        sections: Vec::new(),
        controls: Vec::new(),
        sha256,
    };
    for section in raw.sections {
        add(file, section, &mut index)?;
    }
    Ok(index)
}

fn add(file: &str, section: RawSection, index: &mut Index) -> Result<(), LoadError> {
    let at = At::from(section.id.referenced);
    let id = section.id.value;
    if index.sections.iter().any(|(known, _)| *known == id) {
        return Err(LoadError::at(file, at, format!("section {id} stands twice")));
    }
    index.sections.push((id.clone(), section.title));
    let mut controls: Vec<(String, RawControl)> = section.controls.into_iter().collect();
    controls.sort_by_key(|(id, _)| numbers(id));
    for (control, raw) in controls {
        let at = At::from(raw.check.referenced);
        if !control.starts_with(&format!("{id}.")) {
            return Err(LoadError::at(file, at, format!("control {control} stands in section {id}")));
        }
        if index.controls.iter().any(|line| line.id == control) {
            return Err(LoadError::at(file, at, format!("control {control} stands twice")));
        }
        if !matches!(raw.level.value, 1 | 2) {
            return Err(LoadError::at(
                file,
                At::from(raw.level.referenced),
                format!("level {} of control {control} is neither 1 nor 2", raw.level.value),
            ));
        }
        index.controls.push(IndexLine {
            id: control,
            check: raw.check.value,
            level: raw.level.value,
            automated: raw.status == Status::Automated,
            section: id.clone(),
            at,
        });
    }
    for section in section.sections {
        add(file, section, index)?;
    }
    Ok(())
}

fn numbers(id: &str) -> Vec<u32> {
    id.split('.').map(|part| part.parse().unwrap_or(u32::MAX)).collect()
}

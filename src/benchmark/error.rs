//! What is wrong with a data file: where, and what was probably meant.

use std::fmt;

use serde::de::DeserializeOwned;

/// An error in a data file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError {
    /// The file, as the user names it.
    pub file: String,
    /// Line, 1-based; 0 when the whole file is meant.
    pub line: u64,
    /// Column, 1-based.
    pub column: u64,
    /// What is wrong.
    pub message: String,
    /// What was probably meant.
    pub hint: Option<String>,
}

impl fmt::Display for LoadError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(out, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?
        } else {
            write!(out, "{}: {}", self.file, self.message)?
        }
        match &self.hint {
            Some(hint) => write!(out, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for LoadError {}

/// A place in a data file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct At {
    /// Line, 1-based.
    pub line: u64,
    /// Column, 1-based.
    pub column: u64,
}

impl From<serde_saphyr::Location> for At {
    fn from(location: serde_saphyr::Location) -> Self {
        Self { line: location.line(), column: location.column() }
    }
}

impl LoadError {
    /// An error at a place.
    pub fn at(file: &str, at: At, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: at.line, column: at.column, message: message.into(), hint: None }
    }

    /// With the closest of `known` to `given` as "did you mean".
    pub fn did_you_mean<'a>(mut self, given: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        self.hint = closest(given, known).map(|name| format!("did you mean `{name}`?"));
        self
    }
}

/// The closest name, if one is close.
pub fn closest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.into_iter().map(|name| (strsim::jaro_winkler(given, name), name));
    scored.filter(|(score, _)| *score > 0.8).max_by(|one, other| one.0.total_cmp(&other.0)).map(|(_, name)| name)
}

/// Reads one YAML document into a type, strictly.
pub fn parse<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, LoadError> {
    serde_saphyr::from_str(text).map_err(|error| {
        let error = error.without_snippet();
        let at = error.location().map_or(At::default(), At::from);
        match error {
            serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => {
                LoadError::at(file, at, format!("unknown key `{field}`")).did_you_mean(field, expected.iter().copied())
            }
            serde_saphyr::Error::SerdeUnknownVariant { variant, expected, .. } => {
                let mut wrong = LoadError::at(
                    file,
                    at,
                    format!("unknown value `{variant}`, expected one of {}", expected.join(", ")),
                )
                .did_you_mean(variant, expected.iter().copied());
                wrong.hint = wrong.hint.take();
                wrong
            }
            serde_saphyr::Error::SerdeMissingField { field, .. } => {
                LoadError::at(file, at, format!("missing key `{field}`"))
            }
            serde_saphyr::Error::DuplicateMappingKey { key, .. } => {
                LoadError::at(file, at, format!("duplicate key `{}`", key.as_deref().unwrap_or("?")))
            }
            other => {
                let text = other.to_string();
                LoadError::at(file, at, text.lines().next().unwrap_or("not YAML").to_owned())
            }
        }
    })
}

//! What a namespace's labels ask of its pods.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Level, LevelVersion, PolicyVersion};

/// What the plugin does with a violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Pods are refused, controllers are not.
    Enforce,
    /// An annotation in the audit log.
    Audit,
    /// A warning to whoever asks.
    Warn,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Enforce, Self::Audit, Self::Warn];

    /// The label of its level.
    pub const fn level_label(self) -> &'static str {
        match self {
            Self::Enforce => "pod-security.kubernetes.io/enforce",
            Self::Audit => "pod-security.kubernetes.io/audit",
            Self::Warn => "pod-security.kubernetes.io/warn",
        }
    }

    /// The label of its version.
    pub const fn version_label(self) -> &'static str {
        match self {
            Self::Enforce => "pod-security.kubernetes.io/enforce-version",
            Self::Audit => "pod-security.kubernetes.io/audit-version",
            Self::Warn => "pod-security.kubernetes.io/warn-version",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Enforce => "enforce",
            Self::Audit => "audit",
            Self::Warn => "warn",
        })
    }
}

/// What a namespace asks in each mode (`Policy` of api/helpers.go).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the modes")]
pub struct Policy {
    pub enforce: LevelVersion,
    pub audit: LevelVersion,
    pub warn: LevelVersion,
}

impl Policy {
    /// Everything is allowed: what holds without labels and configuration (`SetDefaults_PodSecurityDefaults` of
    /// admission/api/v1/defaults.go).
    pub const PRIVILEGED: Self = {
        let all = LevelVersion::new(Level::Privileged, PolicyVersion::Latest);
        Self { enforce: all, audit: all, warn: all }
    };

    /// What one mode asks.
    pub const fn of(&self, mode: Mode) -> LevelVersion {
        match mode {
            Mode::Enforce => self.enforce,
            Mode::Audit => self.audit,
            Mode::Warn => self.warn,
        }
    }

    /// What a namespace with these labels asks where `defaults` stand for what they do not say, and the labels that the
    /// plugin cannot read.
    ///
    /// An unreadable level is `restricted` for enforce and `privileged` for audit and warn; an unreadable version is
    /// `latest`. Without a warn level of its own, a namespace warns of what it enforces, when that is stricter.
    ///
    /// Source: `PolicyToEvaluate` (api/helpers.go). The API server refuses to create such labels, but keeps those that
    /// are there already.
    pub fn of_labels(labels: &BTreeMap<String, String>, defaults: &Self) -> (Self, Vec<InvalidLabel>) {
        let (mut policy, mut invalid) = (*defaults, Vec::new());
        for mode in Mode::ALL {
            let (asked, on_error) = match mode {
                Mode::Enforce => (&mut policy.enforce, Level::Restricted),
                Mode::Audit => (&mut policy.audit, Level::Privileged),
                Mode::Warn => (&mut policy.warn, Level::Privileged),
            };
            if let Some(text) = labels.get(mode.level_label()) {
                asked.level = text.parse().unwrap_or_else(|error: super::NotALevel| {
                    invalid.push(InvalidLabel::new(mode.level_label(), text, error.to_string()));
                    on_error
                });
            }
            if let Some(text) = labels.get(mode.version_label()) {
                asked.version = text.parse().unwrap_or_else(|error: super::NotAPolicyVersion| {
                    invalid.push(InvalidLabel::new(mode.version_label(), text, error.to_string()));
                    PolicyVersion::Latest
                });
            }
        }
        let enforces = labels.get(Mode::Enforce.level_label()).is_some_and(|text| text.parse::<Level>().is_ok());
        let warns = labels.contains_key(Mode::Warn.level_label());
        if enforces && !warns && policy.enforce.level > policy.warn.level {
            policy.warn.level = policy.enforce.level;
            if !labels.contains_key(Mode::Warn.version_label()) {
                policy.warn.version = policy.enforce.version;
            }
        }
        (policy, invalid)
    }
}

/// A label whose value the plugin cannot read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvalidLabel {
    /// Its key.
    pub label: String,
    /// Its value.
    pub value: String,
    /// What the plugin says of it.
    pub problem: String,
}

impl InvalidLabel {
    fn new(label: &str, value: &str, problem: String) -> Self {
        Self { label: label.to_owned(), value: value.to_owned(), problem }
    }
}

impl fmt::Display for InvalidLabel {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}={:?}: {}", self.label, self.value, self.problem)
    }
}

//! The plugin's own configuration: defaults of namespaces without labels, and who is exempt.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::{Level, LevelVersion, Policy, PolicyVersion};
use crate::evidence::{Document, DocumentRole, Gap, Reason, Value};

/// PodSecurityConfiguration (admission/api/v1/types.go).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    /// What a namespace asks where its labels are silent.
    pub defaults: Policy,
    /// Who and what is never looked at.
    pub exemptions: Exemptions,
}

impl Default for Configuration {
    /// What holds without a configuration.
    fn default() -> Self {
        Self { defaults: Policy::PRIVILEGED, exemptions: Exemptions::default() }
    }
}

/// Who and what the plugin lets through in all three modes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exemptions {
    /// Users whose requests are exempt. A controller's name exempts every pod that it makes.
    pub usernames: BTreeSet<String>,
    /// Namespaces that are exempt, whatever their labels say.
    pub namespaces: BTreeSet<String>,
    /// Runtime classes whose pods are exempt.
    pub runtime_classes: BTreeSet<String>,
}

/// Why the plugin lets a pod through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exemption {
    /// Its namespace.
    Namespace,
    /// Who asks.
    User,
    /// Its runtime class.
    RuntimeClass,
}

impl fmt::Display for Exemption {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Namespace => "namespace",
            Self::User => "user",
            Self::RuntimeClass => "runtimeClass",
        })
    }
}

/// An API server with such a configuration does not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidConfiguration {
    /// The field, such as `defaults.enforce-version`.
    pub field: String,
    /// What is wrong with it.
    pub problem: String,
}

impl Configuration {
    /// From what was collected of a PodSecurityConfiguration: `defaults` and `exemptions`, an empty text where nothing is set.
    ///
    /// # Errors
    /// What the plugin refuses: levels, versions, exemptions that are empty or named twice
    /// (`ValidatePodSecurityConfiguration` of admission/api/validation/validation.go).
    pub fn from_value(value: &Value) -> Result<Self, InvalidConfiguration> {
        let asked = |mode: &str| {
            Ok(LevelVersion {
                level: setting(value, &format!("defaults.{mode}"), Level::Privileged)?,
                version: setting(value, &format!("defaults.{mode}-version"), PolicyVersion::Latest)?,
            })
        };
        let defaults = Policy { enforce: asked("enforce")?, audit: asked("audit")?, warn: asked("warn")? };
        let exemptions = Exemptions {
            usernames: names(value, "exemptions.usernames")?,
            namespaces: names(value, "exemptions.namespaces")?,
            runtime_classes: names(value, "exemptions.runtimeClasses")?,
        };
        Ok(Self { defaults, exemptions })
    }

    /// From the documents that an API server reads; `None` when none of them is its admission configuration.
    ///
    /// The first entry of the plugin's name counts, what is written in it before the file that it names, and without
    /// either the defaults hold (`GetAdmissionPluginConfigurationFor` of k8s.io/apiserver 0.37 pkg/admission/config.go).
    ///
    /// # Errors
    /// Why it cannot be told.
    pub fn from_documents(documents: &[Document]) -> Result<Option<Self>, Gap> {
        let Some(admission) = documents.iter().find(|document| document.role == DocumentRole::Admission) else {
            return Ok(None);
        };
        let plugins = content(admission)?.at("plugins").and_then(Value::as_list).unwrap_or_default();
        let named = |plugin: &&Value| plugin.at("name").and_then(Value::as_text) == Some("PodSecurity");
        let Some(plugin) = plugins.iter().find(named) else { return Ok(Some(Self::default())) };
        let malformed = |what: &dyn fmt::Display| {
            Gap::new(Reason::Malformed, format!("PodSecurityConfiguration of {}: {what}", admission.path))
        };
        if plugin.at("inline").and_then(Value::as_bool) == Some(true) {
            return match plugin.at("pod-security") {
                None | Some(Value::Null) => Err(malformed(&"not one that its reader accepts")),
                Some(value) => Self::from_value(value).map(Some).map_err(|error| malformed(&error)),
            };
        }
        if plugin.at("path").and_then(Value::as_text).unwrap_or_default().is_empty() {
            return Ok(Some(Self::default()));
        }
        let file = documents.iter().find(|document| document.plugin.as_deref() == Some("PodSecurity"));
        let file = file.ok_or_else(|| malformed(&"its file was not collected"))?;
        Self::from_value(content(file)?).map(Some).map_err(|error| malformed(&error))
    }

    /// Why a pod is let through, when it is. Who made a pod that exists already cannot be told: give no user.
    ///
    /// Source: `exemptNamespace`, `exemptUser`, `exemptRuntimeClass` (admission/admission.go), in the order that they are asked.
    pub fn exemption(&self, namespace: &str, user: Option<&str>, runtime_class: &str) -> Option<Exemption> {
        let holds = |names: &BTreeSet<String>, name: &str| !name.is_empty() && names.contains(name);
        if holds(&self.exemptions.namespaces, namespace) {
            Some(Exemption::Namespace)
        } else if holds(&self.exemptions.usernames, user.unwrap_or_default()) {
            Some(Exemption::User)
        } else {
            holds(&self.exemptions.runtime_classes, runtime_class).then_some(Exemption::RuntimeClass)
        }
    }
}

impl Exemptions {
    /// Exempt users that are controllers of kube-controller-manager: every pod that they make is exempt with them.
    pub fn controllers(&self) -> impl Iterator<Item = &str> {
        let controller = |name: &&str| {
            let account = name.strip_prefix("system:serviceaccount:kube-system:");
            account.is_some_and(|account| account.ends_with("-controller")) || *name == "system:kube-controller-manager"
        };
        self.usernames.iter().map(String::as_str).filter(controller)
    }

    /// True when nothing is exempt.
    pub fn is_empty(&self) -> bool {
        self.usernames.is_empty() && self.namespaces.is_empty() && self.runtime_classes.is_empty()
    }
}

fn content(document: &Document) -> Result<&Value, Gap> {
    let nothing = || Gap::new(Reason::NotFound, document.path.clone());
    document.content.value().ok_or_else(|| document.content.gap().cloned().unwrap_or_else(nothing))
}

fn setting<T: FromStr<Err: fmt::Display>>(value: &Value, path: &str, unset: T) -> Result<T, InvalidConfiguration> {
    match value.at(path) {
        None | Some(Value::Null) => Ok(unset),
        Some(Value::Text(text)) if text.is_empty() => Ok(unset),
        Some(set) => {
            let text = set.as_text().unwrap_or_default();
            text.parse()
                .map_err(|error: T::Err| InvalidConfiguration { field: path.to_owned(), problem: error.to_string() })
        }
    }
}

fn names(value: &Value, path: &str) -> Result<BTreeSet<String>, InvalidConfiguration> {
    let mut names = BTreeSet::new();
    for (index, item) in value.at(path).and_then(Value::as_list).unwrap_or_default().iter().enumerate() {
        let name = item.as_text().unwrap_or_default();
        let problem = if name.is_empty() {
            "must not be empty"
        } else if !names.insert(name.to_owned()) {
            "named twice"
        } else {
            continue;
        };
        return Err(InvalidConfiguration { field: format!("{path}[{index}]"), problem: problem.to_owned() });
    }
    Ok(names)
}

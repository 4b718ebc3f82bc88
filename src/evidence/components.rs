//! What a component's table says: its flags and configuration fields, their types and defaults by version.
//!
//! The tables themselves are data (`benchmarks/components/`); this floor holds their types only.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Value, Version};

/// The six components whose configuration is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Component {
    /// The API server.
    KubeApiserver,
    /// The controller manager.
    KubeControllerManager,
    /// The scheduler.
    KubeScheduler,
    /// etcd.
    Etcd,
    /// The kubelet.
    Kubelet,
    /// kube-proxy.
    KubeProxy,
}

impl Component {
    /// All, in the order in which reports name them.
    pub const ALL: [Self; 6] = [
        Self::KubeApiserver,
        Self::KubeControllerManager,
        Self::KubeScheduler,
        Self::Etcd,
        Self::Kubelet,
        Self::KubeProxy,
    ];

    /// The name of its executable, which is also its name everywhere.
    pub const fn name(self) -> &'static str {
        match self {
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::KubeScheduler => "kube-scheduler",
            Self::Etcd => "etcd",
            Self::Kubelet => "kubelet",
            Self::KubeProxy => "kube-proxy",
        }
    }

    /// The component of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|component| component.name() == name)
    }

    /// As prose names it: `API server`, `kubelet`.
    pub const fn title(self) -> &'static str {
        match self {
            Self::KubeApiserver => "API server",
            Self::KubeControllerManager => "controller manager",
            Self::KubeScheduler => "scheduler",
            Self::Etcd => "etcd",
            Self::Kubelet => "kubelet",
            Self::KubeProxy => "kube-proxy",
        }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// How a component reads its command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlagSyntax {
    /// github.com/spf13/pflag.
    Pflag,
    /// Go's own flag package.
    GoFlag,
}

/// A default that changes with the version: each entry holds from its version on.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Series(pub BTreeMap<Version, Value>);

impl Series {
    /// The entry in force at a version; versions before the first entry get the first.
    pub fn at(&self, version: Version) -> Option<&Value> {
        self.0.range(..=version).next_back().or_else(|| self.0.first_key_value()).map(|(_, value)| value)
    }
}

/// One flag.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FlagSpec {
    /// pflag's name of its type, such as `bool`, `stringSlice`, `mapStringBool`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is when nobody sets it.
    #[serde(default)]
    pub default: Series,
    /// The configuration field that it backs (dotted path).
    #[serde(default)]
    pub field: Option<String>,
    /// First version that has it, if later than the first known one.
    #[serde(default)]
    pub since: Option<Version>,
    /// Last version that has it, if it is gone.
    #[serde(default)]
    pub until: Option<Version>,
    /// Its one-letter form.
    #[serde(default)]
    pub shorthand: Option<char>,
    /// What it means without a value, where it is no bool.
    #[serde(default)]
    pub no_opt: Option<String>,
    /// Deprecated by Kubernetes.
    #[serde(default)]
    pub deprecated: bool,
    /// The value names a file or a directory.
    #[serde(default)]
    pub path: bool,
    /// The value is a credential: never recorded.
    #[serde(default)]
    pub secret: bool,
    /// Its key in the component's configuration file (etcd).
    #[serde(default)]
    pub file: Option<String>,
}

impl FlagSpec {
    /// True where the flag may stand without a value.
    pub fn bare(&self) -> Option<&str> {
        match (&self.no_opt, self.kind.as_str()) {
            (Some(value), _) => Some(value),
            // etcd's flags of old take nothing from the next word either
            (None, "bool" | "tristate" | "ignored") => Some("true"),
            _ => None,
        }
    }
}

/// One field of a configuration file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FieldSpec {
    /// Its type: `bool`, `int32`, `string`, `duration`, `list`, `mapStringBool` ...
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is when the file does not say.
    #[serde(default)]
    pub default: Series,
    /// An explicit zero is kept.
    #[serde(default)]
    pub pointer: bool,
    /// An explicit zero means the default.
    #[serde(default)]
    pub zero_is_unset: bool,
    /// First version that has it.
    #[serde(default)]
    pub since: Option<Version>,
    /// Last version that has it.
    #[serde(default)]
    pub until: Option<Version>,
    /// The value names a file or a directory.
    #[serde(default)]
    pub path: bool,
    /// The value is a credential: never recorded.
    #[serde(default)]
    pub secret: bool,
}

/// A component's table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ComponentTable {
    /// Whose table it is.
    pub component: Component,
    /// How it reads its command line.
    pub syntax: FlagSyntax,
    /// Versions whose rows were measured on real binaries.
    pub measured: Vec<Version>,
    /// Versions whose defaults were read from source.
    #[serde(default)]
    pub from_source: Vec<Version>,
    /// Its flags by name.
    pub flags: BTreeMap<String, FlagSpec>,
    /// The fields of its configuration file by dotted path; empty where it has none.
    #[serde(default)]
    pub fields: BTreeMap<String, FieldSpec>,
}

impl ComponentTable {
    /// True when the rows of this version were measured on its binary.
    pub fn is_measured(&self, version: Version) -> bool {
        self.measured.contains(&version)
    }

    /// The flag of that name, with `_` read as `-` where the component does so.
    pub fn flag(&self, name: &str) -> Option<(&str, &FlagSpec)> {
        let normal = match self.syntax {
            FlagSyntax::Pflag => name.replace('_', "-"),
            FlagSyntax::GoFlag => name.to_owned(),
        };
        self.flags.get_key_value(&normal).map(|(name, spec)| (name.as_str(), spec))
    }

    /// The name under which the flag's effective value is known: its field's path, or its own name.
    pub fn setting_of<'a>(&'a self, flag: &'a str) -> &'a str {
        self.flags.get(flag).and_then(|spec| spec.field.as_deref()).unwrap_or(flag)
    }
}

/// The admission plugins of the API server.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AdmissionPlugins {
    /// On unless disabled.
    pub default_on: BTreeMap<Version, Vec<String>>,
    /// Every plugin that the version knows.
    pub known: BTreeMap<Version, Vec<String>>,
}

/// A feature gate from one version on.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct GateStage {
    /// `alpha`, `beta`, `ga`, `deprecated` or `absent`.
    pub stage: String,
    /// Its default.
    #[serde(default)]
    pub default: bool,
    /// Cannot be changed.
    #[serde(default)]
    pub locked: bool,
}

/// TLS cipher suites that Go offers when none are configured.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CipherSuites {
    /// TLS 1.2 suites by Kubernetes version.
    pub default_suites: BTreeMap<Version, Vec<String>>,
    /// Suites that Go calls insecure.
    #[serde(default)]
    pub insecure: Vec<String>,
}

/// All tables together.
#[derive(Debug, Clone)]
pub struct Tables {
    /// One per component.
    pub components: BTreeMap<Component, ComponentTable>,
    /// Admission plugins.
    pub admission: AdmissionPlugins,
    /// Feature gates by name and version.
    pub gates: BTreeMap<String, BTreeMap<Version, GateStage>>,
    /// Default cipher suites.
    pub ciphers: CipherSuites,
}

impl Tables {
    /// The table of a component; the loader guarantees that each has one.
    pub fn of(&self, component: Component) -> &ComponentTable {
        &self.components[&component]
    }
}

/// The entry in force at a version of a list that changes with versions.
pub fn at_version<T>(series: &BTreeMap<Version, T>, version: Version) -> Option<&T> {
    series.range(..=version).next_back().or_else(|| series.first_key_value()).map(|(_, value)| value)
}

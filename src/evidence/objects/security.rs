//! Security settings of pods and containers.

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

use super::{list, null_is_default};

/// Whether a field holds anything.
fn is_given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::<IgnoredAny>::deserialize(deserializer)?.is_some())
}

/// Security settings of a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the fields of the API")]
pub struct PodSecurityContext {
    pub run_as_non_root: Option<bool>,
    pub run_as_user: Option<i64>,
    pub seccomp_profile: Option<SeccompProfile>,
    pub se_linux_options: Option<SeLinuxOptions>,
    pub app_armor_profile: Option<AppArmorProfile>,
    #[serde(deserialize_with = "list")]
    pub sysctls: Vec<Sysctl>,
    pub windows_options: Option<WindowsOptions>,
    // of these a check asks only whether they are given
    #[serde(deserialize_with = "is_given", skip_serializing_if = "std::ops::Not::not")]
    pub run_as_group: bool,
    #[serde(deserialize_with = "is_given", skip_serializing_if = "std::ops::Not::not")]
    pub fs_group: bool,
    #[serde(deserialize_with = "is_given", skip_serializing_if = "std::ops::Not::not")]
    pub supplemental_groups: bool,
    #[serde(deserialize_with = "is_given", skip_serializing_if = "std::ops::Not::not")]
    pub supplemental_groups_policy: bool,
    #[serde(deserialize_with = "is_given", skip_serializing_if = "std::ops::Not::not")]
    pub se_linux_change_policy: bool,
}

/// Security settings of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the fields of the API")]
pub struct ContainerSecurityContext {
    pub privileged: Option<bool>,
    pub allow_privilege_escalation: Option<bool>,
    pub run_as_non_root: Option<bool>,
    pub run_as_user: Option<i64>,
    pub read_only_root_filesystem: Option<bool>,
    pub capabilities: Option<Capabilities>,
    pub proc_mount: Option<String>,
    pub seccomp_profile: Option<SeccompProfile>,
    pub se_linux_options: Option<SeLinuxOptions>,
    pub app_armor_profile: Option<AppArmorProfile>,
    pub windows_options: Option<WindowsOptions>,
    #[serde(deserialize_with = "is_given", skip_serializing_if = "std::ops::Not::not")]
    pub run_as_group: bool,
}

/// Linux capabilities.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields of the API")]
pub struct Capabilities {
    #[serde(deserialize_with = "list")]
    pub add: Vec<String>,
    #[serde(deserialize_with = "list")]
    pub drop: Vec<String>,
}

/// A seccomp profile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SeccompProfile {
    /// `Unconfined`, `RuntimeDefault`, `Localhost`.
    #[serde(rename = "type", deserialize_with = "null_is_default")]
    pub kind: String,
}

/// An AppArmor profile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AppArmorProfile {
    /// `Unconfined`, `RuntimeDefault`, `Localhost`.
    #[serde(rename = "type", deserialize_with = "null_is_default")]
    pub kind: String,
}

/// SELinux options.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(missing_docs, reason = "the fields of the API")]
pub struct SeLinuxOptions {
    #[serde(rename = "type", deserialize_with = "null_is_default")]
    pub kind: String,
    #[serde(deserialize_with = "null_is_default")]
    pub user: String,
    #[serde(deserialize_with = "null_is_default")]
    pub role: String,
}

/// A sysctl.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Sysctl {
    /// Its name.
    #[serde(deserialize_with = "null_is_default")]
    pub name: String,
}

/// Windows options.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WindowsOptions {
    /// Runs as a host process.
    pub host_process: Option<bool>,
}

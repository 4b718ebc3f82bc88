//! Volumes of pods.

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{list, null_is_default};

/// A volume: its name and what kind it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// Where its content comes from.
    pub source: VolumeKind,
    /// Path of a hostPath volume.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host_path: String,
    /// Secrets that it shows, `projected` ones too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// A projected service account token.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub token: bool,
    /// The token is for others than the API server, which refuses it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub other_audience: bool,
}

/// The field that names a volume's source (`hostPath`, `configMap`, ...); empty when it has none.
///
/// A field that the API does not have is dropped by it (k8s.io/api 0.37 core/v1, `VolumeSource`), so it is no source. The API
/// refuses more than one; where a manifest has several, hostPath counts before all others, else the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct VolumeKind(&'static str);

/// Every source of `VolumeSource`.
const SOURCES: [&str; 30] = [
    "hostPath",
    "emptyDir",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "gitRepo",
    "secret",
    "nfs",
    "iscsi",
    "glusterfs",
    "persistentVolumeClaim",
    "rbd",
    "flexVolume",
    "cinder",
    "cephfs",
    "flocker",
    "downwardAPI",
    "fc",
    "azureFile",
    "configMap",
    "vsphereVolume",
    "quobyte",
    "azureDisk",
    "photonPersistentDisk",
    "projected",
    "portworxVolume",
    "scaleIO",
    "storageos",
    "csi",
    "ephemeral",
    "image",
];

impl VolumeKind {
    /// The source of this name; none for any other.
    pub fn named(name: &str) -> Self {
        Self(SOURCES.into_iter().find(|known| *known == name).unwrap_or_default())
    }

    /// As the API spells it.
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    fn or(self, other: &str) -> Self {
        if self.0.is_empty() || other == "hostPath" { Self::named(other) } else { self }
    }
}

impl PartialEq<&str> for VolumeKind {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl Serialize for VolumeKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

/// A reference to a secret.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct RawRef {
    #[serde(deserialize_with = "null_is_default")]
    pub name: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawHostPath {
    #[serde(deserialize_with = "null_is_default")]
    path: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawSecret {
    #[serde(deserialize_with = "null_is_default")]
    secret_name: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawProjected {
    #[serde(deserialize_with = "list")]
    sources: Vec<RawProjectedSource>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawProjectedSource {
    secret: Option<RawRef>,
    service_account_token: Option<RawToken>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawToken {
    #[serde(deserialize_with = "null_is_default")]
    audience: String,
}

impl RawToken {
    /// True for an audience that no API server has: theirs are issuers, which are https URLs unless `--api-audiences` says otherwise.
    fn is_for_others(&self) -> bool {
        !self.audience.is_empty() && !self.audience.starts_with("https://")
    }
}

impl<'de> Deserialize<'de> for Volume {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Volume;
            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("a volume")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Volume, A::Error> {
                let mut volume = Volume::default();
                while let Some(key) = access.next_key::<String>()? {
                    match key.as_str() {
                        "name" => volume.name = access.next_value::<Option<_>>()?.unwrap_or_default(),
                        // the form of evidence files
                        "source" => {
                            let name = access.next_value::<Option<String>>()?.unwrap_or_default();
                            volume.source = VolumeKind::named(&name);
                        }
                        "host_path" => volume.host_path = access.next_value::<Option<_>>()?.unwrap_or_default(),
                        "secrets" => volume.secrets = access.next_value::<Option<_>>()?.unwrap_or_default(),
                        "token" => volume.token = access.next_value::<Option<_>>()?.unwrap_or_default(),
                        "other_audience" => {
                            volume.other_audience = access.next_value::<Option<_>>()?.unwrap_or_default();
                        }
                        "hostPath" => {
                            if let Some(path) = access.next_value::<Option<RawHostPath>>()? {
                                volume.source = volume.source.or("hostPath");
                                volume.host_path = path.path;
                            }
                        }
                        "secret" => {
                            if let Some(secret) = access.next_value::<Option<RawSecret>>()? {
                                volume.source = volume.source.or("secret");
                                volume.secrets.push(secret.secret_name);
                            }
                        }
                        "projected" => {
                            if let Some(projected) = access.next_value::<Option<RawProjected>>()? {
                                volume.source = volume.source.or("projected");
                                let tokens = || {
                                    projected.sources.iter().filter_map(|source| source.service_account_token.as_ref())
                                };
                                volume.token |= tokens().next().is_some();
                                volume.other_audience = volume.token && tokens().all(RawToken::is_for_others);
                                let secrets = projected.sources.into_iter().filter_map(|source| source.secret);
                                volume.secrets.extend(secrets.map(|secret| secret.name));
                            }
                        }
                        other => {
                            if access.next_value::<Option<IgnoredAny>>()?.is_some() {
                                volume.source = volume.source.or(other);
                            }
                        }
                    }
                }
                Ok(volume)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}
